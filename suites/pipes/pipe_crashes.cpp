// What the other end of a pipe or FIFO is told when a process is killed.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases/context.h"
#include "pipes/pipe_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/scratch_directory.h"

namespace gauntlet {
namespace {

// The death of the last writer closes the pipe: a reader that sleeps gets the end of the stream. It
// could fail if a killed process's descriptors were closed without telling those who wait.
GAUNTLET_CASE(PipesCrashes, OnlyWriterKilled_SleepingReaderGetsEndOfFile,
              .clause = "POSIX.1-2024 _Exit() (open descriptors are closed); read()") {
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  const auto parked = PipeEnds::open();
  if (!parked) return context.not_created(parked.error());
  ChildCall writer(context, [&] {
    char byte = 0;
    return ::read(parked->read.get(), &byte, 1);  // owns the write end, and stays
  });
  ASSERT_TRUE(writer.is_asleep());
  ChildCall reader(context, [&] {
    ends->write.reset();
    char byte = 0;
    return ::read(ends->read.get(), &byte, 1);
  });
  ends->write.reset();
  ASSERT_TRUE(reader.is_asleep());
  EXPECT_TRUE(writer.kill());
  EXPECT_THAT(reader.finish(), SyscallSucceedsWithValue(0));
}

// A writer killed in the middle of a large write has written a prefix of it, which stays readable,
// and after it the stream ends.
GAUNTLET_CASE(PipesCrashes, WriterKilledInsideALargeWrite_ReaderGetsAPrefixThenEndOfFile,
              .clause = "POSIX.1-2024 write(), _Exit(); pipe(7)") {
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  const long capacity = ::fcntl(ends->write.get(), F_GETPIPE_SZ);
  ASSERT_GT(capacity, 0);
  std::string message(3 * static_cast<std::size_t>(capacity), 0);
  for (std::size_t i = 0; i < message.size(); ++i) message[i] = static_cast<char>(i * 131 >> 7);
  ChildCall writer(context,
                   [&] { return ::write(ends->write.get(), message.data(), message.size()); });
  ASSERT_TRUE(writer.is_asleep());
  ends->write.reset();
  EXPECT_TRUE(writer.kill());
  const std::string got = read_up_to(ends->read.get(), message.size());
  EXPECT_EQ(static_cast<long>(got.size()), capacity);
  EXPECT_TRUE(message.compare(0, got.size(), got) == 0) << "what was read is no prefix";
}

// The death of the last reader wakes a writer that sleeps on a full pipe.
GAUNTLET_CASE(PipesCrashes, OnlyReaderKilled_SleepingWriterGetsEpipe,
              .clause = "POSIX.1-2024 write() ERRORS [EPIPE]; _Exit()") {
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ASSERT_GT(fill(ends->write.get()), 0);
  const auto parked = PipeEnds::open();
  if (!parked) return context.not_created(parked.error());
  ChildCall reader(context, [&] {
    char byte = 0;
    return ::read(parked->read.get(), &byte, 1);  // owns the read end, and stays
  });
  ASSERT_TRUE(reader.is_asleep());
  ChildCall writer(context, [&] {
    ends->read.reset();
    ::signal(SIGPIPE, SIG_IGN);
    return ::write(ends->write.get(), "x", 1);
  });
  ends->read.reset();
  ASSERT_TRUE(writer.is_asleep());
  EXPECT_TRUE(reader.kill());
  EXPECT_THAT(writer.finish(), SyscallFailsWithErrno(EPIPE));
}

// A reader killed while it waits in open() is no reader any more. It could fail if the count of
// readers, raised before the sleep, were not taken back.
GAUNTLET_CASE(PipesCrashes, FifoReaderKilledInsideOpen_NextWriterIsNotTakenForConnected,
              .clause = "POSIX.1-2024 open() ERRORS [ENXIO]; fifo(7)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const std::string path = directory->file("fifo");
  ASSERT_THAT(::mkfifo(path.c_str(), 0600), SyscallSucceeds());
  ChildCall reader(context, [&] { return ::open(path.c_str(), O_RDONLY); });
  ASSERT_TRUE(reader.is_asleep());
  EXPECT_TRUE(reader.kill());
  EXPECT_THAT(::open(path.c_str(), O_WRONLY | O_NONBLOCK), SyscallFailsWithErrno(ENXIO));
}

}  // namespace
}  // namespace gauntlet
