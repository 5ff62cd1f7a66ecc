// Calls that sleep for a child, for a signal, or for a time.
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "process/shared.h"
#include "signals/blocking_calls.h"

namespace gauntlet {
namespace {

/// Forks a process that does nothing until it is killed, and that ends with its parent.
pid_t fork_idle() {
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  while (::getppid() == parent) ::pause();
  ::_exit(0);
}

template <class Wait>
Situation wait_for_child(Wait wait) {
  const auto idle = std::make_shared<Shared<pid_t>>();
  return {.call =
              [idle, wait] {
                **idle = fork_idle();
                return static_cast<long>(wait(**idle));
              },
          .complete = [idle] { EXPECT_EQ(::kill(**idle, SIGKILL), 0); }};
}
Situation wait_any(CaseContext& /*context*/) {
  return wait_for_child([](pid_t) { return ::wait(nullptr); });
}
Situation waitpid_one(CaseContext& /*context*/) {
  return wait_for_child([](pid_t pid) { return ::waitpid(pid, nullptr, 0); });
}
Situation wait4_one(CaseContext& /*context*/) {
  return wait_for_child([](pid_t pid) { return ::wait4(pid, nullptr, 0, nullptr); });
}
Situation waitid_one(CaseContext& /*context*/) {
  return wait_for_child([](pid_t pid) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED);
  });
}

Situation pause_for_ever(CaseContext& /*context*/) {
  return {.call = [] { return static_cast<long>(::pause()); }, .complete = {}};
}
Situation suspend(CaseContext& /*context*/) {
  return {.call =
              [] {
                sigset_t none;
                sigemptyset(&none);
                return static_cast<long>(::sigsuspend(&none));
              },
          .complete = {}};
}

/// Waits for SIGUSR2, which is blocked; what interrupts is SIGUSR1.
template <class Wait>
Situation wait_for_signal(Wait wait) {
  const auto child = std::make_shared<Shared<pid_t>>();
  return {.call =
              [child, wait] {
                sigset_t set;
                sigemptyset(&set);
                sigaddset(&set, SIGUSR2);
                ::sigprocmask(SIG_BLOCK, &set, nullptr);
                **child = ::getpid();
                return static_cast<long>(wait(&set));
              },
          .complete = [child] { EXPECT_EQ(::kill(**child, SIGUSR2), 0); }};
}
Situation sigwait_one(CaseContext& /*context*/) {
  return wait_for_signal([](const sigset_t* set) {
    int signal = 0;
    return answered(::sigwait(set, &signal));
  });
}
Situation sigwaitinfo_one(CaseContext& /*context*/) {
  return wait_for_signal([](const sigset_t* set) { return ::sigwaitinfo(set, nullptr); });
}
Situation sigtimedwait_one(CaseContext& /*context*/) {
  return wait_for_signal([](const sigset_t* set) {
    const timespec hour = an_hour();
    return ::sigtimedwait(set, nullptr, &hour);
  });
}

Situation sleep_relative(CaseContext& /*context*/) {
  return {.call =
              [] {
                const timespec hour = an_hour();
                return static_cast<long>(::nanosleep(&hour, nullptr));
              },
          .complete = {}};
}
Situation sleep_on_clock(CaseContext& /*context*/) {
  return {.call =
              [] {
                const timespec hour = an_hour();
                return answered(::clock_nanosleep(CLOCK_MONOTONIC, 0, &hour, nullptr));
              },
          .complete = {}};
}
Situation sleep_until(CaseContext& /*context*/) {
  return {.call =
              [] {
                const timespec until = far_ahead(CLOCK_MONOTONIC);
                return answered(::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr));
              },
          .complete = {}};
}
Situation sleep_microseconds(CaseContext& /*context*/) {
  constexpr useconds_t kHour = 3'600'000'000U;
  return {.call = [] { return static_cast<long>(::usleep(kHour)); }, .complete = {}};
}

}  // namespace

std::span<const BlockingCall> process_calls() {
  static constexpr BlockingCall kCalls[] = {
      {"Wait", "wait()", "wait(2)", kEintr, kGoesOn, kGoesOn, wait_any},
      {"Waitpid", "waitpid()", "wait(2)", kEintr, kGoesOn, kGoesOn, waitpid_one},
      {"Wait4", "wait4()", "wait4(2)", kEintr, kGoesOn, kGoesOn, wait4_one},
      {"Waitid", "waitid()", "waitid(2)", kEintr, kGoesOn, kGoesOn, waitid_one},
      {"Pause", "pause()", "pause(2)", kEintr, kEintr, kGoesOn, pause_for_ever},
      {"Sigsuspend", "sigsuspend()", "sigsuspend(2)", kEintr, kEintr, kGoesOn, suspend},
      {"Sigwait", "sigwait()", "POSIX.1-2024 sigwait() ERRORS (no [EINTR])", kGoesOn, kGoesOn,
       kGoesOn, sigwait_one},
      {"Sigwaitinfo", "sigwaitinfo()", "sigwaitinfo(2)", kEintr, kEintr, kEintr, sigwaitinfo_one},
      {"Sigtimedwait", "sigtimedwait()", "sigwaitinfo(2)", kEintr, kEintr, kEintr,
       sigtimedwait_one},
      {"Nanosleep", "nanosleep()", "nanosleep(2)", kEintr, kEintr, kGoesOn, sleep_relative},
      {"ClockNanosleep", "clock_nanosleep()", "clock_nanosleep(2)", kEintr, kEintr, kGoesOn,
       sleep_on_clock},
      {"ClockNanosleepAbsolute", "clock_nanosleep(TIMER_ABSTIME)", "clock_nanosleep(2)", kEintr,
       kEintr, kGoesOn, sleep_until},
      {"Usleep", "usleep()", "usleep(3)", kEintr, kEintr, kGoesOn, sleep_microseconds},
  };
  return kCalls;
}

}  // namespace gauntlet
