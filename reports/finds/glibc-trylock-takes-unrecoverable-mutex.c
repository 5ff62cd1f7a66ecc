/* pthread_mutex_trylock of a robust mutex whose state is not recoverable: every time
 * ENOTRECOVERABLE. POSIX.1-2024 pthread_mutex_trylock() ERRORS [ENOTRECOVERABLE]. */
#define _GNU_SOURCE
#include <pthread.h>

#include "find.h"

int main(void) {
  pthread_mutex_t* mutex = shared(sizeof *mutex);
  pthread_mutexattr_t robust;
  MUST(pthread_mutexattr_init(&robust) == 0);
  MUST(pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED) == 0);
  MUST(pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST) == 0);
  MUST(pthread_mutex_init(mutex, &robust) == 0);
  const pid_t owner = fork();
  MUST(owner >= 0);
  if (owner == 0) _exit(pthread_mutex_lock(mutex));
  MUST(waitpid(owner, NULL, 0) == owner);
  MUST(pthread_mutex_lock(mutex) == EOWNERDEAD);
  /* Unlocked without pthread_mutex_consistent: nobody can take it any more. */
  MUST(pthread_mutex_unlock(mutex) == 0);
  const int first = pthread_mutex_trylock(mutex);
  const int second = pthread_mutex_trylock(mutex);
  ENDS(first == ENOTRECOVERABLE && second == ENOTRECOVERABLE ? AS_DOCUMENTED : DEVIATES,
       "trylock: %s, then %s; documented: ENOTRECOVERABLE each time", errno_word(first),
       errno_word(second));
}
