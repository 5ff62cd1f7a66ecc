/* process_vm_readv of two parts, the second of which ends outside of memory: the first is read, and
 * nothing of the second. process_vm_readv(2) RETURN VALUE: partial transfers apply at the
 * granularity of iovec elements. */
#define _GNU_SOURCE
#include <sys/uio.h>

#include "find.h"

int main(void) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char* there = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(there != MAP_FAILED);
  memset(there, 'a', 2 * page);
  MUST(munmap(there + 2 * page, page) == 0);
  char* here = malloc(3 * page);
  MUST(here != NULL);
  const struct iovec to = {here, 3 * page};
  const struct iovec from[] = {{there, 16}, {there + page, 2 * page}};
  const ssize_t size = process_vm_readv(getpid(), &to, 1, from, 2, 0);
  if (size < 0 && (errno == ENOSYS || errno == EPERM))
    ENDS(NOT_SEEN_HERE, "process_vm_readv: %s", errno_word(errno));
  MUST(size >= 0);
  ENDS(size == 16 ? AS_DOCUMENTED : DEVIATES, "bytes read: %zd; documented: 16, the whole elements",
       size);
}
