/* A PTHREAD_PRIO_PROTECT mutex refuses an ordinary thread. When that thread has become a real-time
 * one, lock and unlock must leave its priority as it was. POSIX.1-2024
 * pthread_mutexattr_getprotocol(). */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>

#include "find.h"

int main(void) {
  const int lowest = sched_get_priority_min(SCHED_FIFO);
  pthread_mutex_t mutex;
  pthread_mutexattr_t protect;
  MUST(pthread_mutexattr_init(&protect) == 0);
  MUST(pthread_mutexattr_setprotocol(&protect, PTHREAD_PRIO_PROTECT) == 0);
  MUST(pthread_mutexattr_setprioceiling(&protect, lowest + 4) == 0);
  MUST(pthread_mutex_init(&mutex, &protect) == 0);
  if (pthread_mutex_lock(&mutex) == 0) pthread_mutex_unlock(&mutex);
  const struct sched_param low = {.sched_priority = lowest};
  if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &low) != 0) {
    ENDS(NOT_SEEN_HERE, "SCHED_FIFO is not allowed here");
  }
  MUST(pthread_mutex_lock(&mutex) == 0);
  MUST(pthread_mutex_unlock(&mutex) == 0);
  struct sched_param now;
  MUST(sched_getparam(0, &now) == 0);
  ENDS(now.sched_priority == lowest ? AS_DOCUMENTED : DEVIATES,
       "priority after the unlock: %d; documented: %d", now.sched_priority, lowest);
}
