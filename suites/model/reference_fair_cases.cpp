// The fair reference semaphore under the model engine: who waits is served in turn, whoever dies.
#include "cases/case.h"
#include "model/model_case.h"
#include "model/reference_scenarios.h"

namespace gauntlet {
namespace {

using schedule::Memory;
using schedule::Search;
using schedule::SemaphoreShape;

constexpr std::chrono::seconds kDeadline{180};

/// How many executions: a smoke test's share, what a night can see, and a soak.
std::uint64_t share(CaseContext& context) { return context.amount(250, 30'000, 20'000'000); }

constexpr SemaphoreShape kBare{.fair = true};
constexpr SemaphoreShape kOwned{.returned_on_death = true, .fair = true};

void sample(CaseContext& context, const schedule::Scenario& scenario) {
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::walk}) {
      hold(context, scenario, memory, search, share(context));
    }
  }
}

// A release and an acquire that meets it anywhere: the unit is free, handed over, or not there yet.
GAUNTLET_CASE(SemaphoresRaces, ReferenceFairReleaseMeetsAcquire_IsExplainedAndNoWakeUpIsLost,
              .clause = "reference/semaphore.h (fair; linearizable)", .deadline = kDeadline) {
  for (const SemaphoreShape& shape : {kBare, kOwned}) {
    const auto scenario = schedule::semaphore_calls(shape, {"a|r", "a"}, 0);
    for (const Memory memory : {Memory::sc, Memory::tso}) {
      hold(context, scenario, memory, Search::exhaustive, share(context));
    }
    sample(context, scenario);
    sample(context, schedule::semaphore_calls(shape, {"ar", "ar"}, 0));
  }
}

GAUNTLET_CASE(SemaphoresRaces, ReferenceFairTwoAcquireAndRelease_AllStatesAreExplained,
              .clause = "reference/semaphore.h (fair; linearizable)", .deadline = kDeadline) {
  const bool complete = context.profile() != Profile::smoke;
  hold(context, schedule::semaphore_calls(kBare, {"ar", "ar"}, 0), Memory::sc, Search::states,
       complete ? 10'000'000 : 1'000, complete);
}

// Its time is over in the instant in which the unit is handed to it: it takes it, or it was free.
GAUNTLET_CASE(SemaphoresRaces, ReferenceFairWaiterGivesUpWhileItIsServed_NoUnitIsLost,
              .clause = "reference/semaphore.h (fair: a time-out leaves the queue)",
              .deadline = kDeadline) {
  for (const SemaphoreShape& shape : {kBare, kOwned}) {
    const auto scenario = schedule::semaphore_whose_waiter_gives_up(shape);
    for (const Memory memory : {Memory::sc, Memory::tso}) {
      hold(context, scenario, memory, Search::states, context.amount(5'000, 100'000, 20'000'000));
    }
    sample(context, scenario);
  }
}

// One holds the unit, one comes to wait for it, and one who looks first comes as well.
GAUNTLET_CASE(SemaphoresRaces, ReferenceFairNewcomerWhileAnotherWaits_IsServedAfterIt,
              .clause = "reference/semaphore.h (fair: nobody who comes later takes it)",
              .deadline = kDeadline) {
  for (const SemaphoreShape& shape : {kBare, kOwned}) {
    const auto scenario = schedule::semaphore_calls(shape, {"a|r", "ar", "qar"}, 0);
    hold(context, scenario, Memory::sc, Search::exhaustive, share(context));
    sample(context, scenario);
  }
}

GAUNTLET_CASE(SemaphoresCrashes, ReferenceFairAnyDiesAnywhere_NobodyIsStuckAndNoUnitIsLost,
              .clause = "reference/semaphore.h (fair: who dies in the queue is taken out)",
              .deadline = kDeadline) {
  const auto two = schedule::semaphore_calls(kOwned, {"ar", "ar"}, 1);
  for (const Memory memory : {Memory::sc, Memory::tso}) {
    hold(context, two, memory, Search::exhaustive, share(context));
  }
  sample(context, two);
  sample(context, schedule::semaphore_calls(kOwned, {"a|r", "ar", "qar"}, 1));
}

// The holder lives: what the others' deaths do to the queue must not cost him or them the unit.
GAUNTLET_CASE(SemaphoresCrashes, ReferenceFairBareWaiterDiesInTheQueue_TheUnitGoesOn,
              .clause = "reference/semaphore.h (fair: its unit goes on)", .deadline = kDeadline) {
  schedule::Scenario scenario = schedule::semaphore_calls(kBare, {"a|r", "ar"}, 1);
  scenario.processes.front().may_die = false;
  for (const Memory memory : {Memory::sc, Memory::tso}) {
    hold(context, scenario, memory, Search::exhaustive, share(context));
  }
  sample(context, scenario);
}

}  // namespace
}  // namespace gauntlet
