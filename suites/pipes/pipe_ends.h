// Both ends of a pipe, closed when their owner goes, and what the cases on pipes do with them.
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace gauntlet {

/// After fork each process owns a copy of both; a child that must not keep an end open resets its
/// own copy.
struct PipeEnds {
  UniqueFd read;
  UniqueFd write;

  static Result<PipeEnds> open(int flags = 0) {
    int ends[2];
    if (::pipe2(ends, flags | O_CLOEXEC) != 0) return fail_system("pipe2");
    return PipeEnds{UniqueFd(ends[0]), UniqueFd(ends[1])};
  }
};

inline bool set_nonblocking(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return false;
  return ::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0;
}

inline std::size_t page_size() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

/// Bytes that wait in the pipe, or -1.
inline long bytes_waiting(int fd) {
  int waiting = 0;
  return ::ioctl(fd, FIONREAD, &waiting) == 0 ? waiting : -1;
}

/// Writes whole pages until there is room for no more and answers the bytes written; -1 when it
/// ended with another error than EAGAIN. Leaves the mode of the descriptor as it was.
inline long fill(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || !set_nonblocking(fd, true)) return -1;
  const std::vector<char> page(page_size(), 'f');
  long total = 0;
  for (std::uint64_t i = 0; i < kLoopBound; ++i) {
    const ssize_t written = ::write(fd, page.data(), page.size());
    if (written < 0) {
      const bool full = errno == EAGAIN;
      return ::fcntl(fd, F_SETFL, flags) == 0 && full ? total : -1;
    }
    total += written;
  }
  return -1;
}

/// Reads until `count` bytes came, the end of the stream, or an error.
inline std::string read_up_to(int fd, std::size_t count) {
  std::string all;
  char part[4096];
  while (all.size() < count) {
    const ssize_t got = ::read(fd, part, std::min(sizeof part, count - all.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    all.append(part, static_cast<std::size_t>(got));
  }
  return all;
}

}  // namespace gauntlet
