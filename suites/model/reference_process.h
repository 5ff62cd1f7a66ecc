// What the reference's scenarios share: the file and the room that the model gives them, and its
// words in those of a history.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include "history/call.h"
#include "history/verdict.h"
#include "reference/deadline.h"
#include "reference/status.h"
#include "schedule/scenario.h"

namespace gauntlet::schedule {

/// The memory file of the model (schedule/file_calls.cpp).
inline constexpr int kRegionDescriptor = 1000;
/// More than any of the small objects wants.
inline constexpr std::size_t kRegionBytes = std::size_t{16} * 1024;

/// Until when a call of a scenario waits. Who may die leaves others waiting for what never comes,
/// who then give up: after longer than any sleep of the reference, so that they look several times.
inline reference::Deadline until(bool deaths) {
  constexpr std::chrono::seconds kPatience{1};
  return deaths ? reference::Clock::now() + kPatience : reference::kForever;
}

/// A handle of the running process, on the object that the scenario made.
template <class Object, class... Side>
Object attached(Self& self, Side... side) {
  auto object = Object::attach_descriptor(kRegionDescriptor, side...);
  self.expect(static_cast<bool>(object), "attach failed");
  return std::move(*object);
}

inline history::Outcome outcome_of(reference::Status status) {
  switch (status) {
    case reference::Status::ok:
      return history::Outcome::ok;
    case reference::Status::would_block:
      return history::Outcome::would_block;
    case reference::Status::timed_out:
      return history::Outcome::timed_out;
    case reference::Status::closed:
      return history::Outcome::end_of_stream;
    default:
      return history::Outcome::error;
  }
}

/// What a judge answers: nothing for valid; undecided is no pass.
inline std::string in_words(const history::Verdict& verdict) {
  if (verdict.kind == history::Verdict::valid) return {};
  return verdict.kind == history::Verdict::unknown ? "undecided: " + verdict.message
                                                   : verdict.message;
}

}  // namespace gauntlet::schedule
