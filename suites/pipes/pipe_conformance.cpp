// What pipe() and pipe2() promise, and how the descriptors that they make behave as descriptors.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "cases/context.h"
#include "pipes/pipe_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

using testing::Ge;

/// Events that are pending now.
int pending(int fd, short wanted) {
  pollfd one = {fd, wanted, 0};
  return ::poll(&one, 1, 0) < 0 ? -1 : one.revents;
}

// fildes[0] is open for reading and fildes[1] for writing; without flags both block, and stay open
// over exec.
GAUNTLET_CASE(PipesConformance, Pipe_WithoutFlags_FirstEndReadsSecondWritesBothBlock,
              .clause = "POSIX.1-2024 pipe() DESCRIPTION") {
  int raw[2];
  ASSERT_THAT(::pipe(raw), SyscallSucceeds());
  const UniqueFd reader(raw[0]);
  const UniqueFd writer(raw[1]);
  EXPECT_EQ(::fcntl(reader.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
  EXPECT_EQ(::fcntl(writer.get(), F_GETFL) & O_ACCMODE, O_WRONLY);
  for (const int fd : raw) {
    EXPECT_EQ(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
}

// pipe() takes the two lowest numbers that are free, as every call that makes a descriptor does.
GAUNTLET_CASE(PipesConformance, Pipe_WithGapsBelow_TakesTheLowestFreeDescriptors,
              .clause = "POSIX.1-2024 pipe() DESCRIPTION; File Descriptor Allocation") {
  UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  UniqueFd second(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd above(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(above.valid());
  const int low = first.get();
  const int high = second.get();
  first.reset();
  second.reset();
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  EXPECT_EQ(ends->read.get(), low);
  EXPECT_EQ(ends->write.get(), high);
}

// The flags of pipe2() are those of both ends from the start, so that no other thread can fork in
// between.
GAUNTLET_CASE(PipesConformance, Pipe2_CloexecAndNonblock_AreSetOnBothEnds,
              .clause = "POSIX.1-2024 pipe2() DESCRIPTION") {
  int raw[2];
  ASSERT_THAT(::pipe2(raw, O_CLOEXEC | O_NONBLOCK), SyscallSucceeds());
  const UniqueFd reader(raw[0]);
  const UniqueFd writer(raw[1]);
  for (const int fd : raw) {
    EXPECT_EQ(::fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  }
}

// A flag that pipe2() does not know is refused; O_APPEND has no meaning for it.
GAUNTLET_CASE(PipesConformance, Pipe2_UnknownFlag_FailsWithEinval,
              .clause = "POSIX.1-2024 pipe2() ERRORS [EINVAL]") {
  int raw[2] = {-7, -7};
  EXPECT_THAT(::pipe2(raw, O_APPEND), SyscallFailsWithErrno(EINVAL));
  // A failed call leaves the array alone (POSIX.1-2008 Technical Corrigendum 2).
  EXPECT_EQ(raw[0], -7);
  EXPECT_EQ(raw[1], -7);
}

// An array outside of our memory is an error, and no descriptor stays open for nobody.
GAUNTLET_CASE(PipesConformance, Pipe2_ArrayOutsideMemory_FailsWithEfaultAndOpensNothing,
              .clause = "pipe(2) ERRORS [EFAULT]") {
  const long page = ::sysconf(_SC_PAGESIZE);
  void* const unreadable = ::mmap(nullptr, static_cast<std::size_t>(page), PROT_NONE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(unreadable, MAP_FAILED);
  const UniqueFd before(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int next_free = before.get() + 1;
  EXPECT_THAT(::pipe2(static_cast<int*>(unreadable), 0), SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(::fcntl(next_free, F_GETFD), SyscallFailsWithErrno(EBADF));
  ::munmap(unreadable, static_cast<std::size_t>(page));
}

// Two descriptors must be free below the limit: with one the call fails and takes not even that.
GAUNTLET_CASE(PipesConformance, Pipe2_OneDescriptorBelowTheLimit_FailsWithEmfileAndOpensNone,
              .clause = "POSIX.1-2024 pipe() ERRORS [EMFILE]") {
  const UniqueFd probe(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(probe.valid());
  const int next_free = ::fcntl(probe.get(), F_DUPFD_CLOEXEC, probe.get());
  ASSERT_GE(next_free, 0);
  ::close(next_free);
  int raw[2] = {-7, -7};
  CallOutcome outcome;
  {
    const LoweredLimit limit(RLIMIT_NOFILE, static_cast<rlim_t>(next_free) + 1);
    if (!limit.lowered()) return context.not_run("RLIMIT_NOFILE to be lowered", "run unconfined");
    outcome = outcome_of(::pipe2(raw, 0));
    EXPECT_THAT(::fcntl(next_free, F_GETFD), SyscallFailsWithErrno(EBADF));
  }
  EXPECT_THAT(outcome, SyscallFailsWithErrno(EMFILE));
  EXPECT_EQ(raw[0], -7);
}

// A pipe says that it is one, and has no position.
GAUNTLET_CASE(PipesConformance, Fstat_OfAPipe_SaysFifo,
              .clause = "POSIX.1-2024 fstat(), S_ISFIFO") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  struct stat status = {};
  ASSERT_THAT(::fstat(ends->read.get(), &status), SyscallSucceeds());
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
  EXPECT_EQ(status.st_uid, ::geteuid());
}

GAUNTLET_CASE(PipesConformance, Lseek_OnAPipe_FailsWithEspipe,
              .clause = "POSIX.1-2024 lseek() ERRORS [ESPIPE]") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  EXPECT_THAT(::lseek(ends->read.get(), 0, SEEK_CUR), SyscallFailsWithErrno(ESPIPE));
  EXPECT_THAT(::lseek(ends->write.get(), 0, SEEK_END), SyscallFailsWithErrno(ESPIPE));
}

GAUNTLET_CASE(PipesConformance, PreadAndPwrite_OnAPipe_FailWithEspipe,
              .clause = "POSIX.1-2024 pread(), pwrite() ERRORS [ESPIPE]") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  char byte = 'x';
  EXPECT_THAT(::pwrite(ends->write.get(), &byte, 1, 0), SyscallFailsWithErrno(ESPIPE));
  EXPECT_THAT(::pread(ends->read.get(), &byte, 1, 0), SyscallFailsWithErrno(ESPIPE));
}

// PIPE_BUF is at least 512, as a constant and as fpathconf() tells it for this pipe.
GAUNTLET_CASE(PipesConformance, Fpathconf_PipeBuf_IsAtLeastThePosixMinimum,
              .clause = "POSIX.1-2024 <limits.h> _POSIX_PIPE_BUF; pipe(7) PIPE_BUF") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  EXPECT_THAT(::fpathconf(ends->write.get(), _PC_PIPE_BUF),
              SyscallSucceedsWithValue(Ge(_POSIX_PIPE_BUF)));
  static_assert(PIPE_BUF >= _POSIX_PIPE_BUF);
}

// FIONREAD counts what was written and not yet read.
GAUNTLET_CASE(PipesConformance, Fionread_AfterWritesAndReads_CountsWhatWaits,
              .clause = "pipe(7) I/O on pipes and FIFOs; ioctl_tty(2) FIONREAD") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  EXPECT_EQ(bytes_waiting(ends->read.get()), 0);
  ASSERT_THAT(::write(ends->write.get(), "abcdefgh", 8), SyscallSucceedsWithValue(8));
  EXPECT_EQ(bytes_waiting(ends->read.get()), 8);
  char part[3];
  ASSERT_THAT(::read(ends->read.get(), part, sizeof part), SyscallSucceedsWithValue(3));
  EXPECT_EQ(bytes_waiting(ends->read.get()), 5);
}

// poll() tells a reader of data and a writer of room, and neither of what is not there.
GAUNTLET_CASE(PipesConformance, Poll_EmptyAndFull_TellsWhichEndCanGoOn,
              .clause = "POSIX.1-2024 poll() POLLIN, POLLOUT") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  EXPECT_EQ(pending(ends->read.get(), POLLIN), 0);
  EXPECT_EQ(pending(ends->write.get(), POLLOUT), POLLOUT);
  ASSERT_GT(fill(ends->write.get()), 0);
  EXPECT_EQ(pending(ends->read.get(), POLLIN), POLLIN);
  EXPECT_EQ(pending(ends->write.get(), POLLOUT), 0);
}

// With the last writer gone a reader is told POLLHUP, beside POLLIN while data wait.
GAUNTLET_CASE(PipesConformance, Poll_LastWriterClosed_TellsTheReaderOfTheHangUp,
              .clause = "POSIX.1-2024 poll() POLLHUP") {
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ASSERT_THAT(::write(ends->write.get(), "x", 1), SyscallSucceedsWithValue(1));
  ends->write.reset();
  EXPECT_EQ(pending(ends->read.get(), POLLIN), POLLIN | POLLHUP);
  char byte = 0;
  ASSERT_THAT(::read(ends->read.get(), &byte, 1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(pending(ends->read.get(), POLLIN), POLLHUP);
}

GAUNTLET_CASE(PipesConformance, Poll_LastReaderClosed_TellsTheWriterOfTheError,
              .clause = "poll(2) POLLERR: write end of a pipe when the read end has been closed") {
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ends->read.reset();
  EXPECT_EQ(pending(ends->write.get(), POLLOUT) & POLLERR, POLLERR);
}

// A pipe is asynchronous I/O's, too: with O_ASYNC and an owner, new input sends SIGIO.
GAUNTLET_CASE(PipesConformance, Fcntl_OAsync_NewInputSendsSigio,
              .clause = "pipe(7): O_ASYNC flag on the read end") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  sigset_t io;
  sigemptyset(&io);
  sigaddset(&io, SIGIO);
  ASSERT_THAT(::sigprocmask(SIG_BLOCK, &io, nullptr), SyscallSucceeds());
  ASSERT_THAT(::fcntl(ends->read.get(), F_SETOWN, ::getpid()), SyscallSucceeds());
  ASSERT_THAT(::fcntl(ends->read.get(), F_SETFL, O_ASYNC), SyscallSucceeds());
  const timespec now = {};
  EXPECT_THAT(::sigtimedwait(&io, nullptr, &now), SyscallFailsWithErrno(EAGAIN))
      << "SIGIO before there was any input";
  ASSERT_THAT(::write(ends->write.get(), "x", 1), SyscallSucceedsWithValue(1));
  const timespec patience = Deadline::after(kCallPatience).as_timeout();
  EXPECT_THAT(::sigtimedwait(&io, nullptr, &patience), SyscallSucceedsWithValue(SIGIO));
}

}  // namespace
}  // namespace gauntlet
