// Calls that sleep on a descriptor: pipes, FIFOs, eventfd, timerfd, signalfd, inotify, file locks.
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "pipes/pipe_ends.h"
#include "process/shared.h"
#include "signals/blocking_calls.h"
#include "support/scratch_directory.h"

namespace gauntlet {
namespace {

/// Null when it could not be made, which has been told.
std::shared_ptr<PipeEnds> make_pipe(CaseContext& context) {
  auto ends = PipeEnds::open();
  if (ends) return std::make_shared<PipeEnds>(std::move(*ends));
  context.not_created(ends.error());
  return nullptr;
}

std::shared_ptr<UniqueFd> hold(CaseContext& context, const char* call, int fd) {
  if (fd >= 0) return std::make_shared<UniqueFd>(fd);
  context.not_created(system_error(call));
  return nullptr;
}

template <class Read>
Situation read_from_pipe(CaseContext& context, Read read) {
  const auto ends = make_pipe(context);
  if (!ends) return {};
  return {.call = [ends, read] { return static_cast<long>(read(ends->read.get())); },
          .complete = [ends] { EXPECT_EQ(::write(ends->write.get(), "x", 1), 1); }};
}

template <class Write>
Situation write_to_pipe(CaseContext& context, Write write) {
  const auto ends = make_pipe(context);
  if (!ends) return {};
  if (fill(ends->write.get()) <= 0) {
    context.error("the pipe could not be filled");
    return {};
  }
  return {.call = [ends, write] { return static_cast<long>(write(ends->write.get())); },
          .complete = [ends] { read_up_to(ends->read.get(), page_size()); }};
}

Situation read_pipe(CaseContext& context) {
  return read_from_pipe(context, [](int fd) {
    char byte = 0;
    return ::read(fd, &byte, 1);
  });
}
Situation readv_pipe(CaseContext& context) {
  return read_from_pipe(context, [](int fd) {
    char byte = 0;
    const iovec part{.iov_base = &byte, .iov_len = 1};
    return ::readv(fd, &part, 1);
  });
}
Situation write_pipe(CaseContext& context) {
  return write_to_pipe(context, [](int fd) { return ::write(fd, "x", 1); });
}
Situation writev_pipe(CaseContext& context) {
  return write_to_pipe(context, [](int fd) {
    char byte = 'x';
    const iovec part{.iov_base = &byte, .iov_len = 1};
    return ::writev(fd, &part, 1);
  });
}

Situation open_fifo(CaseContext& context, int mine, int other) {
  auto made = ScratchDirectory::create(context.scope());
  if (!made) {
    context.not_created(made.error());
    return {};
  }
  const auto directory = std::make_shared<ScratchDirectory>(std::move(*made));
  const std::string path = directory->file("fifo");
  if (::mkfifo(path.c_str(), 0600) != 0) {
    context.not_created(system_error("mkfifo"));
    return {};
  }
  const auto kept = std::make_shared<UniqueFd>();
  return {.call = [path, mine]() -> long { return ::open(path.c_str(), mine) < 0 ? -1 : 0; },
          .complete =
              [directory, path, other, kept] {
                kept->reset(::open(path.c_str(), other | O_NONBLOCK | O_CLOEXEC));
                EXPECT_TRUE(kept->valid()) << errno_name(errno);
              }};
}
Situation open_fifo_read(CaseContext& context) { return open_fifo(context, O_RDONLY, O_WRONLY); }
Situation open_fifo_write(CaseContext& context) { return open_fifo(context, O_WRONLY, O_RDONLY); }

Situation read_eventfd(CaseContext& context) {
  const auto fd = hold(context, "eventfd", ::eventfd(0, EFD_CLOEXEC));
  if (!fd) return {};
  return {.call =
              [fd] {
                eventfd_t count = 0;
                return static_cast<long>(::eventfd_read(fd->get(), &count));
              },
          .complete = [fd] { EXPECT_EQ(::eventfd_write(fd->get(), 1), 0); }};
}

Situation write_eventfd(CaseContext& context) {
  const auto fd = hold(context, "eventfd", ::eventfd(0, EFD_CLOEXEC));
  if (!fd) return {};
  constexpr eventfd_t kLargest = UINT64_MAX - 1;
  EXPECT_EQ(::eventfd_write(fd->get(), kLargest), 0);
  return {.call = [fd] { return static_cast<long>(::eventfd_write(fd->get(), 1)); },
          .complete =
              [fd] {
                eventfd_t count = 0;
                EXPECT_EQ(::eventfd_read(fd->get(), &count), 0);
              }};
}

Situation read_timerfd(CaseContext& context) {
  const auto fd = hold(context, "timerfd_create", ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  if (!fd) return {};
  const itimerspec hour{.it_interval = {}, .it_value = an_hour()};
  EXPECT_EQ(::timerfd_settime(fd->get(), 0, &hour, nullptr), 0);
  return {.call =
              [fd] {
                std::uint64_t count = 0;
                return static_cast<long>(::read(fd->get(), &count, sizeof count));
              },
          .complete =
              [fd] {
                const itimerspec now{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 1}};
                EXPECT_EQ(::timerfd_settime(fd->get(), 0, &now, nullptr), 0);
              }};
}

Situation read_signalfd(CaseContext& /*context*/) {
  const auto child = std::make_shared<Shared<pid_t>>();
  return {.call = [child]() -> long {
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR2);
            ::sigprocmask(SIG_BLOCK, &set, nullptr);
            const UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC));
            **child = ::getpid();
            signalfd_siginfo info{};
            return ::read(fd.get(), &info, sizeof info);
          },
          .complete = [child] { EXPECT_EQ(::kill(**child, SIGUSR2), 0); }};
}

