// Signals of the body of a case: handlers that write down what came, and sets that are blocked for
// a while.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <vector>

namespace gauntlet {

inline sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

/// Blocks signals while it lives.
class Blocked {
 public:
  explicit Blocked(std::initializer_list<int> signals) {
    const sigset_t set = set_of(signals);
    ::sigprocmask(SIG_BLOCK, &set, &before_);
  }
  Blocked(const Blocked&) = delete;
  Blocked& operator=(const Blocked&) = delete;
  ~Blocked() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

/// Runs in a handler after it has written down what came; async-signal-safe.
using InHandler = void (*)(int signal);

/// Catches signals and writes them down in the order of their delivery. One at a time in a process.
class Catcher {
 public:
  explicit Catcher(std::initializer_list<int> signals, int flags = 0, InHandler also = nullptr,
                   const sigset_t& mask = set_of({})) {
    came_ = 0;
    also_ = also;
    struct sigaction action = {};
    action.sa_sigaction = write_down;
    action.sa_flags = flags | SA_SIGINFO;
    action.sa_mask = mask;
    for (const int signal : signals) {
      before_.push_back({signal, {}});
      ::sigaction(signal, &action, &before_.back().action);
    }
  }
  Catcher(const Catcher&) = delete;
  Catcher& operator=(const Catcher&) = delete;
  ~Catcher() {
    for (const Before& each : before_) ::sigaction(each.signal, &each.action, nullptr);
  }

  static int count() { return came_; }
  /// What came as the `number`-th, from 0.
  static const siginfo_t& info(int number) { return infos_[number]; }
  static std::vector<int> signals() {
    std::vector<int> all;
    for (int i = 0; i < came_ && i < kMost; ++i) all.push_back(infos_[i].si_signo);
    return all;
  }

 private:
  static constexpr int kMost = 64;
  struct Before {
    int signal;
    struct sigaction action;
  };
  static void write_down(int signal, siginfo_t* info, void* /*context*/) {
    const int kept = errno;
    if (came_ < kMost) infos_[came_] = *info;
    came_ = came_ + 1;
    if (also_ != nullptr) also_(signal);
    errno = kept;
  }
  inline static volatile std::sig_atomic_t came_ = 0;
  inline static siginfo_t infos_[kMost];
  inline static InHandler also_ = nullptr;
  std::vector<Before> before_;
};

inline bool is_pending(int signal) {
  sigset_t pending;
  return ::sigpending(&pending) == 0 && sigismember(&pending, signal) == 1;
}

inline bool is_blocked(int signal) {
  sigset_t mask;
  return ::sigprocmask(SIG_BLOCK, nullptr, &mask) == 0 && sigismember(&mask, signal) == 1;
}

inline sigval value_of(int number) {
  sigval value{};
  value.sival_int = number;
  return value;
}

}  // namespace gauntlet
