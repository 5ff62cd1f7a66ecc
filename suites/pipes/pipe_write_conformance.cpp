// What write() promises on a pipe: room, atomicity up to PIPE_BUF, and a pipe that nobody reads.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/limits.h"
#include "cases/context.h"
#include "pipes/pipe_ends.h"
#include "process/process.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::Le;
using testing::Lt;

long pipe_buf(const PipeEnds& ends) { return ::fpathconf(ends.write.get(), _PC_PIPE_BUF); }

// Nobody can read it any more: EPIPE, when SIGPIPE is ignored (as the body of a case does).
GAUNTLET_CASE(PipesConformance, Write_ToPipeWithoutReaderSigpipeIgnored_FailsWithEpipe,
              .clause = "POSIX.1-2024 write() ERRORS [EPIPE]") {
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ends->read.reset();
  EXPECT_THAT(::write(ends->write.get(), "x", 1), SyscallFailsWithErrno(EPIPE));
}

// SIGPIPE is sent as well, and by default it ends the writer.
GAUNTLET_CASE(
    PipesConformance, Write_ToPipeWithoutReader_RaisesSigpipe,
    .clause = "POSIX.1-2024 write() ERRORS [EPIPE] (a SIGPIPE signal shall also be sent)") {
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ends->read.reset();
  auto writer = Process::fork([&] {
    ::signal(SIGPIPE, SIG_DFL);
    return ::write(ends->write.get(), "x", 1) < 0 ? 1 : 2;
  });
  if (!writer) return context.error("fork: " + describe(writer.error()));
  const auto end = writer->wait(Deadline::after(kCallPatience));
  ASSERT_TRUE(end.has_value()) << describe(end.error());
  EXPECT_TRUE(end->signalled && end->signal == SIGPIPE)
      << "the writer ended with " << describe(*end);
}

GAUNTLET_CASE(PipesConformance, Write_FullNonblocking_FailsWithEagain,
              .clause = "POSIX.1-2024 write() ERRORS [EAGAIN]") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  const long filled = fill(ends->write.get());
  ASSERT_GT(filled, 0);
  EXPECT_THAT(::write(ends->write.get(), "x", 1), SyscallFailsWithErrno(EAGAIN));
  EXPECT_EQ(bytes_waiting(ends->read.get()), filled);
}

// Up to PIPE_BUF all or nothing: with room for some of it, a writer that may not wait writes
// nothing.
GAUNTLET_CASE(PipesConformance, Write_PipeBufWithTooLittleRoomNonblocking_WritesNothing,
              .clause = "POSIX.1-2024 write() DESCRIPTION (O_NONBLOCK set, nbyte <= PIPE_BUF)") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  const long atomic = pipe_buf(*ends);
  ASSERT_GT(fill(ends->write.get()), 0);
  // Makes room for one page, then takes half of it again.
  ASSERT_EQ(read_up_to(ends->read.get(), page_size()).size(), page_size());
  const std::vector<char> bytes(static_cast<std::size_t>(atomic), 'w');
  const std::size_t half = page_size() / 2;
  ASSERT_THAT(::write(ends->write.get(), bytes.data(), std::min(half, bytes.size())),
              SyscallSucceeds());
  const long before = bytes_waiting(ends->read.get());
  EXPECT_THAT(::write(ends->write.get(), bytes.data(), bytes.size()),
              SyscallFailsWithErrno(EAGAIN));
  EXPECT_EQ(bytes_waiting(ends->read.get()), before) << "a part was written";
}

// Over PIPE_BUF a writer that may not wait writes what fits and says how much that was.
GAUNTLET_CASE(PipesConformance, Write_MoreThanThereIsRoomNonblocking_WritesAPartAndSaysHowMuch,
              .clause = "POSIX.1-2024 write() DESCRIPTION (O_NONBLOCK set, nbyte > PIPE_BUF)") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  const long capacity = ::fcntl(ends->write.get(), F_GETPIPE_SZ);
  ASSERT_GT(capacity, 0);
  const std::vector<char> bytes(2 * static_cast<std::size_t>(capacity), 'w');
  const ssize_t written = ::write(ends->write.get(), bytes.data(), bytes.size());
  EXPECT_THAT(written, SyscallSucceedsWithValue(AllOf(Ge(1), Lt(2 * capacity))));
  EXPECT_EQ(bytes_waiting(ends->read.get()), written);
}

// A blocking writer answers only when everything is in the pipe, however often it had to wait.
GAUNTLET_CASE(PipesConformance, Write_OfMoreThanTheCapacityBlocking_ReturnsWhenAllIsWritten,
              .clause = "POSIX.1-2024 write() DESCRIPTION (O_NONBLOCK clear)") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  const long capacity = ::fcntl(ends->write.get(), F_GETPIPE_SZ);
  ASSERT_GT(capacity, 0);
  const std::string bytes(3 * static_cast<std::size_t>(capacity) + 1, 'w');
  ChildCall writer(context, [&] { return ::write(ends->write.get(), bytes.data(), bytes.size()); });
  ASSERT_TRUE(writer.is_asleep());
  // Its own copy of the write end keeps the pipe open, so this reads exactly what was asked for.
  EXPECT_EQ(read_up_to(ends->read.get(), bytes.size()), bytes);
  EXPECT_THAT(writer.finish(), SyscallSucceedsWithValue(static_cast<long>(bytes.size())));
}

