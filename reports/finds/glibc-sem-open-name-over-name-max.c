/* sem_open: a name longer than NAME_MAX. POSIX.1-2024 sem_open() ERRORS [ENAMETOOLONG]. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>

#include "find.h"

int main(void) {
  char name[NAME_MAX + 3] = "/";
  memset(name + 1, 'a', NAME_MAX + 1);
  MUST(sem_open(name, O_CREAT, 0600, 0) == SEM_FAILED);
  const int seen = errno;
  ENDS(seen == ENAMETOOLONG ? AS_DOCUMENTED : DEVIATES,
       "sem_open of a name of %d bytes: %s; documented: ENAMETOOLONG", NAME_MAX + 1,
       errno_word(seen));
}
