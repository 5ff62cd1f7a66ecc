// What the semaphore APIs promise when a process that holds, waits or owes is killed.
#include <gmock/gmock.h>
#include <pthread.h>
#include <unistd.h>

#include "cases/context.h"
#include "semaphores/posix_semaphore.h"
#include "semaphores/shared_mutex.h"
#include "semaphores/sysv_set.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

constexpr MutexShape kRobust = {.robustness = PTHREAD_MUTEX_ROBUST};

/// A child that locks `mutex` and sleeps with it until it is killed.
class Holder {
 public:
  Holder(CaseContext& context, const SharedMutex& mutex)
      : never_(SysvSet::create({0})), child_(context, [this, &mutex]() -> long {
          if (::pthread_mutex_lock(mutex.get()) != 0) return -1;
          return never_->operate({{0, -1, 0}});
        }) {}
  testing::AssertionResult holds() {
    if (!never_) return testing::AssertionFailure() << describe(never_.error());
    return child_.is_asleep();
  }
  bool kill() { return child_.kill(); }

 private:
  Result<SysvSet> never_;  ///< what it sleeps on
  ChildCall child_;
};

// The kill of a process undoes its SEM_UNDO operations as its exit would, and wakes who waited.
GAUNTLET_CASE(SemaphoresCrashes, SemopUndo_HolderKilled_UnitReturnsAndAWaiterGetsIt,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (SEM_UNDO), _Exit()") {
  const auto set = SysvSet::create({1, 0});
  if (!set) return context.not_created(set.error());
  ChildCall holder(context, [&]() -> long {
    if (set->operate({{0, -1, SEM_UNDO}}) != 0) return -1;
    return set->operate({{1, -1, 0}});  // sleeps with the unit
  });
  ASSERT_TRUE(holder.is_asleep());
  ASSERT_EQ(set->value(0), 0);
  ChildCall waiter(context, [&] { return set->operate({{0, -1, SEM_UNDO}}); });
  ASSERT_TRUE(waiter.is_asleep());
  EXPECT_TRUE(holder.kill());
  EXPECT_THAT(waiter.finish(), SyscallSucceeds());
  EXPECT_EQ(set->value(0), 1) << "the waiter has ended, too";
}

// Without SEM_UNDO what the dead process took stays taken.
GAUNTLET_CASE(SemaphoresCrashes, SemopPlain_HolderKilled_UnitStaysTaken,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (SEM_UNDO clear)") {
  const auto set = SysvSet::create({1, 0});
  if (!set) return context.not_created(set.error());
  ChildCall holder(context, [&]() -> long {
    if (set->operate({{0, -1, 0}}) != 0) return -1;
    return set->operate({{1, -1, 0}});
  });
  ASSERT_TRUE(holder.is_asleep());
  EXPECT_TRUE(holder.kill());
  EXPECT_THAT(set->operate({{0, -1, IPC_NOWAIT}}), SyscallFailsWithErrno(EAGAIN));
}

// A waiter killed in semop() is no longer counted, and no unit goes to it.
GAUNTLET_CASE(SemaphoresCrashes, SemopWaiterKilled_TakesNothingAndIsNotCounted,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (semncnt is decremented)") {
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  ChildCall waiter(context, [&] { return set->operate({{0, -1, SEM_UNDO}}); });
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_EQ(set->get(GETNCNT), 1);
  EXPECT_TRUE(waiter.kill());
  EXPECT_EQ(set->get(GETNCNT), 0);
  ASSERT_THAT(set->operate({{0, 1, 0}}), SyscallSucceeds());
  EXPECT_EQ(set->value(), 1);
}

