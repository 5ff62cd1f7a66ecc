// Calls that sleep on locks in shared memory: POSIX semaphores, pthread objects, futexes.
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <memory>

#include "process/futex.h"
#include "process/shared.h"
#include "semaphores/posix_semaphore.h"
#include "semaphores/shared_mutex.h"
#include "signals/blocking_calls.h"

namespace gauntlet {
namespace {

template <class Wait>
Situation wait_on_semaphore(CaseContext& context, Wait wait) {
  auto made = UnnamedSemaphore::create(0);
  if (!made) {
    context.not_created(made.error());
    return {};
  }
  const auto semaphore = std::make_shared<UnnamedSemaphore>(std::move(*made));
  return {.call = [semaphore, wait] { return static_cast<long>(wait(semaphore->get())); },
          .complete = [semaphore] { EXPECT_EQ(::sem_post(semaphore->get()), 0); }};
}
Situation sem_wait(CaseContext& context) {
  return wait_on_semaphore(context, [](sem_t* semaphore) { return ::sem_wait(semaphore); });
}
Situation sem_timedwait(CaseContext& context) {
  return wait_on_semaphore(context, [](sem_t* semaphore) {
    const timespec until = far_ahead(CLOCK_REALTIME);
    return ::sem_timedwait(semaphore, &until);
  });
}
Situation sem_clockwait(CaseContext& context) {
  return wait_on_semaphore(context, [](sem_t* semaphore) {
    const timespec until = far_ahead(CLOCK_MONOTONIC);
    return ::sem_clockwait(semaphore, CLOCK_MONOTONIC, &until);
  });
}

/// The body holds the mutex; robust ones would be told of its end, this one is plain.
template <class Lock>
Situation lock_mutex(CaseContext& context, Lock lock) {
  auto made = SharedMutex::create();
  if (!made) {
    context.not_created(made.error());
    return {};
  }
  const auto mutex = std::make_shared<SharedMutex>(std::move(*made));
  EXPECT_EQ(::pthread_mutex_lock(mutex->get()), 0);
  return {.call = [mutex, lock] { return answered(lock(mutex->get())); },
          .complete = [mutex] { EXPECT_EQ(::pthread_mutex_unlock(mutex->get()), 0); }};
}
Situation mutex_lock(CaseContext& context) {
  return lock_mutex(context, [](pthread_mutex_t* mutex) { return ::pthread_mutex_lock(mutex); });
}
Situation mutex_timedlock(CaseContext& context) {
  return lock_mutex(context, [](pthread_mutex_t* mutex) {
    const timespec until = far_ahead(CLOCK_REALTIME);
    return ::pthread_mutex_timedlock(mutex, &until);
  });
}

struct Condition {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool happened = false;
};

template <class Wait>
Situation wait_for_condition(CaseContext& /*context*/, Wait wait) {
  const auto condition = std::make_shared<Shared<Condition>>();
  Condition& made = **condition;
  pthread_mutexattr_t of_mutex;
  pthread_condattr_t of_condition;
  ::pthread_mutexattr_init(&of_mutex);
  ::pthread_mutexattr_setpshared(&of_mutex, PTHREAD_PROCESS_SHARED);
  ::pthread_condattr_init(&of_condition);
  ::pthread_condattr_setpshared(&of_condition, PTHREAD_PROCESS_SHARED);
  EXPECT_EQ(::pthread_mutex_init(&made.mutex, &of_mutex), 0);
  EXPECT_EQ(::pthread_cond_init(&made.changed, &of_condition), 0);
  ::pthread_mutexattr_destroy(&of_mutex);
  ::pthread_condattr_destroy(&of_condition);
  return {.call =
              [condition, wait] {
                Condition& mine = **condition;
                int error = ::pthread_mutex_lock(&mine.mutex);
                // A handler may also be a spurious wake-up, which is no error.
                while (error == 0 && !mine.happened) error = wait(&mine.changed, &mine.mutex);
                ::pthread_mutex_unlock(&mine.mutex);
                return answered(error);
              },
          .complete =
              [condition] {
                Condition& mine = **condition;
                EXPECT_EQ(::pthread_mutex_lock(&mine.mutex), 0);
                mine.happened = true;
                EXPECT_EQ(::pthread_cond_broadcast(&mine.changed), 0);
                EXPECT_EQ(::pthread_mutex_unlock(&mine.mutex), 0);
              }};
}
Situation cond_wait(CaseContext& context) {
  return wait_for_condition(context, [](pthread_cond_t* changed, pthread_mutex_t* mutex) {
    return ::pthread_cond_wait(changed, mutex);
  });
}
Situation cond_timedwait(CaseContext& context) {
  return wait_for_condition(context, [](pthread_cond_t* changed, pthread_mutex_t* mutex) {
    const timespec until = far_ahead(CLOCK_REALTIME);
    return ::pthread_cond_timedwait(changed, mutex, &until);
  });
}

template <class Lock>
Situation lock_for_reading_or_writing(Lock lock) {
  const auto shared = std::make_shared<Shared<pthread_rwlock_t>>();
  pthread_rwlockattr_t attributes;
  ::pthread_rwlockattr_init(&attributes);
  ::pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  EXPECT_EQ(::pthread_rwlock_init(&**shared, &attributes), 0);
  ::pthread_rwlockattr_destroy(&attributes);
  EXPECT_EQ(::pthread_rwlock_wrlock(&**shared), 0);
  return {.call = [shared, lock] { return answered(lock(&**shared)); },
          .complete = [shared] { EXPECT_EQ(::pthread_rwlock_unlock(&**shared), 0); }};
}
Situation rwlock_rdlock(CaseContext& /*context*/) {
  return lock_for_reading_or_writing(
      [](pthread_rwlock_t* lock) { return ::pthread_rwlock_rdlock(lock); });
}
Situation rwlock_wrlock(CaseContext& /*context*/) {
  return lock_for_reading_or_writing(
      [](pthread_rwlock_t* lock) { return ::pthread_rwlock_wrlock(lock); });
}

Situation barrier_wait(CaseContext& /*context*/) {
  const auto barrier = std::make_shared<Shared<pthread_barrier_t>>();
  pthread_barrierattr_t attributes;
  ::pthread_barrierattr_init(&attributes);
  ::pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  EXPECT_EQ(::pthread_barrier_init(&**barrier, &attributes, 2), 0);
  ::pthread_barrierattr_destroy(&attributes);
  const auto wait = [barrier] {
    const int answer = ::pthread_barrier_wait(&**barrier);
    return answered(answer == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : answer);
  };
  return {.call = wait, .complete = [wait] { EXPECT_EQ(wait(), 0); }};
}

/// `timeout` is relative for FUTEX_WAIT and absolute for FUTEX_WAIT_BITSET (futex(2)).
Situation wait_on_futex(int operation, const std::function<timespec()>& timeout) {
  const auto word = std::make_shared<Shared<FutexWord>>();
  return {.call =
              [word, operation, timeout] {
                const timespec limit = timeout ? timeout() : timespec{};
                return ::syscall(SYS_futex, &**word, operation, 0, timeout ? &limit : nullptr,
                                 nullptr, FUTEX_BITSET_MATCH_ANY);
              },
          .complete = [word] { futex_wake_all(**word); }};
}
Situation futex_wait_plain(CaseContext& /*context*/) { return wait_on_futex(FUTEX_WAIT, {}); }
Situation futex_wait_timeout(CaseContext& /*context*/) {
  return wait_on_futex(FUTEX_WAIT, an_hour);
}
Situation futex_wait_bitset(CaseContext& /*context*/) {
  return wait_on_futex(FUTEX_WAIT_BITSET, {});
}
Situation futex_wait_bitset_timeout(CaseContext& /*context*/) {
  return wait_on_futex(FUTEX_WAIT_BITSET, [] { return far_ahead(CLOCK_MONOTONIC); });
}

}  // namespace

std::span<const BlockingCall> lock_calls() {
  static constexpr BlockingCall kCalls[] = {
      {"SemWait", "sem_wait()", "sem_wait(3)", kEintr, kGoesOn, kGoesOn, sem_wait},
      {"SemTimedwait", "sem_timedwait()", "sem_wait(3)", kEintr, kGoesOn, kGoesOn, sem_timedwait},
      {"SemClockwait", "sem_clockwait()", "POSIX.1-2024 sem_clockwait()", kEintr, kGoesOn, kGoesOn,
       sem_clockwait},
      {"PthreadMutexLock", "pthread_mutex_lock()",
       "POSIX.1-2024 pthread_mutex_lock() (shall not return [EINTR])", kGoesOn, kGoesOn, kGoesOn,
       mutex_lock},
      {"PthreadMutexTimedlock", "pthread_mutex_timedlock()",
       "POSIX.1-2024 pthread_mutex_timedlock() (shall not return [EINTR])", kGoesOn, kGoesOn,
       kGoesOn, mutex_timedlock},
      {"PthreadCondWait", "pthread_cond_wait()",
       "POSIX.1-2024 pthread_cond_wait() (shall not return [EINTR])", kGoesOn, kGoesOn, kGoesOn,
       cond_wait},
      {"PthreadCondTimedwait", "pthread_cond_timedwait()",
       "POSIX.1-2024 pthread_cond_timedwait() (shall not return [EINTR])", kGoesOn, kGoesOn,
       kGoesOn, cond_timedwait},
      {"PthreadRwlockRdlock", "pthread_rwlock_rdlock()",
       "POSIX.1-2024 pthread_rwlock_rdlock() (shall not return [EINTR])", kGoesOn, kGoesOn, kGoesOn,
       rwlock_rdlock},
      {"PthreadRwlockWrlock", "pthread_rwlock_wrlock()",
       "POSIX.1-2024 pthread_rwlock_wrlock() (shall not return [EINTR])", kGoesOn, kGoesOn, kGoesOn,
       rwlock_wrlock},
      {"PthreadBarrierWait", "pthread_barrier_wait()",
       "POSIX.1-2024 pthread_barrier_wait() (shall not return [EINTR])", kGoesOn, kGoesOn, kGoesOn,
       barrier_wait},
      {"FutexWait", "futex(FUTEX_WAIT)", "futex(2)", kEintr, kGoesOn, kGoesOn, futex_wait_plain},
      {"FutexWaitWithTimeout", "futex(FUTEX_WAIT, timeout)", "futex(2)", kEintr, kGoesOn, kGoesOn,
       futex_wait_timeout},
      {"FutexWaitBitset", "futex(FUTEX_WAIT_BITSET)", "futex(2)", kEintr, kGoesOn, kGoesOn,
       futex_wait_bitset},
      {"FutexWaitBitsetWithTimeout", "futex(FUTEX_WAIT_BITSET, timeout)", "futex(2)", kEintr,
       kGoesOn, kGoesOn, futex_wait_bitset_timeout},
  };
  return kCalls;
}

}  // namespace gauntlet
