// What a process gets that is sent a descriptor, seen from both: the same open file, a number of
// its own, and who sent it.
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>

#include <fstream>
#include <string>

#include "base/limits.h"
#include "cases/context.h"
#include "message_passing/passed_descriptor.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/pipe_to_body.h"

namespace gauntlet {
namespace {

bool readable(int fd, Deadline deadline = Deadline::immediate()) {
  pollfd one = {.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&one, 1, deadline.poll_timeout_ms()) == 1;
}

/// 0 at the end of the file, -1 with EAGAIN while it may still be written to.
ssize_t read_nothing(int fd) {
  char byte = 0;
  return ::read(fd, &byte, 1);
}

struct ClosedPipe {
  UniqueFd read;
  UniqueFd write;
  static Result<ClosedPipe> open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return fail_system("pipe2");
    return ClosedPipe{.read = UniqueFd(ends[0]), .write = UniqueFd(ends[1])};
  }
};

/// Whether the user namespace has that id at all; `map` is "uid_map" or "gid_map". One that it has
/// not is no other user, but an invalid argument.
bool is_mapped(const char* map, std::uint32_t id) {
  std::ifstream lines(std::string("/proc/self/") + map);
  std::uint64_t first = 0;
  std::uint64_t outside = 0;
  std::uint64_t count = 0;
  while (lines >> first >> outside >> count) {
    if (id >= first && id - first < count) return true;
  }
  return false;
}

// The open file description is shared, and with it the offset: where one has read to, the other
// reads on.
GAUNTLET_CASE(MessagePassingConformance, PassedDescriptor_SharesTheOffsetWithItsSender,
              .clause = "unix(7) SCM_RIGHTS (as though created with dup(2))") {
  const auto pair = MessagePair::open();
  if (!pair) return context.not_created(pair.error());
  const UniqueFd file = memory_file();
  ASSERT_TRUE(file.valid());
  ASSERT_THAT(::write(file.get(), "0123456789", 10), SyscallSucceedsWithValue(10));
  ASSERT_THAT(::lseek(file.get(), 3, SEEK_SET), SyscallSucceedsWithValue(3));
  ASSERT_THAT(send_descriptor(pair->ours.get(), file.get()), SyscallSucceedsWithValue(1));
  ChildCall receiver(context, [&] {
    const Arrival arrival = receive_descriptor(pair->theirs.get());
    char byte = 0;
    return ::read(arrival.descriptor.get(), &byte, 1) == 1 ? static_cast<long>(byte) : -1L;
  });
  EXPECT_THAT(receiver.finish(), SyscallSucceedsWithValue('3'));
  EXPECT_THAT(::lseek(file.get(), 0, SEEK_CUR), SyscallSucceedsWithValue(4))
      << "the receiver has read a byte";
}

// Status flags belong to the description and are shared; FD_CLOEXEC belongs to the number.
GAUNTLET_CASE(MessagePassingConformance, PassedDescriptor_SharesStatusFlagsAndNotCloseOnExec,
              .clause = "unix(7) SCM_RIGHTS; recv(2) MSG_CMSG_CLOEXEC; fcntl(2)") {
  const auto pair = MessagePair::open();
  if (!pair) return context.not_created(pair.error());
  const UniqueFd file = memory_file();  // close-on-exec
  ASSERT_THAT(send_descriptor(pair->ours.get(), file.get()), SyscallSucceedsWithValue(1));
  const Arrival plain = receive_descriptor(pair->theirs.get(), MSG_DONTWAIT);
  ASSERT_TRUE(plain.descriptor.valid());
  EXPECT_THAT(::fcntl(plain.descriptor.get(), F_GETFD), SyscallSucceedsWithValue(0));
  ASSERT_THAT(send_descriptor(pair->ours.get(), file.get()), SyscallSucceedsWithValue(1));
  const Arrival closing = receive_descriptor(pair->theirs.get());
  EXPECT_THAT(::fcntl(closing.descriptor.get(), F_GETFD), SyscallSucceedsWithValue(FD_CLOEXEC));
  ASSERT_THAT(::fcntl(plain.descriptor.get(), F_SETFL, O_APPEND), SyscallSucceeds());
  EXPECT_NE(::fcntl(file.get(), F_GETFL) & O_APPEND, 0) << "set by the receiver";
}

// A received descriptor takes the lowest number that is free in the receiver.
GAUNTLET_CASE(MessagePassingConformance, PassedDescriptor_IsANumberOfTheReceiver,
              .clause = "unix(7) SCM_RIGHTS; POSIX.1-2024 2.14 (lowest numbered)") {
  const auto pair = MessagePair::open();
  if (!pair) return context.not_created(pair.error());
  const UniqueFd file = memory_file();
  ASSERT_THAT(send_descriptor(pair->ours.get(), file.get()), SyscallSucceedsWithValue(1));
  const UniqueFd lowest(::dup(file.get()));
  const int expected = lowest.get();
  ASSERT_GE(expected, 0);
  ChildCall receiver(context, [&] {
    ::close(expected);
    return static_cast<long>(receive_descriptor(pair->theirs.get()).descriptor.get());
  });
  EXPECT_THAT(receiver.finish(), SyscallSucceedsWithValue(expected));
}

// While a descriptor is under way, its file is open, though nobody has a number for it.
GAUNTLET_CASE(MessagePassingConformance, DescriptorUnderWay_KeepsItsFileOpen,
              .clause = "unix(7) SCM_RIGHTS; pipe(7) (write end closed)") {
  const auto pair = MessagePair::open();
  auto pipe = ClosedPipe::open();
  if (!pair) return context.not_created(pair.error());
  if (!pipe) return context.not_created(pipe.error());
  ASSERT_THAT(send_descriptor(pair->ours.get(), pipe->write.get()), SyscallSucceedsWithValue(1));
  pipe->write.reset();
  EXPECT_THAT(read_nothing(pipe->read.get()), SyscallFailsWithErrno(EAGAIN))
      << "the write end is in a message";
  Arrival arrival = receive_descriptor(pair->theirs.get());
  ASSERT_THAT(::write(arrival.descriptor.get(), "x", 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(read_nothing(pipe->read.get()), SyscallSucceedsWithValue(1));
  arrival.descriptor.reset();
  EXPECT_THAT(read_nothing(pipe->read.get()), SyscallSucceedsWithValue(0));
}

// A message that nobody will receive any more takes its descriptors with it.
GAUNTLET_CASE(MessagePassingConformance, SocketClosedWithAMessageInIt_ClosesThePassedDescriptor,
              .clause = "unix(7) SCM_RIGHTS; close(2)") {
  auto pair = MessagePair::open();
  auto pipe = ClosedPipe::open();
  if (!pair) return context.not_created(pair.error());
  if (!pipe) return context.not_created(pipe.error());
  ASSERT_THAT(send_descriptor(pair->ours.get(), pipe->write.get()), SyscallSucceedsWithValue(1));
  pipe->write.reset();
  pair->theirs.reset();
  ASSERT_TRUE(readable(pipe->read.get(), Deadline::after(kCallPatience)));
  EXPECT_THAT(read_nothing(pipe->read.get()), SyscallSucceedsWithValue(0));
}

// Who sent it is filled in by the kernel.
GAUNTLET_CASE(MessagePassingConformance, SenderOfAMessage_IsToldWithItsPidUidAndGid,
              .clause = "unix(7) SO_PASSCRED, SCM_CREDENTIALS") {
  const auto pair = MessagePair::open();
  if (!pair) return context.not_created(pair.error());
  constexpr int kYes = 1;
  ASSERT_THAT(::setsockopt(pair->theirs.get(), SOL_SOCKET, SO_PASSCRED, &kYes, sizeof kYes),
              SyscallSucceeds());
  ChildCall sender(context, [&] {
    return ::send(pair->ours.get(), "x", 1, MSG_NOSIGNAL) == 1 ? static_cast<long>(::getpid())
                                                               : -1L;
  });
  const CallOutcome sent = sender.finish();
  ASSERT_THAT(sent, SyscallSucceeds());
  const Arrival arrival = receive_descriptor(pair->theirs.get());
  ASSERT_TRUE(arrival.sender.has_value());
  EXPECT_EQ(arrival.sender->pid, sent.value);
  EXPECT_EQ(arrival.sender->uid, ::getuid());
  EXPECT_EQ(arrival.sender->gid, ::getgid());
}

// Without a capability nobody can say to be somebody else.
GAUNTLET_CASE(MessagePassingConformance, ForgedCredentials_AreRefusedWithEperm,
              .clause = "unix(7) SCM_CREDENTIALS; ERRORS [EPERM]") {
  const auto pair = MessagePair::open();
  if (!pair) return context.not_created(pair.error());
  const ucred honest{.pid = 0, .uid = ::getuid(), .gid = ::getgid()};
  const auto send_as = [&](ucred who) {
    return call_without_capabilities(context, [&pair, who] {
      ucred sent = who;
      if (sent.pid == 0) sent.pid = ::getpid();
      return send_control(pair->ours.get(), SCM_CREDENTIALS, sent);
    });
  };
  ucred other_user = honest;
  other_user.uid = honest.uid + 1;
  if (is_mapped("uid_map", other_user.uid)) {
    EXPECT_THAT(send_as(other_user), SyscallFailsWithErrno(EPERM));
  }
  ucred other_group = honest;
  other_group.gid = honest.gid + 1;
  if (is_mapped("gid_map", other_group.gid)) {
    EXPECT_THAT(send_as(other_group), SyscallFailsWithErrno(EPERM));
  }
  ucred other_process = honest;
  other_process.pid = ::getpid();
  EXPECT_THAT(send_as(other_process), SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(send_as(honest), SyscallSucceedsWithValue(1));
}

// A sealed memory file is a message that its sender cannot change after it was sent.
GAUNTLET_CASE(MessagePassingConformance, SealedMemoryPassed_CannotBeChangedByItsSender,
              .clause = "fcntl(2) F_ADD_SEALS; memfd_create(2) NOTES (file sealing)") {
  const auto pair = MessagePair::open();
  if (!pair) return context.not_created(pair.error());
  const UniqueFd file = memory_file();
  ASSERT_THAT(::write(file.get(), "message", 7), SyscallSucceedsWithValue(7));
  ASSERT_THAT(::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_SEAL),
              SyscallSucceeds());
  ASSERT_THAT(send_descriptor(pair->ours.get(), file.get()), SyscallSucceedsWithValue(1));
  const Arrival arrival = receive_descriptor(pair->theirs.get());
  EXPECT_THAT(::fcntl(arrival.descriptor.get(), F_GET_SEALS),
              SyscallSucceedsWithValue(F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_SEAL));
  EXPECT_THAT(::pwrite(file.get(), "M", 1, 0), SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(::ftruncate(file.get(), 1), SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(::fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW), SyscallFailsWithErrno(EPERM));
}

// A process descriptor is passed like any other: who gets it can wait for the process and signal
// it, whoever its parent is.
GAUNTLET_CASE(MessagePassingConformance, PassedPidfd_TellsTheEndAndTakesASignal,
              .clause = "pidfd_open(2) DESCRIPTION; pidfd_send_signal(2)") {
  const auto pair = MessagePair::open();
  if (!pair) return context.not_created(pair.error());
  ChildCall target(context, [] { return ::pause(); });
  ASSERT_TRUE(target.is_asleep());
  const UniqueFd pidfd = pidfd_of(target.pid());
  if (!pidfd.valid()) {
    return context.not_created(system_error("pidfd_open"));
  }
  ASSERT_THAT(send_descriptor(pair->ours.get(), pidfd.get()), SyscallSucceedsWithValue(1));
  ChildCall receiver(context, [&] {
    const Arrival arrival = receive_descriptor(pair->theirs.get());
    const int fd = arrival.descriptor.get();
    const bool early = readable(fd);
    const long sent = ::syscall(SYS_pidfd_send_signal, fd, SIGUSR1, nullptr, 0);
    return sent == 0 && !early && readable(fd, Deadline::after(kCallPatience)) ? 1L : -1L;
  });
  // Its handler of SIGUSR1 lets pause() return, and it ends.
  EXPECT_THAT(target.finish(), SyscallFailsWithErrno(EINTR));
  EXPECT_THAT(receiver.finish(), SyscallSucceedsWithValue(1));
}

// Who may look into a process may take a descriptor out of it, without its doing.
GAUNTLET_CASE(MessagePassingConformance, PidfdGetfd_SharesTheOpenFileWithTheOther,
              .clause = "pidfd_getfd(2) DESCRIPTION", .needs = {Need::ptrace}) {
  const auto told = PipeToBody::create();
  if (!told) return context.not_created(told.error());
  ChildCall other(context, [&] {
    const UniqueFd file = memory_file();
    if (::write(file.get(), "abc", 3) != 3) return -1;
    told->tell(static_cast<char>(file.get()));
    return ::pause();
  });
  const int number = told->next(Deadline::after(kCallPatience));
  ASSERT_GT(number, 0);
  const UniqueFd pidfd = pidfd_of(other.pid());
  ASSERT_TRUE(pidfd.valid());
  const CallOutcome taken = outcome_of(pidfd_getfd(pidfd.get(), number));
  if (taken.failed && taken.error == ENOSYS) return context.unsupported("pidfd_getfd", "ENOSYS");
  ASSERT_THAT(taken, SyscallSucceeds());
  const UniqueFd mine(static_cast<int>(taken.value));
  EXPECT_THAT(::lseek(mine.get(), 0, SEEK_CUR), SyscallSucceedsWithValue(3)) << "its offset";
  EXPECT_THAT(::fcntl(mine.get(), F_GETFD), SyscallSucceedsWithValue(FD_CLOEXEC));
  EXPECT_THAT(pidfd_getfd(pidfd.get(), 4000), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(pidfd_getfd(pidfd.get(), number, 1), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(pidfd_getfd(mine.get(), number), SyscallFailsWithErrno(EBADF))
      << "no process descriptor";
  EXPECT_TRUE(other.kill());
  EXPECT_THAT(pidfd_getfd(pidfd.get(), number), SyscallFailsWithErrno(ESRCH));
}

GAUNTLET_CASE(MessagePassingConformance, PidfdGetfd_OfAnotherUsersProcess_FailsWithEperm,
              .clause = "pidfd_getfd(2) ERRORS [EPERM]", .needs = {Need::ptrace}) {
  ChildCall other(context, [] { return ::pause(); });
  ASSERT_TRUE(other.is_asleep());
  const UniqueFd pidfd = pidfd_of(other.pid());
  if (!pidfd.valid()) return context.not_created(system_error("pidfd_open"));
  const auto outcome = call_as_stranger(context, [&] { return pidfd_getfd(pidfd.get(), 0); });
  EXPECT_TRUE(other.kill());
  if (outcome) {
    EXPECT_THAT(*outcome, SyscallFailsWithErrno(EPERM));
  }
}

}  // namespace
}  // namespace gauntlet
