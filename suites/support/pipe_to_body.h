// A pipe by which children tell the body of a case, a byte at a time, that they got somewhere.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "base/deadline.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace gauntlet {

/// Made before the children are forked; any of them may tell.
class PipeToBody {
 public:
  static Result<PipeToBody> create() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_system("pipe2");
    PipeToBody made;
    made.body_.reset(ends[0]);
    made.children_.reset(ends[1]);
    return made;
  }
  bool tell(char mark) const { return ::write(children_.get(), &mark, 1) == 1; }
  /// The next mark, or 0 when none came until the deadline.
  char next(Deadline deadline) const {
    pollfd readable = {body_.get(), POLLIN, 0};
    int ready = 0;
    do {
      ready = ::poll(&readable, 1, deadline.poll_timeout_ms());
    } while (ready < 0 && errno == EINTR);
    char mark = 0;
    return ready == 1 && ::read(body_.get(), &mark, 1) == 1 ? mark : '\0';
  }

 private:
  PipeToBody() = default;
  UniqueFd body_;
  UniqueFd children_;
};

}  // namespace gauntlet
