/* sem_timedwait, interrupted by a handler with SA_RESTART: it goes on. signal(7): restarted since
 * Linux 2.6.22; POSIX.1-2024 sigaction() SA_RESTART. */
#define _GNU_SOURCE
#include <semaphore.h>

#include "interrupted.h"

static sem_t semaphore;

static int wait_for_a_unit(void) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 60;
  return sem_timedwait(&semaphore, &until);
}

int main(void) {
  MUST(sem_init(&semaphore, 0, 0) == 0);
  const int seen = after_a_handler(wait_for_a_unit);
  if (seen == 0) ENDS(AS_DOCUMENTED, "the wait goes on");
  ENDS(DEVIATES, "the wait ended: %s; documented: it goes on", errno_word(seen));
}
