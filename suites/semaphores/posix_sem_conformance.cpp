// What sem_init(), sem_wait() and its timed forms, sem_post() and sem_getvalue() promise.
#include <gmock/gmock.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include "base/limits.h"
#include "cases/context.h"
#include "semaphores/posix_semaphore.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/pipe_to_body.h"

namespace gauntlet {
namespace {

using testing::AnyOf;

/// A deadline that lies behind us on every clock and is still a valid time.
constexpr timespec kLongAgo = {1, 0};
/// Times that no clock can show.
constexpr timespec kNoTimes[] = {{1, 1'000'000'000}, {1, -1}};

GAUNTLET_CASE(SemaphoresConformance, SemInit_AtSemValueMax_HasThatValue,
              .clause = "POSIX.1-2024 sem_init(); <limits.h> SEM_VALUE_MAX") {
  const auto semaphore = UnnamedSemaphore::create(SEM_VALUE_MAX);
  if (!semaphore) return context.not_created(semaphore.error());
  EXPECT_EQ(semaphore->value(), SEM_VALUE_MAX);
  EXPECT_GE(SEM_VALUE_MAX, _POSIX_SEM_VALUE_MAX);
}

GAUNTLET_CASE(SemaphoresConformance, SemInit_ValueAboveSemValueMax_FailsWithEinval,
              .clause = "POSIX.1-2024 sem_init() ERRORS [EINVAL]") {
  const Shared<sem_t> semaphore;
  for (const int shared : {0, 1}) {
    EXPECT_THAT(::sem_init(&*semaphore, shared, static_cast<unsigned>(SEM_VALUE_MAX) + 1),
                SyscallFailsWithErrno(EINVAL));
  }
}

GAUNTLET_CASE(SemaphoresConformance, SemTrywait_Zero_FailsWithEagain,
              .clause = "POSIX.1-2024 sem_trywait() ERRORS [EAGAIN]") {
  const auto semaphore = UnnamedSemaphore::create(1);
  if (!semaphore) return context.not_created(semaphore.error());
  EXPECT_THAT(::sem_trywait(semaphore->get()), SyscallSucceeds());
  EXPECT_THAT(::sem_trywait(semaphore->get()), SyscallFailsWithErrno(EAGAIN));
  EXPECT_EQ(semaphore->value(), 0);
}

GAUNTLET_CASE(SemaphoresConformance, SemWait_Zero_SleepsUntilAPostOfAnotherProcess,
              .clause = "POSIX.1-2024 sem_wait(), sem_post() DESCRIPTION") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  ChildCall waiter(context, [&] { return ::sem_wait(semaphore->get()); });
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_THAT(::sem_post(semaphore->get()), SyscallSucceeds());
  EXPECT_THAT(waiter.finish(), SyscallSucceeds());
  EXPECT_EQ(semaphore->value(), 0) << "the unit was taken";
}

// POSIX leaves open whether the waiters show as a negative number; Linux and glibc answer zero.
GAUNTLET_CASE(SemaphoresConformance, SemGetvalue_WithAWaiter_IsNotPositive,
              .clause = "POSIX.1-2024 sem_getvalue() DESCRIPTION; sem_getvalue(3)") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  ChildCall waiter(context, [&] { return ::sem_wait(semaphore->get()); });
  ASSERT_TRUE(waiter.is_asleep());
  EXPECT_THAT(semaphore->value(), AnyOf(0, -1));
  context.observed("value_with_one_waiter", std::to_string(semaphore->value()));
  ASSERT_THAT(::sem_post(semaphore->get()), SyscallSucceeds());
  EXPECT_THAT(waiter.finish(), SyscallSucceeds());
}

// A handler without SA_RESTART ends the waiting, and no unit is lost over it.
GAUNTLET_CASE(SemaphoresConformance, SemWait_InterruptedByAHandler_FailsWithEintrAndTakesNothing,
              .clause = "POSIX.1-2024 sem_wait() ERRORS [EINTR]; signal(7)") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  ChildCall waiter(context, [&] { return ::sem_wait(semaphore->get()); });
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_TRUE(waiter.signal_and_await_handler());
  EXPECT_THAT(waiter.finish(), SyscallFailsWithErrno(EINTR));
  ASSERT_THAT(::sem_post(semaphore->get()), SyscallSucceeds());
  EXPECT_EQ(semaphore->value(), 1);
}

GAUNTLET_CASE(SemaphoresConformance, SemWait_InterruptedByARestartingHandler_GoesOnWaiting,
              .clause = "signal(7) (sem_wait restarts with SA_RESTART); POSIX.1-2024 sigaction()") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  ChildCall waiter(
      context, [&] { return ::sem_wait(semaphore->get()); }, OnSignal::restart);
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_TRUE(waiter.signal_and_await_handler());
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_THAT(::sem_post(semaphore->get()), SyscallSucceeds());
  EXPECT_THAT(waiter.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, SemTimedwait_ZeroAtTheDeadline_FailsWithEtimedoutNotEarly,
              .clause = "POSIX.1-2024 sem_timedwait() ERRORS [ETIMEDOUT]") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  const std::int64_t start_ns = monotonic_ns();
  ChildCall waiter(context, [&] {
    const timespec until = Deadline::after(kShortWait).on_realtime();
    return ::sem_timedwait(semaphore->get(), &until);
  });
  EXPECT_THAT(waiter.finish(), SyscallFailsWithErrno(ETIMEDOUT));
  EXPECT_GE(std::chrono::nanoseconds(monotonic_ns() - start_ns), kShortWait - kEarlyWakeTolerance);
  ASSERT_THAT(::sem_post(semaphore->get()), SyscallSucceeds());
  EXPECT_EQ(semaphore->value(), 1) << "the timed out call took a unit after all";
}

