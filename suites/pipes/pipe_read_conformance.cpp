// What read() promises on a pipe: when it waits, what ends the waiting, and what the end looks
// like.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases/context.h"
#include "pipes/pipe_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

// Bytes come out in the order in which they went in, whatever the sizes of writes and reads.
GAUNTLET_CASE(PipesConformance, Read_AcrossSeveralWrites_GivesTheBytesInOrder,
              .clause = "POSIX.1-2024 pipe() DESCRIPTION (first-in-first-out)") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  for (const std::string_view part : {"a", "bcd", "ef"}) {
    ASSERT_THAT(::write(ends->write.get(), part.data(), part.size()), SyscallSucceeds());
  }
  EXPECT_EQ(read_up_to(ends->read.get(), 4), "abcd");
  EXPECT_EQ(read_up_to(ends->read.get(), 2), "ef");
}

// A read that asks for more than there is answers what there is, without waiting for the rest.
GAUNTLET_CASE(PipesConformance, Read_OfMoreThanWaits_AnswersWhatThereIs,
              .clause = "POSIX.1-2024 read() DESCRIPTION (pipe with fewer bytes than requested)") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ASSERT_THAT(::write(ends->write.get(), "abc", 3), SyscallSucceedsWithValue(3));
  char buffer[100];
  EXPECT_THAT(::read(ends->read.get(), buffer, sizeof buffer), SyscallSucceedsWithValue(3));
}

GAUNTLET_CASE(PipesConformance, Read_ZeroBytes_AnswersZeroAndTakesNothing,
              .clause = "POSIX.1-2024 read() DESCRIPTION (nbyte is 0)") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  ASSERT_THAT(::write(ends->write.get(), "abc", 3), SyscallSucceedsWithValue(3));
  char none = 0;
  EXPECT_THAT(::read(ends->read.get(), &none, 0), SyscallSucceedsWithValue(0));
  EXPECT_EQ(bytes_waiting(ends->read.get()), 3);
}

// Empty and somebody could still write: a reader that may not wait is told so.
GAUNTLET_CASE(PipesConformance, Read_EmptyNonblocking_FailsWithEagain,
              .clause = "POSIX.1-2024 read() ERRORS [EAGAIN]") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  char byte = 0;
  EXPECT_THAT(::read(ends->read.get(), &byte, 1), SyscallFailsWithErrno(EAGAIN));
}

// O_NONBLOCK belongs to the open file description: it is switched on the fly, and for one end only.
GAUNTLET_CASE(PipesConformance, Fcntl_NonblockOnOneEnd_LeavesTheOtherBlocking,
              .clause = "POSIX.1-2024 fcntl() F_SETFL; pipe() (O_NONBLOCK clear on both)") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ASSERT_TRUE(set_nonblocking(ends->read.get(), true));
  char byte = 0;
  EXPECT_THAT(::read(ends->read.get(), &byte, 1), SyscallFailsWithErrno(EAGAIN));
  EXPECT_EQ(::fcntl(ends->write.get(), F_GETFL) & O_NONBLOCK, 0);
}

// Empty, blocking, a writer is there: the reader sleeps, and the next write wakes it.
GAUNTLET_CASE(PipesConformance, Read_EmptyBlocking_SleepsUntilAWrite,
              .clause = "POSIX.1-2024 read() DESCRIPTION (empty pipe, O_NONBLOCK clear)") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ChildCall reader(context, [&] {
    char byte = 0;
    return ::read(ends->read.get(), &byte, 1) == 1 ? byte : -1;
  });
  ASSERT_TRUE(reader.is_asleep());
  ASSERT_THAT(::write(ends->write.get(), "k", 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(reader.finish(), SyscallSucceedsWithValue('k'));
}

// The end of the stream comes after the last byte, not instead of it, and comes again.
GAUNTLET_CASE(PipesConformance, Read_LastWriterClosed_GivesTheRestThenZeroForEver,
              .clause = "POSIX.1-2024 read() DESCRIPTION (no process has the pipe open to write)") {
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ASSERT_THAT(::write(ends->write.get(), "rest", 4), SyscallSucceedsWithValue(4));
  ends->write.reset();
  char buffer[8];
  EXPECT_THAT(::read(ends->read.get(), buffer, sizeof buffer), SyscallSucceedsWithValue(4));
  EXPECT_THAT(::read(ends->read.get(), buffer, sizeof buffer), SyscallSucceedsWithValue(0));
  EXPECT_THAT(::read(ends->read.get(), buffer, sizeof buffer), SyscallSucceedsWithValue(0));
}

// A reader that sleeps learns of the last close at once.
GAUNTLET_CASE(PipesConformance, Close_OfTheLastWriteEnd_WakesASleepingReaderWithZero,
              .clause = "POSIX.1-2024 read(), close() (end-of-file on a pipe)") {
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ChildCall reader(context, [&] {
    ends->write.reset();
    char byte = 0;
    return ::read(ends->read.get(), &byte, 1);
  });
  ASSERT_TRUE(reader.is_asleep());
  ends->write.reset();
  EXPECT_THAT(reader.finish(), SyscallSucceedsWithValue(0));
}

// One of two write ends closed is no end: the pipe stays open as long as any descriptor writes.
GAUNTLET_CASE(PipesConformance, Close_OfOneOfTwoWriteEnds_IsNoEndOfFile,
              .clause = "POSIX.1-2024 read() DESCRIPTION; pipe(7) (all write ends closed)") {
  auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  UniqueFd second(::fcntl(ends->write.get(), F_DUPFD_CLOEXEC, 0));
  ASSERT_TRUE(second.valid());
  char byte = 0;
  ends->write.reset();
  EXPECT_THAT(::read(ends->read.get(), &byte, 1), SyscallFailsWithErrno(EAGAIN));
  second.reset();
  EXPECT_THAT(::read(ends->read.get(), &byte, 1), SyscallSucceedsWithValue(0));
}

GAUNTLET_CASE(PipesConformance, Read_FromTheWriteEnd_FailsWithEbadf,
              .clause = "POSIX.1-2024 read() ERRORS [EBADF]") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  char byte = 0;
  EXPECT_THAT(::read(ends->write.get(), &byte, 1), SyscallFailsWithErrno(EBADF));
}

