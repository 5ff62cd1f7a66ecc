// Semaphores with many waiters, and at the limits of undoing.
#include <gmock/gmock.h>
#include <semaphore.h>

#include "cases/context.h"
#include "semaphores/posix_semaphore.h"
#include "semaphores/sleepers.h"
#include "semaphores/sysv_set.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

// As many posts as waiters wake them all, though posts come faster than waiters run.
GAUNTLET_CASE(SemaphoresOverload, SemPostsInARow_ForManyWaiters_WakeThemAll,
              .clause = "POSIX.1-2024 sem_post(), sem_wait() DESCRIPTION") {
  const auto semaphore = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  const auto waiters =
      sleepers(context, context.amount(8, 32, 64), [&] { return ::sem_wait(semaphore->get()); });
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    ASSERT_THAT(::sem_post(semaphore->get()), SyscallSucceeds());
  }
  for (const auto& waiter : waiters) EXPECT_THAT(waiter->finish(), SyscallSucceeds());
  EXPECT_EQ(semaphore->value(), 0);
}

// One operation that frees many units serves all who can be served.
GAUNTLET_CASE(SemaphoresOverload, SemopOfManyUnits_ForManyWaiters_WakesThemAll,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (sem_op positive)") {
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  const auto waiters = sleepers(context, context.amount(8, 32, 64), [&] {
    return set->operate({{0, -1, 0}});
  });
  EXPECT_EQ(set->get(GETNCNT), static_cast<int>(waiters.size()));
  const auto units = static_cast<short>(waiters.size());
  ASSERT_THAT(set->operate({{0, units, 0}}), SyscallSucceeds());
  for (const auto& waiter : waiters) EXPECT_THAT(waiter->finish(), SyscallSucceeds());
  EXPECT_EQ(set->value(), 0);
}

// A waiter for much does not lose its turn to stay in the queue while smaller ones are served.
GAUNTLET_CASE(SemaphoresOverload, SemopLargeWaiterAmongSmallOnes_IsServedWhenThereIsEnough,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (sem_op negative)") {
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  ChildCall large(context, [&] { return set->operate({{0, -10, 0}}); });
  ASSERT_TRUE(large.is_asleep());
  const auto small = sleepers(context, 4, [&] { return set->operate({{0, -1, 0}}); });
  ASSERT_THAT(set->operate({{0, 4, 0}}), SyscallSucceeds());
  for (const auto& waiter : small) EXPECT_THAT(waiter->finish(), SyscallSucceeds());
  ASSERT_TRUE(large.is_asleep());
  ASSERT_THAT(set->operate({{0, 10, 0}}), SyscallSucceeds());
  EXPECT_THAT(large.finish(), SyscallSucceeds());
}

// Removing a set wakes everybody who slept on it.
GAUNTLET_CASE(SemaphoresOverload, SemctlRmid_WithManyWaiters_WakesThemAllWithEidrm,
              .clause = "POSIX.1-2024 semctl() IPC_RMID; semop() ERRORS [EIDRM]") {
  auto set = SysvSet::create({0, 1});
  if (!set) return context.not_created(set.error());
  const auto waiters = sleepers(context, context.amount(8, 32, 64), [&] {
    return set->operate({{0, -1, 0}, {1, 0, 0}});
  });
  set->remove();
  for (const auto& waiter : waiters) EXPECT_THAT(waiter->finish(), SyscallFailsWithErrno(EIDRM));
}

// An adjustment that no longer fits its range is refused when it would arise, not when it is
// needed.
GAUNTLET_CASE(SemaphoresOverload, SemopUndo_AdjustmentOutOfRange_FailsWithErangeAndChangesNothing,
              .clause = "POSIX.1-2024 semop() ERRORS [ERANGE] (semadj); semop(2) SEMAEM") {
  const auto limits = semaphore_limits();
  if (!limits) return context.unsupported("semctl(IPC_INFO)", errno_name(errno));
  const auto most = static_cast<short>(limits->semvmx);
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  ChildCall child(context, [&]() -> long {
    if (set->operate({{0, most, SEM_UNDO}}) != 0) return -1;  // owes -SEMVMX
    if (set->operate({{0, static_cast<short>(-most), 0}}) != 0) return -1;
    if (set->operate({{0, most, SEM_UNDO}}) == 0) return 1;  // would owe twice as much
    return errno == ERANGE && set->value() == 0 ? 0 : -1;
  });
  EXPECT_THAT(child.finish(), SyscallSucceedsWithValue(0));
}

}  // namespace
}  // namespace gauntlet
