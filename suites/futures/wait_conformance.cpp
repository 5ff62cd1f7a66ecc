// Waiting on futures, std::async and std::packaged_task.
#include <thread>

#include "base/deadline.h"
#include "futures/future_worker.h"

namespace gauntlet {
namespace {

using std::future_errc;
using std::future_status;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

GAUNTLET_CASE(
    FuturesConformance, FutureWaitFor_Unset_IsTimeoutNotEarly,
    .clause = "ISO C++20 [futures.unique.future] wait_for (timeout); [thread.req.timing]") {
  in_worker(context, [](Worker& worker) {
    std::promise<int> promise;
    const auto future = promise.get_future();
    const std::int64_t begun_ns = monotonic_ns();
    worker.expect(future.wait_for(kShortWait) == future_status::timeout, "not a timeout");
    worker.expect(nanoseconds(monotonic_ns() - begun_ns) >= kShortWait, "it came back early");
    worker.expect(future.wait_for(-kShortWait) == future_status::timeout, "a negative time");
  });
}

GAUNTLET_CASE(FuturesConformance, FutureWaitUntil_Unset_IsTimeoutNotEarly,
              .clause = "ISO C++20 [futures.unique.future] wait_until (timeout)") {
  in_worker(context, [](Worker& worker) {
    std::promise<int> promise;
    const auto future = promise.get_future();
    const auto then = steady_clock::now() + kShortWait;
    worker.expect(future.wait_until(then) == future_status::timeout, "steady: not a timeout");
    worker.expect(steady_clock::now() >= then, "steady: it came back early");
    const auto wall = std::chrono::system_clock::now() + kShortWait;
    worker.expect(future.wait_until(wall) == future_status::timeout, "system: not a timeout");
    worker.expect(std::chrono::system_clock::now() + kEarlyWakeTolerance >= wall,
                  "system: it came back early");
  });
}

GAUNTLET_CASE(FuturesConformance, FutureWait_Set_IsReadyWhateverTheTime,
              .clause = "ISO C++20 [futures.unique.future] wait_for, wait_until (ready)") {
  in_worker(context, [](Worker& worker) {
    std::promise<int> promise;
    const auto future = promise.get_future();
    promise.set_value(1);
    worker.expect(future.wait_for(nanoseconds(0)) == future_status::ready, "wait_for(0)");
    worker.expect(future.wait_for(std::chrono::hours(-1)) == future_status::ready,
                  "wait_for(-1 h)");
    worker.expect(future.wait_until(steady_clock::time_point()) == future_status::ready,
                  "wait_until(the epoch)");
    future.wait();
    worker.expect(future.valid(), "waiting used the future up");
  });
}

GAUNTLET_CASE(FuturesConformance, AsyncDeferred_WaitForSaysSoAndDoesNotRunIt,
              .clause = "ISO C++20 [futures.unique.future] wait_for (deferred); [futures.async]") {
  in_worker(context, [](Worker& worker) {
    std::atomic<int> runs{0};
    std::thread::id by;
    auto future = std::async(std::launch::deferred, [&] {
      by = std::this_thread::get_id();
      return ++runs;
    });
    worker.expect(future.wait_for(kShortWait) == future_status::deferred, "wait_for");
    worker.expect(future.wait_until(steady_clock::now()) == future_status::deferred, "wait_until");
    worker.expect(runs == 0, "a timed wait has run it");
    future.wait();
    worker.expect(runs == 1 && is_ready(future), "wait() has not run it");
    worker.expect(future.get() == 1 && runs == 1, "run twice");
    worker.expect(by == std::this_thread::get_id(), "run by another thread than the waiter");
  });
}

// Dropping the future of a deferred function drops the function.
GAUNTLET_CASE(FuturesConformance, AsyncDeferred_FutureDropped_IsNeverRun,
              .clause = "ISO C++20 [futures.async] (deferred: invoked by a waiting function)") {
  in_worker(context, [](Worker& worker) {
    std::atomic<int> runs{0};
    {
      const auto future = std::async(std::launch::deferred, [&] { return ++runs; });
    }
    worker.expect(runs == 0, "run though nobody waited");
  });
}

GAUNTLET_CASE(FuturesConformance, AsyncLaunchAsync_RunsInAThreadOfItsOwnThoughNobodyWaits,
              .clause = "ISO C++20 [futures.async] (launch::async: as if in a new thread)") {
  in_worker(context, [](Worker& worker) {
    std::promise<std::thread::id> told;
    auto id = told.get_future();
    auto future =
        std::async(std::launch::async, [&] { told.set_value(std::this_thread::get_id()); });
    worker.expect(id.get() != std::this_thread::get_id(), "run by the caller");
    future.get();
  });
}

// The destructor of the last future of std::async waits for the function; no other one does.
GAUNTLET_CASE(FuturesConformance, AsyncFutureDestroyed_WaitsForTheFunction,
              .clause =
                  "ISO C++20 [futures.async] (thread completion synchronizes with the "
                  "release of the shared state)") {
  in_worker(context, [](Worker& worker) {
    std::atomic<bool> over{false};
    std::promise<void> go;
    std::thread later;
    {
      auto future = std::async(std::launch::async, [&] {
        go.get_future().wait();
        over = true;
      });
      later = std::thread([&] {
        std::this_thread::sleep_for(kShortWait);
        go.set_value();
      });
    }
    worker.expect(over, "the destructor came back before the function");
    later.join();
  });
}

GAUNTLET_CASE(FuturesConformance, PromiseFutureDestroyed_DoesNotWait,
              .clause = "ISO C++20 [futures.state] (release: does not block unless from async)") {
  in_worker(context, [](Worker& worker) {
    std::promise<int> promise;
    { const auto future = promise.get_future(); }
    promise.set_value(1);  // comes here only when the destructor did not wait
    worker.expect(true, "");
  });
}

GAUNTLET_CASE(FuturesConformance, AsyncThrows_GetThrowsIt,
              .clause = "ISO C++20 [futures.async] (exception stored as the exceptional result)") {
  in_worker(context, [](Worker& worker) {
    for (const auto policy : {std::launch::async, std::launch::deferred}) {
      auto future = std::async(policy, []() -> int { throw 42; });
      int caught = 0;
      try {
        static_cast<void>(future.get());
      } catch (int error) {
        caught = error;
      }
      worker.expect(caught == 42, "not the exception that was thrown");
    }
  });
}

GAUNTLET_CASE(FuturesConformance, PackagedTask_CalledTwice_IsAlreadySatisfiedUntilReset,
              .clause = "ISO C++20 [futures.task.members] operator(), reset") {
  in_worker(context, [](Worker& worker) {
    int runs = 0;
    std::packaged_task<int()> task([&] { return ++runs; });
    auto first = task.get_future();
    throws(worker, future_errc::future_already_retrieved, [&] { return task.get_future(); });
    task();
    throws(worker, future_errc::promise_already_satisfied, [&] { task(); });
    worker.expect(runs == 1, "a refused call ran the function");
    task.reset();
    auto second = task.get_future();
    worker.expect(!is_ready(second), "ready after reset()");
    task();
    worker.expect(first.get() == 1 && second.get() == 2, "values of another call");
  });
}

GAUNTLET_CASE(FuturesConformance, PackagedTask_ResetOrDestroyedBeforeItsCall_BreaksTheFuture,
              .clause = "ISO C++20 [futures.task.members] reset, ~packaged_task (abandons)") {
  in_worker(context, [](Worker& worker) {
    std::future<int> future;
    std::future<int> other;
    {
      std::packaged_task<int()> task([] { return 1; });
      future = task.get_future();
      task.reset();
      throws(worker, future_errc::broken_promise, [&] { return future.get(); });
      other = task.get_future();
    }
    throws(worker, future_errc::broken_promise, [&] { return other.get(); });
  });
}

GAUNTLET_CASE(
    FuturesConformance, PackagedTask_WithoutAFunction_HasNoState,
    .clause = "ISO C++20 [futures.task.members] operator(), get_future, reset (no_state)") {
  in_worker(context, [](Worker& worker) {
    std::packaged_task<int()> task;
    worker.expect(!task.valid(), "valid without a function");
    throws(worker, future_errc::no_state, [&] { return task.get_future(); });
    throws(worker, future_errc::no_state, [&] { task(); });
    throws(worker, future_errc::no_state, [&] { task.reset(); });
  });
}

GAUNTLET_CASE(FuturesConformance, PackagedTask_MakeReadyAtThreadExit_IsReadyWhenTheThreadHasEnded,
              .clause = "ISO C++20 [futures.task.members] make_ready_at_thread_exit") {
  in_worker(context, [](Worker& worker) {
    std::packaged_task<int()> task([] { return 3; });
    auto future = task.get_future();
    std::atomic<bool> called{false};
    std::atomic<bool> end{false};
    std::thread thread([&] {
      task.make_ready_at_thread_exit();
      called = true;
      while (!end) std::this_thread::yield();
    });
    while (!called) std::this_thread::yield();
    worker.expect(!is_ready(future), "ready while the thread still runs");
    end = true;
    worker.expect(future.get() == 3, "another value");
    thread.join();
  });
}

GAUNTLET_CASE(FuturesConformance, FutureErrorCodes_AreOfTheFutureCategory,
              .clause = "ISO C++20 [futures.errors]") {
  in_worker(context, [](Worker& worker) {
    for (const auto code : {future_errc::broken_promise, future_errc::future_already_retrieved,
                            future_errc::promise_already_satisfied, future_errc::no_state}) {
      const std::error_code made = std::make_error_code(code);
      worker.expect(made.value() != 0, "a code of 0 would say success");
      worker.expect(made.category() == std::future_category(), "another category");
      worker.expect(std::future_error(code).code() == made, "another code in the exception");
    }
    worker.expect(std::string(std::future_category().name()) == "future", "another name");
  });
}

}  // namespace
}  // namespace gauntlet
