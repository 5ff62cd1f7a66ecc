// What eventfd(2) promises in semaphore mode, as counter of units between processes.
#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/unique_fd.h"
#include "cases/context.h"
#include "semaphores/sleepers.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

/// One read: what it answered, or -1 and errno.
long take(const UniqueFd& fd) {
  std::uint64_t units = 0;
  return ::read(fd.get(), &units, sizeof units) == sizeof units ? static_cast<long>(units) : -1;
}
long give(const UniqueFd& fd, std::uint64_t units) {
  return ::write(fd.get(), &units, sizeof units);
}

// A read takes one unit and says so, however many there are.
GAUNTLET_CASE(SemaphoresConformance, EventfdSemaphoreRead_SeveralUnits_TakesOneAtATime,
              .clause = "eventfd(2) EFD_SEMAPHORE, read(2)") {
  const UniqueFd fd(::eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK));
  ASSERT_TRUE(fd.valid());
  for (int unit = 0; unit < 3; ++unit) EXPECT_THAT(take(fd), SyscallSucceedsWithValue(1));
  EXPECT_THAT(take(fd), SyscallFailsWithErrno(EAGAIN));
}

GAUNTLET_CASE(SemaphoresConformance, EventfdSemaphoreRead_Zero_SleepsUntilAWrite,
              .clause = "eventfd(2) read(2) (blocks until the counter becomes nonzero)") {
  const UniqueFd fd(::eventfd(0, EFD_SEMAPHORE));
  ASSERT_TRUE(fd.valid());
  ChildCall taker(context, [&] { return take(fd); });
  ASSERT_TRUE(taker.is_asleep());
  ASSERT_THAT(give(fd, 1), SyscallSucceedsWithValue(8));
  EXPECT_THAT(taker.finish(), SyscallSucceedsWithValue(1));
}

// One write of several units lets as many readers go as there are units.
GAUNTLET_CASE(SemaphoresOverload, EventfdSemaphoreWrite_OfManyUnits_WakesAsManyReaders,
              .clause = "eventfd(2) EFD_SEMAPHORE, write(2)") {
  const UniqueFd fd(::eventfd(0, EFD_SEMAPHORE));
  ASSERT_TRUE(fd.valid());
  const std::uint64_t count = context.amount(8, 32, 64);
  auto takers = sleepers(context, count, [&] { return take(fd); });
  ASSERT_THAT(give(fd, count - 1), SyscallSucceedsWithValue(8));
  EXPECT_EQ(count_woken(takers), static_cast<int>(count - 1));
  ASSERT_THAT(give(fd, 1), SyscallSucceedsWithValue(8));
  for (const auto& taker : takers) EXPECT_THAT(taker->finish(), SyscallSucceedsWithValue(1));
}

// Full, a writer waits until there is room for all that it writes.
GAUNTLET_CASE(SemaphoresConformance, EventfdSemaphoreWrite_PastTheMaximum_WaitsOrFailsWithEagain,
              .clause = "eventfd(2) write(2) (0xfffffffffffffffe), ERRORS EAGAIN") {
  const UniqueFd fd(::eventfd(0, EFD_SEMAPHORE));
  ASSERT_TRUE(fd.valid());
  ASSERT_THAT(give(fd, UINT64_MAX - 1), SyscallSucceedsWithValue(8));
  ChildCall giver(context, [&] { return give(fd, 2); });
  ASSERT_TRUE(giver.is_asleep());
  EXPECT_THAT(take(fd), SyscallSucceedsWithValue(1));
  EXPECT_TRUE(giver.is_asleep()) << "there is room for one only";
  EXPECT_THAT(take(fd), SyscallSucceedsWithValue(1));
  EXPECT_THAT(giver.finish(), SyscallSucceedsWithValue(8));
}

GAUNTLET_CASE(
    SemaphoresConformance, EventfdSemaphore_WrongArguments_FailsWithEinval,
    .clause = "eventfd(2) ERRORS EINVAL (flags; size of the buffer; 0xffffffffffffffff)") {
  const UniqueFd fd(::eventfd(1, EFD_SEMAPHORE | EFD_NONBLOCK));
  ASSERT_TRUE(fd.valid());
  EXPECT_THAT(::eventfd(0, 0x4000'0000), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(give(fd, UINT64_MAX), SyscallFailsWithErrno(EINVAL));
  std::uint32_t small = 0;
  EXPECT_THAT(::read(fd.get(), &small, sizeof small), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::write(fd.get(), &small, sizeof small), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(take(fd), SyscallSucceedsWithValue(1)) << "a refused call took or gave";
}

// It has no owner: what a killed process took stays taken, and a killed reader takes nothing.
GAUNTLET_CASE(SemaphoresCrashes, EventfdSemaphore_HolderAndReaderKilled_OnlyWhatWasReadIsGone,
              .clause = "eventfd(2) EFD_SEMAPHORE") {
  const UniqueFd fd(::eventfd(1, EFD_SEMAPHORE));
  ASSERT_TRUE(fd.valid());
  ChildCall holder(context, [&]() -> long { return take(fd) == 1 ? take(fd) : -1; });
  ASSERT_TRUE(holder.is_asleep());
  EXPECT_TRUE(holder.kill());
  ChildCall next(context, [&] { return take(fd); });
  ASSERT_TRUE(next.is_asleep()) << "the unit of the dead came back";
  ASSERT_THAT(give(fd, 1), SyscallSucceedsWithValue(8));
  EXPECT_THAT(next.finish(), SyscallSucceedsWithValue(1)) << "the dead reader took it";
}

}  // namespace
}  // namespace gauntlet
