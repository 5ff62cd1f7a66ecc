// What splice(2) and tee(2) promise: bytes between pipes and files without a detour.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cases/context.h"
#include "pipes/pipe_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/scratch_directory.h"

namespace gauntlet {
namespace {

/// Moves between descriptors without offsets and without waiting.
ssize_t splice_now(int from, int to, std::size_t count) {
  return ::splice(from, nullptr, to, nullptr, count, SPLICE_F_NONBLOCK);
}

GAUNTLET_CASE(PipesConformance, Splice_BetweenTwoPipes_MovesTheBytes, .clause = "splice(2)") {
  const auto from = PipeEnds::open(O_NONBLOCK);
  const auto to = PipeEnds::open(O_NONBLOCK);
  if (!from || !to) return context.not_created(from ? to.error() : from.error());
  ASSERT_THAT(::write(from->write.get(), "abcdef", 6), SyscallSucceedsWithValue(6));
  EXPECT_THAT(splice_now(from->read.get(), to->write.get(), 4), SyscallSucceedsWithValue(4));
  EXPECT_EQ(read_up_to(to->read.get(), 4), "abcd");
  EXPECT_EQ(bytes_waiting(from->read.get()), 2);
}

// From a file at an offset: the bytes of that place come, and the offset variable moves on, not the
// file's own position.
GAUNTLET_CASE(PipesConformance, Splice_FromAFileAtAnOffset_MovesTheOffsetNotThePosition,
              .clause = "splice(2) (off_in not NULL)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const UniqueFd file(
      ::open(directory->file("data").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  ASSERT_THAT(::write(file.get(), "0123456789", 10), SyscallSucceedsWithValue(10));
  ASSERT_THAT(::lseek(file.get(), 0, SEEK_SET), SyscallSucceedsWithValue(0));
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  loff_t offset = 3;
  EXPECT_THAT(::splice(file.get(), &offset, ends->write.get(), nullptr, 4, 0),
              SyscallSucceedsWithValue(4));
  EXPECT_EQ(offset, 7);
  EXPECT_EQ(::lseek(file.get(), 0, SEEK_CUR), 0);
  EXPECT_EQ(read_up_to(ends->read.get(), 4), "3456");
}

GAUNTLET_CASE(PipesConformance, Splice_WithoutAPipeOnEitherSide_FailsWithEinval,
              .clause = "splice(2) ERRORS [EINVAL] (neither is a pipe)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const UniqueFd one(
      ::open(directory->file("one").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  const UniqueFd two(
      ::open(directory->file("two").c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  ASSERT_TRUE(one.valid() && two.valid());
  EXPECT_THAT(splice_now(one.get(), two.get(), 1), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(PipesConformance, Splice_FromAPipeToItself_FailsWithEinval,
              .clause = "splice(2) ERRORS [EINVAL] (fd_in and fd_out refer to the same pipe)") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  ASSERT_THAT(::write(ends->write.get(), "x", 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(splice_now(ends->read.get(), ends->write.get(), 1), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(PipesConformance, Splice_IntoAFileOpenForAppending_FailsWithEinval,
              .clause = "splice(2) ERRORS [EINVAL] (target opened in append mode)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const UniqueFd file(::open(directory->file("log").c_str(),
                             O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  ASSERT_TRUE(file.valid());
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  ASSERT_THAT(::write(ends->write.get(), "x", 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(splice_now(ends->read.get(), file.get(), 1), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(PipesConformance, Splice_OffsetForAPipe_FailsWithEspipe,
              .clause = "splice(2) ERRORS [ESPIPE]") {
  const auto from = PipeEnds::open(O_NONBLOCK);
  const auto to = PipeEnds::open(O_NONBLOCK);
  if (!from || !to) return context.not_created(from ? to.error() : from.error());
  loff_t offset = 0;
  EXPECT_THAT(::splice(from->read.get(), &offset, to->write.get(), nullptr, 1, SPLICE_F_NONBLOCK),
              SyscallFailsWithErrno(ESPIPE));
  EXPECT_THAT(::splice(from->read.get(), nullptr, to->write.get(), &offset, 1, SPLICE_F_NONBLOCK),
              SyscallFailsWithErrno(ESPIPE));
}

GAUNTLET_CASE(PipesConformance, Splice_WrongEndOrNoDescriptor_FailsWithEbadf,
              .clause = "splice(2) ERRORS [EBADF]") {
  const auto from = PipeEnds::open(O_NONBLOCK);
  const auto to = PipeEnds::open(O_NONBLOCK);
  if (!from || !to) return context.not_created(from ? to.error() : from.error());
  EXPECT_THAT(splice_now(-1, to->write.get(), 1), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(splice_now(from->write.get(), to->write.get(), 1), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(splice_now(from->read.get(), to->read.get(), 1), SyscallFailsWithErrno(EBADF));
}

// SPLICE_F_NONBLOCK alone makes the pipe side not wait, although the descriptors would.
GAUNTLET_CASE(PipesConformance, Splice_FromAnEmptyPipeNonblocking_FailsWithEagain,
              .clause = "splice(2) ERRORS [EAGAIN]; SPLICE_F_NONBLOCK") {
  const auto from = PipeEnds::open();
  const auto to = PipeEnds::open();
  if (!from || !to) return context.not_created(from ? to.error() : from.error());
  EXPECT_THAT(splice_now(from->read.get(), to->write.get(), 1), SyscallFailsWithErrno(EAGAIN));
}

GAUNTLET_CASE(PipesConformance, Splice_FromAnEmptyPipeWithoutWriters_AnswersZero,
              .clause = "splice(2) RETURN VALUE (0: end of input)") {
  auto from = PipeEnds::open();
  const auto to = PipeEnds::open();
  if (!from || !to) return context.not_created(from ? to.error() : from.error());
  from->write.reset();
  EXPECT_THAT(::splice(from->read.get(), nullptr, to->write.get(), nullptr, 1, 0),
              SyscallSucceedsWithValue(0));
}

// It sleeps for input as read() does.
GAUNTLET_CASE(PipesConformance, Splice_FromAnEmptyPipe_SleepsUntilAWrite, .clause = "splice(2)") {
  const auto from = PipeEnds::open();
  const auto to = PipeEnds::open();
  if (!from || !to) return context.not_created(from ? to.error() : from.error());
  ChildCall mover(
      context, [&] { return ::splice(from->read.get(), nullptr, to->write.get(), nullptr, 8, 0); });
  ASSERT_TRUE(mover.is_asleep());
  ASSERT_THAT(::write(from->write.get(), "abc", 3), SyscallSucceedsWithValue(3));
  EXPECT_THAT(mover.finish(), SyscallSucceedsWithValue(3));
  EXPECT_EQ(bytes_waiting(to->read.get()), 3);
}

// tee() copies what waits and takes nothing.
GAUNTLET_CASE(PipesConformance, Tee_OfWaitingBytes_CopiesAndLeavesThem, .clause = "tee(2)") {
  const auto from = PipeEnds::open(O_NONBLOCK);
  const auto to = PipeEnds::open(O_NONBLOCK);
  if (!from || !to) return context.not_created(from ? to.error() : from.error());
  ASSERT_THAT(::write(from->write.get(), "abc", 3), SyscallSucceedsWithValue(3));
  EXPECT_THAT(::tee(from->read.get(), to->write.get(), 100, SPLICE_F_NONBLOCK),
              SyscallSucceedsWithValue(3));
  EXPECT_EQ(read_up_to(to->read.get(), 3), "abc");
  EXPECT_EQ(read_up_to(from->read.get(), 3), "abc");
}

GAUNTLET_CASE(PipesConformance, Tee_OfAPipeToItselfOrAFile_FailsWithEinval,
              .clause = "tee(2) ERRORS [EINVAL]") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  const UniqueFd other(::open("/dev/null", O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(other.valid());
  EXPECT_THAT(::tee(ends->read.get(), ends->write.get(), 1, SPLICE_F_NONBLOCK),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::tee(ends->read.get(), other.get(), 1, SPLICE_F_NONBLOCK),
              SyscallFailsWithErrno(EINVAL));
}

// vmsplice() lends user pages to the pipe; what is read is what stood there.
GAUNTLET_CASE(PipesConformance, Vmsplice_OfUserMemory_IsReadFromThePipe, .clause = "vmsplice(2)") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  std::string one = "scattered ";
  std::string two = "memory";
  const iovec parts[] = {{one.data(), one.size()}, {two.data(), two.size()}};
  EXPECT_THAT(::vmsplice(ends->write.get(), parts, 2, 0), SyscallSucceedsWithValue(16));
  EXPECT_EQ(read_up_to(ends->read.get(), 16), "scattered memory");
}

}  // namespace
}  // namespace gauntlet
