/* A call in a child that sleeps, a handler with SA_RESTART that runs there, and what came of it. */
#ifndef GAUNTLET_INTERRUPTED_H
#define GAUNTLET_INTERRUPTED_H

#include "find.h"

static volatile sig_atomic_t* handlers_run; /* shared with the child */

static inline void handled(int signal_number) {
  (void)signal_number;
  *handlers_run = 1;
}

/* 0 when the call sleeps on after the handler ran; otherwise the errno that it failed with, or -1
 * when it succeeded. `call` answers 0 or -1 with errno. */
static inline int after_a_handler(int (*call)(void)) {
  handlers_run = shared(sizeof *handlers_run);
  struct sigaction action = {.sa_handler = handled, .sa_flags = SA_RESTART};
  MUST(sigaction(SIGUSR1, &action, NULL) == 0);
  const pid_t child = fork();
  MUST(child >= 0);
  if (child == 0) _exit(call() == 0 ? 0 : errno);
  MUST(falls_asleep(child));
  MUST(kill(child, SIGUSR1) == 0);
  while (*handlers_run == 0) nanosleep(&(struct timespec){0, 1000000}, NULL);
  if (falls_asleep(child)) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
  }
  int status = 0;
  MUST(waitpid(child, &status, 0) == child);
  MUST(WIFEXITED(status));
  return WEXITSTATUS(status) == 0 ? -1 : WEXITSTATUS(status);
}

#endif
