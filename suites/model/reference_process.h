// What the reference's scenarios share: the file and the room that the model gives them, and its
// words in those of a history.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include "history/call.h"
#include "history/verdict.h"
#include "model/reference_scenarios.h"
#include "reference/deadline.h"
#include "reference/event_count.h"
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

/// The same for searches that see everything, where every look costs: two sleeps and a bit.
inline reference::Deadline just_until(bool gives_up) {
  return gives_up ? reference::Clock::now() + 2 * reference::kLongestSleep +
                        std::chrono::milliseconds{20}
                  : reference::kForever;
}

/// A handle of the running process, on the object that the scenario made.
template <class Object, class... Side>
Object attached(Self& self, Side... side) {
  auto object = Object::attach_descriptor(kRegionDescriptor, side...);
  self.expect(static_cast<bool>(object), "attach failed");
  return std::move(*object);
}

/// One process for each word of `workload`. It attaches undisturbed and makes the calls of its
/// letters: perform(self, object, letter, id, deadline), where `id` is another one each time.
template <class Attach, class Perform>
void add_processes(Scenario& scenario, const Workload& workload, std::uint32_t deaths,
                   bool gives_up, Attach attach, Perform perform) {
  for (std::size_t i = 0; i < workload.size(); ++i) {
    const auto body = [=, calls = workload[i]](Self& self) {
      auto object = attach(self, calls);
      const std::size_t before = calls.find(kReady);
      if (before == std::string::npos) self.ready();
      std::uint64_t id = (i + 1) * 100;
      for (const char call : calls) {
        if (call == kReady) {
          self.ready();
        } else {
          perform(self, object, call, id++, just_until(gives_up));
        }
      }
    };
    scenario.processes.push_back({.name = "process " + std::to_string(i),
                                  .body = body,
                                  .may_die = deaths > 0,
                                  .makes_ready = true});
  }
  scenario.faults.deaths = deaths;
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
