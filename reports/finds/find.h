/* What the programs of this folder share: three ways to end, and a child that may sleep for ever.
 */
#ifndef GAUNTLET_FIND_H
#define GAUNTLET_FIND_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { AS_DOCUMENTED = 0, DEVIATES = 1, NOT_SEEN_HERE = 77, BROKEN = 2 };

/* One line, and the end. */
#define ENDS(how, ...)   \
  do {                   \
    printf(__VA_ARGS__); \
    putchar('\n');       \
    exit(how);           \
  } while (0)

/* Whatever must work for the program to say anything. */
#define MUST(what)                                               \
  do {                                                           \
    if (!(what)) ENDS(BROKEN, "%s: %s", #what, strerror(errno)); \
  } while (0)

/* Memory that children share, zeroed. */
static inline void* shared(size_t size) {
  void* memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  MUST(memory != MAP_FAILED);
  return memory;
}

/* The name of an errno that these programs meet. */
static inline const char* errno_word(int error) {
  return error == 0 ? "success" : strerrorname_np(error);
}

/* 'S' when the process sleeps, 'Z' when it has ended, otherwise another letter of proc(5). */
static inline char state_of(pid_t pid) {
  char path[64], line[512] = "";
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE* file = fopen(path, "r");
  if (file == NULL) return '?';
  const size_t size = fread(line, 1, sizeof line - 1, file);
  fclose(file);
  line[size] = 0;
  const char* end = strrchr(line, ')');
  return end == NULL ? '?' : end[2];
}

/* Waits until the child sleeps or has ended; false after ten seconds. */
static inline int falls_asleep(pid_t pid) {
  for (int look = 0; look < 10000; ++look) {
    const char state = state_of(pid);
    if (state == 'S' || state == 'Z') return state == 'S';
    nanosleep(&(struct timespec){0, 1000000}, NULL);
  }
  return 0;
}

#endif
