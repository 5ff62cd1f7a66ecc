// The reference semaphore as scenarios of the model engine.
#include "history/semaphore.h"
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/semaphore.h"

namespace gauntlet::schedule {
namespace {

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
    self.expect(static_cast<bool>(Semaphore::create_anonymous(options)), "create failed");
  };
  scenario.time_outs_rescue_the_dead_only = true;
  scenario.judge = [shape](const Ending& ending) {
    history::SemaphoreRules rules;
    rules.largest = shape.units;
    rules.units_of_dead_returned = shape.returned_on_death;
    return in_words(history::check_semaphore(ending.history, shape.units, rules));
  };
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
      });
  if (shape.returned_on_death) scenario.processes.push_back(audit(shape.units));
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
