/* What is stored through a mapping behind the end of a file is not written out; when ftruncate
 * makes the file larger, the new part reads as null bytes (POSIX.1-2024 mmap(), ftruncate()). On
 * tmpfs. */
#define _GNU_SOURCE
#include <fcntl.h>

#include "find.h"

int main(void) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  const size_t end = page / 4;
  const int file = memfd_create("find", MFD_CLOEXEC);
  MUST(file >= 0 && ftruncate(file, (off_t)end) == 0);
  char* bytes = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  MUST(bytes != MAP_FAILED);
  bytes[end] = 't';
  MUST(msync(bytes, page, MS_SYNC) == 0);
  MUST(ftruncate(file, (off_t)page) == 0);
  char seen = -1;
  MUST(pread(file, &seen, 1, (off_t)end) == 1);
  ENDS(seen == 0 ? AS_DOCUMENTED : DEVIATES, "the first byte behind the old end: %d; documented: 0",
       seen);
}
