// The reference promise as scenarios of the model engine.
#include <functional>

#include "history/promise.h"
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/promise.h"

namespace gauntlet::schedule {
namespace {

using history::Op;
using history::Outcome;
using reference::Deadline;
using reference::Promise;
using reference::PromiseSide;

Response answer_of(reference::Status status, std::uint64_t content) {
  return {status == reference::Status::settled ? Outcome::refused : outcome_of(status), content};
}

void set(Self& self, Promise& promise, std::uint64_t value) {
  self.call(Op::set, value, [&] { return answer_of(promise.set(value), value); });
}

void fail(Self& self, Promise& promise, std::uint64_t error) {
  self.call(Op::fail, error, [&] { return answer_of(promise.fail(error), error); });
}

void wait(Self& self, Promise& promise, Deadline deadline) {
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

Scenario promise_scenario() {
  Scenario scenario;
  scenario.name = "reference promise";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [](Self& self) {
    Promise::Options options;
    options.participants = 4;
    self.expect(static_cast<bool>(Promise::create_anonymous(options)), "create failed");
  };
  scenario.shortest_calls_suffice = true;
  scenario.time_outs_rescue_the_dead_only = true;
  return scenario;
}

std::function<std::string(const Ending&)> judge_of(const history::PromiseRules& rules) {
  return [rules](const Ending& ending) {
    return in_words(history::check_promise(ending.history, rules));
  };
}

bool is_setter(const std::string& calls) { return calls.find_first_of("sf") != std::string::npos; }

}  // namespace

Scenario promise_of(std::uint32_t setters, bool deaths, std::uint32_t waiters) {
  Scenario scenario = promise_scenario();
  history::PromiseRules rules;
  for (std::uint32_t setter = 0; setter < setters; ++setter) {
    rules.setters.push_back(setter);
    scenario.processes.push_back({.name = "setter " + std::to_string(setter),
                                  .body =
                                      [setter](Self& self) {
                                        auto promise = attached<Promise>(self, PromiseSide::setter);
                                        set(self, promise, setter + 1);
                                      },
                                  .may_die = deaths});
  }
  // A setter that dies before it has come was never there: then nobody breaks the promise.
  for (std::uint32_t waiter = 0; waiter < waiters; ++waiter) {
    scenario.processes.push_back({.name = "waiter " + std::to_string(waiter),
                                  .body =
                                      [deaths](Self& self) {
                                        auto promise = attached<Promise>(self, PromiseSide::waiter);
                                        wait(self, promise, until(deaths));
                                      },
                                  .may_die = deaths});
  }
  scenario.faults.deaths = deaths ? 1 : 0;
  scenario.judge = judge_of(rules);
  return scenario;
}

Scenario promise_calls(const Workload& workload, std::uint32_t deaths) {
  Scenario scenario = promise_scenario();
  history::PromiseRules rules;
  for (std::uint32_t lane = 0; lane < workload.size(); ++lane) {
    if (is_setter(workload[lane])) rules.setters.push_back(lane);
  }
  add_processes(
      scenario, workload, deaths, deaths > 0,
      [](Self& self, const std::string& calls) {
        return attached<Promise>(self,
                                 is_setter(calls) ? PromiseSide::setter : PromiseSide::waiter);
      },
      [](Self& self, Promise& promise, char call, std::uint64_t id, Deadline deadline) {
        if (call == 's') set(self, promise, id);
        if (call == 'f') fail(self, promise, id);
        if (call == 'w') wait(self, promise, deadline);
        if (call == 't') wait(self, promise, reference::kDoNotWait);
      });
  scenario.judge = judge_of(rules);
  return scenario;
}

}  // namespace gauntlet::schedule