// A POSIX semaphore has no owner: the unit of a dead process stays taken.
GAUNTLET_CASE(SemaphoresCrashes, SemWaitHolderKilled_UnitStaysTaken,
              .clause = "POSIX.1-2024 sem_wait(), XBD Semaphore (no owner); sem_overview(7)") {
  const auto semaphore = UnnamedSemaphore::create(1);
  const auto never = UnnamedSemaphore::create(0);
  if (!semaphore) return context.not_created(semaphore.error());
  ChildCall holder(context, [&]() -> long {
    if (::sem_wait(semaphore->get()) != 0) return -1;
    return ::sem_wait(never->get());
  });
  ASSERT_TRUE(holder.is_asleep());
  EXPECT_TRUE(holder.kill());
  EXPECT_THAT(::sem_trywait(semaphore->get()), SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(::sem_post(semaphore->get()), SyscallSucceeds());
  EXPECT_THAT(::sem_trywait(semaphore->get()), SyscallSucceeds());
}

// The next one to lock gets the mutex and is told; made consistent, it is a mutex as before.
GAUNTLET_CASE(SemaphoresCrashes, RobustOwnerKilled_NextLockReturnsEownerdeadAndConsistentHeals,
              .clause =
                  "POSIX.1-2024 pthread_mutex_lock() ERRORS [EOWNERDEAD], "
                  "pthread_mutex_consistent()") {
  const auto mutex = SharedMutex::create(kRobust);
  if (!mutex) return context.not_created(mutex.error());
  Holder holder(context, *mutex);
  ASSERT_TRUE(holder.holds());
  ASSERT_THAT(::pthread_mutex_trylock(mutex->get()), ReturnsErrno(EBUSY));
  EXPECT_TRUE(holder.kill());
  EXPECT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(EOWNERDEAD));
  EXPECT_THAT(::pthread_mutex_consistent(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
}

GAUNTLET_CASE(SemaphoresCrashes, RobustOwnerKilled_TrylockReturnsEownerdead,
              .clause = "POSIX.1-2024 pthread_mutex_trylock() ERRORS [EOWNERDEAD]") {
  const auto mutex = SharedMutex::create(kRobust);
  if (!mutex) return context.not_created(mutex.error());
  Holder holder(context, *mutex);
  ASSERT_TRUE(holder.holds());
  EXPECT_TRUE(holder.kill());
  EXPECT_THAT(::pthread_mutex_trylock(mutex->get()), ReturnsErrno(EOWNERDEAD));
}

GAUNTLET_CASE(SemaphoresCrashes, RobustOwnerKilled_TimedlockReturnsEownerdead,
              .clause = "POSIX.1-2024 pthread_mutex_timedlock() ERRORS [EOWNERDEAD]") {
  const auto mutex = SharedMutex::create(kRobust);
  if (!mutex) return context.not_created(mutex.error());
  Holder holder(context, *mutex);
  ASSERT_TRUE(holder.holds());
  EXPECT_TRUE(holder.kill());
  const timespec long_ago = {1, 0};
  EXPECT_THAT(::pthread_mutex_timedlock(mutex->get(), &long_ago), ReturnsErrno(EOWNERDEAD));
}

// One who already sleeps for the mutex is woken by the death of its owner, and told. It could fail
// if the kernel marked the word and woke nobody.
GAUNTLET_CASE(SemaphoresCrashes, RobustOwnerKilled_SleepingWaiterIsWokenWithEownerdead,
              .clause = "POSIX.1-2024 pthread_mutexattr_setrobust(); get_robust_list(2)") {
  for (const int protocol : {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT}) {
    const auto mutex =
        SharedMutex::create({.robustness = PTHREAD_MUTEX_ROBUST, .protocol = protocol});
    if (!mutex && mutex.error().system_errno == ENOTSUP) continue;  // no priority inheritance here
    if (!mutex) return context.not_created(mutex.error());
    Holder holder(context, *mutex);
    ASSERT_TRUE(holder.holds());
    ChildCall waiter(context, [&] { return ::pthread_mutex_lock(mutex->get()); });
    ASSERT_TRUE(waiter.is_asleep());
    EXPECT_TRUE(holder.kill());
    EXPECT_THAT(waiter.finish(), ReturnsErrno(EOWNERDEAD)) << "protocol " << protocol;
  }
}

/// A robust mutex whose owner was killed, and which was unlocked without being made consistent.
void make_unrecoverable(CaseContext& context, const SharedMutex& mutex) {
  Holder holder(context, mutex);
  ASSERT_TRUE(holder.holds());
  EXPECT_TRUE(holder.kill());
  ASSERT_THAT(::pthread_mutex_lock(mutex.get()), ReturnsErrno(EOWNERDEAD));
  ASSERT_THAT(::pthread_mutex_unlock(mutex.get()), ReturnsErrno(0));
}

// Unlocked without having been made consistent, it is lost for good, also to those who sleep for
// it.
GAUNTLET_CASE(SemaphoresCrashes, RobustUnlockedInconsistent_SleepingWaiterGetsEnotrecoverable,
              .clause =
                  "POSIX.1-2024 pthread_mutex_lock() ERRORS [ENOTRECOVERABLE], "
                  "pthread_mutex_unlock()") {
  const auto mutex = SharedMutex::create(kRobust);
  if (!mutex) return context.not_created(mutex.error());
  Holder holder(context, *mutex);
  ASSERT_TRUE(holder.holds());
  EXPECT_TRUE(holder.kill());
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(EOWNERDEAD));
  ChildCall waiter(context, [&] { return ::pthread_mutex_lock(mutex->get()); });
  ASSERT_TRUE(waiter.is_asleep());
  ASSERT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
  EXPECT_THAT(waiter.finish(), ReturnsErrno(ENOTRECOVERABLE));
}

GAUNTLET_CASE(SemaphoresCrashes, RobustUnlockedInconsistent_EveryLaterLockReturnsEnotrecoverable,
              .clause = "POSIX.1-2024 pthread_mutex_lock() ERRORS [ENOTRECOVERABLE]") {
  const auto mutex = SharedMutex::create(kRobust);
  if (!mutex) return context.not_created(mutex.error());
  make_unrecoverable(context, *mutex);
  if (testing::Test::HasFailure()) return;
  EXPECT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(ENOTRECOVERABLE));
  EXPECT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(ENOTRECOVERABLE));
  ChildCall other(context, [&] { return ::pthread_mutex_lock(mutex->get()); });
  EXPECT_THAT(other.finish(), ReturnsErrno(ENOTRECOVERABLE));
}

