/* FUTEX_WAIT with a time-out, interrupted by a handler with SA_RESTART: it goes on. signal(7) lists
 * FUTEX_WAIT as restarted, without an exception for time-outs. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sys/syscall.h>

#include "interrupted.h"

static int wait_on_a_word(void) {
  int word = 0;
  const struct timespec long_time = {60, 0};
  return (int)syscall(SYS_futex, &word, FUTEX_WAIT, 0, &long_time, NULL, 0);
}

int main(void) {
  const int seen = after_a_handler(wait_on_a_word);
  if (seen == 0) ENDS(AS_DOCUMENTED, "the wait goes on");
  ENDS(DEVIATES, "the wait ended: %s; documented: it goes on", errno_word(seen));
}
