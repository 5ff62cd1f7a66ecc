/* Four Unix sockets in each other's queues, two cycles with a socket in common, which nobody can
 * reach any more: the kernel must free them (unix(7) SCM_RIGHTS). It is seen from a pipe whose
 * writing end lies in one of the queues. Where the kernel is wrong, they are lost until it
 * restarts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "find.h"

static void put(int into, int what) {
  char byte = 0;
  struct iovec bytes = {&byte, 1};
  union {
    char space[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
  } control = {.space = {0}};
  struct msghdr message = {.msg_iov = &bytes,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(&control.header), &what, sizeof what);
  MUST(sendmsg(into, &message, 0) == 1);
}

/* True once no process and no queue has the writing end. */
static int writer_is_gone(int reader) {
  struct pollfd event = {.fd = reader, .events = POLLIN};
  MUST(poll(&event, 1, 0) >= 0);
  return (event.revents & POLLHUP) != 0;
}

/* Garbage that came later and is collected: so a look has been over what came before. */
static void younger_garbage_goes(void) {
  int pair[2], ends[2];
  MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  MUST(pipe(ends) == 0);
  put(pair[0], pair[1]);
  put(pair[0], ends[1]);
  close(ends[1]);
  close(pair[0]);
  close(pair[1]);
  struct pollfd event = {.fd = ends[0], .events = POLLIN};
  MUST(poll(&event, 1, 10000) == 1);
  close(ends[0]);
}

int main(void) {
  int node[4][2], ends[2];
  for (int n = 0; n < 4; ++n) MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, node[n]) == 0);
  MUST(pipe(ends) == 0);
  /* 0 -> 2 -> 0 and 0 -> 3 -> 1 -> 0, in the order that Linux 6.18 is wrong about. */
  put(node[0][0], node[1][1]);
  put(node[0][0], node[2][1]);
  put(node[1][0], node[3][1]);
  put(node[2][0], node[0][1]);
  put(node[3][0], node[0][1]);
  put(node[3][0], ends[1]);
  close(ends[1]);
  for (int n = 0; n < 4; ++n) {
    close(node[n][0]);
    close(node[n][1]);
  }
  for (int look = 0; look < 16 && !writer_is_gone(ends[0]); ++look) younger_garbage_goes();
  if (writer_is_gone(ends[0])) ENDS(AS_DOCUMENTED, "the cycles were collected");
  ENDS(DEVIATES, "16 pieces of younger garbage were collected, the cycles were not");
}
