// The reference semaphore as scenarios of the model engine.
#include <algorithm>

#include "history/monitor.h"
#include "history/semaphore.h"
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/semaphore.h"

namespace gauntlet::schedule {
namespace {

using history::Call;
using history::Op;
using history::Outcome;
using reference::Deadline;
using reference::Semaphore;

Response acquire(Self& self, Semaphore& semaphore, Deadline deadline) {
  return self.call(Op::acquire, 1, [&] {
    return Response{outcome_of(semaphore.acquire(deadline)), 0};
  });
}

void release(Self& self, Semaphore& semaphore) {
  self.call(Op::release, 1, [&] { return Response{outcome_of(semaphore.release()), 0}; });
}

void acquire_and_release(Self& self) {
  auto semaphore = attached<Semaphore>(self);
  const Response got = acquire(self, semaphore, reference::kForever);
  self.expect(got.outcome == Outcome::ok, "an acquire without a deadline came back empty");
  release(self, semaphore);
}

/// How many wait, in the history beside the semaphore's own calls.
constexpr Op kLookAtQueue = Op::load;

history::History without_looks_at_the_queue(history::History history) {
  std::erase_if(history.calls, [](const Call& call) { return call.op == kLookAtQueue; });
  return history;
}

/// One unit, and nobody gives up. Who saw an acquire of another process in the queue, and acquired
/// afterwards, is served after it: as there is one unit, not before that one has come back with it.
/// Which of several stood there is not known; then it is enough that one of them was served.
std::string who_was_passed(const history::History& history) {
  for (const Call& look : history.calls) {
    if (look.op != kLookAtQueue || look.value == 0) continue;
    const auto mine = std::find_if(history.calls.begin(), history.calls.end(), [&](const Call& c) {
      return c.process == look.process && c.op == Op::acquire && c.invoked_ns >= look.returned_ns;
    });
    if (mine == history.calls.end() || mine->outcome != Outcome::ok) continue;
    const bool one_was_served =
        std::any_of(history.calls.begin(), history.calls.end(), [&](const Call& other) {
          const bool was_waiting = other.process != look.process && other.op == Op::acquire &&
                                   other.invoked_ns <= look.returned_ns &&
                                   (other.returned_ns < 0 || other.returned_ns >= look.invoked_ns);
          return was_waiting &&
                 (other.outcome != Outcome::ok || mine->returned_ns > other.returned_ns);
        });
    if (!one_was_served) return "a waiter was passed by one who came later";
  }
  return {};
}

Scenario semaphore_scenario(const SemaphoreShape& shape) {
  Scenario scenario;
  scenario.name = "reference semaphore";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [shape](Self& self) {
    Semaphore::Options options;
    options.initial_value = shape.units;
    options.largest_value = shape.units;
    options.participants = shape.places;
    options.units_returned_on_death = shape.returned_on_death;
    options.fair = shape.fair;
    self.expect(static_cast<bool>(Semaphore::create_anonymous(options)), "create failed");
  };
  scenario.shortest_calls_suffice = !shape.fair;  // who was seen to wait must have waited
  scenario.time_outs_rescue_the_dead_only = true;
  scenario.judge = [shape](const Ending& ending) {
    history::SemaphoreRules rules;
    rules.largest = shape.units;
    rules.units_of_dead_returned = shape.returned_on_death;
    const history::History semaphore_calls = without_looks_at_the_queue(ending.history);
    std::string found = in_words(history::check_semaphore(semaphore_calls, shape.units, rules));
    return found.empty() && shape.fair ? who_was_passed(ending.history) : found;
  };
  if (!shape.fair) {
    scenario.monitor = [shape] {
      return history::monitor_semaphore(shape.units, shape.units, shape.returned_on_death);
    };
  }
  return scenario;
}

/// When all others are done or dead, every unit is there again: a history alone cannot tell that
/// one which may still come back never will.
ProcessPlan audit(std::uint32_t units) {
  return {.name = "audit",
          .body =
              [units](Self& self) {
                auto semaphore = attached<Semaphore>(self);
                semaphore.reclaim_from_the_dead();
                self.expect(semaphore.value() == units,
                            "a unit of the dead did not come back once");
              },
          .starts = Starts::at_the_end};
}

/// Nobody stands in the queue any more, and a free unit can be had.
ProcessPlan audit_of_the_queue() {
  return {.name = "audit of the queue",
          .body =
              [](Self& self) {
                auto semaphore = attached<Semaphore>(self);
                semaphore.reclaim_from_the_dead();
                self.expect(semaphore.waiting() == 0, "somebody who is gone stands in the queue");
                const bool free = semaphore.value() != 0;
                self.expect((semaphore.try_acquire() == reference::Status::ok) == free,
                            "a free unit cannot be acquired");
                if (free) static_cast<void>(semaphore.release());
              },
          .starts = Starts::at_the_end};
}

}  // namespace

Scenario semaphore_of_one(std::size_t processes, bool deaths, std::uint32_t places) {
  Scenario scenario = semaphore_scenario({.places = places, .returned_on_death = deaths});
  for (std::size_t i = 0; i < processes; ++i) {
    scenario.processes.push_back(
        {.name = "process " + std::to_string(i), .body = acquire_and_release, .may_die = deaths});
  }
  scenario.faults.deaths = deaths ? 1 : 0;
  return scenario;
}

Scenario semaphore_calls(const SemaphoreShape& shape, const Workload& workload,
                         std::uint32_t deaths) {
  Scenario scenario = semaphore_scenario(shape);
  add_processes(
      scenario, workload, deaths, deaths > 0,
      [](Self& self, const std::string& /*calls*/) { return attached<Semaphore>(self); },
      [](Self& self, Semaphore& semaphore, char call, std::uint64_t /*id*/, Deadline deadline) {
        if (call == 'a') acquire(self, semaphore, deadline);
        if (call == 'r') release(self, semaphore);
        if (call == 'v') {
          self.call(Op::value, 0, [&] { return Response{Outcome::ok, semaphore.value()}; });
        }
        if (call == 'q') {
          self.call(kLookAtQueue, 0, [&] { return Response{Outcome::ok, semaphore.waiting()}; });
        }
      });
  if (shape.returned_on_death) scenario.processes.push_back(audit(shape.units));
  if (shape.fair) scenario.processes.push_back(audit_of_the_queue());
  return scenario;
}

Scenario semaphore_whose_waiter_gives_up(const SemaphoreShape& shape) {
  Scenario scenario = semaphore_scenario(shape);
  scenario.faults.time_outs = 1;
  scenario.time_outs_rescue_the_dead_only = false;
  scenario.processes.push_back({.name = "holder",
                                .body =
                                    [](Self& self) {
                                      auto semaphore = attached<Semaphore>(self);
                                      acquire(self, semaphore, reference::kDoNotWait);
                                      self.ready();
                                      release(self, semaphore);
                                    },
                                .makes_ready = true});
  scenario.processes.push_back({.name = "waiter",
                                .body =
                                    [](Self& self) {
                                      auto semaphore = attached<Semaphore>(self);
                                      self.ready();
                                      if (acquire(self, semaphore, just_until(true)).outcome ==
                                          Outcome::ok) {
                                        release(self, semaphore);
                                      }
                                    },
                                .makes_ready = true});
  scenario.processes.push_back(audit(shape.units));
  if (shape.fair) scenario.processes.push_back(audit_of_the_queue());
  return scenario;
}

Scenario semaphore_with_an_heir() {
  Scenario scenario =
      semaphore_calls({.places = 2, .returned_on_death = true}, {"a|r", "ar", "ar"}, 1);
  scenario.processes[1].may_die = false;
  scenario.processes[2].may_die = false;
  scenario.processes[2].starts = Starts::after_a_death;
  return scenario;
}

Scenario semaphore_word_that_comes_again() {
  Scenario scenario =
      semaphore_calls({.units = 2, .places = 2, .returned_on_death = true}, {"a|rarar", "aarr"}, 1);
  scenario.processes[1].may_die = false;
  return scenario;
}

}  // namespace gauntlet::schedule
