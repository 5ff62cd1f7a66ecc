// A process-shared pthread mutex of one case, made from a description.
#pragma once

#include <pthread.h>

#include "base/result.h"
#include "process/shared.h"

namespace gauntlet {

struct MutexShape {
  int type = PTHREAD_MUTEX_NORMAL;
  int robustness = PTHREAD_MUTEX_STALLED;
  int protocol = PTHREAD_PRIO_NONE;
  int ceiling = 0;  ///< for PTHREAD_PRIO_PROTECT
};

/// Lives in shared memory made before the children are forked. Never destroyed: glibc has nothing
/// to free in one, and a child that was killed may have left it locked.
class SharedMutex {
 public:
  static Result<SharedMutex> create(const MutexShape& shape = {}) {
    pthread_mutexattr_t attributes;
    int error = ::pthread_mutexattr_init(&attributes);
    if (error != 0) return fail_system("pthread_mutexattr_init", error);
    SharedMutex made;
    error = made.init(attributes, shape);
    ::pthread_mutexattr_destroy(&attributes);
    if (error != 0) return fail_system("pthread_mutex_init", error);
    return made;
  }
  pthread_mutex_t* get() const { return &*memory_; }

 private:
  SharedMutex() = default;
  int init(pthread_mutexattr_t& attributes, const MutexShape& shape) {
    int error = ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0) error = ::pthread_mutexattr_settype(&attributes, shape.type);
    if (error == 0) error = ::pthread_mutexattr_setrobust(&attributes, shape.robustness);
    if (error == 0) error = ::pthread_mutexattr_setprotocol(&attributes, shape.protocol);
    if (error == 0 && shape.protocol == PTHREAD_PRIO_PROTECT) {
      error = ::pthread_mutexattr_setprioceiling(&attributes, shape.ceiling);
    }
    return error == 0 ? ::pthread_mutex_init(get(), &attributes) : error;
  }
  Shared<pthread_mutex_t> memory_;
};

}  // namespace gauntlet
