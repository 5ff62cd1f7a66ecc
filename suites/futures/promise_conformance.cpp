// std::promise and its shared state: who may take the future, what is stored, and what is refused.
#include <stdexcept>
#include <thread>

#include "futures/future_worker.h"

namespace gauntlet {
namespace {

using std::future_errc;

GAUNTLET_CASE(FuturesConformance, PromiseGetFuture_SecondTime_IsAlreadyRetrieved,
              .clause = "ISO C++20 [futures.promise] get_future (future_already_retrieved)") {
  in_worker(context, [](Worker& worker) {
    std::promise<int> promise;
    const auto future = promise.get_future();
    throws(worker, future_errc::future_already_retrieved, [&] { return promise.get_future(); });
  });
}

GAUNTLET_CASE(FuturesConformance, PromiseMovedFrom_EveryCall_HasNoState,
              .clause = "ISO C++20 [futures.promise] get_future, set_value (no_state)") {
  in_worker(context, [](Worker& worker) {
    std::promise<int> promise;
    std::promise<int> other = std::move(promise);
    throws(worker, future_errc::no_state, [&] { return promise.get_future(); });
    throws(worker, future_errc::no_state, [&] { promise.set_value(1); });
    throws(worker, future_errc::no_state,
           [&] { promise.set_exception(std::make_exception_ptr(1)); });
    other.set_value(2);
    worker.expect(other.get_future().get() == 2, "the state did not move along");
  });
}

GAUNTLET_CASE(FuturesConformance, PromiseSetTwice_InEveryWay_IsAlreadySatisfied,
              .clause = "ISO C++20 [futures.promise] set_value (promise_already_satisfied)") {
  in_worker(context, [](Worker& worker) {
    for (const bool fails : {false, true}) {
      std::promise<int> promise;
      auto future = promise.get_future();
      fails ? promise.set_exception(std::make_exception_ptr(7)) : promise.set_value(7);
      throws(worker, future_errc::promise_already_satisfied, [&] { promise.set_value(8); });
      throws(worker, future_errc::promise_already_satisfied,
             [&] { promise.set_exception(std::make_exception_ptr(8)); });
      throws(worker, future_errc::promise_already_satisfied,
             [&] { promise.set_value_at_thread_exit(8); });
      int told = 0;
      try {
        told = future.get();
      } catch (int error) {
        told = error;
      }
      worker.expect(told == 7, "told " + std::to_string(told));
    }
  });
}

GAUNTLET_CASE(FuturesConformance, PromiseDestroyedUnset_FutureIsBroken,
              .clause = "ISO C++20 [futures.state] abandon (broken_promise)") {
  in_worker(context, [](Worker& worker) {
    std::future<int> future;
    {
      std::promise<int> promise;
      future = promise.get_future();
      worker.expect(!is_ready(future), "ready before anything happened");
    }
    worker.expect(is_ready(future), "abandoned and not ready");
    throws(worker, future_errc::broken_promise, [&] { return future.get(); });
  });
}

// Assigning over a promise abandons the state that it had.
GAUNTLET_CASE(FuturesConformance, PromiseAssignedOver_FutureOfTheOldStateIsBroken,
              .clause = "ISO C++20 [futures.promise] operator= (abandons any shared state)") {
  in_worker(context, [](Worker& worker) {
    std::promise<int> promise;
    auto future = promise.get_future();
    promise = std::promise<int>();
    throws(worker, future_errc::broken_promise, [&] { return future.get(); });
    promise.set_value(1);
    worker.expect(promise.get_future().get() == 1, "the new state does not work");
  });
}

// The exception that get() throws is the one that was set: its type, its text, the same object.
GAUNTLET_CASE(FuturesConformance, PromiseSetException_GetThrowsIt,
              .clause = "ISO C++20 [futures.unique.future] get (throws the stored exception)") {
  in_worker(context, [](Worker& worker) {
    std::promise<int> promise;
    std::shared_future<int> future = promise.get_future().share();
    std::thread([&] {
      promise.set_exception(std::make_exception_ptr(std::out_of_range("the ninth of eight")));
    }).join();
    for (int time = 0; time < 2; ++time) {
      try {
        static_cast<void>(future.get());
        worker.expect(false, "get() returned");
      } catch (const std::out_of_range& error) {
        worker.expect(error.what() == std::string("the ninth of eight"), error.what());
      }
    }
  });
}

// It is stored at once and ready only when the thread has ended, its thread-local objects included.
GAUNTLET_CASE(FuturesConformance, PromiseSetValueAtThreadExit_ReadyAfterThreadLocalsAreGone,
              .clause = "ISO C++20 [futures.promise] set_value_at_thread_exit") {
  in_worker(context, [](Worker& worker) {
    static std::atomic<bool> local_gone{false};
    struct Local {
      ~Local() { local_gone = true; }
    };
    std::promise<int> promise;
    auto future = promise.get_future();
    std::atomic<bool> stored{false};
    std::atomic<bool> end{false};
    std::thread thread([&] {
      static thread_local Local local;
      static_cast<void>(&local);
      promise.set_value_at_thread_exit(5);
      stored = true;
      while (!end) std::this_thread::yield();
    });
    while (!stored) std::this_thread::yield();
    worker.expect(!is_ready(future), "ready while the thread still runs");
    throws(worker, future_errc::promise_already_satisfied, [&] { promise.set_value(6); });
    end = true;
    worker.expect(future.get() == 5, "another value");
    worker.expect(local_gone, "ready before the thread's objects were destroyed");
    thread.join();
  });
}

GAUNTLET_CASE(FuturesConformance, FutureGet_LeavesItInvalid,
              .clause = "ISO C++20 [futures.unique.future] get (valid() == false)") {
  in_worker(context, [](Worker& worker) {
    std::promise<int> promise;
    auto future = promise.get_future();
    promise.set_value(1);
    worker.expect(future.valid(), "not valid before get()");
    worker.expect(future.get() == 1, "another value");
    worker.expect(!future.valid(), "still valid after get()");
    worker.expect(!std::future<int>().valid(), "valid without a state");
  });
}

GAUNTLET_CASE(FuturesConformance, FutureShare_MovesTheState,
              .clause = "ISO C++20 [futures.unique.future] share (valid() == false)") {
  in_worker(context, [](Worker& worker) {
    std::promise<int> promise;
    auto future = promise.get_future();
    const std::shared_future<int> shared = future.share();
    worker.expect(!future.valid(), "the future still has its state");
    const std::shared_future<int> copy = shared;
    promise.set_value(9);
    for (int time = 0; time < 2; ++time) {
      worker.expect(shared.valid() && shared.get() == 9, "the original");
      worker.expect(copy.valid() && copy.get() == 9, "the copy");
    }
    worker.expect(&shared.get() == &copy.get(), "copies of the value instead of one value");
  });
}

// A reference is transported as a reference, and void as nothing but the fact.
GAUNTLET_CASE(FuturesConformance, PromiseOfReferenceAndVoid_TransportThem,
              .clause = "ISO C++20 [futures.promise] promise<R&>, promise<void>") {
  in_worker(context, [](Worker& worker) {
    int object = 1;
    std::promise<int&> reference;
    auto told = reference.get_future();
    reference.set_value(object);
    worker.expect(&told.get() == &object, "another object");
    std::promise<void> nothing;
    auto fact = nothing.get_future();
    worker.expect(!is_ready(fact), "ready before the set");
    nothing.set_value();
    fact.get();
  });
}

}  // namespace
}  // namespace gauntlet
