// What Linux promises about the capacity of a pipe: fcntl(2) F_SETPIPE_SZ and F_GETPIPE_SZ.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <bit>

#include "cases/context.h"
#include "pipes/pipe_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/system_setting.h"

namespace gauntlet {
namespace {

using testing::Ge;

constexpr const char* kLargestSetting = "/proc/sys/fs/pipe-max-size";

// The capacity becomes at least what was asked for; the call answers it, F_GETPIPE_SZ repeats it,
// and it is what fits.
GAUNTLET_CASE(PipesConformance, FcntlSetpipeSz_ToMore_AnswersTheNewCapacityWhichReallyFits,
              .clause = "fcntl(2) F_SETPIPE_SZ") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  const long wanted = static_cast<long>(2 * page_size()) + 1;
  const long set = ::fcntl(ends->write.get(), F_SETPIPE_SZ, wanted);
  ASSERT_THAT(set, SyscallSucceedsWithValue(Ge(wanted)));
  EXPECT_TRUE(std::has_single_bit(static_cast<unsigned long>(set) / page_size()))
      << set << " is no power-of-two number of pages";
  EXPECT_EQ(::fcntl(ends->read.get(), F_GETPIPE_SZ), set);
  EXPECT_EQ(fill(ends->write.get()), set);
}

// Less than a page is rounded up to a page.
GAUNTLET_CASE(PipesConformance, FcntlSetpipeSz_ToLessThanAPage_IsRoundedUpToAPage,
              .clause = "fcntl(2) F_SETPIPE_SZ (below the page size, silently rounded up)") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  EXPECT_THAT(::fcntl(ends->write.get(), F_SETPIPE_SZ, 1),
              SyscallSucceedsWithValue(static_cast<long>(page_size())));
  EXPECT_EQ(fill(ends->write.get()), static_cast<long>(page_size()));
}

// What is in the pipe is not thrown away: a capacity below it is refused and changes nothing.
GAUNTLET_CASE(PipesConformance, FcntlSetpipeSz_BelowWhatIsQueued_FailsWithEbusyAndKeepsTheData,
              .clause = "fcntl(2) ERRORS [EBUSY]") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  const long four_pages = static_cast<long>(4 * page_size());
  ASSERT_THAT(::fcntl(ends->write.get(), F_SETPIPE_SZ, four_pages), SyscallSucceeds());
  ASSERT_EQ(fill(ends->write.get()), four_pages);
  EXPECT_THAT(::fcntl(ends->write.get(), F_SETPIPE_SZ, page_size()), SyscallFailsWithErrno(EBUSY));
  EXPECT_EQ(bytes_waiting(ends->read.get()), four_pages);
  EXPECT_EQ(::fcntl(ends->write.get(), F_GETPIPE_SZ), four_pages);
}

// A changed capacity keeps the bytes and their order.
GAUNTLET_CASE(PipesConformance, FcntlSetpipeSz_WhileDataWait_KeepsTheirOrder,
              .clause = "fcntl(2) F_SETPIPE_SZ; pipe(7) Pipe capacity") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  // A read before the writes moves the data away from the start of the kernel's ring.
  ASSERT_THAT(::write(ends->write.get(), "-", 1), SyscallSucceedsWithValue(1));
  ASSERT_EQ(read_up_to(ends->read.get(), 1), "-");
  std::string expected;
  for (char mark = 'a'; mark < 'd'; ++mark) {
    const std::string page(page_size(), mark);
    ASSERT_THAT(::write(ends->write.get(), page.data(), page.size()),
                SyscallSucceedsWithValue(static_cast<long>(page.size())));
    expected += page;
  }
  ASSERT_THAT(::fcntl(ends->write.get(), F_SETPIPE_SZ, 4 * page_size()), SyscallSucceeds());
  ASSERT_THAT(::fcntl(ends->write.get(), F_SETPIPE_SZ, 8 * page_size()), SyscallSucceeds());
  EXPECT_TRUE(read_up_to(ends->read.get(), expected.size()) == expected);
}

// A writer that sleeps on a full pipe is woken when the pipe grows.
GAUNTLET_CASE(PipesConformance, FcntlSetpipeSz_OfAFullPipe_WakesASleepingWriter,
              .clause = "pipe(7): a write blocks until there is room; fcntl(2) F_SETPIPE_SZ") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ASSERT_THAT(::fcntl(ends->write.get(), F_SETPIPE_SZ, page_size()), SyscallSucceeds());
  ASSERT_GT(fill(ends->write.get()), 0);
  ChildCall writer(context, [&] { return ::write(ends->write.get(), "x", 1); });
  ASSERT_TRUE(writer.is_asleep());
  ASSERT_THAT(::fcntl(ends->write.get(), F_SETPIPE_SZ, 4 * page_size()), SyscallSucceeds());
  EXPECT_THAT(writer.finish(), SyscallSucceedsWithValue(1));
}

// The system's ceiling binds whoever has no CAP_SYS_RESOURCE.
GAUNTLET_CASE(PipesConformance, FcntlSetpipeSz_AboveTheCeilingUnprivileged_FailsWithEperm,
              .clause = "fcntl(2) ERRORS [EPERM]; pipe(7) /proc/sys/fs/pipe-max-size") {
  const auto ceiling = system_number(kLargestSetting);
  if (!ceiling) return context.unsupported(kLargestSetting, "nothing to read");
  if (*ceiling >= (1L << 30)) {
    return context.not_run("a ceiling below 1 GiB (the largest pipe anybody can ask for)",
                           "lower fs.pipe-max-size");
  }
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  const long before = ::fcntl(ends->write.get(), F_GETPIPE_SZ);
  EXPECT_THAT(call_without_capabilities(
                  context, [&] { return ::fcntl(ends->write.get(), F_SETPIPE_SZ, *ceiling + 1); }),
              SyscallFailsWithErrno(EPERM));
  EXPECT_EQ(::fcntl(ends->write.get(), F_GETPIPE_SZ), before);
}

GAUNTLET_CASE(PipesConformance, FcntlSetpipeSz_OnSomethingElse_FailsWithEbadf,
              .clause = "fcntl(2) ERRORS [EBADF]; F_SETPIPE_SZ (a pipe referred to by fd)") {
  const UniqueFd other(::open("/dev/null", O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(other.valid());
  EXPECT_THAT(::fcntl(other.get(), F_SETPIPE_SZ, page_size()), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::fcntl(other.get(), F_GETPIPE_SZ), SyscallFailsWithErrno(EBADF));
}

}  // namespace
}  // namespace gauntlet
