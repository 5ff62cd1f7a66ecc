// What the record locks of fcntl(2) promise: those of a process, and those of an open file
// description.
#include <gmock/gmock.h>

#include "cases/context.h"
#include "semaphores/lock_file.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using testing::AnyOf;

/// A write lock tried by another process that opened the file itself.
CallOutcome try_elsewhere(CaseContext& context, const LockFile& file, off_t start, off_t length) {
  ChildCall other(context, [&, start, length] {
    const UniqueFd own = file.open();
    return lock_part(own, F_SETLK, F_WRLCK, start, length);
  });
  return other.finish();
}

auto is_refused() { return SyscallFailsWithErrno(AnyOf(EACCES, EAGAIN)); }

GAUNTLET_CASE(SemaphoresConformance, FcntlSetlk_OverlapsAnotherProcess_FailsWithEaccesOrEagain,
              .clause = "POSIX.1-2024 fcntl() F_SETLK, ERRORS [EACCES] or [EAGAIN]") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_WRLCK, 10, 10), SyscallSucceeds());
  EXPECT_THAT(try_elsewhere(context, *file, 19, 5), is_refused());
  EXPECT_THAT(try_elsewhere(context, *file, 0, 0), is_refused()) << "the whole file";
  EXPECT_THAT(try_elsewhere(context, *file, 20, 5), SyscallSucceeds()) << "beside it";
  EXPECT_THAT(try_elsewhere(context, *file, 0, 10), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, FcntlSetlk_ReadLocks_ShareAndKeepWritersOut,
              .clause = "POSIX.1-2024 fcntl() DESCRIPTION (shared and exclusive locks)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_RDLCK), SyscallSucceeds());
  ChildCall reader(context, [&] {
    const UniqueFd own = file->open();
    return lock_part(own, F_SETLK, F_RDLCK);
  });
  EXPECT_THAT(reader.finish(), SyscallSucceeds());
  EXPECT_THAT(try_elsewhere(context, *file, 0, 1), is_refused());
}

// Unlocked in its middle a lock is two; locked again there it is one.
GAUNTLET_CASE(SemaphoresConformance, FcntlSetlk_UnlockedInTheMiddle_IsSplitAndMerges,
              .clause = "fcntl(2) (splitting and merging of existing locks)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_WRLCK, 0, 30), SyscallSucceeds());
  ASSERT_THAT(lock_part(mine, F_SETLK, F_UNLCK, 10, 10), SyscallSucceeds());
  const auto seen_at = [&](off_t start, off_t length) {
    const Shared<struct flock> seen;
    ChildCall other(context, [&] {
      const UniqueFd own = file->open();
      *seen = obstacle(own, F_GETLK, start, length);
      return 0;
    });
    other.finish();
    return *seen;
  };
  EXPECT_EQ(seen_at(10, 10).l_type, F_UNLCK);
  EXPECT_EQ(seen_at(0, 0).l_len, 10) << "the first half";
  EXPECT_EQ(seen_at(15, 0).l_start, 20) << "the second half";
  ASSERT_THAT(lock_part(mine, F_SETLK, F_WRLCK, 10, 10), SyscallSucceeds());
  EXPECT_EQ(seen_at(15, 1).l_start, 0);
  EXPECT_EQ(seen_at(15, 1).l_len, 30);
}

GAUNTLET_CASE(SemaphoresConformance, FcntlSetlk_SamePartInTheOtherMode_IsReplaced,
              .clause = "POSIX.1-2024 fcntl() DESCRIPTION (one type of lock for each byte)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_WRLCK, 0, 20), SyscallSucceeds());
  ASSERT_THAT(lock_part(mine, F_SETLK, F_RDLCK, 5, 5), SyscallSucceeds());
  ChildCall reader(context, [&]() -> long {
    const UniqueFd own = file->open();
    if (lock_part(own, F_SETLK, F_RDLCK, 5, 5) != 0) return 1;
    return lock_part(own, F_SETLK, F_RDLCK, 4, 1) == -1 ? 0 : 2;
  });
  EXPECT_THAT(reader.finish(), SyscallSucceedsWithValue(0));
}

