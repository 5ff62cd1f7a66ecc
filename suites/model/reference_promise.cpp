// The reference promise as scenarios of the model engine.
#include "history/promise.h"
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/promise.h"

namespace gauntlet::schedule {
namespace {

using history::Op;
using history::Outcome;
using reference::Promise;
using reference::PromiseSide;

void set(Self& self, std::uint64_t value) {
  Promise promise = attached<Promise>(self, PromiseSide::setter);
  self.call(Op::set, value, [&] {
    const reference::Status status = promise.set(value);
    return Response{status == reference::Status::settled ? Outcome::refused : outcome_of(status),
                    value};
  });
}

void wait(Self& self, reference::Deadline deadline) {
  Promise promise = attached<Promise>(self, PromiseSide::waiter);
  self.call(Op::wait, 0, [&] {
    const auto settled = promise.wait(deadline);
    if (settled.status != reference::Status::ok) return Response{outcome_of(settled.status), 0};
    switch (settled.fate) {
      case reference::Fate::value:
        return Response{Outcome::ok, settled.content};
      case reference::Fate::failed:
        return Response{Outcome::failed, settled.content};
      default:
        return Response{Outcome::broken, 0};
    }
  });
}

}  // namespace

Scenario promise_of(std::uint32_t setters, bool deaths, std::uint32_t waiters) {
  Scenario scenario;
  scenario.name = "reference promise";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [](Self& self) {
    Promise::Options options;
    options.participants = 4;
    self.expect(static_cast<bool>(Promise::create_anonymous(options)), "create failed");
  };
  history::PromiseRules rules;
  for (std::uint32_t setter = 0; setter < setters; ++setter) {
    rules.setters.push_back(setter);
    scenario.processes.push_back({.name = "setter " + std::to_string(setter),
                                  .body = [setter](Self& self) { set(self, setter + 1); },
                                  .may_die = deaths});
  }
  // A setter that dies before it has come was never there: then nobody breaks the promise.
  for (std::uint32_t waiter = 0; waiter < waiters; ++waiter) {
    scenario.processes.push_back({.name = "waiter " + std::to_string(waiter),
                                  .body = [deaths](Self& self) { wait(self, until(deaths)); },
                                  .may_die = deaths});
  }
  scenario.faults.deaths = deaths ? 1 : 0;
  scenario.time_outs_rescue_the_dead_only = true;
  scenario.judge = [rules](const Ending& ending) {
    return in_words(history::check_promise(ending.history, rules));
  };
  return scenario;
}

}  // namespace gauntlet::schedule
