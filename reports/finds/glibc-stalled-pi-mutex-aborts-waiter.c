/* The owner of a PTHREAD_PRIO_INHERIT mutex that is not robust dies while another process sleeps
 * for it: that one sleeps on. POSIX.1-2024 pthread_mutexattr_getrobust() (PTHREAD_MUTEX_STALLED).
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "find.h"

int main(void) {
  pthread_mutex_t* mutex = shared(sizeof *mutex);
  pthread_mutexattr_t inherit;
  MUST(pthread_mutexattr_init(&inherit) == 0);
  MUST(pthread_mutexattr_setpshared(&inherit, PTHREAD_PROCESS_SHARED) == 0);
  if (pthread_mutexattr_setprotocol(&inherit, PTHREAD_PRIO_INHERIT) != 0 ||
      pthread_mutex_init(mutex, &inherit) != 0) {
    ENDS(NOT_SEEN_HERE, "no mutexes with priority inheritance here");
  }
  const pid_t owner = fork();
  MUST(owner >= 0);
  if (owner == 0) {
    pthread_mutex_lock(mutex);
    for (;;) pause();
  }
  MUST(falls_asleep(owner));
  const pid_t waiter = fork();
  MUST(waiter >= 0);
  if (waiter == 0) {
    fclose(stderr); /* the assertion's words */
    _exit(pthread_mutex_lock(mutex));
  }
  MUST(falls_asleep(waiter));
  kill(owner, SIGKILL);
  MUST(waitpid(owner, NULL, 0) == owner);
  if (falls_asleep(waiter)) {
    kill(waiter, SIGKILL);
    waitpid(waiter, NULL, 0);
    ENDS(AS_DOCUMENTED, "the waiter sleeps on, as documented");
  }
  int status = 0;
  MUST(waitpid(waiter, &status, 0) == waiter);
  if (WIFSIGNALED(status)) {
    ENDS(DEVIATES, "the waiter died of %s; documented: it sleeps on",
         sigabbrev_np(WTERMSIG(status)));
  }
  ENDS(DEVIATES, "the waiter's lock answered %s; documented: it sleeps on",
       errno_word(WEXITSTATUS(status)));
}
