// A datagram socket with an address, to which others send by it.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"
#include "support/call_outcome.h"

namespace gauntlet {

inline sockaddr_un mailbox_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

/// Bound to `path`, whose directory the case owns; the name stays when it closes, as bind(2) says.
class Mailbox {
 public:
  static Result<Mailbox> open(std::string path) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return fail_system("socket");
    const sockaddr_un address = mailbox_address(path);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return fail_system("bind");
    }
    return Mailbox(std::move(path), std::move(socket));
  }
  int get() const { return socket_.get(); }
  const std::string& path() const { return path_; }
  void close() { socket_.reset(); }

 private:
  Mailbox(std::string path, UniqueFd socket) : path_(std::move(path)), socket_(std::move(socket)) {}
  std::string path_;
  UniqueFd socket_;
};

inline ssize_t send_to(int socket, const std::string& path, std::string_view text,
                       int flags = MSG_DONTWAIT) {
  const sockaddr_un address = mailbox_address(path);
  return ::sendto(socket, text.data(), text.size(), flags | MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

struct Letter {
  CallOutcome call;
  std::string text;
  std::string sender;  ///< its path; empty when it has no address
};

inline Letter take_letter(int socket, int flags = MSG_DONTWAIT) {
  std::array<char, 256> buffer{};
  sockaddr_un from{};
  socklen_t length = sizeof from;
  Letter letter;
  letter.call = outcome_of(::recvfrom(socket, buffer.data(), buffer.size(), flags,
                                      reinterpret_cast<sockaddr*>(&from), &length));
  if (letter.call.failed) return letter;
  letter.text.assign(buffer.data(), static_cast<std::size_t>(letter.call.value));
  if (length > offsetof(sockaddr_un, sun_path)) letter.sender = from.sun_path;
  return letter;
}

}  // namespace gauntlet
