// What pthread condition variables promise between processes.
#include <gmock/gmock.h>
#include <pthread.h>

#include <chrono>
#include <memory>

#include "base/limits.h"
#include "cases/context.h"
#include "semaphores/shared_locks.h"
#include "semaphores/shared_mutex.h"
#include "semaphores/sleepers.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

constexpr timespec kLongAgo = {1, 0};
constexpr timespec kNoTimes[] = {{1, 1'000'000'000}, {1, -1}};

/// A mutex, a condition variable and the predicate that they are about.
struct Monitor {
  SharedMutex mutex;
  SharedCondition condition;
  Shared<int> tokens;

  void put(int count) {
    ::pthread_mutex_lock(mutex.get());
    *tokens += count;
    ::pthread_mutex_unlock(mutex.get());
  }
  /// Waits for a token as every book says: in a loop. Answers the first error.
  int take() {
    int error = ::pthread_mutex_lock(mutex.get());
    while (error == 0 && *tokens == 0) {
      error = ::pthread_cond_wait(condition.get(), mutex.get());
    }
    if (error == 0) --*tokens;
    ::pthread_mutex_unlock(mutex.get());
    return error;
  }
};

std::unique_ptr<Monitor> make_monitor(CaseContext& context, clockid_t clock = CLOCK_REALTIME,
                                      const MutexShape& shape = {}) {
  auto mutex = SharedMutex::create(shape);
  auto condition = make_condition(clock);
  if (mutex && condition) {
    return std::make_unique<Monitor>(Monitor{std::move(*mutex), std::move(*condition), {}});
  }
  context.not_created(mutex ? condition.error() : mutex.error());
  return nullptr;
}

/// Children that wait for a token each, all asleep.
Sleepers takers(CaseContext& context, Monitor& monitor, std::uint64_t count) {
  return sleepers(context, count, [&] { return monitor.take(); });
}

// Who waits has given the mutex back, at once with falling asleep, and has it again afterwards.
GAUNTLET_CASE(SemaphoresConformance, CondWait_Asleep_HasUnlockedTheMutexAndLocksItAgain,
              .clause = "POSIX.1-2024 pthread_cond_wait() DESCRIPTION (atomically release mutex)") {
  const auto monitor = make_monitor(context);
  if (!monitor) return;
  const Shared<int> held_after;
  ChildCall waiter(context, [&]() -> long {
    ::pthread_mutex_lock(monitor->mutex.get());
    int error = 0;
    while (error == 0 && *monitor->tokens == 0) {
      error = ::pthread_cond_wait(monitor->condition.get(), monitor->mutex.get());
    }
    *held_after = ::pthread_mutex_trylock(monitor->mutex.get());
    return error;
  });
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_THAT(::pthread_mutex_trylock(monitor->mutex.get()), ReturnsErrno(0)) << "it is with none";
  *monitor->tokens = 1;
  ASSERT_THAT(::pthread_cond_signal(monitor->condition.get()), ReturnsErrno(0));
  EXPECT_TRUE(waiter.is_asleep()) << "it must wait for the mutex";
  ASSERT_THAT(::pthread_mutex_unlock(monitor->mutex.get()), ReturnsErrno(0));
  EXPECT_THAT(waiter.finish(), ReturnsErrno(0));
  EXPECT_EQ(*held_after, EBUSY) << "it came back without the mutex";
}

// A signal is for who waits now; nothing of it is kept for who comes later.
GAUNTLET_CASE(SemaphoresConformance, CondSignal_NobodyWaiting_HasNoEffect,
              .clause = "POSIX.1-2024 pthread_cond_signal() DESCRIPTION (no effect)") {
  const auto monitor = make_monitor(context);
  if (!monitor) return;
  ASSERT_THAT(::pthread_cond_signal(monitor->condition.get()), ReturnsErrno(0));
  ASSERT_THAT(::pthread_cond_broadcast(monitor->condition.get()), ReturnsErrno(0));
  ChildCall waiter(context, [&] { return monitor->take(); });
  EXPECT_TRUE(waiter.is_asleep());
  monitor->put(1);
  ASSERT_THAT(::pthread_cond_signal(monitor->condition.get()), ReturnsErrno(0));
  EXPECT_THAT(waiter.finish(), ReturnsErrno(0));
}

// With tokens for all, as many signals as waiters bring each one through.
GAUNTLET_CASE(SemaphoresConformance, CondSignal_OncePerWaiter_WakesThemAll,
              .clause = "POSIX.1-2024 pthread_cond_signal() DESCRIPTION (at least one)") {
  const auto monitor = make_monitor(context);
  if (!monitor) return;
  const auto waiters = takers(context, *monitor, 3);
  monitor->put(3);
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    ASSERT_THAT(::pthread_cond_signal(monitor->condition.get()), ReturnsErrno(0));
  }
  for (const auto& waiter : waiters) EXPECT_THAT(waiter->finish(), ReturnsErrno(0));
  EXPECT_EQ(*monitor->tokens, 0);
}

GAUNTLET_CASE(SemaphoresConformance, CondBroadcast_SeveralWaiting_WakesThemAll,
              .clause = "POSIX.1-2024 pthread_cond_broadcast() DESCRIPTION") {
  const auto monitor = make_monitor(context);
  if (!monitor) return;
  const auto waiters = takers(context, *monitor, 4);
  monitor->put(4);
  ASSERT_THAT(::pthread_cond_broadcast(monitor->condition.get()), ReturnsErrno(0));
  for (const auto& waiter : waiters) EXPECT_THAT(waiter->finish(), ReturnsErrno(0));
  EXPECT_EQ(*monitor->tokens, 0);
}

using TimedWait = int (*)(pthread_cond_t*, pthread_mutex_t*, Deadline);

int timed_on_realtime(pthread_cond_t* condition, pthread_mutex_t* mutex, Deadline deadline) {
  const timespec until = deadline.on_realtime();
  return ::pthread_cond_timedwait(condition, mutex, &until);
}
int timed_on_monotonic(pthread_cond_t* condition, pthread_mutex_t* mutex, Deadline deadline) {
  const timespec until = deadline.on_monotonic();
  return ::pthread_cond_timedwait(condition, mutex, &until);
}
int clocked_on_monotonic(pthread_cond_t* condition, pthread_mutex_t* mutex, Deadline deadline) {
  const timespec until = deadline.on_monotonic();
  return ::pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &until);
}

