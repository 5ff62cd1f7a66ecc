// A subject of a contract in a scenario of the real engine: the host is made anew for each
// execution, each process opens its end before its first instruction counts, and what the calls
// come to goes into the history that the contract's own checker judges.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "contracts/claims.h"
#include "schedule/scenario.h"
#include "support/instruction_sweep.h"

namespace gauntlet {

/// Builds the scenario. `Host` and `End` are those of the contract: SemaphoreHost and Semaphore.
/// Copies of the scenario share the host; it goes with the last of them, when all processes are
/// gone.
template <class Host, class End>
class SubjectScenario {
 public:
  using Make = std::function<Result<std::unique_ptr<Host>>()>;
  using Open = std::function<Result<std::unique_ptr<End>>(Host&)>;
  /// What a process does: everything that counts.
  using Act = std::function<void(schedule::Self&, End&)>;

  /// For subjects with can_be_stepped(stepping).
  SubjectScenario(std::string name, Stepping stepping, Make make) {
    scenario_.name = std::move(name);
    scenario_.inherit = [host = host_, make = std::move(make)] {
      host->reset();
      Result<std::unique_ptr<Host>> made = make();
      if (made) *host = std::move(*made);
      return made.has_value();
    };
    if (stepping == Stepping::looks_again) {
      scenario_.time_stands_still = true;
      scenario_.time_outs_rescue_the_dead_only = true;
    }
  }

  /// Answers the index of the process.
  std::size_t add(std::string name, Open open, Act act,
                  schedule::Starts starts = schedule::Starts::at_once) {
    schedule::ProcessPlan plan{.name = std::move(name), .body = {}, .starts = starts};
    plan.prepare = [host = host_, open = std::move(open), act = std::move(act)](
                       schedule::Self& self) -> std::function<void(schedule::Self&)> {
      Result<std::unique_ptr<End>> opened = open(**host);
      self.expect(opened.has_value(), "open failed");
      if (!opened) return {};
      return [end = std::shared_ptr<End>(std::move(*opened)), act](schedule::Self& inner) {
        act(inner, *end);
      };
    };
    scenario_.processes.push_back(std::move(plan));
    return scenario_.processes.size() - 1;
  }

  /// A process without an end of its own: `act` makes what it needs.
  std::size_t add_bare(std::string name, std::function<void(schedule::Self&)> act,
                       schedule::Starts starts = schedule::Starts::at_once) {
    scenario_.processes.push_back(
        {.name = std::move(name), .body = std::move(act), .starts = starts});
    return scenario_.processes.size() - 1;
  }

  /// The host that the processes inherit, for acts that open or attach anew.
  std::shared_ptr<std::unique_ptr<Host>> host() const { return host_; }

  /// `judge` as in schedule::Scenario.
  schedule::Scenario judged_by(std::function<std::string(const schedule::Ending&)> judge) {
    scenario_.judge = std::move(judge);
    return std::move(scenario_);
  }

 private:
  std::shared_ptr<std::unique_ptr<Host>> host_ = std::make_shared<std::unique_ptr<Host>>();
  schedule::Scenario scenario_;
};

/// How much of a subject's sweep a case does: a point costs about 12 ms, most of it for the
/// processes that are made anew; 30 ms more where a waiter `spins`. Not repeatable: what an adapter
/// allocates takes another way through a heap that looks otherwise.
inline SweepAmount amount_for_subject(bool spins = false) {
  return {.smoke = 2, .full = spins ? 20U : 60U, .repeatable = false};
}

/// The sweeps of a case: all, and in smoke one of them, which the seed chooses.
inline void run_sweeps(const CaseContext& context,
                       const std::vector<std::function<void()>>& sweeps) {
  if (context.profile() == Profile::smoke) return sweeps[context.random().below(sweeps.size())]();
  for (const std::function<void()>& sweep : sweeps) sweep();
}

}  // namespace gauntlet
