// The reference broadcast channel under the model engine: who gets what, held back and lossy, and
// what a death leaves.
#include "cases/case.h"
#include "model/model_case.h"
#include "model/reference_scenarios.h"

namespace gauntlet {
namespace {

using reference::BroadcastClaim;
using schedule::broadcast_calls;
using schedule::BroadcastScenario;
using schedule::Memory;
using schedule::Search;

constexpr std::chrono::seconds kDeadline{180};

/// How many executions: a smoke test's share, what a night can see, and a soak.
std::uint64_t share(CaseContext& context) { return context.amount(250, 30'000, 20'000'000); }

/// As much of all interleavings as there is time for, and draws from the rest.
void hold_all(CaseContext& context, const BroadcastScenario& plan) {
  const schedule::Scenario scenario = broadcast_calls(plan);
  for (const Memory memory : {Memory::sc, Memory::tso}) {
    hold(context, scenario, memory, Search::exhaustive, share(context));
  }
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::walk}) {
      hold(context, scenario, memory, search, share(context));
    }
  }
}

GAUNTLET_CASE(SharedMemoryRaces, ReferenceBroadcastOneToOne_AllInterleavingsDeliver,
              .clause = "reference/broadcast.h (every receiver gets every message, in one order)",
              .deadline = kDeadline) {
  for (const BroadcastClaim claim : {BroadcastClaim::held_back, BroadcastClaim::lossy}) {
    hold(context, broadcast_calls({.claim = claim, .workload = {"s", "r"}}), Memory::sc,
         Search::exhaustive, 1'000'000, true);
  }
}

GAUNTLET_CASE(SharedMemoryRaces, ReferenceBroadcastHeldBack_NobodyMissesAndNoWakeUpIsLost,
              .clause = "reference/broadcast.h (a held_back channel's receiver misses nothing)",
              .deadline = kDeadline) {
  hold_all(context, {.workload = {"sss", "rrr"}});
  hold_all(context, {.workload = {"s", "s", "rr", "rr"}, .places = 5});
}

// What is published while it looks for the end and says what it wants may fill the ring.
GAUNTLET_CASE(SharedMemoryRaces, ReferenceBroadcastReceiverComesInTraffic_MissesNothingFromThenOn,
              .clause = "reference/broadcast.h (a held_back channel's receiver misses nothing)",
              .deadline = kDeadline) {
  const schedule::Scenario scenario =
      broadcast_calls({.workload = {"sss"}, .newcomer = true, .places = 2});
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::walk}) {
      hold(context, scenario, memory, search, share(context));
    }
  }
}

GAUNTLET_CASE(SharedMemoryRaces, ReferenceBroadcastLossy_MessagesAreWholeAndMissedOnesCounted,
              .clause = "reference/broadcast.h (what it missed is told exactly)",
              .deadline = kDeadline) {
  hold_all(context, {.claim = BroadcastClaim::lossy, .workload = {"sss", "rtt"}});
  hold_all(context, {.capacity = 2,
                     .claim = BroadcastClaim::lossy,
                     .workload = {"ss", "ss", "rtt"},
                     .places = 4});
}

GAUNTLET_CASE(SharedMemoryCrashes, ReferenceBroadcastAnyDiesAnywhere_NobodyElseIsTouched,
              .clause = "reference/broadcast.h (death at any instruction)", .deadline = kDeadline) {
  for (const BroadcastClaim claim : {BroadcastClaim::held_back, BroadcastClaim::lossy}) {
    hold_all(context, {.claim = claim, .workload = {"sss", "rtt"}, .deaths = 1});
    hold_all(context, {.claim = claim, .workload = {"ss", "s", "rt"}, .deaths = 1, .places = 4});
  }
}

// One comes into the dead one's place while the others go on, and the second death may be its own.
GAUNTLET_CASE(SharedMemoryCrashes, ReferenceBroadcastHeirOfADeadOne_LosesNoBuffer,
              .clause = "reference/broadcast.h (death at any instruction)", .deadline = kDeadline) {
  for (const BroadcastClaim claim : {BroadcastClaim::held_back, BroadcastClaim::lossy}) {
    for (const std::uint32_t deaths : {1, 2}) {
      hold_all(context, {.claim = claim,
                         .workload = {"ss", "s", "rt"},
                         .deaths = deaths,
                         .heir = true,
                         .places = 3});
    }
  }
}

}  // namespace
}  // namespace gauntlet
