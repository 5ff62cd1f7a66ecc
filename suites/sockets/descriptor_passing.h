// Messages with descriptors in their control part (SCM_RIGHTS), as the cases here send and take
// them.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "sockets/socket_ends.h"

namespace gauntlet {

/// One message of `text` with the descriptors beside it.
inline ssize_t send_descriptors(const UniqueFd& to, std::span<const int> descriptors,
                                std::string_view text = "d", int flags = MSG_NOSIGNAL) {
  std::vector<char> control(CMSG_SPACE(descriptors.size_bytes()));
  iovec bytes{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
  std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  return ::sendmsg(to.get(), &message, flags);
}
inline ssize_t send_descriptor(const UniqueFd& to, const UniqueFd& one, std::string_view text = "d",
                               int flags = MSG_NOSIGNAL) {
  const int fd = one.get();
  return send_descriptors(to, {&fd, 1}, text, flags);
}

/// What one recvmsg() brought.
struct Taken {
  ssize_t size = -1;
  int error = 0;
  std::string text;
  int flags = 0;  ///< MSG_CTRUNC, …
  std::vector<UniqueFd> descriptors;
};
/// With room for `room` descriptors in the control buffer.
inline Taken take_descriptors(const UniqueFd& from, std::size_t room, int flags = MSG_CMSG_CLOEXEC,
                              std::size_t most = 256) {
  std::vector<char> control(room == 0 ? 0 : CMSG_SPACE(room * sizeof(int)));
  std::vector<char> buffer(most);
  iovec bytes{.iov_base = buffer.data(), .iov_len = buffer.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  // The padding that CMSG_SPACE adds would hold one descriptor more.
  message.msg_controllen = room == 0 ? 0 : CMSG_LEN(room * sizeof(int));
  Taken taken;
  taken.size = ::recvmsg(from.get(), &message, flags);
  taken.error = taken.size < 0 ? errno : 0;
  taken.flags = message.msg_flags;
  if (taken.size < 0) return taken;
  taken.text.assign(buffer.data(), static_cast<std::size_t>(taken.size));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::vector<int> raw(count);
    std::memcpy(raw.data(), CMSG_DATA(header), count * sizeof(int));
    for (const int fd : raw) taken.descriptors.emplace_back(fd);
  }
  return taken;
}

/// A pipe whose end of file tells when the last copy of its write end is gone.
struct Witness {
  UniqueFd reader;
  UniqueFd writer;

  static Result<Witness> open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_system("pipe2");
    return Witness{UniqueFd(ends[0]), UniqueFd(ends[1])};
  }
  bool writer_is_gone_now() const { return (events_of(reader, POLLIN) & POLLHUP) != 0; }
  bool writer_goes() const { return (await_events(reader, POLLIN) & POLLHUP) != 0; }
  /// The same when the kernel must collect it first. No time decides: garbage that came later is
  /// collected by a look that began later, so garbage that outlives many later ones was overlooked.
  bool writer_is_collected() const;
};

/// A socket in its own queue, with nothing else that holds it: made, dropped, and seen to go.
inline bool younger_garbage_is_collected() {
  auto witness = Witness::open();
  auto pair = SocketPair::open(SOCK_DGRAM);
  if (!witness || !pair) return false;
  if (send_descriptor(pair->first, pair->second) < 0) return false;
  if (send_descriptor(pair->first, witness->writer) < 0) return false;
  witness->writer.reset();
  pair->first.reset();
  pair->second.reset();
  const Deadline deadline = Deadline::after(kCallPatience);
  while (!deadline.expired()) {
    // A look that was under way may have missed it; the close of any Unix socket asks for the next.
    static_cast<void>(SocketPair::open(SOCK_STREAM));
    pollfd gone{.fd = witness->reader.get(), .events = POLLIN, .revents = 0};
    if (::poll(&gone, 1, 1) == 1) return (gone.revents & POLLHUP) != 0;
  }
  return false;
}

inline bool Witness::writer_is_collected() const {
  // Garbage that holds garbage takes a look for each layer; no case here builds this many.
  constexpr int kLooks = 16;
  for (int look = 0; look < kLooks; ++look) {
    if (writer_is_gone_now()) return true;
    if (!younger_garbage_is_collected()) return false;
  }
  return writer_is_gone_now();
}

}  // namespace gauntlet
