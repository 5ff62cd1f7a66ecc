// Process-shared pthread objects of one case beside the mutex, each in shared memory made before
// the children are forked. Never destroyed, as SharedMutex.
#pragma once

#include <pthread.h>

#include <string_view>

#include "base/result.h"
#include "process/shared.h"

namespace gauntlet {

/// A reader-writer lock, condition variable, barrier or spin lock.
template <class Object>
class SharedLock {
 public:
  /// `initialise(object)` answers 0 or the errno of `call`.
  template <class Initialise>
  static Result<SharedLock> create(std::string_view call, const Initialise& initialise) {
    SharedLock made;
    if (const int error = initialise(made.get()); error != 0) return fail_system(call, error);
    return made;
  }
  Object* get() const { return &*memory_; }

 private:
  SharedLock() = default;
  Shared<Object> memory_;
};

using SharedRwlock = SharedLock<pthread_rwlock_t>;
using SharedCondition = SharedLock<pthread_cond_t>;
using SharedBarrier = SharedLock<pthread_barrier_t>;
using SharedSpinlock = SharedLock<pthread_spinlock_t>;

/// `kind` is one of pthread_rwlockattr_setkind_np(3).
inline Result<SharedRwlock> make_rwlock(int kind = PTHREAD_RWLOCK_DEFAULT_NP) {
  return SharedRwlock::create("pthread_rwlock_init", [kind](pthread_rwlock_t* lock) {
    pthread_rwlockattr_t attributes;
    int error = ::pthread_rwlockattr_init(&attributes);
    if (error != 0) return error;
    error = ::pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0) error = ::pthread_rwlockattr_setkind_np(&attributes, kind);
    if (error == 0) error = ::pthread_rwlock_init(lock, &attributes);
    ::pthread_rwlockattr_destroy(&attributes);
    return error;
  });
}

inline Result<SharedCondition> make_condition(clockid_t clock = CLOCK_REALTIME) {
  return SharedCondition::create("pthread_cond_init", [clock](pthread_cond_t* condition) {
    pthread_condattr_t attributes;
    int error = ::pthread_condattr_init(&attributes);
    if (error != 0) return error;
    error = ::pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0) error = ::pthread_condattr_setclock(&attributes, clock);
    if (error == 0) error = ::pthread_cond_init(condition, &attributes);
    ::pthread_condattr_destroy(&attributes);
    return error;
  });
}

inline Result<SharedBarrier> make_barrier(unsigned count) {
  return SharedBarrier::create("pthread_barrier_init", [count](pthread_barrier_t* barrier) {
    pthread_barrierattr_t attributes;
    int error = ::pthread_barrierattr_init(&attributes);
    if (error != 0) return error;
    error = ::pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (error == 0) error = ::pthread_barrier_init(barrier, &attributes, count);
    ::pthread_barrierattr_destroy(&attributes);
    return error;
  });
}

inline Result<SharedSpinlock> make_spinlock() {
  return SharedSpinlock::create("pthread_spin_init", [](pthread_spinlock_t* lock) {
    return ::pthread_spin_init(lock, PTHREAD_PROCESS_SHARED);
  });
}

}  // namespace gauntlet
