// What flock(2) and lockf(3) promise.
#include <gmock/gmock.h>

#include "cases/context.h"
#include "semaphores/lock_file.h"
#include "semaphores/sleepers.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

constexpr int kTry = LOCK_EX | LOCK_NB;

GAUNTLET_CASE(SemaphoresConformance, FlockNonblocking_HeldByAnotherDescription_FailsWithEwouldblock,
              .clause = "flock(2) LOCK_NB, ERRORS EWOULDBLOCK") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd one = file->open();
  const UniqueFd two = file->open();
  ASSERT_THAT(::flock(one.get(), LOCK_EX), SyscallSucceeds());
  EXPECT_THAT(::flock(two.get(), kTry), SyscallFailsWithErrno(EWOULDBLOCK));
  EXPECT_THAT(::flock(two.get(), LOCK_SH | LOCK_NB), SyscallFailsWithErrno(EWOULDBLOCK));
  ASSERT_THAT(::flock(one.get(), LOCK_UN), SyscallSucceeds());
  EXPECT_THAT(::flock(two.get(), kTry), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, FlockShared_HeldByAnother_IsSharedAndKeepsExclusiveOut,
              .clause = "flock(2) LOCK_SH") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd one = file->open();
  const UniqueFd two = file->open(O_RDONLY);  // the mode of the descriptor does not matter
  const UniqueFd three = file->open();
  ASSERT_THAT(::flock(one.get(), LOCK_SH), SyscallSucceeds());
  EXPECT_THAT(::flock(two.get(), LOCK_SH | LOCK_NB), SyscallSucceeds());
  EXPECT_THAT(::flock(three.get(), kTry), SyscallFailsWithErrno(EWOULDBLOCK));
}

GAUNTLET_CASE(SemaphoresConformance, Flock_HeldByAnotherProcess_SleepsUntilItUnlocks,
              .clause = "flock(2) DESCRIPTION (may block)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(::flock(mine.get(), LOCK_EX), SyscallSucceeds());
  ChildCall other(context, [&] {
    const UniqueFd own = file->open();
    return ::flock(own.get(), LOCK_EX);
  });
  ASSERT_TRUE(other.is_asleep());
  ASSERT_THAT(::flock(mine.get(), LOCK_UN), SyscallSucceeds());
  EXPECT_THAT(other.finish(), SyscallSucceeds());
}

// The lock belongs to the open file description: a copy of the descriptor holds it too, in a child
// as well, and unlocks it for all.
GAUNTLET_CASE(SemaphoresConformance, Flock_ThroughADuplicateOrAChild_IsTheSameLock,
              .clause = "flock(2) (duplicate file descriptors refer to the same lock)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  const UniqueFd strange = file->open();
  const UniqueFd copy(::dup(mine.get()));
  ASSERT_THAT(::flock(mine.get(), LOCK_EX), SyscallSucceeds());
  EXPECT_THAT(::flock(copy.get(), kTry), SyscallSucceeds());
  ChildCall child(context, [&] { return ::flock(mine.get(), LOCK_UN); });
  ASSERT_THAT(child.finish(), SyscallSucceeds());
  EXPECT_THAT(::flock(strange.get(), kTry), SyscallSucceeds()) << "the child unlocked for all";
}

