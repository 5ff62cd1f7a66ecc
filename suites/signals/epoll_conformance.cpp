// What epoll(7) promises: level, edge, one shot, exclusive, and what epoll_ctl refuses.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>

#include "base/limits.h"
#include "cases/context.h"
#include "pipes/pipe_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/scratch_directory.h"

namespace gauntlet {
namespace {

/// An epoll instance with an eventfd in it.
struct Watched {
  UniqueFd watch{::epoll_create1(EPOLL_CLOEXEC)};
  UniqueFd event{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};

  int control(int operation, int fd, std::uint32_t events) const {
    epoll_event wanted{};
    wanted.events = events;
    wanted.data.u64 = 77;
    return ::epoll_ctl(watch.get(), operation, fd, &wanted);
  }
  int add(std::uint32_t events) const { return control(EPOLL_CTL_ADD, event.get(), events); }
  /// How many are ready now.
  int ready() const {
    std::array<epoll_event, 4> events{};
    return ::epoll_wait(watch.get(), events.data(), events.size(), 0);
  }
};

GAUNTLET_CASE(SignalsConformance, EpollLevel_WhileReadable_IsToldEachTime,
              .clause = "epoll(7) Level-triggered and edge-triggered") {
  const Watched watched;
  ASSERT_THAT(watched.add(EPOLLIN), SyscallSucceeds());
  EXPECT_EQ(watched.ready(), 0);
  ASSERT_THAT(::eventfd_write(watched.event.get(), 1), SyscallSucceeds());
  EXPECT_EQ(watched.ready(), 1);
  EXPECT_EQ(watched.ready(), 1);
  eventfd_t count = 0;
  ASSERT_THAT(::eventfd_read(watched.event.get(), &count), SyscallSucceeds());
  EXPECT_EQ(watched.ready(), 0);
}

GAUNTLET_CASE(SignalsConformance, EpollEdge_IsToldOnceForEachChange,
              .clause = "epoll(7) Level-triggered and edge-triggered (EPOLLET)") {
  const Watched watched;
  ASSERT_THAT(watched.add(EPOLLIN | EPOLLET), SyscallSucceeds());
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(::eventfd_write(watched.event.get(), 1), SyscallSucceeds());
    EXPECT_EQ(watched.ready(), 1) << "write " << i;
    EXPECT_EQ(watched.ready(), 0) << "nothing has changed since";
  }
}

// Each write to a pipe is an edge, though the pipe was not empty (Linux 1b6b26ae7053 lost it until
// 3a34b13a88ca).
GAUNTLET_CASE(SignalsConformance, EpollEdge_WriteToANonEmptyPipe_IsTold,
              .clause = "epoll(7) Q9 (new data, EPOLLET); Linux 3a34b13a88ca") {
  const Watched watched;
  const auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  ASSERT_THAT(watched.control(EPOLL_CTL_ADD, ends->read.get(), EPOLLIN | EPOLLET),
              SyscallSucceeds());
  for (int i = 0; i < 10; ++i) {
    ASSERT_THAT(::write(ends->write.get(), "x", 1), SyscallSucceedsWithValue(1));
    EXPECT_EQ(watched.ready(), 1) << "write " << i << " to a pipe that nobody has emptied";
    EXPECT_EQ(watched.ready(), 0);
  }
}

GAUNTLET_CASE(SignalsConformance, EpollOneshot_IsToldOnceUntilItIsArmedAgain,
              .clause = "epoll_ctl(2) EPOLLONESHOT") {
  const Watched watched;
  ASSERT_THAT(watched.add(EPOLLIN | EPOLLONESHOT), SyscallSucceeds());
  ASSERT_THAT(::eventfd_write(watched.event.get(), 1), SyscallSucceeds());
  EXPECT_EQ(watched.ready(), 1);
  ASSERT_THAT(::eventfd_write(watched.event.get(), 1), SyscallSucceeds());
  EXPECT_EQ(watched.ready(), 0);
  ASSERT_THAT(watched.control(EPOLL_CTL_MOD, watched.event.get(), EPOLLIN | EPOLLONESHOT),
              SyscallSucceeds());
  EXPECT_EQ(watched.ready(), 1) << "it is still readable";
}

GAUNTLET_CASE(SignalsConformance, EpollExclusive_WrongUse_FailsWithEinval,
              .clause = "epoll_ctl(2) EPOLLEXCLUSIVE, ERRORS EINVAL") {
  const Watched watched;
  EXPECT_THAT(watched.add(EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), SyscallFailsWithErrno(EINVAL));
  ASSERT_THAT(watched.add(EPOLLIN | EPOLLEXCLUSIVE), SyscallSucceeds());
  EXPECT_THAT(watched.control(EPOLL_CTL_MOD, watched.event.get(), EPOLLIN),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SignalsConformance, EpollCtl_WrongUse_IsRefused,
              .clause = "epoll_ctl(2) ERRORS EBADF, EEXIST, EINVAL, ENOENT") {
  const Watched watched;
  EXPECT_THAT(watched.control(EPOLL_CTL_MOD, watched.event.get(), EPOLLIN),
              SyscallFailsWithErrno(ENOENT));
  EXPECT_THAT(watched.control(EPOLL_CTL_DEL, watched.event.get(), 0),
              SyscallFailsWithErrno(ENOENT));
  ASSERT_THAT(watched.add(EPOLLIN), SyscallSucceeds());
  EXPECT_THAT(watched.add(EPOLLIN), SyscallFailsWithErrno(EEXIST));
  EXPECT_THAT(watched.control(12345, watched.event.get(), EPOLLIN), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(watched.control(EPOLL_CTL_ADD, watched.watch.get(), EPOLLIN),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(watched.control(EPOLL_CTL_ADD, 1'000'000, EPOLLIN), SyscallFailsWithErrno(EBADF));
  epoll_event event{};
  EXPECT_THAT(::epoll_ctl(watched.event.get(), EPOLL_CTL_ADD, watched.event.get(), &event),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SignalsConformance, EpollCtl_OfARegularFile_FailsWithEperm,
              .clause = "epoll_ctl(2) ERRORS EPERM") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const UniqueFd file(::open(directory->file("plain").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  ASSERT_TRUE(file.valid());
  const Watched watched;
  EXPECT_THAT(watched.control(EPOLL_CTL_ADD, file.get(), EPOLLIN), SyscallFailsWithErrno(EPERM));
}

GAUNTLET_CASE(SignalsConformance, EpollCtl_InstancesThatWatchEachOther_FailsWithEloop,
              .clause = "epoll_ctl(2) ERRORS ELOOP") {
  const Watched first;
  const Watched second;
  ASSERT_THAT(first.control(EPOLL_CTL_ADD, second.watch.get(), EPOLLIN), SyscallSucceeds());
  EXPECT_THAT(second.control(EPOLL_CTL_ADD, first.watch.get(), EPOLLIN),
              SyscallFailsWithErrno(ELOOP));
}

// An instance that watches another is told each time that the other becomes ready.
GAUNTLET_CASE(SignalsConformance, EpollNested_InnerReady_IsToldOutside,
              .clause = "epoll(7) Q3 (an epoll file descriptor is pollable)") {
  const Watched inner;
  const Watched outer;
  ASSERT_THAT(inner.add(EPOLLIN), SyscallSucceeds());
  ASSERT_THAT(outer.control(EPOLL_CTL_ADD, inner.watch.get(), EPOLLIN | EPOLLET),
              SyscallSucceeds());
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(::eventfd_write(inner.event.get(), 1), SyscallSucceeds());
    EXPECT_EQ(outer.ready(), 1) << "write " << i;
    eventfd_t count = 0;
    ASSERT_THAT(::eventfd_read(inner.event.get(), &count), SyscallSucceeds());
    EXPECT_EQ(inner.ready(), 0);
  }
}

GAUNTLET_CASE(SignalsConformance, EpollWait_WrongArguments_IsRefused,
              .clause = "epoll_wait(2) ERRORS EBADF, EINVAL") {
  const Watched watched;
  epoll_event event{};
  EXPECT_THAT(::epoll_wait(watched.watch.get(), &event, 0, 0), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::epoll_wait(watched.event.get(), &event, 1, 0), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::epoll_wait(1'000'000, &event, 1, 0), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::epoll_create1(1), SyscallFailsWithErrno(EINVAL));
}

// Closing the last descriptor of what is watched takes it out of the set.
GAUNTLET_CASE(SignalsConformance, EpollWait_OfAClosedDescriptor_IsToldNothing,
              .clause = "epoll(7) Q6 (closing a file descriptor)") {
  Watched watched;
  ASSERT_THAT(watched.add(EPOLLIN), SyscallSucceeds());
  ASSERT_THAT(::eventfd_write(watched.event.get(), 1), SyscallSucceeds());
  EXPECT_EQ(watched.ready(), 1);
  watched.event.reset();
  EXPECT_EQ(watched.ready(), 0);
}

// The last writer gone is told, asked for or not.
GAUNTLET_CASE(SignalsConformance, EpollWait_LastWriterGone_TellsHangUpUnasked,
              .clause = "epoll_ctl(2) EPOLLHUP") {
  const Watched watched;
  auto ends = PipeEnds::open(O_NONBLOCK);
  if (!ends) return context.not_created(ends.error());
  ASSERT_THAT(watched.control(EPOLL_CTL_ADD, ends->read.get(), 0), SyscallSucceeds());
  EXPECT_EQ(watched.ready(), 0);
  ends->write.reset();
  epoll_event event{};
  EXPECT_EQ(::epoll_wait(watched.watch.get(), &event, 1, 0), 1);
  EXPECT_TRUE(event.events & EPOLLHUP);
  EXPECT_EQ(event.data.u64, 77U);
}

// Several sleep in one instance: each event wakes one of them, and none is left (Linux before
// 412895f03cbf lost wake-ups here). It could fail when a waiter that was killed or timed out takes
// the wake-up with it.
GAUNTLET_CASE(SignalsRaces, EpollManySleepersInOneInstance_EachEventWakesOne,
              .clause = "epoll(7); Linux 412895f03cbf") {
  constexpr std::size_t kSleepers = 4;
  const std::uint64_t rounds = context.amount(25, 500, 10'000);
  const Watched watched;
  ASSERT_THAT(watched.add(EPOLLIN | EPOLLET), SyscallSucceeds());
  const auto done = PipeEnds::open();
  if (!done) return context.not_created(done.error());
  Crew crew;
  for (std::size_t i = 0; i < kSleepers; ++i) {
    const auto added = crew.add([&](Worker& worker) {
      for (std::uint64_t n = 0; n < kLoopBound; ++n) {
        epoll_event event{};
        if (!worker.expect(::epoll_wait(watched.watch.get(), &event, 1, -1) == 1, "epoll_wait")) {
          return;
        }
        eventfd_t count = 0;
        const bool last = ::eventfd_read(watched.event.get(), &count) == 0 && count > 1;
        if (last) {
          ::eventfd_write(watched.event.get(), count);  // for the next sleeper
          return;
        }
        if (count == 1 && ::write(done->write.get(), "x", 1) != 1) return;
      }
    });
    if (!added) return context.error("no worker: " + describe(added.error()));
  }
  for (std::uint64_t round = 0; round < rounds; ++round) {
    ASSERT_THAT(::eventfd_write(watched.event.get(), 1), SyscallSucceeds());
    ASSERT_EQ(read_up_to(done->read.get(), 1).size(), 1U) << "event " << round;
  }
  ASSERT_THAT(::eventfd_write(watched.event.get(), 1000), SyscallSucceeds());
  context.join(crew);
}

}  // namespace
}  // namespace gauntlet