GAUNTLET_CASE(SemaphoresConformance, FcntlSetlkw_HeldByAnother_SleepsUntilUnlocked,
              .clause = "POSIX.1-2024 fcntl() F_SETLKW") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_WRLCK), SyscallSucceeds());
  ChildCall other(context, [&] {
    const UniqueFd own = file->open();
    return lock_part(own, F_SETLKW, F_WRLCK, 50, 1);
  });
  ASSERT_TRUE(other.is_asleep());
  ASSERT_THAT(lock_part(mine, F_SETLK, F_UNLCK, 0, 50), SyscallSucceeds());
  ASSERT_TRUE(other.is_asleep()) << "that was another part";
  ASSERT_THAT(lock_part(mine, F_SETLK, F_UNLCK, 50, 1), SyscallSucceeds());
  EXPECT_THAT(other.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, FcntlSetlkw_InterruptedByAHandler_FailsWithEintr,
              .clause = "POSIX.1-2024 fcntl() ERRORS [EINTR]") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_WRLCK), SyscallSucceeds());
  ChildCall other(context, [&] {
    const UniqueFd own = file->open();
    return lock_part(own, F_SETLKW, F_WRLCK);
  });
  ASSERT_TRUE(other.is_asleep());
  ASSERT_TRUE(other.signal_and_await_handler());
  EXPECT_THAT(other.finish(), SyscallFailsWithErrno(EINTR));
}

// Two that wait for each other: the second is told instead of put to sleep.
GAUNTLET_CASE(SemaphoresConformance, FcntlSetlkw_CircleOfTwo_FailsWithEdeadlk,
              .clause = "POSIX.1-2024 fcntl() ERRORS [EDEADLK]") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_WRLCK, 0, 1), SyscallSucceeds());
  ChildCall other(context, [&] {
    const UniqueFd own = file->open();
    if (lock_part(own, F_SETLK, F_WRLCK, 1, 1) != 0) return -1;
    return lock_part(own, F_SETLKW, F_WRLCK, 0, 1);
  });
  ASSERT_TRUE(other.is_asleep());
  EXPECT_THAT(lock_part(mine, F_SETLKW, F_WRLCK, 1, 1), SyscallFailsWithErrno(EDEADLK));
  ASSERT_THAT(lock_part(mine, F_SETLK, F_UNLCK, 0, 1), SyscallSucceeds());
  EXPECT_THAT(other.finish(), SyscallSucceeds());
}

// The trap of these locks: closing any descriptor of the file loses all that the process has.
GAUNTLET_CASE(SemaphoresConformance, FcntlSetlk_AnyDescriptorOfTheFileClosed_IsLost,
              .clause = "POSIX.1-2024 fcntl(), close() (all locks … shall be removed)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_WRLCK), SyscallSucceeds());
  EXPECT_THAT(try_elsewhere(context, *file, 0, 0), is_refused());
  file->open(O_RDONLY).reset();
  EXPECT_THAT(try_elsewhere(context, *file, 0, 0), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, FcntlSetlk_ForkedChild_DoesNotInheritIt,
              .clause = "POSIX.1-2024 fork(), fcntl() (locks are not inherited)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_WRLCK), SyscallSucceeds());
  ChildCall child(context, [&] { return lock_part(mine, F_SETLK, F_WRLCK); });
  EXPECT_THAT(child.finish(), is_refused()) << "through the same descriptor";
  EXPECT_THAT(try_elsewhere(context, *file, 0, 0), is_refused())
      << "the child's end took its parent's lock";
}

GAUNTLET_CASE(SemaphoresConformance, FcntlGetlk_LockedByAnother_TellsWhoWhatAndWhere,
              .clause = "POSIX.1-2024 fcntl() F_GETLK") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_RDLCK, 30, 12), SyscallSucceeds());
  EXPECT_EQ(obstacle(mine, F_GETLK).l_type, F_UNLCK) << "its own lock is not in its way";
  const Shared<struct flock> seen;
  ChildCall other(context, [&] {
    const UniqueFd own = file->open();
    *seen = obstacle(own, F_GETLK);
    return 0;
  });
  ASSERT_THAT(other.finish(), SyscallSucceeds());
  EXPECT_EQ(seen->l_type, F_RDLCK);
  EXPECT_EQ(seen->l_whence, SEEK_SET);
  EXPECT_EQ(seen->l_start, 30);
  EXPECT_EQ(seen->l_len, 12);
  EXPECT_EQ(seen->l_pid, ::getpid());
}

