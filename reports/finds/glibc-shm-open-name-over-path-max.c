/* shm_open: a name longer than PATH_MAX. shm_open(3) ERRORS ENAMETOOLONG. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>

#include "find.h"

int main(void) {
  static char name[PATH_MAX + 3] = "/";
  memset(name + 1, 'a', PATH_MAX + 1);
  MUST(shm_open(name, O_CREAT | O_RDWR, 0600) == -1);
  const int seen = errno;
  ENDS(seen == ENAMETOOLONG ? AS_DOCUMENTED : DEVIATES,
       "shm_open of a name of %d bytes: %s; documented: ENAMETOOLONG", PATH_MAX + 1,
       errno_word(seen));
}