GAUNTLET_CASE(SemaphoresCrashes, RobustUnlockedInconsistent_EveryTimedlockReturnsEnotrecoverable,
              .clause = "POSIX.1-2024 pthread_mutex_timedlock() ERRORS [ENOTRECOVERABLE]") {
  const auto mutex = SharedMutex::create(kRobust);
  if (!mutex) return context.not_created(mutex.error());
  make_unrecoverable(context, *mutex);
  if (testing::Test::HasFailure()) return;
  for (int i = 0; i < 2; ++i) {
    const timespec long_ago = {1, 0};
    EXPECT_THAT(::pthread_mutex_timedlock(mutex->get(), &long_ago), ReturnsErrno(ENOTRECOVERABLE));
  }
}

// Trying is no different from locking: told once, told always, and it is nobody's. glibc takes the
// mutex before it looks and leaves it taken (seen in 2.36), so that the next one is told EBUSY and
// whoever locks it after that sleeps for ever.
GAUNTLET_CASE(SemaphoresCrashes, RobustUnlockedInconsistent_EveryTrylockReturnsEnotrecoverable,
              .clause = "POSIX.1-2024 pthread_mutex_trylock() ERRORS [ENOTRECOVERABLE]") {
  const auto mutex = SharedMutex::create(kRobust);
  if (!mutex) return context.not_created(mutex.error());
  make_unrecoverable(context, *mutex);
  if (testing::Test::HasFailure()) return;
  EXPECT_THAT(::pthread_mutex_trylock(mutex->get()), ReturnsErrno(ENOTRECOVERABLE));
  EXPECT_THAT(::pthread_mutex_trylock(mutex->get()), ReturnsErrno(ENOTRECOVERABLE));
}

// Not robust: nobody is told, and it stays locked.
GAUNTLET_CASE(SemaphoresCrashes, StalledOwnerKilled_MutexStaysLocked,
              .clause = "POSIX.1-2024 pthread_mutexattr_getrobust() (PTHREAD_MUTEX_STALLED)") {
  const auto mutex = SharedMutex::create();
  if (!mutex) return context.not_created(mutex.error());
  Holder holder(context, *mutex);
  ASSERT_TRUE(holder.holds());
  EXPECT_TRUE(holder.kill());
  EXPECT_THAT(::pthread_mutex_trylock(mutex->get()), ReturnsErrno(EBUSY));
  ChildCall waiter(context, [&] { return ::pthread_mutex_lock(mutex->get()); });
  EXPECT_TRUE(waiter.is_asleep());
}

// A recursive robust mutex is free after the death, however deep it was locked.
GAUNTLET_CASE(SemaphoresCrashes, RobustRecursiveOwnerKilled_NextOwnerStartsAtDepthOne,
              .clause = "POSIX.1-2024 pthread_mutex_lock() (recursive and robust)") {
  const auto mutex =
      SharedMutex::create({.type = PTHREAD_MUTEX_RECURSIVE, .robustness = PTHREAD_MUTEX_ROBUST});
  if (!mutex) return context.not_created(mutex.error());
  ChildCall deep(context, [&]() -> long {
    for (int i = 0; i < 3; ++i) ::pthread_mutex_lock(mutex->get());
    return ::pause();  // killed without unlocking
  });
  ASSERT_TRUE(deep.is_asleep());
  ASSERT_TRUE(deep.kill());
  ASSERT_THAT(::pthread_mutex_lock(mutex->get()), ReturnsErrno(EOWNERDEAD));
  ASSERT_THAT(::pthread_mutex_consistent(mutex->get()), ReturnsErrno(0));
  ASSERT_THAT(::pthread_mutex_unlock(mutex->get()), ReturnsErrno(0));
  ChildCall other(context, [&] { return ::pthread_mutex_trylock(mutex->get()); });
  EXPECT_THAT(other.finish(), ReturnsErrno(0)) << "one unlock was enough";
}

}  // namespace
}  // namespace gauntlet