GAUNTLET_CASE(SemaphoresConformance, SemTimedwait_DeadlinePassedButUnitThere_TakesIt,
              .clause = "POSIX.1-2024 sem_timedwait() DESCRIPTION (can be locked immediately)") {
  const auto semaphore = UnnamedSemaphore::create(1);
  if (!semaphore) return context.not_created(semaphore.error());
  EXPECT_THAT(::sem_timedwait(semaphore->get(), &kLongAgo), SyscallSucceeds());
  EXPECT_THAT(::sem_timedwait(semaphore->get(), &kLongAgo), SyscallFailsWithErrno(ETIMEDOUT));
}

GAUNTLET_CASE(SemaphoresConformance, SemTimedwait_ZeroAndNanosecondsOutOfRange_FailsWithEinval,
              .clause = "POSIX.1-2024 sem_timedwait() ERRORS [EINVAL]") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  for (const timespec& no_time : kNoTimes) {
    EXPECT_THAT(::sem_timedwait(semaphore->get(), &no_time), SyscallFailsWithErrno(EINVAL))
        << no_time.tv_nsec << " ns";
  }
}

GAUNTLET_CASE(SemaphoresConformance, SemTimedwait_UnitComesInTime_TakesIt,
              .clause = "POSIX.1-2024 sem_timedwait() DESCRIPTION") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  ChildCall waiter(context, [&] {
    const timespec until = Deadline::never().on_realtime();
    return ::sem_timedwait(semaphore->get(), &until);
  });
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_THAT(::sem_post(semaphore->get()), SyscallSucceeds());
  EXPECT_THAT(waiter.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, SemTimedwait_InterruptedByAHandler_FailsWithEintr,
              .clause = "POSIX.1-2024 sem_timedwait() ERRORS [EINTR]") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  ChildCall waiter(context, [&] {
    const timespec until = Deadline::never().on_realtime();
    return ::sem_timedwait(semaphore->get(), &until);
  });
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_TRUE(waiter.signal_and_await_handler());
  EXPECT_THAT(waiter.finish(), SyscallFailsWithErrno(EINTR));
}

// The clock is chosen: a deadline on the monotonic clock is kept by that clock.
GAUNTLET_CASE(SemaphoresConformance, SemClockwait_MonotonicDeadline_FailsWithEtimedoutNotEarly,
              .clause = "POSIX.1-2024 sem_clockwait() ERRORS [ETIMEDOUT]") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  const std::int64_t start_ns = monotonic_ns();
  ChildCall waiter(context, [&] {
    const timespec until = Deadline::after(kShortWait).on_monotonic();
    return ::sem_clockwait(semaphore->get(), CLOCK_MONOTONIC, &until);
  });
  EXPECT_THAT(waiter.finish(), SyscallFailsWithErrno(ETIMEDOUT));
  EXPECT_GE(std::chrono::nanoseconds(monotonic_ns() - start_ns), kShortWait - kEarlyWakeTolerance);
}