/// Nobody signals: the wait ends at its deadline, not before, and with the mutex locked.
void expect_times_out(CaseContext& context, clockid_t clock, TimedWait timed) {
  const auto monitor = make_monitor(context, clock, {.type = PTHREAD_MUTEX_ERRORCHECK});
  if (!monitor) return;
  const Deadline deadline = Deadline::after(kShortWait);
  const std::int64_t start_ns = monotonic_ns();
  ASSERT_THAT(::pthread_mutex_lock(monitor->mutex.get()), ReturnsErrno(0));
  int error = 0;
  while (error == 0) error = timed(monitor->condition.get(), monitor->mutex.get(), deadline);
  EXPECT_EQ(error, ETIMEDOUT) << errno_name(error);
  EXPECT_GE(std::chrono::nanoseconds(monotonic_ns() - start_ns),
            kShortWait - 2 * kEarlyWakeTolerance);
  EXPECT_THAT(::pthread_mutex_unlock(monitor->mutex.get()), ReturnsErrno(0))
      << "the mutex was not locked again";
}

GAUNTLET_CASE(SemaphoresConformance, CondTimedwait_NobodySignals_ReturnsEtimedoutWithTheMutex,
              .clause = "POSIX.1-2024 pthread_cond_timedwait() ERRORS [ETIMEDOUT]") {
  expect_times_out(context, CLOCK_REALTIME, timed_on_realtime);
}

GAUNTLET_CASE(SemaphoresConformance, CondTimedwait_MonotonicClockAttribute_IsTheClockOfTheDeadline,
              .clause = "POSIX.1-2024 pthread_condattr_setclock(), pthread_cond_timedwait()") {
  expect_times_out(context, CLOCK_MONOTONIC, timed_on_monotonic);
}

GAUNTLET_CASE(SemaphoresConformance, CondClockwait_MonotonicDeadline_ReturnsEtimedoutWithTheMutex,
              .clause = "POSIX.1-2024 pthread_cond_clockwait() ERRORS [ETIMEDOUT]") {
  expect_times_out(context, CLOCK_REALTIME, clocked_on_monotonic);
}

GAUNTLET_CASE(SemaphoresConformance, CondTimedwait_NanosecondsOutOfRange_ReturnsEinval,
              .clause = "POSIX.1-2024 pthread_cond_timedwait() ERRORS [EINVAL]") {
  const auto monitor = make_monitor(context, CLOCK_REALTIME, {.type = PTHREAD_MUTEX_ERRORCHECK});
  if (!monitor) return;
  ASSERT_THAT(::pthread_mutex_lock(monitor->mutex.get()), ReturnsErrno(0));
  for (const timespec& no_time : kNoTimes) {
    EXPECT_THAT(::pthread_cond_timedwait(monitor->condition.get(), monitor->mutex.get(), &no_time),
                ReturnsErrno(EINVAL))
        << no_time.tv_nsec << " ns";
  }
  EXPECT_THAT(::pthread_mutex_unlock(monitor->mutex.get()), ReturnsErrno(0)) << "it was let go";
}

GAUNTLET_CASE(SemaphoresConformance, CondClockwait_OtherClock_ReturnsEinval,
              .clause = "POSIX.1-2024 pthread_cond_clockwait() ERRORS [EINVAL] (clock_id)") {
  const auto monitor = make_monitor(context);
  if (!monitor) return;
  ASSERT_THAT(::pthread_mutex_lock(monitor->mutex.get()), ReturnsErrno(0));
  EXPECT_THAT(::pthread_cond_clockwait(monitor->condition.get(), monitor->mutex.get(),
                                       CLOCK_PROCESS_CPUTIME_ID, &kLongAgo),
              ReturnsErrno(EINVAL));
}

