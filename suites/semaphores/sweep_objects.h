// Process-shared objects as the scenarios of the sweeps make and use them, in a region that each
// process maps at an address of its own.
#pragma once

#include <pthread.h>

#include <cerrno>
#include <functional>
#include <string>

#include "schedule/scenario.h"
#include "semaphores/shared_mutex.h"

namespace gauntlet {

inline int make_shared_mutex(pthread_mutex_t& mutex, const MutexShape& shape) {
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_settype(&attributes, shape.type);
  ::pthread_mutexattr_setrobust(&attributes, shape.robustness);
  ::pthread_mutexattr_setprotocol(&attributes, shape.protocol);
  return ::pthread_mutex_init(&mutex, &attributes);
}

inline int make_shared_condition(pthread_cond_t& condition) {
  pthread_condattr_t attributes;
  ::pthread_condattr_init(&attributes);
  ::pthread_condattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  return ::pthread_cond_init(&condition, &attributes);
}

/// Locks, and makes the mutex of a dead owner consistent. False when it could not.
inline bool lock_shared(pthread_mutex_t& mutex) {
  const int answer = ::pthread_mutex_lock(&mutex);
  return answer == EOWNERDEAD ? ::pthread_mutex_consistent(&mutex) == 0 : answer == 0;
}

using Body = std::function<void(schedule::Self&)>;

inline schedule::ProcessPlan process(std::string name, Body body,
                                     schedule::Starts starts = schedule::Starts::at_once) {
  return {.name = std::move(name), .body = std::move(body), .starts = starts};
}
inline schedule::ProcessPlan at_the_end(std::string name, Body body) {
  return process(std::move(name), std::move(body), schedule::Starts::at_the_end);
}
inline schedule::ProcessPlan mortal(std::string name, Body body) {
  return {.name = std::move(name), .body = std::move(body), .may_die = true};
}

/// For scenarios whose expectations stand in the bodies: ended well is well.
inline std::string all_is_said(const schedule::Ending&) { return {}; }

}  // namespace gauntlet
