// A bare child of the body, for cases on waiting itself: nobody else waits for it.
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "base/result.h"
#include "base/unique_fd.h"

namespace gauntlet {

/// Killed and reaped by its owner, if it still can be.
class RawChild {
 public:
  /// Ends with what `body` answers.
  explicit RawChild(const std::function<int()>& body) : pid_(::fork()) {
    if (pid_ == 0) ::_exit(body());
  }
  RawChild(const RawChild&) = delete;
  RawChild& operator=(const RawChild&) = delete;
  ~RawChild() {
    if (pid_ <= 0) return;
    siginfo_t info{};
    const auto id = static_cast<id_t>(pid_);
    // Ours still, and not another process of the same number: only then may it be killed.
    if (::waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return;
    ::kill(pid_, SIGKILL);
    ::waitid(P_PID, id, &info, WEXITED);
  }

  bool forked() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  id_t id() const { return static_cast<id_t>(pid_); }
  UniqueFd open_pidfd() const {
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  }

  /// Sleeps until it is killed.
  static int sleep_on() {
    while (true) ::pause();
  }

 private:
  pid_t pid_;
};

}  // namespace gauntlet
