// The reference priority channel under the model engine: two processes and all that can come of
// their calls and of one death, and more of both as they are drawn.
#include <utility>

#include "cases/case.h"
#include "model/model_case.h"
#include "model/reference_scenarios.h"

namespace gauntlet {
namespace {

using schedule::Memory;
using schedule::PriorityScenario;
using schedule::Search;

// How many executions: a smoke test's share, what a night can see, and a soak.
std::uint64_t share(CaseContext& context) { return context.amount(250, 30'000, 20'000'000); }

constexpr std::chrono::seconds kDeadline{180};
constexpr std::uint64_t kAll = 1'000'000'000;

void see_all(CaseContext& context, const PriorityScenario& plan) {
  for (const Memory memory : {Memory::sc, Memory::tso}) {
    hold(context, schedule::priority_calls(plan), memory, Search::states, kAll, true);
  }
}

void draw(CaseContext& context, const PriorityScenario& plan) {
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::walk}) {
      hold(context, schedule::priority_calls(plan), memory, search, share(context));
    }
  }
}

GAUNTLET_CASE(SharedMemoryRaces, ReferencePriorityTwoProcesses_AllInterleavingsAreAQueueByPriority,
              .clause = "reference/priority_channel.h (linearizable as a queue by priority)",
              .deadline = kDeadline) {
  see_all(context, {.workload = {"l", "r"}});
  see_all(context, {.workload = {"h", "r"}});
  // The higher one comes after the look for it, the lower one before the look for that.
  see_all(context, {.workload = {"hl", "t"}});
  see_all(context, {.workload = {"lh", "rr"}});
  // The second one waits for room, which only a receive of its priority makes.
  see_all(context, {.workload = {"ll", "rr"}});
}

// The senders know nothing of each other: only the order of all publishing and looking says which
// message was there first.
GAUNTLET_CASE(SharedMemoryRaces, ReferencePriorityTwoSendersAndATry_LowerNeverPassesTheHigher,
              .clause = "reference/priority_channel.h (the first at one instant of the call)",
              .deadline = kDeadline) {
  const PriorityScenario plan{.workload = {"h", "l", "t"}};
  see_all(context, plan);
  hold(context, schedule::priority_calls(plan), Memory::c11, Search::exhaustive, kAll, true);
}

GAUNTLET_CASE(SharedMemoryRaces, ReferencePriorityFullAndContended_IsAQueueByPriority,
              .clause = "reference/priority_channel.h (each priority is a bounded queue)",
              .deadline = kDeadline) {
  draw(context, {.workload = {"lh", "hl", "rrrr"}});
  draw(context, {.workload = {"lhl", "rt", "rt"}});
}

GAUNTLET_CASE(SharedMemoryRaces, ReferencePriorityClosed_EndIsToldWhenItIsTheEndForAll,
              .clause = "reference/priority_channel.h (from one instant on every send is closed)",
              .deadline = kDeadline) {
  see_all(context, {.workload = {"c", "r"}});
  see_all(context, {.workload = {"c", "lh"}});
  draw(context, {.workload = {"c", "lh", "rr"}});
  draw(context, {.workload = {"c", "hc", "tr"}});
}

GAUNTLET_CASE(SharedMemoryCrashes, ReferencePriorityAllSingleDeaths_LoseAtMostTheDeadsCall,
              .clause = "reference/priority_channel.h (death at any instruction)",
              .deadline = kDeadline) {
  see_all(context, {.workload = {"l", "r"}, .deaths = 1});
  see_all(context, {.workload = {"h", "r"}, .deaths = 1});
  see_all(context, {.workload = {"hl", "t"}, .deaths = 1});
  see_all(context, {.workload = {"lh", "rr"}, .deaths = 1});
}

GAUNTLET_CASE(SharedMemoryCrashes, ReferencePriorityAnyDiesAnywhere_LosesAtMostItsOwnCall,
              .clause = "reference/priority_channel.h (death at any instruction)",
              .deadline = kDeadline) {
  for (const std::uint32_t deaths : {1, 2}) {
    draw(context, {.workload = {"lh", "hl", "rrrr"}, .deaths = deaths});
  }
}

// Who comes into the dead one's place finds its buffer in whichever ring, while the others go on.
GAUNTLET_CASE(SharedMemoryCrashes, ReferencePriorityHeirOfADeadOne_LosesNoBuffer,
              .clause = "reference/priority_channel.h (death at any instruction)",
              .deadline = kDeadline) {
  for (const std::uint32_t deaths : {1, 2}) {
    draw(context, {.workload = {"lh", "rr"}, .deaths = deaths, .heir = true});
  }
}

GAUNTLET_CASE(SharedMemoryCrashes, ReferencePriorityCloserDies_EndIsToldWhenItIsTheEndForAll,
              .clause = "reference/priority_channel.h (who meets a closed priority closes all)",
              .deadline = kDeadline) {
  see_all(context, {.workload = {"c", "lh"}, .deaths = 1});
  draw(context, {.workload = {"c", "lh", "tt"}, .deaths = 1});
}

}  // namespace
}  // namespace gauntlet
