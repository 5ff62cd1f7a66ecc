// POSIX semaphores of one case, unnamed in shared memory or named, gone when their owner goes.
#pragma once

#include <fcntl.h>
#include <semaphore.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "process/shared.h"
#include "support/scratch_directory.h"

namespace gauntlet {

/// An unnamed semaphore that forked children share.
class UnnamedSemaphore {
 public:
  static Result<UnnamedSemaphore> create(unsigned value) {
    UnnamedSemaphore made;
    if (::sem_init(made.get(), 1, value) != 0) return fail_system("sem_init");
    return made;
  }
  /// Usable in children, too: it is one object.
  sem_t* get() const { return &*memory_; }
  /// What sem_getvalue says, -1000 when it fails.
  int value() const {
    int value = 0;
    return ::sem_getvalue(get(), &value) == 0 ? value : -1000;
  }

 private:
  UnnamedSemaphore() = default;
  Shared<sem_t> memory_;  // sem_destroy has nothing to free, and must not run while a child waits
};

/// A name for a semaphore, unlinked when its owner goes. The semaphore itself is opened by the
/// case.
class SemaphoreName {
 public:
  explicit SemaphoreName(std::string_view scope) : text_("/" + unique_name(scope)) {}
  SemaphoreName(const SemaphoreName&) = delete;
  SemaphoreName& operator=(const SemaphoreName&) = delete;
  ~SemaphoreName() { ::sem_unlink(text_.c_str()); }  // ENOENT when the case did it
  const char* text() const { return text_.c_str(); }

 private:
  std::string text_;
};

/// One process's way to a named semaphore.
class OpenSemaphore {
 public:
  explicit OpenSemaphore(sem_t* semaphore) : semaphore_(semaphore) {}
  OpenSemaphore(OpenSemaphore&& other) noexcept
      : semaphore_(std::exchange(other.semaphore_, SEM_FAILED)) {}
  OpenSemaphore& operator=(OpenSemaphore&&) = delete;
  ~OpenSemaphore() { close(); }
  void close() {
    if (valid()) ::sem_close(std::exchange(semaphore_, SEM_FAILED));
  }
  bool valid() const { return semaphore_ != SEM_FAILED; }
  sem_t* get() const { return semaphore_; }
  int value() const {
    int value = 0;
    return ::sem_getvalue(semaphore_, &value) == 0 ? value : -1000;
  }

 private:
  sem_t* semaphore_;
};

}  // namespace gauntlet
