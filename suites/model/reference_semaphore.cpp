// The reference semaphore as scenarios of the model engine.
#include "history/semaphore.h"
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/semaphore.h"

namespace gauntlet::schedule {
namespace {

using history::Op;
using history::Outcome;
using reference::Semaphore;

void acquire_and_release(Self& self) {
  auto semaphore = attached<Semaphore>(self);
  const Response got = self.call(Op::acquire, 1, [&] {
    return Response{outcome_of(semaphore.acquire()), 0};
  });
  self.expect(got.outcome == Outcome::ok, "an acquire without a deadline came back empty");
  self.call(Op::release, 1, [&] { return Response{outcome_of(semaphore.release()), 0}; });
}

}  // namespace

Scenario semaphore_of_one(std::size_t processes, bool deaths, std::uint32_t places) {
  Scenario scenario;
  scenario.name = "reference semaphore";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [deaths, places](Self& self) {
    Semaphore::Options options;
    options.initial_value = 1;
    options.largest_value = 1;
    options.participants = places;
    options.units_returned_on_death = deaths;
    self.expect(static_cast<bool>(Semaphore::create_anonymous(options)), "create failed");
  };
  for (std::size_t i = 0; i < processes; ++i) {
    scenario.processes.push_back(
        {.name = "process " + std::to_string(i), .body = acquire_and_release, .may_die = deaths});
  }
  scenario.faults.deaths = deaths ? 1 : 0;
  scenario.time_outs_rescue_the_dead_only = true;
  scenario.judge = [deaths](const Ending& ending) {
    history::SemaphoreRules rules;
    rules.largest = 1;
    rules.units_of_dead_returned = deaths;
    return in_words(history::check_semaphore(ending.history, 1, rules));
  };
  return scenario;
}

}  // namespace gauntlet::schedule