// A caller that does not hold the mutex is told so by a mutex that knows.
GAUNTLET_CASE(SemaphoresConformance, CondWait_MutexNotHeldByTheCaller_ReturnsEperm,
              .clause = "POSIX.1-2024 pthread_cond_wait() ERRORS [EPERM]") {
  const MutexShape kinds[] = {{.type = PTHREAD_MUTEX_ERRORCHECK},
                              {.robustness = PTHREAD_MUTEX_ROBUST}};
  for (const MutexShape& kind : kinds) {
    const auto monitor = make_monitor(context, CLOCK_REALTIME, kind);
    if (!monitor) return;
    EXPECT_THAT(::pthread_cond_timedwait(monitor->condition.get(), monitor->mutex.get(), &kLongAgo),
                ReturnsErrno(EPERM));
  }
}

// A handler may wake it for no reason, but never with EINTR, and it waits on for its predicate.
GAUNTLET_CASE(SemaphoresConformance, CondWait_InterruptedByAHandler_DoesNotReturnEintr,
              .clause = "POSIX.1-2024 pthread_cond_wait() (shall not return [EINTR])") {
  const auto monitor = make_monitor(context);
  if (!monitor) return;
  ChildCall waiter(context, [&] { return monitor->take(); });
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_TRUE(waiter.signal_and_await_handler());
  ASSERT_TRUE(waiter.is_asleep());
  monitor->put(1);
  ASSERT_THAT(::pthread_cond_signal(monitor->condition.get()), ReturnsErrno(0));
  EXPECT_THAT(waiter.finish(), ReturnsErrno(0));
}

GAUNTLET_CASE(SemaphoresConformance, CondattrInit_Fresh_HasTheDefaultsAndRefusesUnknownValues,
              .clause =
                  "POSIX.1-2024 pthread_condattr_getpshared(), _getclock() (default values), "
                  "_setpshared(), _setclock() ERRORS [EINVAL]") {
  pthread_condattr_t attributes;
  ASSERT_THAT(::pthread_condattr_init(&attributes), ReturnsErrno(0));
  EXPECT_THAT(::pthread_condattr_setpshared(&attributes, 4711), ReturnsErrno(EINVAL));
  EXPECT_THAT(::pthread_condattr_setclock(&attributes, CLOCK_PROCESS_CPUTIME_ID),
              ReturnsErrno(EINVAL));
  int shared = -1;
  clockid_t clock = -1;
  ASSERT_THAT(::pthread_condattr_getpshared(&attributes, &shared), ReturnsErrno(0));
  ASSERT_THAT(::pthread_condattr_getclock(&attributes, &clock), ReturnsErrno(0));
  EXPECT_EQ(shared, PTHREAD_PROCESS_PRIVATE);
  EXPECT_EQ(clock, CLOCK_REALTIME);
  ::pthread_condattr_destroy(&attributes);
}

// The mutex is locked again after the wait, and its owner may have died meanwhile: told as by lock.
GAUNTLET_CASE(SemaphoresCrashes, CondWait_RobustMutexOwnerKilledMeanwhile_ReturnsEownerdead,
              .clause = "POSIX.1-2024 pthread_cond_wait() ERRORS [EOWNERDEAD]") {
  const auto monitor = make_monitor(context, CLOCK_REALTIME, {.robustness = PTHREAD_MUTEX_ROBUST});
  const auto never = make_monitor(context);
  if (!monitor || !never) return;
  ChildCall waiter(context, [&] { return monitor->take(); });
  ASSERT_TRUE(waiter.is_asleep());
  ChildCall owner(context, [&]() -> long {
    ::pthread_mutex_lock(monitor->mutex.get());
    ::pthread_cond_signal(monitor->condition.get());
    return never->take();  // sleeps with the mutex
  });
  ASSERT_TRUE(owner.is_asleep());
  EXPECT_TRUE(owner.kill());
  EXPECT_THAT(waiter.finish(), ReturnsErrno(EOWNERDEAD));
}

// A waiter that is killed has not got the mutex, and the others are woken as before.
GAUNTLET_CASE(SemaphoresCrashes, CondBroadcast_OneWaiterWasKilled_WakesTheOthers,
              .clause = "POSIX.1-2024 pthread_cond_broadcast() DESCRIPTION") {
  const auto monitor = make_monitor(context);
  if (!monitor) return;
  const auto waiters = takers(context, *monitor, 3);
  EXPECT_TRUE(waiters[0]->kill());
  monitor->put(2);
  ASSERT_THAT(::pthread_cond_broadcast(monitor->condition.get()), ReturnsErrno(0));
  EXPECT_THAT(waiters[1]->finish(), ReturnsErrno(0));
  EXPECT_THAT(waiters[2]->finish(), ReturnsErrno(0));
}

}  // namespace
}  // namespace gauntlet