GAUNTLET_CASE(PipesConformance, Read_FromAClosedDescriptor_FailsWithEbadf,
              .clause = "POSIX.1-2024 read() ERRORS [EBADF]") {
  auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  const int closed = ends->read.get();
  ends->read.reset();
  char byte = 0;
  EXPECT_THAT(::read(closed, &byte, 1), SyscallFailsWithErrno(EBADF));
}

GAUNTLET_CASE(PipesConformance, Read_IntoABufferOutsideMemory_FailsWithEfault,
              .clause = "read(2) ERRORS [EFAULT]") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  ASSERT_THAT(::write(ends->write.get(), "abc", 3), SyscallSucceedsWithValue(3));
  void* const unmapped =
      ::mmap(nullptr, page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(unmapped, MAP_FAILED);
  EXPECT_THAT(::read(ends->read.get(), unmapped, 3), SyscallFailsWithErrno(EFAULT));
  ::munmap(unmapped, page_size());
}

// A signal handler ends the waiting when it was not installed to restart calls.
GAUNTLET_CASE(PipesConformance, Read_InterruptedByAHandler_FailsWithEintr,
              .clause = "POSIX.1-2024 read() ERRORS [EINTR]; signal(7)") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ChildCall reader(context, [&] {
    char byte = 0;
    return ::read(ends->read.get(), &byte, 1);
  });
  ASSERT_TRUE(reader.is_asleep());
  ASSERT_TRUE(reader.signal_and_await_handler());
  EXPECT_THAT(reader.finish(), SyscallFailsWithErrno(EINTR));
}

// With SA_RESTART it goes on waiting as if nothing had been, and still gets its byte.
GAUNTLET_CASE(PipesConformance, Read_InterruptedByARestartingHandler_GoesOnWaiting,
              .clause = "POSIX.1-2024 sigaction() SA_RESTART; signal(7)") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ChildCall reader(
      context,
      [&] {
        char byte = 0;
        return ::read(ends->read.get(), &byte, 1);
      },
      OnSignal::restart);
  ASSERT_TRUE(reader.is_asleep());
  ASSERT_TRUE(reader.signal_and_await_handler());
  ASSERT_TRUE(reader.is_asleep());
  ASSERT_THAT(::write(ends->write.get(), "k", 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(reader.finish(), SyscallSucceedsWithValue(1));
}

// A packet pipe keeps what one write() wrote together: two packets are two reads, and what a short
// buffer leaves of a packet is gone.
GAUNTLET_CASE(PipesConformance, Read_OfPackets_GivesOneAtATimeAndDropsWhatDoesNotFit,
              .clause = "pipe(2) O_DIRECT") {
  const auto ends = PipeEnds::open(O_DIRECT | O_NONBLOCK);
  if (!ends && ends.error() == Code::invalid) {
    return context.unsupported("pipe2(O_DIRECT)", "EINVAL");
  }
  if (!ends) return context.not_created(ends.error());
  ASSERT_THAT(::write(ends->write.get(), "first packet", 12), SyscallSucceedsWithValue(12));
  ASSERT_THAT(::write(ends->write.get(), "second", 6), SyscallSucceedsWithValue(6));
  char buffer[64];
  EXPECT_THAT(::read(ends->read.get(), buffer, 5), SyscallSucceedsWithValue(5));
  EXPECT_EQ(std::string_view(buffer, 5), "first");
  EXPECT_THAT(::read(ends->read.get(), buffer, sizeof buffer), SyscallSucceedsWithValue(6));
  EXPECT_EQ(std::string_view(buffer, 6), "second");
}

// A write over PIPE_BUF is several packets.
GAUNTLET_CASE(PipesConformance, Write_OfMoreThanPipeBufToAPacketPipe_IsSplitIntoPackets,
              .clause = "pipe(2) O_DIRECT (writes over PIPE_BUF are split)") {
  const auto ends = PipeEnds::open(O_DIRECT | O_NONBLOCK);
  if (!ends && ends.error() == Code::invalid) {
    return context.unsupported("pipe2(O_DIRECT)", "EINVAL");
  }
  if (!ends) return context.not_created(ends.error());
  const long largest = ::fpathconf(ends->write.get(), _PC_PIPE_BUF);
  ASSERT_GT(largest, 0);
  std::vector<char> bytes(static_cast<std::size_t>(largest) + 10, 'p');
  ASSERT_THAT(::write(ends->write.get(), bytes.data(), bytes.size()),
              SyscallSucceedsWithValue(largest + 10));
  EXPECT_THAT(::read(ends->read.get(), bytes.data(), bytes.size()),
              SyscallSucceedsWithValue(largest));
  EXPECT_THAT(::read(ends->read.get(), bytes.data(), bytes.size()), SyscallSucceedsWithValue(10));
}

}  // namespace
}  // namespace gauntlet
