/* A store through a shared mapping marks st_mtime for update at some time between it and the next
 * msync (POSIX.1-2024 mmap(); mmap(2), Timestamps changes). On tmpfs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>

#include "find.h"

int main(void) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const int file = memfd_create("find", MFD_CLOEXEC);
  MUST(file >= 0 && ftruncate(file, (off_t)page) == 0);
  char* bytes = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  MUST(bytes != MAP_FAILED);
  bytes[0] = 'a'; /* the first store into a page is seen; the one after msync is not */
  MUST(msync(bytes, page, MS_SYNC) == 0);
  const struct timespec long_ago[2] = {{1000, 0}, {1000, 0}};
  MUST(futimens(file, long_ago) == 0);
  bytes[0] = 'b';
  MUST(msync(bytes, page, MS_SYNC) == 0);
  struct stat now;
  MUST(fstat(file, &now) == 0);
  ENDS(now.st_mtim.tv_sec != 1000 ? AS_DOCUMENTED : DEVIATES,
       "st_mtime after the store and msync: %lld; documented: now", (long long)now.st_mtim.tv_sec);
}