// Closing one of the copies releases nothing; closing the last does.
GAUNTLET_CASE(SemaphoresConformance, Flock_LastCopyClosed_ReleasesIt,
              .clause = "flock(2) (released when all such descriptors have been closed)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  UniqueFd mine = file->open();
  UniqueFd copy(::dup(mine.get()));
  const UniqueFd strange = file->open();
  ASSERT_THAT(::flock(mine.get(), LOCK_EX), SyscallSucceeds());
  mine.reset();
  EXPECT_THAT(::flock(strange.get(), kTry), SyscallFailsWithErrno(EWOULDBLOCK));
  copy.reset();
  EXPECT_THAT(::flock(strange.get(), kTry), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, Flock_LockedAgainInTheOtherMode_IsConverted,
              .clause = "flock(2) (will convert an existing lock to the new lock mode)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  const UniqueFd strange = file->open();
  ASSERT_THAT(::flock(mine.get(), LOCK_EX), SyscallSucceeds());
  ASSERT_THAT(::flock(mine.get(), LOCK_SH), SyscallSucceeds());
  EXPECT_THAT(::flock(strange.get(), LOCK_SH | LOCK_NB), SyscallSucceeds());
  EXPECT_THAT(::flock(mine.get(), kTry), SyscallFailsWithErrno(EWOULDBLOCK)) << "another shares it";
}

GAUNTLET_CASE(SemaphoresConformance, Flock_InterruptedByAHandler_FailsWithEintr,
              .clause = "flock(2) ERRORS EINTR; signal(7) (restarts with SA_RESTART)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(::flock(mine.get(), LOCK_EX), SyscallSucceeds());
  const auto wait = [&] {
    const UniqueFd own = file->open();
    return ::flock(own.get(), LOCK_EX);
  };
  ChildCall other(context, wait);
  ASSERT_TRUE(other.is_asleep());
  ASSERT_TRUE(other.signal_and_await_handler());
  EXPECT_THAT(other.finish(), SyscallFailsWithErrno(EINTR));
  ChildCall restarted(context, wait, OnSignal::restart);
  ASSERT_TRUE(restarted.is_asleep());
  ASSERT_TRUE(restarted.signal_and_await_handler());
  ASSERT_TRUE(restarted.is_asleep());
  ASSERT_THAT(::flock(mine.get(), LOCK_UN), SyscallSucceeds());
  EXPECT_THAT(restarted.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, Flock_WrongArguments_FailsAsDocumented,
              .clause = "flock(2) ERRORS EBADF, EINVAL") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  EXPECT_THAT(::flock(-1, LOCK_EX), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::flock(mine.get(), 0), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::flock(mine.get(), LOCK_SH | LOCK_EX), SyscallFailsWithErrno(EINVAL));
}

// flock and fcntl locks do not see each other on a local file.
GAUNTLET_CASE(SemaphoresConformance, Flock_FileLockedByFcntl_IsNotInTheWay,
              .clause = "flock(2) NOTES (does not interact with fcntl() on a local filesystem)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_WRLCK), SyscallSucceeds());
  ChildCall other(context, [&] {
    const UniqueFd own = file->open();
    return ::flock(own.get(), kTry);
  });
  EXPECT_THAT(other.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(
    SemaphoresCrashes, FlockHolderKilled_AWaiterGetsIt,
    .clause = "flock(2) (released when all such descriptors have been closed); _exit(2)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd second = file->open();
  ASSERT_THAT(::flock(second.get(), LOCK_EX), SyscallSucceeds());
  const auto other_file = LockFile::create(context);
  if (!other_file) return context.not_created(other_file.error());
  ChildCall holder(context, [&] {
    const UniqueFd other = other_file->open();
    const UniqueFd own = file->open();
    return ::flock(other.get(), LOCK_EX) == 0 ? ::flock(own.get(), LOCK_EX) : -1;
  });
  ASSERT_TRUE(holder.is_asleep());
  ChildCall waiter(context, [&] {
    const UniqueFd own = other_file->open();
    return ::flock(own.get(), LOCK_EX);
  });
  ASSERT_TRUE(waiter.is_asleep());
  EXPECT_TRUE(holder.kill());
  EXPECT_THAT(waiter.finish(), SyscallSucceeds());
}

// The one that locked is killed, and a child that inherited the descriptor holds it still.
GAUNTLET_CASE(SemaphoresCrashes, FlockHolderKilled_ChildWithTheDescriptorKeepsIt,
              .clause = "flock(2) (a lock is associated with an open file description); fork(2)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  UniqueFd shared = file->open();
  const UniqueFd strange = file->open();
  const auto blocker = LockFile::create(context);
  if (!blocker) return context.not_created(blocker.error());
  const UniqueFd blocked = blocker->open();
  ASSERT_THAT(::flock(blocked.get(), LOCK_EX), SyscallSucceeds());
  const auto sleep_on_blocker = [&] {
    const UniqueFd own = blocker->open();
    return ::flock(own.get(), LOCK_EX);
  };
  ChildCall heir(context, sleep_on_blocker);
  ASSERT_TRUE(heir.is_asleep());
  ChildCall holder(context,
                   [&] { return ::flock(shared.get(), LOCK_EX) == 0 ? sleep_on_blocker() : -1; });
  ASSERT_TRUE(holder.is_asleep());
  shared.reset();
  EXPECT_TRUE(holder.kill());
  EXPECT_THAT(::flock(strange.get(), kTry), SyscallFailsWithErrno(EWOULDBLOCK)) << "the heir's";
  EXPECT_TRUE(heir.kill());
  EXPECT_THAT(::flock(strange.get(), kTry), SyscallSucceeds());
}

// One unlock wakes all who can share, however many wait.
GAUNTLET_CASE(SemaphoresOverload, FlockUnlock_ManyWaitForShared_AllGetIt,
              .clause = "flock(2) LOCK_SH, LOCK_UN") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(::flock(mine.get(), LOCK_EX), SyscallSucceeds());
  const auto waiters = sleepers(context, context.amount(8, 32, 64), [&] {
    const UniqueFd own = file->open();
    return ::flock(own.get(), LOCK_SH);
  });
  ASSERT_THAT(::flock(mine.get(), LOCK_UN), SyscallSucceeds());
  for (const auto& waiter : waiters) EXPECT_THAT(waiter->finish(), SyscallSucceeds());
}

// lockf counts its section from where the file stands.
GAUNTLET_CASE(SemaphoresConformance, Lockf_Section_IsLockedFromThePosition,
              .clause = "POSIX.1-2024 lockf() DESCRIPTION, ERRORS [EACCES] or [EAGAIN]") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_EQ(::lseek(mine.get(), 10, SEEK_SET), 10);
  ASSERT_THAT(::lockf(mine.get(), F_TLOCK, 5), SyscallSucceeds());
  const auto answer_at = [&](off_t position, int command) {
    ChildCall other(context, [&, position, command] {
      const UniqueFd own = file->open();
      ::lseek(own.get(), position, SEEK_SET);
      return ::lockf(own.get(), command, 1);
    });
    return other.finish();
  };
  const auto refused = SyscallFailsWithErrno(testing::AnyOf(EACCES, EAGAIN));
  EXPECT_THAT(answer_at(9, F_TEST), SyscallSucceeds());
  EXPECT_THAT(answer_at(10, F_TEST), refused);
  EXPECT_THAT(answer_at(14, F_TLOCK), refused);
  EXPECT_THAT(answer_at(15, F_TLOCK), SyscallSucceeds());
  EXPECT_THAT(::lockf(mine.get(), F_TEST, 5), SyscallSucceeds()) << "its own is not in the way";
}

GAUNTLET_CASE(SemaphoresConformance, Lockf_WrongArguments_FailsAsDocumented,
              .clause = "POSIX.1-2024 lockf() ERRORS [EBADF], [EINVAL]; lockf(3)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  const UniqueFd read_only = file->open(O_RDONLY);
  EXPECT_THAT(::lockf(-1, F_TLOCK, 0), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::lockf(read_only.get(), F_TLOCK, 0), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::lockf(mine.get(), 4711, 0), SyscallFailsWithErrno(EINVAL));
}

}  // namespace
}  // namespace gauntlet
