/* recvmmsg with a time-out argument, interrupted by a handler with SA_RESTART: it fails with EINTR.
 * signal(7) lists it among the calls that are never restarted. */
#define _GNU_SOURCE
#include <sys/socket.h>

#include "interrupted.h"

static int receive(void) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0) return -1;
  char byte;
  struct iovec bytes = {&byte, 1};
  struct mmsghdr message = {.msg_hdr = {.msg_iov = &bytes, .msg_iovlen = 1}};
  struct timespec long_time = {60, 0};
  return recvmmsg(ends[0], &message, 1, 0, &long_time) < 0 ? -1 : 0;
}

int main(void) {
  const int seen = after_a_handler(receive);
  if (seen == EINTR) ENDS(AS_DOCUMENTED, "the call fails with EINTR");
  if (seen == 0) ENDS(DEVIATES, "the call goes on; documented: EINTR");
  ENDS(DEVIATES, "the call ended: %s; documented: EINTR", errno_word(seen));
}
