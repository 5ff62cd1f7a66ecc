// What the cases on shared memory make: objects with a name, mappings and System V segments, gone
// when their owner goes.
#pragma once

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/seed.h"
#include "base/unique_fd.h"
#include "support/scratch_directory.h"

namespace gauntlet {

inline std::size_t memory_page() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

inline long size_of(int object) {
  struct stat status {};
  return ::fstat(object, &status) == 0 ? static_cast<long>(status.st_size) : -1;
}

/// A POSIX shared memory object and a descriptor of it.
class ShmObject {
 public:
  /// `size` 0: as shm_open() leaves it.
  static Result<ShmObject> create(std::string_view scope, std::size_t size, mode_t mode = 0600) {
    std::string name = "/" + unique_name(scope);
    const int fd = ::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, mode);
    if (fd < 0) return fail_system("shm_open");
    ShmObject object(std::move(name), fd);
    if (::ftruncate(fd, static_cast<off_t>(size)) != 0) return fail_system("ftruncate");
    return object;
  }
  ShmObject(ShmObject&& other) noexcept
      : name_(std::exchange(other.name_, "")), fd_(std::move(other.fd_)) {}
  ShmObject& operator=(ShmObject&&) = delete;
  ~ShmObject() {
    if (!name_.empty()) ::shm_unlink(name_.c_str());
  }

  const char* name() const { return name_.c_str(); }
  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }

 private:
  ShmObject(std::string name, int fd) : name_(std::move(name)), fd_(fd) {}
  std::string name_;
  UniqueFd fd_;
};

/// A mapping; what mmap() answered is kept, so that a failure can be looked at.
class Mapping {
 public:
  Mapping(int fd, std::size_t size, int protection = PROT_READ | PROT_WRITE, int flags = MAP_SHARED)
      : data_(::mmap(nullptr, size, protection, flags, fd, 0)), size_(size) {}
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { unmap(); }

  bool mapped() const { return data_ != MAP_FAILED; }
  std::byte* data() const { return static_cast<std::byte*>(data_); }
  std::byte& operator[](std::size_t offset) const { return data()[offset]; }
  std::size_t size() const { return size_; }
  int unmap() { return mapped() ? ::munmap(std::exchange(data_, MAP_FAILED), size_) : 0; }

 private:
  void* data_;
  std::size_t size_;
};

/// mmap() of a whole object as the matchers of calls want it: 0 or -1 with errno. Unmaps again.
inline int try_map(int fd, std::size_t size, int protection, int flags = MAP_SHARED,
                   off_t offset = 0) {
  void* const data = ::mmap(nullptr, size, protection, flags, fd, offset);
  return data == MAP_FAILED ? -1 : ::munmap(data, size);
}

/// A System V segment, without a key (IPC_PRIVATE) unless made with one.
class SysvSegment {
 public:
  static Result<SysvSegment> create(std::size_t size, int mode = 0600) {
    const int id = ::shmget(IPC_PRIVATE, size, IPC_CREAT | mode);
    if (id < 0) return fail_system("shmget");
    return SysvSegment(id, IPC_PRIVATE);
  }
  /// With a key that nobody used, drawn from `seed`.
  static Result<SysvSegment> create_with_key(std::uint32_t seed, std::size_t size,
                                             int mode = 0600) {
    Random random(seed);
    for (int tries = 0; tries < kMostKeys; ++tries) {
      const auto key = static_cast<key_t>(random.between(1, INT32_MAX));
      const int id = ::shmget(key, size, IPC_CREAT | IPC_EXCL | mode);
      if (id >= 0) return SysvSegment(id, key);
      if (errno != EEXIST) break;
    }
    return fail_system("shmget");
  }
  SysvSegment(SysvSegment&& other) noexcept : id_(std::exchange(other.id_, -1)), key_(other.key_) {}
  SysvSegment& operator=(SysvSegment&&) = delete;
  ~SysvSegment() { remove(); }

  int id() const { return id_; }
  key_t key() const { return key_; }
  int remove() { return id_ < 0 ? 0 : ::shmctl(std::exchange(id_, -1), IPC_RMID, nullptr); }
  shmid_ds status() const {
    shmid_ds status{};
    if (::shmctl(id_, IPC_STAT, &status) != 0) status.shm_nattch = SIZE_MAX;
    return status;
  }
  shmatt_t views() const { return status().shm_nattch; }

 private:
  static constexpr int kMostKeys = 100;
  SysvSegment(int id, key_t key) : id_(id), key_(key) {}
  int id_;
  key_t key_;
};

/// shmat() as the matchers of calls want it: -1 with errno, or 0; the view stays in `view`.
inline int attach(int id, void*& view, const void* address = nullptr, int flags = 0) {
  view = ::shmat(id, address, flags);
  return reinterpret_cast<std::intptr_t>(view) == -1 ? -1 : 0;
}
/// The same for one that is to fail; what is attached all the same is detached.
inline int try_attach(int id, const void* address = nullptr, int flags = 0) {
  void* view = nullptr;
  if (attach(id, view, address, flags) != 0) return -1;
  ::shmdt(view);
  return 0;
}

}  // namespace gauntlet
