// A file of one case that is locked, and the locks of fcntl(2) on parts of it.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "cases/context.h"
#include "support/scratch_directory.h"

namespace gauntlet {

/// A file of 100 bytes; every open is an open file description of its own.
class LockFile {
 public:
  static Result<LockFile> create(CaseContext& context) {
    Result<ScratchDirectory> directory = ScratchDirectory::create(context.scope());
    if (!directory) return tl::unexpected<Error>(directory.error());
    LockFile made(std::move(*directory));
    const UniqueFd fd(::open(made.path_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
    if (!fd.valid()) return fail_system("open");
    if (::ftruncate(fd.get(), kSize) != 0) return fail_system("ftruncate");
    return made;
  }
  UniqueFd open(int mode = O_RDWR) const {
    return UniqueFd(::open(path_.c_str(), mode | O_CLOEXEC));
  }

  static constexpr off_t kSize = 100;

 private:
  explicit LockFile(ScratchDirectory directory)
      : directory_(std::move(directory)), path_(directory_.file("locked")) {}
  ScratchDirectory directory_;
  std::string path_;
};

/// A part of a file as fcntl(2) wants it; a length of 0 reaches to the end, however far that is.
inline struct flock part(short type, off_t start, off_t length) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

/// Any of the locking commands on a part; what fcntl answered.
inline int lock_part(const UniqueFd& fd, int command, short type, off_t start = 0,
                     off_t length = 0) {
  struct flock lock = part(type, start, length);
  return ::fcntl(fd.get(), command, &lock);
}

/// What would stand in the way of a write lock on a part (F_GETLK or F_OFD_GETLK).
inline struct flock obstacle(const UniqueFd& fd, int command, off_t start = 0, off_t length = 0) {
  struct flock lock = part(F_WRLCK, start, length);
  if (::fcntl(fd.get(), command, &lock) != 0) lock.l_type = -1;
  return lock;
}

}  // namespace gauntlet
