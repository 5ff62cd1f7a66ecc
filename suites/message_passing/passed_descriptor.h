// Descriptors as messages: sent with SCM_RIGHTS, received as numbers of the receiver's own.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"
#include "support/call_outcome.h"

namespace gauntlet {

/// Two ends of a SOCK_SEQPACKET pair.
struct MessagePair {
  UniqueFd ours;
  UniqueFd theirs;
  static Result<MessagePair> open() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
      return fail_system("socketpair");
    }
    return MessagePair{.ours = UniqueFd(ends[0]), .theirs = UniqueFd(ends[1])};
  }
};

/// One byte with the control data given.
template <class Data>
ssize_t send_control(int socket, int type, const Data& data, int flags = MSG_DONTWAIT) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(Data))] = {};
  char mark = 'm';
  iovec bytes{.iov_base = &mark, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = type;
  part->cmsg_len = CMSG_LEN(sizeof data);
  std::memcpy(CMSG_DATA(part), &data, sizeof data);
  return ::sendmsg(socket, &message, flags | MSG_NOSIGNAL);
}

inline ssize_t send_descriptor(int socket, int fd) { return send_control(socket, SCM_RIGHTS, fd); }

/// What came with one message.
struct Arrival {
  CallOutcome call;
  UniqueFd descriptor;
  std::optional<ucred> sender;
};

/// `flags` as for recvmsg; MSG_CMSG_CLOEXEC unless something else is said.
inline Arrival receive_descriptor(int socket, int flags = MSG_CMSG_CLOEXEC | MSG_DONTWAIT) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(ucred))] = {};
  char mark = 0;
  iovec bytes{.iov_base = &mark, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  Arrival arrival;
  arrival.call = outcome_of(::recvmsg(socket, &message, flags));
  if (arrival.call.failed) return arrival;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET) continue;
    if (part->cmsg_type == SCM_RIGHTS) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
      arrival.descriptor.reset(fd);
    } else if (part->cmsg_type == SCM_CREDENTIALS) {
      arrival.sender.emplace();
      std::memcpy(&*arrival.sender, CMSG_DATA(part), sizeof(ucred));
    }
  }
  return arrival;
}

inline UniqueFd memory_file() {
  return UniqueFd(::memfd_create("gauntlet", MFD_CLOEXEC | MFD_ALLOW_SEALING));
}

inline UniqueFd pidfd_of(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}
inline long pidfd_getfd(int pidfd, int fd, unsigned flags = 0) {
  return ::syscall(SYS_pidfd_getfd, pidfd, fd, flags);
}

}  // namespace gauntlet
