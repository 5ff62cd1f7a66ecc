// Small workloads on the reference core: two processes with three calls each and three with two,
// all interleavings and all single deaths under SC and TSO, as far as that can be reached.
#include <utility>

#include "cases/case.h"
#include "model/model_case.h"
#include "model/reference_scenarios.h"

namespace gauntlet {
namespace {

using schedule::Memory;
using schedule::Scenario;
using schedule::Search;

constexpr std::chrono::seconds kDeadline{180};

/// What it takes to see everything, and what may be spent on it in each profile: a search that
/// takes more than about a minute is complete in a soak only.
enum class Effort : std::uint8_t {
  seconds,  ///< complete from full on
  minutes,  ///< complete in a soak
  beyond,   ///< as far as the time goes; what was seen says whether that was all
};

bool is_complete(CaseContext& context, Effort effort) {
  switch (effort) {
    case Effort::seconds:
      return context.profile() != Profile::smoke;
    case Effort::minutes:
      return context.profile() == Profile::soak;
    case Effort::beyond:
      return false;
  }
  return false;
}

/// How everything is seen in the least time, as measured (docs/schedules.md).
struct Plan {
  Effort effort = Effort::beyond;
  Search search = Search::states;
};

constexpr Plan kSecondsOfInterleavings{Effort::seconds, Search::exhaustive};
constexpr Plan kSecondsOfStates{Effort::seconds, Search::states};
constexpr Plan kMinutesOfStates{Effort::minutes, Search::states};

void see(CaseContext& context, const Scenario& scenario, Memory memory, const Plan& plan) {
  constexpr std::uint64_t kAll = 1'000'000'000;
  const bool complete = is_complete(context, plan.effort);
  // Most executions of a search of states are broken off at once.
  const std::uint64_t most = plan.search == Search::states ? context.amount(1'000, 100'000, kAll)
                                                           : context.amount(250, 10'000, kAll);
  hold(context, scenario, memory, plan.search, complete ? kAll : most, complete);
}

/// C11 has more executions than can be seen, and two deaths have: those are drawn.
void draw_deeper(CaseContext& context, Scenario scenario) {
  const std::uint64_t most = context.amount(300, 10'000, 5'000'000);
  hold(context, scenario, Memory::c11, Search::pct, most);
  hold(context, scenario, Memory::c11, Search::walk, most);
  if (scenario.faults.deaths == 0) return;
  scenario.faults.deaths = 2;
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    hold(context, scenario, memory, Search::pct, most);
  }
}

/// Everything that can be reached of it.
void hold_small(CaseContext& context, const Scenario& scenario, const Plan& sc = {},
                const Plan& tso = {}) {
  see(context, scenario, Memory::sc, sc);
  see(context, scenario, Memory::tso, tso);
  draw_deeper(context, scenario);
}

GAUNTLET_CASE(SharedMemoryRaces, ReferenceChannelTwoWithThreeCalls_AllIsAQueue,
              .clause = "reference/channel.h (linearizable as a bounded FIFO queue)",
              .deadline = kDeadline) {
  hold_small(context, schedule::channel_calls(1, {"sss", "rrr"}, 0), kSecondsOfStates,
             kSecondsOfStates);
}

GAUNTLET_CASE(SharedMemoryRaces, ReferenceChannelThreeWithTwoCalls_AllIsAQueue,
              .clause = "reference/channel.h (linearizable as a bounded FIFO queue)",
              .deadline = kDeadline) {
  hold_small(context, schedule::channel_calls(1, {"ss", "sr", "rr"}, 0));
}

GAUNTLET_CASE(SharedMemoryRaces, ReferenceChannelThreeThatSendAndReceive_AllIsAQueue,
              .clause = "reference/channel.h (linearizable as a bounded FIFO queue)",
              .deadline = kDeadline) {
  hold_small(context, schedule::channel_calls(1, {"sr", "sr", "sr"}, 0), kMinutesOfStates,
             kMinutesOfStates);
}

GAUNTLET_CASE(SharedMemoryCrashes,
              ReferenceChannelTwoWithThreeCallsAndADeath_LosesAtMostTheDeadsCall,
              .clause = "reference/channel.h (death at any instruction)", .deadline = kDeadline) {
  hold_small(context, schedule::channel_calls(1, {"sss", "rrr"}, 1), kSecondsOfStates,
             kSecondsOfStates);
}

GAUNTLET_CASE(SharedMemoryCrashes,
              ReferenceChannelThreeWithTwoCallsAndADeath_LosesAtMostTheDeadsCall,
              .clause = "reference/channel.h (death at any instruction)", .deadline = kDeadline) {
  hold_small(context, schedule::channel_calls(1, {"ss", "sr", "rr"}, 1));
}

GAUNTLET_CASE(SharedMemoryCrashes,
              ReferenceChannelThreeThatSendAndReceiveAndADeath_LosesAtMostTheDeadsCall,
              .clause = "reference/channel.h (death at any instruction)", .deadline = kDeadline) {
  hold_small(context, schedule::channel_calls(1, {"sr", "sr", "sr"}, 1), kMinutesOfStates,
             kMinutesOfStates);
}

GAUNTLET_CASE(SemaphoresRaces, ReferenceSemaphoreTwoWithThreeCalls_AllIsExplained,
              .clause = "reference/semaphore.h (linearizable; nobody waits for another's call)",
              .deadline = kDeadline) {
  hold_small(context, schedule::semaphore_calls({}, {"arv", "arv"}, 0), kSecondsOfInterleavings,
             kSecondsOfInterleavings);
}

GAUNTLET_CASE(SemaphoresRaces, ReferenceSemaphoreThreeWithTwoCalls_AllIsExplained,
              .clause = "reference/semaphore.h (linearizable; nobody waits for another's call)",
              .deadline = kDeadline) {
  hold_small(context, schedule::semaphore_calls({}, {"ar", "ar", "ar"}, 0), kSecondsOfStates,
             kSecondsOfStates);
}

GAUNTLET_CASE(SemaphoresCrashes, ReferenceSemaphoreTwoWithThreeCallsAndADeath_TheUnitComesBackOnce,
              .clause = "reference/semaphore.h (units_returned_on_death)", .deadline = kDeadline) {
  hold_small(context, schedule::semaphore_calls({.returned_on_death = true}, {"arv", "arv"}, 1),
             kSecondsOfStates, kSecondsOfStates);
}

GAUNTLET_CASE(SemaphoresCrashes, ReferenceSemaphoreThreeWithTwoCallsAndADeath_TheUnitComesBackOnce,
              .clause = "reference/semaphore.h (units_returned_on_death)", .deadline = kDeadline) {
  hold_small(context, schedule::semaphore_calls({.returned_on_death = true}, {"ar", "ar", "ar"}, 1),
             kMinutesOfStates, kMinutesOfStates);
}

GAUNTLET_CASE(FuturesRaces, ReferencePromiseTwoWithThreeCalls_AllAreToldTheSame,
              .clause = "reference/promise.h (settled in one compare-and-swap)",
              .deadline = kDeadline) {
  hold_small(context, schedule::promise_calls({"sfw", "wtw"}, 0), kSecondsOfInterleavings,
             kSecondsOfInterleavings);
}

GAUNTLET_CASE(FuturesRaces, ReferencePromiseThreeWithTwoCalls_AllAreToldTheSame,
              .clause = "reference/promise.h (settled in one compare-and-swap)",
              .deadline = kDeadline) {
  hold_small(context, schedule::promise_calls({"sw", "fw", "wt"}, 0), kSecondsOfInterleavings,
             kSecondsOfStates);
}

GAUNTLET_CASE(FuturesCrashes, ReferencePromiseTwoWithThreeCallsAndADeath_AllAreToldTheSame,
              .clause = "reference/promise.h (breaks when no setter is left)",
              .deadline = kDeadline) {
  hold_small(context, schedule::promise_calls({"sfw", "wtw"}, 1), kSecondsOfInterleavings,
             kSecondsOfStates);
}

GAUNTLET_CASE(FuturesCrashes, ReferencePromiseThreeWithTwoCallsAndADeath_AllAreToldTheSame,
              .clause = "reference/promise.h (breaks when no setter is left)",
              .deadline = kDeadline) {
  hold_small(context, schedule::promise_calls({"sw", "fw", "wt"}, 1), kSecondsOfStates,
             kSecondsOfStates);
}

GAUNTLET_CASE(SharedMemoryRaces, ReferenceBroadcastTwoWithThreeCalls_ReceiverGetsAllInOrder,
              .clause = "reference/broadcast.h (each receiver gets all in one order)",
              .deadline = kDeadline) {
  hold_small(context, schedule::broadcast_calls({.workload = {"sss", "rrr"}, .deaths = 0}),
             kSecondsOfStates, kSecondsOfStates);
}

GAUNTLET_CASE(SharedMemoryRaces, ReferenceBroadcastThreeWithTwoCalls_EachReceiverGetsAllInOrder,
              .clause = "reference/broadcast.h (each receiver gets all in one order)",
              .deadline = kDeadline) {
  hold_small(context, schedule::broadcast_calls({.workload = {"ss", "rr", "rr"}, .deaths = 0}),
             kMinutesOfStates, kMinutesOfStates);
}

GAUNTLET_CASE(SharedMemoryCrashes,
              ReferenceBroadcastTwoWithThreeCallsAndADeath_NobodyIsHeldUpAndNothingIsTorn,
              .clause = "reference/broadcast.h (death at any instruction)", .deadline = kDeadline) {
  hold_small(context, schedule::broadcast_calls({.workload = {"sss", "rrr"}, .deaths = 1}),
             kSecondsOfStates, kSecondsOfStates);
}

GAUNTLET_CASE(SharedMemoryCrashes,
              ReferenceBroadcastThreeWithTwoCallsAndADeath_NobodyIsHeldUpAndNothingIsTorn,
              .clause = "reference/broadcast.h (death at any instruction)", .deadline = kDeadline) {
  hold_small(context, schedule::broadcast_calls({.workload = {"ss", "rr", "rr"}, .deaths = 1}),
             kMinutesOfStates, kMinutesOfStates);
}

GAUNTLET_CASE(MessagePassingRaces, ReferenceRendezvousTwoWithThreeCalls_AllIsAHandOver,
              .clause = "reference/rendezvous.h (a message passes at one instant of both calls)",
              .deadline = kDeadline) {
  hold_small(context, schedule::rendezvous_calls({"sss", "rrr"}, 0), kSecondsOfStates,
             kSecondsOfStates);
}

GAUNTLET_CASE(MessagePassingRaces, ReferenceRendezvousThreeWithTwoCalls_AllIsAHandOver,
              .clause = "reference/rendezvous.h (a message passes at one instant of both calls)",
              .deadline = kDeadline) {
  hold_small(context, schedule::rendezvous_calls({"ss", "ss", "rr"}, 0), kMinutesOfStates,
             kMinutesOfStates);
}

GAUNTLET_CASE(MessagePassingCrashes, ReferenceRendezvousTwoWithThreeCallsAndADeath_NoHalfHandOver,
              .clause = "reference/rendezvous.h (death at any instruction)",
              .deadline = kDeadline) {
  hold_small(context, schedule::rendezvous_calls({"sss", "rrr"}, 1), kSecondsOfStates,
             kSecondsOfStates);
}

GAUNTLET_CASE(MessagePassingCrashes, ReferenceRendezvousThreeWithTwoCallsAndADeath_NoHalfHandOver,
              .clause = "reference/rendezvous.h (death at any instruction)",
              .deadline = kDeadline) {
  hold_small(context, schedule::rendezvous_calls({"ss", "ss", "rr"}, 1), kMinutesOfStates,
             kMinutesOfStates);
}

}  // namespace
}  // namespace gauntlet