Situation read_inotify(CaseContext& context) {
  auto made = ScratchDirectory::create(context.scope());
  if (!made) {
    context.not_created(made.error());
    return {};
  }
  const auto directory = std::make_shared<ScratchDirectory>(std::move(*made));
  const auto fd = hold(context, "inotify_init1", ::inotify_init1(IN_CLOEXEC));
  if (!fd) return {};
  EXPECT_GE(::inotify_add_watch(fd->get(), directory->path().c_str(), IN_CREATE), 0);
  return {.call =
              [fd] {
                alignas(inotify_event) char events[1024];
                return static_cast<long>(::read(fd->get(), events, sizeof events));
              },
          .complete =
              [directory] {
                const UniqueFd file(
                    ::open(directory->file("new").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
                EXPECT_TRUE(file.valid());
              }};
}

/// A lock that the body holds and the child asks for, both by descriptors of their own.
template <class Lock, class Unlock>
Situation wait_for_lock(CaseContext& context, Lock lock, Unlock unlock) {
  auto made = ScratchDirectory::create(context.scope());
  if (!made) {
    context.not_created(made.error());
    return {};
  }
  const auto directory = std::make_shared<ScratchDirectory>(std::move(*made));
  const std::string path = directory->file("locked");
  const auto fd = hold(context, "open", ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) return {};
  if (lock(fd->get()) != 0) {
    context.not_created(system_error("lock"));
    return {};
  }
  return {.call =
              [path, lock] {
                const UniqueFd own(::open(path.c_str(), O_RDWR | O_CLOEXEC));
                return static_cast<long>(lock(own.get()));
              },
          .complete = [directory, fd, unlock] { EXPECT_EQ(unlock(fd->get()), 0); }};
}

Situation wait_for_flock(CaseContext& context) {
  return wait_for_lock(
      context, [](int fd) { return ::flock(fd, LOCK_EX); },
      [](int fd) { return ::flock(fd, LOCK_UN); });
}

int record_lock(int fd, int command, short type) {
  struct flock whole {};
  whole.l_type = type;
  whole.l_whence = SEEK_SET;
  return ::fcntl(fd, command, &whole);
}
Situation wait_for_record_lock(CaseContext& context) {
  return wait_for_lock(
      context, [](int fd) { return record_lock(fd, F_SETLKW, F_WRLCK); },
      [](int fd) { return record_lock(fd, F_SETLK, F_UNLCK); });
}
Situation wait_for_ofd_lock(CaseContext& context) {
  return wait_for_lock(
      context, [](int fd) { return record_lock(fd, F_OFD_SETLKW, F_WRLCK); },
      [](int fd) { return record_lock(fd, F_OFD_SETLK, F_UNLCK); });
}

// libaio's calls without libaio; nothing was submitted, so that nothing ever completes.
Situation io_getevents(CaseContext& context) {
  aio_context_t trial = 0;  // of this address space: the child makes one of its own
  if (::syscall(SYS_io_setup, 1, &trial) != 0) {
    context.not_created(system_error("io_setup"));
    return {};
  }
  ::syscall(SYS_io_destroy, trial);
  return {.call =
              [] {
                aio_context_t own = 0;
                if (::syscall(SYS_io_setup, 1, &own) != 0) return -1L;
                io_event event{};
                return ::syscall(SYS_io_getevents, own, 1, 1, &event, nullptr);
              },
          .complete = {}};
}

}  // namespace

std::span<const BlockingCall> descriptor_calls() {
  static constexpr BlockingCall kCalls[] = {
      {"ReadFromPipe", "read(pipe)", "read(2)", kEintr, kGoesOn, kGoesOn, read_pipe},
      {"ReadvFromPipe", "readv(pipe)", "readv(2)", kEintr, kGoesOn, kGoesOn, readv_pipe},
      {"WriteToPipe", "write(pipe)", "write(2)", kEintr, kGoesOn, kGoesOn, write_pipe},
      {"WritevToPipe", "writev(pipe)", "writev(2)", kEintr, kGoesOn, kGoesOn, writev_pipe},
      {"OpenFifoForReading", "open(FIFO, O_RDONLY)", "open(2)", kEintr, kGoesOn, kGoesOn,
       open_fifo_read},
      {"OpenFifoForWriting", "open(FIFO, O_WRONLY)", "open(2)", kEintr, kGoesOn, kGoesOn,
       open_fifo_write},
      {"ReadFromEventfd", "read(eventfd)", "eventfd(2)", kEintr, kGoesOn, kGoesOn, read_eventfd},
      {"WriteToEventfd", "write(eventfd)", "eventfd(2)", kEintr, kGoesOn, kGoesOn, write_eventfd},
      {"ReadFromTimerfd", "read(timerfd)", "timerfd_create(2)", kEintr, kGoesOn, kGoesOn,
       read_timerfd},
      {"ReadFromSignalfd", "read(signalfd)", "signalfd(2)", kEintr, kGoesOn, kGoesOn,
       read_signalfd},
      {"ReadFromInotify", "read(inotify)", "inotify(7)", kEintr, kGoesOn, kGoesOn, read_inotify},
      {"Flock", "flock(LOCK_EX)", "flock(2)", kEintr, kGoesOn, kGoesOn, wait_for_flock},
      {"FcntlSetlkw", "fcntl(F_SETLKW)", "fcntl(2)", kEintr, kGoesOn, kGoesOn,
       wait_for_record_lock},
      {"FcntlOfdSetlkw", "fcntl(F_OFD_SETLKW)", "fcntl(2)", kEintr, kGoesOn, kGoesOn,
       wait_for_ofd_lock},
      {"IoGetevents", "io_getevents()", "io_getevents(2)", kEintr, kEintr, kNotSaid, io_getevents},
  };
  return kCalls;
}

}  // namespace gauntlet
