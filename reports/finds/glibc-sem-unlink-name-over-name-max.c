/* sem_unlink: a name longer than NAME_MAX. sem_unlink(3) ERRORS ENAMETOOLONG. */
#define _GNU_SOURCE
#include <limits.h>
#include <semaphore.h>

#include "find.h"

int main(void) {
  char name[NAME_MAX + 3] = "/";
  memset(name + 1, 'a', NAME_MAX + 1);
  MUST(sem_unlink(name) == -1);
  const int seen = errno;
  ENDS(seen == ENAMETOOLONG ? AS_DOCUMENTED : DEVIATES,
       "sem_unlink of a name of %d bytes: %s; documented: ENAMETOOLONG", NAME_MAX + 1,
       errno_word(seen));
}
