// What one call answered, as data: its value and the errno it left.
#pragma once

#include <cerrno>
#include <type_traits>

namespace gauntlet {

/// Of a call that answers -1 (or a null pointer) and sets errno when it fails. Plain data, so that
/// a child can leave it in shared memory.
struct CallOutcome {
  long value = 0;
  int error = 0;         ///< errno after the call when `failed`, otherwise 0
  bool failed = false;   ///< answered -1, or a null pointer
  bool returned = true;  ///< false: it was still inside the call when the wait for it ended

  friend bool operator==(const CallOutcome&, const CallOutcome&) = default;
};

/// Reads errno, so it stands directly around the call: `outcome_of(::close(fd))`. Both failure
/// values of the semaphore calls are covered, as SEM_FAILED is a null pointer on every system we
/// know.
template <class Answer>
CallOutcome outcome_of(Answer answer) {
  const int error = errno;
  CallOutcome outcome;
  if constexpr (std::is_pointer_v<Answer>) {
    outcome.failed = answer == nullptr;
    outcome.value = outcome.failed ? -1 : 0;
  } else {
    outcome.value = static_cast<long>(answer);
    outcome.failed = answer == static_cast<Answer>(-1);
  }
  outcome.error = outcome.failed ? error : 0;
  return outcome;
}

}  // namespace gauntlet
