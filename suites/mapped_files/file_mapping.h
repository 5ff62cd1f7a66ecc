// A file without a name and mappings of it, both gone with their owner.
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cases/context.h"
#include "support/call_outcome.h"

namespace gauntlet {

inline std::size_t page_bytes() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

/// Where a file of a case is.
enum class FileSystem : std::uint8_t { memory, disk };

/// Removed when its owner goes: it lost its name as it was made. After fork both processes own a
/// descriptor of it.
class MappableFile {
 public:
  /// Empty when there is no such place or no room: the case was told and its body returns.
  static std::optional<MappableFile> create(CaseContext& context, std::size_t size,
                                            FileSystem where = FileSystem::memory);
  /// The same in a folder of the caller's.
  static Result<MappableFile> create_in(const std::string& directory, std::string_view scope,
                                        std::size_t size);

  int fd() const { return fd_.get(); }
  /// A descriptor of its own, open as `flags` say (O_RDONLY, O_WRONLY …); -1 when that is refused.
  UniqueFd reopen(int flags) const;
  /// Bytes, or -1.
  off_t size() const;
  /// Of this process; -1 when it is past the end or cannot be read.
  int byte_at(std::size_t offset) const;
  /// Whether `count` bytes of `value` were written there.
  bool write(std::size_t offset, char value, std::size_t count) const;

 private:
  explicit MappableFile(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

/// The arguments of mmap(2), with what most cases want.
struct MapRequest {
  std::size_t size = 0;
  int fd = -1;
  int protection = PROT_READ | PROT_WRITE;
  int flags = MAP_SHARED;
  off_t offset = 0;
  void* address = nullptr;
};

/// One mapping, removed when its owner goes, in the process that made it and in forked copies.
class Mapping {
 public:
  /// `outcome`, when given, is what mmap answered.
  explicit Mapping(const MapRequest& request, CallOutcome* outcome = nullptr);
  Mapping(const MappableFile& file, std::size_t size) : Mapping({.size = size, .fd = file.fd()}) {}
  /// Owns what is mapped there already.
  static Mapping adopt(void* address, std::size_t size);
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping() { reset(); }

  bool valid() const { return data_ != nullptr; }
  unsigned char* data() const { return data_; }
  std::size_t size() const { return size_; }
  /// Each access is made, and made once, as written: another process may have changed the byte.
  volatile unsigned char& operator[](std::size_t offset) const { return data_[offset]; }
  void fill(std::size_t offset, unsigned char value, std::size_t count) const;
  /// Whether all of them are `value`.
  bool all(std::size_t offset, unsigned char value, std::size_t count) const;
  void reset();
  /// Gives up ownership: something else is at this address now.
  unsigned char* release();

 private:
  Mapping() = default;
  unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
};

/// What mmap(2) answers to it; a mapping that was made is gone again.
CallOutcome outcome_of_mmap(const MapRequest& request);

/// A tmpfs of its own of `bytes`, gone with its owner. Empty when this process may not mount: the
/// case was told not_run.
class SmallTmpfs {
 public:
  static std::optional<SmallTmpfs> mount(CaseContext& context, std::size_t bytes,
                                         unsigned long flags = 0);
  SmallTmpfs(SmallTmpfs&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  SmallTmpfs& operator=(SmallTmpfs&&) = delete;
  ~SmallTmpfs();
  const std::string& path() const { return path_; }

 private:
  explicit SmallTmpfs(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace gauntlet