GAUNTLET_CASE(SemaphoresConformance, FcntlSetlk_WrongArguments_FailsAsDocumented,
              .clause = "POSIX.1-2024 fcntl() ERRORS [EBADF], [EINVAL]; F_OFD_SETLK in fcntl(2)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  const UniqueFd reader = file->open(O_RDONLY);
  const UniqueFd writer = file->open(O_WRONLY);
  EXPECT_THAT(lock_part(UniqueFd(), F_SETLK, F_WRLCK), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(lock_part(reader, F_SETLK, F_WRLCK), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(lock_part(writer, F_SETLK, F_RDLCK), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(lock_part(mine, F_SETLK, 4711), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(lock_part(mine, F_SETLK, F_WRLCK, -1, 1), SyscallFailsWithErrno(EINVAL));
  struct flock named = part(F_WRLCK, 0, 0);
  named.l_pid = 1;
  EXPECT_THAT(::fcntl(mine.get(), F_OFD_SETLK, &named), SyscallFailsWithErrno(EINVAL));
}

// A negative length is the part before the start.
GAUNTLET_CASE(SemaphoresConformance, FcntlSetlk_NegativeLength_LocksWhatLiesBefore,
              .clause = "POSIX.1-2024 fcntl() DESCRIPTION (l_len is negative)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_WRLCK, 20, -10), SyscallSucceeds());
  EXPECT_THAT(try_elsewhere(context, *file, 9, 1), SyscallSucceeds());
  EXPECT_THAT(try_elsewhere(context, *file, 10, 1), is_refused());
  EXPECT_THAT(try_elsewhere(context, *file, 19, 1), is_refused());
  EXPECT_THAT(try_elsewhere(context, *file, 20, 1), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresCrashes, FcntlHolderKilled_AWaiterGetsItsParts,
              .clause = "POSIX.1-2024 fcntl() (removed when the process terminates)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd mine = file->open();
  ASSERT_THAT(lock_part(mine, F_SETLK, F_WRLCK, 0, 1), SyscallSucceeds());
  ChildCall holder(context, [&] {
    const UniqueFd own = file->open();
    if (lock_part(own, F_SETLK, F_WRLCK, 10, 10) != 0) return -1;
    return lock_part(own, F_SETLKW, F_WRLCK, 0, 1);
  });
  ASSERT_TRUE(holder.is_asleep());
  ChildCall waiter(context, [&] {
    const UniqueFd own = file->open();
    return lock_part(own, F_SETLKW, F_WRLCK, 5, 10);
  });
  ASSERT_TRUE(waiter.is_asleep());
  EXPECT_TRUE(holder.kill());
  EXPECT_THAT(waiter.finish(), SyscallSucceeds());
}

// Two descriptions of one process stand in each other's way.
GAUNTLET_CASE(SemaphoresConformance, OfdSetlk_OtherDescriptionOfTheSameProcess_FailsWithEagain,
              .clause = "fcntl(2) Open file description locks (conflict within a process)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd one = file->open();
  const UniqueFd two = file->open();
  ASSERT_THAT(lock_part(one, F_OFD_SETLK, F_WRLCK, 0, 10), SyscallSucceeds());
  EXPECT_THAT(lock_part(two, F_OFD_SETLK, F_WRLCK, 9, 5), SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(lock_part(two, F_OFD_SETLK, F_WRLCK, 10, 5), SyscallSucceeds());
  EXPECT_THAT(lock_part(two, F_SETLK, F_WRLCK, 0, 1), is_refused())
      << "both kinds of record lock conflict";
}

// It goes with the description: a child holds it too, and another open and close does it no harm.
GAUNTLET_CASE(
    SemaphoresConformance, OfdSetlk_InheritedByFork_IsHeldUntilTheLastClose,
    .clause = "fcntl(2) Open file description locks (inherited; released on last close)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  UniqueFd mine = file->open();
  const UniqueFd strange = file->open();
  ASSERT_THAT(lock_part(mine, F_OFD_SETLK, F_WRLCK), SyscallSucceeds());
  file->open(O_RDONLY).reset();
  EXPECT_THAT(lock_part(strange, F_OFD_SETLK, F_WRLCK), SyscallFailsWithErrno(EAGAIN));
  const auto blocker = LockFile::create(context);
  if (!blocker) return context.not_created(blocker.error());
  const UniqueFd blocked = blocker->open();
  ASSERT_THAT(::flock(blocked.get(), LOCK_EX), SyscallSucceeds());
  ChildCall heir(context, [&] {
    const UniqueFd own = blocker->open();
    return ::flock(own.get(), LOCK_EX);
  });
  ASSERT_TRUE(heir.is_asleep());
  mine.reset();
  EXPECT_THAT(lock_part(strange, F_OFD_SETLK, F_WRLCK), SyscallFailsWithErrno(EAGAIN))
      << "the child has it still";
  EXPECT_TRUE(heir.kill());
  EXPECT_THAT(lock_part(strange, F_OFD_SETLK, F_WRLCK), SyscallSucceeds());
}

// Such a lock has no process: F_GETLK and F_OFD_GETLK say -1.
GAUNTLET_CASE(SemaphoresConformance, OfdGetlk_LockOfADescription_HasThePidMinusOne,
              .clause = "fcntl(2) F_GETLK, F_OFD_GETLK (l_pid is -1)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd one = file->open();
  const UniqueFd two = file->open();
  ASSERT_THAT(lock_part(one, F_OFD_SETLK, F_WRLCK, 3, 4), SyscallSucceeds());
  for (const int command : {F_GETLK, F_OFD_GETLK}) {
    const struct flock seen = obstacle(two, command);
    EXPECT_EQ(seen.l_type, F_WRLCK);
    EXPECT_EQ(seen.l_start, 3);
    EXPECT_EQ(seen.l_len, 4);
    EXPECT_EQ(seen.l_pid, -1);
  }
  EXPECT_EQ(obstacle(one, F_OFD_GETLK).l_type, F_UNLCK);
}

// These locks are not searched for circles: whoever closes one sleeps like any other.
GAUNTLET_CASE(SemaphoresConformance, OfdSetlkw_CircleOfTwo_SleepsUndetected,
              .clause = "fcntl(2) F_OFD_SETLKW (no deadlock detection)") {
  const auto file = LockFile::create(context);
  if (!file) return context.not_created(file.error());
  const UniqueFd one = file->open();
  const UniqueFd two = file->open();
  ASSERT_THAT(lock_part(one, F_OFD_SETLK, F_WRLCK, 0, 1), SyscallSucceeds());
  ASSERT_THAT(lock_part(two, F_OFD_SETLK, F_WRLCK, 1, 1), SyscallSucceeds());
  ChildCall first(context, [&] { return lock_part(one, F_OFD_SETLKW, F_WRLCK, 1, 1); });
  ASSERT_TRUE(first.is_asleep());
  ChildCall second(context, [&] { return lock_part(two, F_OFD_SETLKW, F_WRLCK, 0, 1); });
  EXPECT_TRUE(second.is_asleep());
  ASSERT_THAT(lock_part(two, F_OFD_SETLK, F_UNLCK, 1, 1), SyscallSucceeds());
  EXPECT_THAT(first.finish(), SyscallSucceeds());
  ASSERT_THAT(lock_part(one, F_OFD_SETLK, F_UNLCK), SyscallSucceeds());
  EXPECT_THAT(second.finish(), SyscallSucceeds());
}

}  // namespace
}  // namespace gauntlet
