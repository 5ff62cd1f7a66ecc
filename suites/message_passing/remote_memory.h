// Another process whose memory is read and written.
#pragma once

#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/limits.h"
#include "cases/context.h"
#include "process/crew.h"
#include "process/shared.h"

namespace gauntlet {

/// Pages at an address that the process has in common with the children forked later, while what is
/// in them is each one's own. The page behind them is not to be read or written.
class PrivatePages {
 public:
  explicit PrivatePages(std::size_t pages)
      : size_(pages * page()),
        data_(static_cast<std::byte*>(::mmap(nullptr, size_ + page(), PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    if (data_ != MAP_FAILED) ::mprotect(data_ + size_, page(), PROT_NONE);
  }
  PrivatePages(PrivatePages&&) = delete;
  ~PrivatePages() {
    if (data_ != MAP_FAILED) ::munmap(data_, size_ + page());
  }
  static std::size_t page() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  std::byte* data_;
};

/// A child that fills its pages with `fill + offset`, waits, and shows at last what is in them.
class RemoteMemory {
 public:
  static constexpr unsigned char kFill = 17;

  RemoteMemory(CaseContext& context, std::size_t pages)
      : context_(context), pages_(pages), seen_(pages_.size()) {
    started_ = crew_
                   .add([this](Worker& worker) {
                     for (std::size_t at = 0; at < pages_.size(); ++at) {
                       pages_.data()[at] = expected(at);
                     }
                     worker.arrive(0);
                     worker.await(1);
                     std::memcpy(seen_.data(), pages_.data(), pages_.size());
                   })
                   .has_value() &&
               crew_.await_arrival(0, 0, Deadline::after(kCallPatience)).has_value();
    if (!started_) context_.error("no process to read from");
  }

  bool ready() const { return started_; }
  pid_t pid() { return crew_.process(0).pid(); }
  Crew& crew() { return crew_; }
  /// The address in the other process; here the same address has zeros.
  std::byte* at(std::size_t offset) const { return pages_.data() + offset; }
  std::size_t size() const { return pages_.size(); }
  static std::byte expected(std::size_t at) {
    return static_cast<std::byte>((kFill + at * 7) & 0xff);
  }

  /// Lets the process end and answers what was in its pages.
  std::span<const std::byte> finish() {
    crew_.proceed(0, 1);
    context_.join(crew_);
    return {seen_.data(), pages_.size()};
  }

 private:
  CaseContext& context_;
  PrivatePages pages_;
  SharedBytes seen_;
  Crew crew_{1};
  bool started_ = false;
};

inline iovec part(const void* base, std::size_t size) {
  return {.iov_base = const_cast<void*>(base), .iov_len = size};
}
inline ssize_t read_remote(pid_t pid, std::span<const iovec> local, std::span<const iovec> remote,
                           unsigned long flags = 0) {
  return ::process_vm_readv(pid, local.data(), local.size(), remote.data(), remote.size(), flags);
}
inline ssize_t write_remote(pid_t pid, std::span<const iovec> local, std::span<const iovec> remote,
                            unsigned long flags = 0) {
  return ::process_vm_writev(pid, local.data(), local.size(), remote.data(), remote.size(), flags);
}

/// False where the system has not got the calls: then the context was told.
inline bool has_process_vm(CaseContext& context) {
  if (::process_vm_readv(::getpid(), nullptr, 0, nullptr, 0, 0) == 0 || errno != ENOSYS)
    return true;
  context.unsupported("process_vm_readv", "ENOSYS");
  return false;
}

}  // namespace gauntlet
