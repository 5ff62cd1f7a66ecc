// Who is told when something happens to a pipe or FIFO: poll(), edge-triggered epoll, and all those
// that sleep.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "cases/context.h"
#include "pipes/pipe_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/scratch_directory.h"

namespace gauntlet {
namespace {

int events_of(const UniqueFd& fd, short wanted) {
  pollfd ready{.fd = fd.get(), .events = wanted, .revents = 0};
  return ::poll(&ready, 1, 0) < 0 ? -1 : ready.revents;
}

/// An epoll that watches one descriptor.
class Watcher {
 public:
  Watcher(const UniqueFd& fd, std::uint32_t events) : poll_(::epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event wanted{};
    wanted.events = events;
    watching_ = ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd.get(), &wanted) == 0;
  }
  bool watching() const { return watching_; }
  /// What is told now, 0 when nothing is.
  std::uint32_t told() const {
    epoll_event event{};
    return ::epoll_wait(poll_.get(), &event, 1, 0) == 1 ? event.events : 0;
  }

 private:
  UniqueFd poll_;
  bool watching_ = false;
};

// Each write is an edge of its own, even when what was written before has not been read. Programs
// came to depend on it, and a rework that told the first write only broke them.
GAUNTLET_CASE(PipesConformance, EpollEdge_EachWriteToAPipeThatIsNotEmpty_IsTold,
              .clause = "epoll(7) EPOLLET; regression: Linux 1b6b26ae7053, fixed in 3a34b13a88ca") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  const Watcher watcher(ends->read, EPOLLIN | EPOLLET);
  ASSERT_TRUE(watcher.watching());
  EXPECT_EQ(watcher.told(), 0U);
  for (int i = 1; i <= 5; ++i) {
    ASSERT_THAT(::write(ends->write.get(), "x", 1), SyscallSucceedsWithValue(1));
    EXPECT_EQ(watcher.told(), static_cast<std::uint32_t>(EPOLLIN)) << "write " << i;
    EXPECT_EQ(watcher.told(), 0U) << "an edge is told once";
  }
}

// Room that comes back is an edge for who waits to write.
GAUNTLET_CASE(PipesConformance, EpollEdge_RoomInAFullPipe_IsTold,
              .clause = "epoll(7) EPOLLET; pipe(7)") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  const long filled = fill(ends->write.get());
  ASSERT_GT(filled, 0);
  const Watcher watcher(ends->write, EPOLLOUT | EPOLLET);
  ASSERT_TRUE(watcher.watching());
  EXPECT_EQ(watcher.told(), 0U);
  ASSERT_EQ(read_up_to(ends->read.get(), static_cast<std::size_t>(filled)).size(),
            static_cast<std::size_t>(filled));
  EXPECT_EQ(watcher.told(), static_cast<std::uint32_t>(EPOLLOUT));
}

// The last close is told without being asked for, to either side.
GAUNTLET_CASE(PipesConformance, Epoll_LastCloseOfTheOtherEnd_IsToldUnasked,
              .clause = "epoll_ctl(2) EPOLLHUP, EPOLLERR") {
  auto ends = PipeEnds::open();
  auto others = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  if (!others) return context.not_created(others.error());
  const Watcher reader(ends->read, EPOLLET);
  const Watcher writer(others->write, EPOLLET);
  ends->write.reset();
  others->read.reset();
  EXPECT_EQ(reader.told(), static_cast<std::uint32_t>(EPOLLHUP));
  EXPECT_EQ(writer.told(), static_cast<std::uint32_t>(EPOLLERR));
}

// A FIFO that nobody has written to yet has not been hung up; one whose writers have gone has,
// until the next comes.
GAUNTLET_CASE(PipesConformance, PollFifo_HangUp_IsToldAfterTheLastWriterNotBeforeTheFirst,
              .clause = "POSIX.1-2024 poll() POLLHUP; poll(2); fifo(7)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const std::string path = directory->file("fifo");
  ASSERT_THAT(::mkfifo(path.c_str(), 0600), SyscallSucceeds());
  const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader.valid());
  EXPECT_EQ(events_of(reader, POLLIN), 0);
  for (int round = 0; round < 2; ++round) {
    UniqueFd writer(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    ASSERT_TRUE(writer.valid());
    EXPECT_EQ(events_of(reader, POLLIN), 0) << "a writer is there";
    ASSERT_THAT(::write(writer.get(), "x", 1), SyscallSucceedsWithValue(1));
    EXPECT_EQ(events_of(reader, POLLIN), POLLIN);
    writer.reset();
    EXPECT_EQ(events_of(reader, POLLIN), POLLIN | POLLHUP);
    EXPECT_EQ(read_up_to(reader.get(), 1), "x");
    EXPECT_EQ(events_of(reader, POLLIN), POLLHUP);
  }
}

// The last close wakes all that sleep, not one of them.
GAUNTLET_CASE(PipesOverload, Close_OfTheLastWriteEnd_WakesEverySleepingReader,
              .clause =
                  "POSIX.1-2024 read(), close(); regression: Linux 0ddad21d3e99, fixed in "
                  "6551d5c56eb0 (LTP pipe13)") {
  const std::uint64_t readers = context.amount(6, 27, 100);
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  std::vector<std::unique_ptr<ChildCall>> sleeping;
  for (std::uint64_t i = 0; i < readers; ++i) {
    sleeping.push_back(std::make_unique<ChildCall>(context, [&] {
      ends->write.reset();
      char byte = 0;
      return ::read(ends->read.get(), &byte, 1);
    }));
    ASSERT_TRUE(sleeping.back()->is_asleep());
  }
  ends->write.reset();
  for (const auto& reader : sleeping) EXPECT_THAT(reader->finish(), SyscallSucceedsWithValue(0));
}

GAUNTLET_CASE(PipesOverload, Close_OfTheLastReadEnd_WakesEverySleepingWriter,
              .clause = "POSIX.1-2024 write() ERRORS [EPIPE]; regression: Linux 6551d5c56eb0") {
  const std::uint64_t writers = context.amount(6, 27, 100);
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ASSERT_GT(fill(ends->write.get()), 0);
  std::vector<std::unique_ptr<ChildCall>> sleeping;
  for (std::uint64_t i = 0; i < writers; ++i) {
    sleeping.push_back(std::make_unique<ChildCall>(context, [&] {
      ends->read.reset();
      ::signal(SIGPIPE, SIG_IGN);
      return ::write(ends->write.get(), "x", 1);
    }));
    ASSERT_TRUE(sleeping.back()->is_asleep());
  }
  ends->read.reset();
  for (const auto& writer : sleeping) EXPECT_THAT(writer->finish(), SyscallFailsWithErrno(EPIPE));
}

}  // namespace
}  // namespace gauntlet