// Full and blocking: the writer sleeps until somebody reads.
GAUNTLET_CASE(PipesConformance, Write_FullBlocking_SleepsUntilARead,
              .clause = "POSIX.1-2024 write() DESCRIPTION (O_NONBLOCK clear)") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ASSERT_GT(fill(ends->write.get()), 0);
  ChildCall writer(context, [&] { return ::write(ends->write.get(), "x", 1); });
  ASSERT_TRUE(writer.is_asleep());
  ASSERT_EQ(read_up_to(ends->read.get(), page_size()).size(), page_size());
  EXPECT_THAT(writer.finish(), SyscallSucceedsWithValue(1));
}

// A writer that sleeps on a full pipe learns that the last reader has gone.
GAUNTLET_CASE(PipesConformance, Close_OfTheLastReadEnd_WakesASleepingWriterWithEpipe,
              .clause = "POSIX.1-2024 write() ERRORS [EPIPE]") {
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ASSERT_GT(fill(ends->write.get()), 0);
  ChildCall writer(context, [&] {
    ::signal(SIGPIPE, SIG_IGN);
    ends->read.reset();
    return ::write(ends->write.get(), "x", 1);
  });
  ASSERT_TRUE(writer.is_asleep());
  ends->read.reset();
  EXPECT_THAT(writer.finish(), SyscallFailsWithErrno(EPIPE));
}

// Interrupted before the first byte: nothing was written, and EINTR says so.
GAUNTLET_CASE(PipesConformance, Write_InterruptedBeforeTheFirstByte_FailsWithEintr,
              .clause = "POSIX.1-2024 write() ERRORS [EINTR]") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  const long filled = fill(ends->write.get());
  ASSERT_GT(filled, 0);
  ChildCall writer(context, [&] { return ::write(ends->write.get(), "x", 1); });
  ASSERT_TRUE(writer.is_asleep());
  ASSERT_TRUE(writer.signal_and_await_handler());
  EXPECT_THAT(writer.finish(), SyscallFailsWithErrno(EINTR));
  EXPECT_EQ(bytes_waiting(ends->read.get()), filled);
}

// Interrupted after some bytes: the answer is how many, and exactly so many are in the pipe.
GAUNTLET_CASE(
    PipesConformance, Write_InterruptedAfterAPart_AnswersTheBytesWritten,
    .clause = "POSIX.1-2024 write() DESCRIPTION (interrupted after it writes some data)") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  const long capacity = ::fcntl(ends->write.get(), F_GETPIPE_SZ);
  ASSERT_GT(capacity, 0);
  const std::string bytes(2 * static_cast<std::size_t>(capacity), 'w');
  ChildCall writer(context, [&] { return ::write(ends->write.get(), bytes.data(), bytes.size()); });
  ASSERT_TRUE(writer.is_asleep());
  ASSERT_TRUE(writer.signal_and_await_handler());
  const CallOutcome outcome = writer.finish();
  EXPECT_THAT(outcome, SyscallSucceedsWithValue(AllOf(Ge(1), Le(capacity))));
  EXPECT_EQ(bytes_waiting(ends->read.get()), outcome.value);
}

GAUNTLET_CASE(PipesConformance, Write_ToTheReadEnd_FailsWithEbadf,
              .clause = "POSIX.1-2024 write() ERRORS [EBADF]") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  EXPECT_THAT(::write(ends->read.get(), "x", 1), SyscallFailsWithErrno(EBADF));
}

GAUNTLET_CASE(PipesConformance, Write_FromABufferOutsideMemory_FailsWithEfaultAndWritesNothing,
              .clause = "write(2) ERRORS [EFAULT]") {
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  void* const unmapped =
      ::mmap(nullptr, page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(unmapped, MAP_FAILED);
  EXPECT_THAT(::write(ends->write.get(), unmapped, 3), SyscallFailsWithErrno(EFAULT));
  EXPECT_EQ(bytes_waiting(ends->read.get()), 0);
  ::munmap(unmapped, page_size());
}

// What F_GETPIPE_SZ says is what fits when whole pages are written.
GAUNTLET_CASE(PipesConformance, FcntlGetpipeSz_OfAFreshPipe_IsWhatFits,
              .clause = "pipe(7) Pipe capacity; fcntl(2) F_GETPIPE_SZ") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  const long capacity = ::fcntl(ends->read.get(), F_GETPIPE_SZ);
  ASSERT_GT(capacity, 0);
  EXPECT_EQ(fill(ends->write.get()), capacity);
}

}  // namespace
}  // namespace gauntlet
