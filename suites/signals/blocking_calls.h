// Every call that can sleep, and what signal(7) says of a signal that comes meanwhile: the one
// source of the EINTR table (docs/eintr.md).
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <functional>
#include <span>

#include "cases/context.h"

namespace gauntlet {

/// What becomes of a call that sleeps when a signal comes.
enum class Interrupted : std::uint8_t {
  eintr,     ///< it fails with EINTR
  goes_on,   ///< it sleeps on, and in the end does what it was called for
  not_said,  ///< nobody says, nobody asks
};

/// A call that will sleep, and what ends its sleep in peace.
struct Situation {
  std::function<long()> call;      ///< in a child: answers -1 and sets errno when it fails
  std::function<void()> complete;  ///< in the body; without one nothing ends it but a signal
};

struct BlockingCall {
  const char* name;     ///< in the name of the case
  const char* call;     ///< as people write it
  const char* page;     ///< of the call itself
  Interrupted plain;    ///< a handler without SA_RESTART
  Interrupted restart;  ///< a handler with SA_RESTART
  Interrupted stopped;  ///< SIGSTOP and SIGCONT, without a handler
  /// In the body. Without `call` when it could not be made, which has been told.
  Situation (*prepare)(CaseContext& context);
};

std::span<const BlockingCall> descriptor_calls();
std::span<const BlockingCall> socket_calls();
std::span<const BlockingCall> readiness_calls();
std::span<const BlockingCall> queue_calls();
std::span<const BlockingCall> lock_calls();
std::span<const BlockingCall> process_calls();

/// Of a pthread call, which answers its error.
inline long answered(int error) {
  errno = error;
  return error == 0 ? 0 : -1;
}

/// A time so far ahead that no case sees it.
inline timespec far_ahead(clockid_t clock) {
  constexpr time_t kHour = 3600;
  timespec now{};
  ::clock_gettime(clock, &now);
  now.tv_sec += kHour;
  return now;
}
inline timespec an_hour() { return {.tv_sec = 3600, .tv_nsec = 0}; }

/// The shapes that signal(7) knows.
inline constexpr Interrupted kEintr = Interrupted::eintr;
inline constexpr Interrupted kGoesOn = Interrupted::goes_on;
inline constexpr Interrupted kNotSaid = Interrupted::not_said;

}  // namespace gauntlet
