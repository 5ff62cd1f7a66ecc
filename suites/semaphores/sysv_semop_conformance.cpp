// What semop() and semtimedop() promise: all or nothing, waiting, undoing.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "base/limits.h"
#include "cases/context.h"
#include "semaphores/sysv_set.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/system_setting.h"

namespace gauntlet {
namespace {

int operate_until(int id, sembuf operation, timespec patience) {
  return ::semtimedop(id, &operation, 1, &patience);
}

GAUNTLET_CASE(SemaphoresConformance, Semop_NotEnoughNowait_FailsWithEagain,
              .clause = "POSIX.1-2024 semop() ERRORS [EAGAIN]") {
  const auto set = SysvSet::create({1});
  if (!set) return context.not_created(set.error());
  EXPECT_THAT(set->operate({{0, -2, IPC_NOWAIT}}), SyscallFailsWithErrno(EAGAIN));
  EXPECT_EQ(set->value(), 1);
  EXPECT_THAT(set->operate({{0, 0, IPC_NOWAIT}}), SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(set->operate({{0, -1, IPC_NOWAIT}}), SyscallSucceeds());
  EXPECT_THAT(set->operate({{0, 0, IPC_NOWAIT}}), SyscallSucceeds());
}

// An array is done as one or not at all: the first operation could, the last could not.
GAUNTLET_CASE(SemaphoresConformance, Semop_OneOfSeveralImpossible_ChangesNone,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (performed atomically); semop(2)") {
  const auto set = SysvSet::create({5, 5, 0});
  if (!set) return context.not_created(set.error());
  EXPECT_THAT(set->operate({{0, -3, 0}, {1, 4, 0}, {2, -1, IPC_NOWAIT}}),
              SyscallFailsWithErrno(EAGAIN));
  EXPECT_EQ(set->value(0), 5);
  EXPECT_EQ(set->value(1), 5);
  EXPECT_EQ(set->value(2), 0);
}

// The operations of an array are done in its order: take two, then wait for zero, is possible at
// two.
GAUNTLET_CASE(SemaphoresConformance, Semop_SameSemaphoreTwice_GoesInTheOrderOfTheArray,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (array order); semop(2)") {
  const auto set = SysvSet::create({2});
  if (!set) return context.not_created(set.error());
  EXPECT_THAT(set->operate({{0, 0, IPC_NOWAIT}, {0, -2, IPC_NOWAIT}}),
              SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(set->operate({{0, -2, IPC_NOWAIT}, {0, 0, IPC_NOWAIT}}), SyscallSucceeds());
  EXPECT_EQ(set->value(), 0);
}

GAUNTLET_CASE(SemaphoresConformance, Semop_MoreThanSemopmOperations_FailsWithE2big,
              .clause = "POSIX.1-2024 semop() ERRORS [E2BIG]; semop(2) SEMOPM") {
  const auto most = system_number("/proc/sys/kernel/sem", 2);
  if (!most) return context.unsupported("/proc/sys/kernel/sem", "nothing to read");
  if (*most > 100'000) return context.not_run("a SEMOPM of at most 100000", "lower kernel.sem");
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  std::vector<sembuf> operations(static_cast<std::size_t>(*most) + 1, sembuf{0, 0, IPC_NOWAIT});
  EXPECT_THAT(::semop(set->id(), operations.data(), operations.size()),
              SyscallFailsWithErrno(E2BIG));
  EXPECT_THAT(::semop(set->id(), operations.data(), operations.size() - 1), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, Semop_NumberOutsideTheSet_FailsWithEfbig,
              .clause = "POSIX.1-2024 semop() ERRORS [EFBIG]") {
  const auto set = SysvSet::create({1, 1});
  if (!set) return context.not_created(set.error());
  EXPECT_THAT(set->operate({{0, -1, IPC_NOWAIT}, {2, 1, IPC_NOWAIT}}),
              SyscallFailsWithErrno(EFBIG));
  EXPECT_EQ(set->value(0), 1);
}

GAUNTLET_CASE(SemaphoresConformance, Semop_UnknownIdOrNoOperation_FailsWithEinval,
              .clause = "POSIX.1-2024 semop() ERRORS [EINVAL]; semop(2)") {
  const auto set = SysvSet::create({1});
  if (!set) return context.not_created(set.error());
  sembuf operation = {0, 1, IPC_NOWAIT};
  EXPECT_THAT(::semop(-1, &operation, 1), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::semop(set->id(), &operation, 0), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SemaphoresConformance, Semop_ArrayOutsideMemory_FailsWithEfault,
              .clause = "semop(2) ERRORS [EFAULT]") {
  const auto set = SysvSet::create({1});
  if (!set) return context.not_created(set.error());
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const unmapped = ::mmap(nullptr, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(unmapped, MAP_FAILED);
  EXPECT_THAT(::semop(set->id(), static_cast<sembuf*>(unmapped), 1), SyscallFailsWithErrno(EFAULT));
  sembuf operation = {0, -1, IPC_NOWAIT};
  EXPECT_THAT(::semtimedop(set->id(), &operation, 1, static_cast<timespec*>(unmapped)),
              SyscallFailsWithErrno(EFAULT));
  EXPECT_EQ(set->value(), 1);
  ::munmap(unmapped, page);
}

GAUNTLET_CASE(SemaphoresConformance, Semop_AboveSemvmx_FailsWithErangeAndChangesNothing,
              .clause = "POSIX.1-2024 semop() ERRORS [ERANGE]") {
  const auto limits = semaphore_limits();
  if (!limits) return context.unsupported("semctl(IPC_INFO)", errno_name(errno));
  const auto set = SysvSet::create({static_cast<unsigned short>(limits->semvmx), 0});
  if (!set) return context.not_created(set.error());
  EXPECT_THAT(set->operate({{1, 1, 0}, {0, 1, 0}}), SyscallFailsWithErrno(ERANGE));
  EXPECT_EQ(set->value(0), limits->semvmx);
  EXPECT_EQ(set->value(1), 0);
}

GAUNTLET_CASE(SemaphoresConformance, Semop_ModeForbidsIt_FailsWithEacces,
              .clause = "POSIX.1-2024 semop() ERRORS [EACCES]") {
  const auto set = SysvSet::create_raw(1, 0400);
  if (!set) return context.not_created(set.error());
  EXPECT_THAT(call_without_capabilities(context,
                                        [&] {
                                          return set->operate({{0, 1, 0}});
                                        }),
              SyscallFailsWithErrno(EACCES));
}

// Waiting for a unit: asleep until somebody gives one, which is then taken.
GAUNTLET_CASE(SemaphoresConformance, Semop_Decrement_SleepsUntilThereIsEnough,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (sem_op negative)") {
  const auto set = SysvSet::create({1});
  if (!set) return context.not_created(set.error());
  ChildCall taker(context, [&] { return set->operate({{0, -3, 0}}); });
  ASSERT_TRUE(taker.is_asleep());
  ASSERT_THAT(set->operate({{0, 1, 0}}), SyscallSucceeds());
  ASSERT_TRUE(taker.is_asleep()) << "two are not enough for three";
  ASSERT_THAT(set->operate({{0, 2, 0}}), SyscallSucceeds());
  EXPECT_THAT(taker.finish(), SyscallSucceeds());
  EXPECT_EQ(set->value(), 1);
}

GAUNTLET_CASE(SemaphoresConformance, Semop_WaitForZero_SleepsUntilTheLastUnitIsTaken,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (sem_op is 0)") {
  const auto set = SysvSet::create({2});
  if (!set) return context.not_created(set.error());
  ChildCall waiter(context, [&] { return set->operate({{0, 0, 0}}); });
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_THAT(set->operate({{0, -1, 0}}), SyscallSucceeds());
  ASSERT_TRUE(waiter.is_asleep()) << "one is not zero";
  ASSERT_THAT(set->operate({{0, -1, 0}}), SyscallSucceeds());
  EXPECT_THAT(waiter.finish(), SyscallSucceeds());
}

// A value set by semctl() wakes those who waited for it.
GAUNTLET_CASE(SemaphoresConformance, SemctlSetval_ToWhatAWaiterNeeds_WakesIt,
              .clause = "semctl(2) SETVAL (blocked processes are woken up)") {
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  ChildCall taker(context, [&] { return set->operate({{0, -2, 0}}); });
  ASSERT_TRUE(taker.is_asleep());
  ASSERT_THAT(set->set_value(5), SyscallSucceeds());
  EXPECT_THAT(taker.finish(), SyscallSucceeds());
  EXPECT_EQ(set->value(), 3);
}

GAUNTLET_CASE(SemaphoresConformance, Semop_SetRemovedWhileWaiting_FailsWithEidrm,
              .clause = "POSIX.1-2024 semop() ERRORS [EIDRM]") {
  auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  ChildCall taker(context, [&] { return set->operate({{0, -1, 0}}); });
  ASSERT_TRUE(taker.is_asleep());
  set->remove();
  EXPECT_THAT(taker.finish(), SyscallFailsWithErrno(EIDRM));
}

// Interrupted, it is never restarted, has taken nothing, and is no longer counted as waiting.
GAUNTLET_CASE(SemaphoresConformance, Semop_InterruptedEvenByARestartingHandler_FailsWithEintr,
              .clause = "POSIX.1-2024 semop() ERRORS [EINTR]; signal(7) (never restarted)") {
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  for (const OnSignal on_signal : {OnSignal::interrupt, OnSignal::restart}) {
    ChildCall taker(
        context,
        [&] {
          return set->operate({{0, -1, 0}});
        },
        on_signal);
    ASSERT_TRUE(taker.is_asleep());
    ASSERT_TRUE(taker.signal_and_await_handler());
    EXPECT_THAT(taker.finish(), SyscallFailsWithErrno(EINTR));
  }
  EXPECT_EQ(set->get(GETNCNT), 0);
}

GAUNTLET_CASE(SemaphoresConformance, Semtimedop_TimeRunsOut_FailsWithEagainNotEarly,
              .clause = "semop(2) semtimedop() ERRORS [EAGAIN] (the time limit was reached)") {
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  const std::int64_t start_ns = monotonic_ns();
  ChildCall taker(context, [&] {
    return operate_until(set->id(), {0, -1, 0}, Deadline::after(kShortWait).as_timeout());
  });
  EXPECT_THAT(taker.finish(), SyscallFailsWithErrno(EAGAIN));
  EXPECT_GE(std::chrono::nanoseconds(monotonic_ns() - start_ns), kShortWait - kEarlyWakeTolerance);
  EXPECT_EQ(set->get(GETNCNT), 0);
  ASSERT_THAT(set->operate({{0, 1, 0}}), SyscallSucceeds());
  EXPECT_EQ(set->value(), 1) << "the timed out call took a unit after all";
}

GAUNTLET_CASE(SemaphoresConformance, Semtimedop_UnitComesInTime_TakesIt,
              .clause = "semop(2) semtimedop()") {
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  ChildCall taker(context, [&] {
    return operate_until(set->id(), {0, -1, 0}, Deadline::never().as_timeout());
  });
  ASSERT_TRUE(taker.is_asleep());
  ASSERT_THAT(set->operate({{0, 1, 0}}), SyscallSucceeds());
  EXPECT_THAT(taker.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, Semtimedop_TimeOutOfRange_FailsWithEinval,
              .clause = "semop(2) semtimedop() ERRORS [EINVAL] (timeout)") {
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  for (const timespec& patience : {timespec{0, 1'000'000'000}, {0, -1}, {-1, 0}}) {
    EXPECT_THAT(operate_until(set->id(), {0, -1, 0}, patience), SyscallFailsWithErrno(EINVAL))
        << patience.tv_sec << " s " << patience.tv_nsec << " ns";
  }
}

// What was done with SEM_UNDO is undone when the process ends, however often it operated.
GAUNTLET_CASE(SemaphoresConformance, SemopUndo_ProcessEnds_IsUndone,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (SEM_UNDO), _Exit()") {
  const auto set = SysvSet::create({5, 5});
  if (!set) return context.not_created(set.error());
  ChildCall child(context, [&] {
    const bool done = set->operate({{0, -2, SEM_UNDO}, {1, 3, SEM_UNDO}}) == 0 &&
                      set->operate({{0, -1, SEM_UNDO}, {0, -1, 0}}) == 0;
    return done ? set->value(0) * 100 + set->value(1) : -1;
  });
  EXPECT_THAT(child.finish(), SyscallSucceedsWithValue(1 * 100 + 8)) << "before it ended";
  EXPECT_EQ(set->value(0), 4) << "all but the one taken without SEM_UNDO comes back";
  EXPECT_EQ(set->value(1), 5);
}

// Setting a value outright forgets what was to be undone.
GAUNTLET_CASE(
    SemaphoresConformance, SemctlSetval_WithUndosPending_ForgetsThem,
    .clause = "semctl(2) SETVAL, SETALL (undo entries are cleared); POSIX.1-2024 semctl()") {
  const auto set = SysvSet::create({5});
  if (!set) return context.not_created(set.error());
  ChildCall child(context, [&] {
    return set->operate({{0, -2, SEM_UNDO}}) == 0 ? set->set_value(7) : -1;
  });
  EXPECT_THAT(child.finish(), SyscallSucceeds());
  EXPECT_EQ(set->value(), 7);
}

// A forked child does not inherit what its parent has to undo.
GAUNTLET_CASE(SemaphoresConformance, SemopUndo_ForkedChildEnds_UndoesNothingOfItsParent,
              .clause = "POSIX.1-2024 fork() (semadj values shall be cleared); semop(2)") {
  const auto set = SysvSet::create({5});
  if (!set) return context.not_created(set.error());
  ASSERT_THAT(set->operate({{0, -2, SEM_UNDO}}), SyscallSucceeds());
  ChildCall child(context, [] { return 0L; });
  EXPECT_THAT(child.finish(), SyscallSucceeds());
  EXPECT_EQ(set->value(), 3);
}

}  // namespace
}  // namespace gauntlet