GAUNTLET_CASE(SemaphoresConformance, SemClockwait_OtherClock_FailsWithEinval,
              .clause = "POSIX.1-2024 sem_clockwait() ERRORS [EINVAL] (clock_id)") {
  const auto semaphore = UnnamedSemaphore::create(1);
  if (!semaphore) return context.not_created(semaphore.error());
  EXPECT_THAT(::sem_clockwait(semaphore->get(), CLOCK_PROCESS_CPUTIME_ID, &kLongAgo),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_EQ(semaphore->value(), 1);
}

GAUNTLET_CASE(SemaphoresConformance, SemClockwait_ZeroAndNanosecondsOutOfRange_FailsWithEinval,
              .clause = "POSIX.1-2024 sem_clockwait() ERRORS [EINVAL] (abstime)") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  for (const timespec& no_time : kNoTimes) {
    EXPECT_THAT(::sem_clockwait(semaphore->get(), CLOCK_MONOTONIC, &no_time),
                SyscallFailsWithErrno(EINVAL))
        << no_time.tv_nsec << " ns";
  }
}

GAUNTLET_CASE(SemaphoresConformance, SemPost_AtSemValueMax_FailsWithEoverflowAndChangesNothing,
              .clause = "sem_post(3) ERRORS [EOVERFLOW]") {
  const auto semaphore = UnnamedSemaphore::create(SEM_VALUE_MAX);
  if (!semaphore) return context.not_created(semaphore.error());
  EXPECT_THAT(::sem_post(semaphore->get()), SyscallFailsWithErrno(EOVERFLOW));
  EXPECT_EQ(semaphore->value(), SEM_VALUE_MAX);
}

// One post, one waiter: the other sleeps on.
GAUNTLET_CASE(SemaphoresConformance, SemPost_TwoWaiting_WakesExactlyOne,
              .clause = "POSIX.1-2024 sem_post() DESCRIPTION (one of the threads blocked)") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  const auto ended = PipeToBody::create();
  if (!ended) return context.not_created(ended.error());
  const auto wait_and_tell = [&](char mark) -> long {
    return ::sem_wait(semaphore->get()) == 0 && ended->tell(mark) ? 0 : -1;
  };
  ChildCall first(context, [&] { return wait_and_tell('1'); });
  ChildCall second(context, [&] { return wait_and_tell('2'); });
  ASSERT_TRUE(first.is_asleep());
  ASSERT_TRUE(second.is_asleep());
  ASSERT_THAT(::sem_post(semaphore->get()), SyscallSucceeds());
  const char woken = ended->next(Deadline::after(kCallPatience));
  ASSERT_THAT(woken, AnyOf('1', '2'));
  ChildCall& other = woken == '1' ? second : first;
  EXPECT_TRUE(other.is_asleep());
  EXPECT_EQ(semaphore->value(), 0);
  ASSERT_THAT(::sem_post(semaphore->get()), SyscallSucceeds());
  EXPECT_THAT(first.finish(), SyscallSucceeds());
  EXPECT_THAT(second.finish(), SyscallSucceeds());
}

sem_t* posted_by_handler = nullptr;

// sem_post() is one of the few calls that a signal handler may make.
GAUNTLET_CASE(SemaphoresConformance, SemPost_FromASignalHandler_WakesAWaiter,
              .clause = "POSIX.1-2024 sem_post() APPLICATION USAGE; 2.4.3 Signal Actions") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  ChildCall waiter(context, [&] { return ::sem_wait(semaphore->get()); });
  ASSERT_TRUE(waiter.is_asleep());
  posted_by_handler = semaphore->get();
  struct sigaction action = {};
  action.sa_handler = [](int) { ::sem_post(posted_by_handler); };
  ASSERT_THAT(::sigaction(SIGUSR2, &action, nullptr), SyscallSucceeds());
  ASSERT_THAT(::raise(SIGUSR2), SyscallSucceeds());
  EXPECT_THAT(waiter.finish(), SyscallSucceeds());
}

}  // namespace
}  // namespace gauntlet
