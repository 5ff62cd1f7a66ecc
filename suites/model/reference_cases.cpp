// The reference core under the model engine: its own code, every access a step, processes that race
// and die wherever the search wants them to.
#include "cases/case.h"
#include "model/model_case.h"
#include "model/reference_scenarios.h"

namespace gauntlet {
namespace {

using schedule::Memory;
using schedule::Search;

// How many executions: a smoke test's share, what a night can see, and a soak.
std::uint64_t share(CaseContext& context) { return context.amount(250, 30'000, 20'000'000); }

/// A share of a busy machine's CPU is enough for it.
constexpr std::chrono::seconds kDeadline{180};

/// The second may die while it mends what the first left.
schedule::Scenario with_two_deaths(schedule::Scenario scenario) {
  scenario.faults.deaths = 2;
  return scenario;
}

GAUNTLET_CASE(SemaphoresRaces, ReferenceTwoProcessesOneUnit_AllInterleavingsAreExplained,
              .clause = "reference/semaphore.h (linearizable; nobody waits for another's call)",
              .deadline = kDeadline) {
  hold(context, schedule::semaphore_of_one(2, false), Memory::sc, Search::exhaustive, 100'000,
       true);
}

GAUNTLET_CASE(SemaphoresRaces, ReferenceThreeProcessesOneUnit_NoWakeUpIsLost,
              .clause = "reference/semaphore.h (linearizable; nobody waits for another's call)",
              .deadline = kDeadline) {
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::pos}) {
      hold(context, schedule::semaphore_of_one(3, false), memory, search, share(context));
    }
  }
}

GAUNTLET_CASE(SemaphoresCrashes, ReferenceAnyProcessDiesAnywhere_ItsUnitComesBackOnce,
              .clause = "reference/semaphore.h (units_returned_on_death)", .deadline = kDeadline) {
  for (const Search search : {Search::exhaustive, Search::pct, Search::walk}) {
    hold(context, schedule::semaphore_of_one(2, true), Memory::sc, search, share(context));
  }
  hold(context, schedule::semaphore_of_one(3, true), Memory::tso, Search::pct, share(context));
}

GAUNTLET_CASE(SemaphoresCrashes, ReferenceTwoDieOneInTheRecovery_TheUnitComesBackOnce,
              .clause = "reference/semaphore.h (units_returned_on_death)", .deadline = kDeadline) {
  schedule::Scenario scenario = with_two_deaths(schedule::semaphore_of_one(3, true));
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::walk}) {
      hold(context, scenario, memory, search, share(context));
    }
  }
  // One who comes for the unit of the dead, and may die over it.
  scenario.processes.back().starts = schedule::Starts::after_a_death;
  hold(context, scenario, Memory::sc, Search::pct, share(context));
}

// The heir holds the unit while somebody still looks after the dead one whose place it has.
GAUNTLET_CASE(SemaphoresCrashes, ReferenceSomebodyComesIntoTheDeadsPlace_KeepsHisUnit,
              .clause = "reference/semaphore.h (units_returned_on_death)", .deadline = kDeadline) {
  schedule::Scenario scenario = schedule::semaphore_of_one(3, true, 2);
  scenario.processes.back().starts = schedule::Starts::after_a_death;
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::walk}) {
      hold(context, scenario, memory, search, share(context));
    }
  }
}

// The same at its narrowest: everybody has attached, and the unit is held from the beginning.
GAUNTLET_CASE(SemaphoresCrashes, ReferenceHeirWhileHisPlaceIsLookedAfter_KeepsHisUnit,
              .clause = "reference/semaphore.h (units_returned_on_death)", .deadline = kDeadline) {
  for (const Search search : {Search::exhaustive, Search::pct, Search::walk}) {
    hold(context, schedule::semaphore_with_an_heir(), Memory::sc, search, share(context));
  }
}

// Its word says who acted, as what and at which of four turns; the serial tells it from an older
// one of the same words.
GAUNTLET_CASE(SemaphoresCrashes, ReferenceFourActsAndADeathMeanwhile_TheWordIsAnotherOne,
              .clause = "reference/semaphore.h (units_returned_on_death)", .deadline = kDeadline) {
  for (const Search search : {Search::exhaustive, Search::pct, Search::walk}) {
    hold(context, schedule::semaphore_word_that_comes_again(), Memory::sc, search, share(context));
  }
}

GAUNTLET_CASE(SharedMemoryRaces, ReferenceChannelOneToOne_AllInterleavingsAreAQueue,
              .clause = "reference/channel.h (linearizable as a bounded FIFO queue)",
              .deadline = kDeadline) {
  hold(context, schedule::channel_of(1, 1, 1, false), Memory::sc, Search::exhaustive, 1'000'000,
       true);
}

GAUNTLET_CASE(SharedMemoryRaces, ReferenceChannelFullAndContended_IsAQueueAndNoWakeUpIsLost,
              .clause = "reference/channel.h (linearizable as a bounded FIFO queue)",
              .deadline = kDeadline) {
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::pos, Search::walk}) {
      hold(context, schedule::channel_of(1, 2, 2, false), memory, search, share(context));
    }
  }
}

GAUNTLET_CASE(SharedMemoryCrashes, ReferenceChannelAnyProcessDiesAnywhere_LosesAtMostItsOwnCall,
              .clause = "reference/channel.h (death at any instruction)", .deadline = kDeadline) {
  for (const Search search : {Search::exhaustive, Search::pct, Search::walk}) {
    hold(context, schedule::channel_of(1, 2, 1, true), Memory::sc, search, share(context));
  }
  hold(context, schedule::channel_of(1, 2, 2, true), Memory::tso, Search::pct, share(context));
}

GAUNTLET_CASE(SharedMemoryCrashes, ReferenceChannelOneToOneAllDeaths_LosesAtMostTheDeadsCall,
              .clause = "reference/channel.h (death at any instruction)", .deadline = kDeadline) {
  hold(context, schedule::channel_of(1, 1, 1, true), Memory::sc, Search::exhaustive, 1'000'000,
       true);
}

GAUNTLET_CASE(SharedMemoryCrashes, ReferenceChannelTwoDieOneInTheRecovery_LosesAtMostTheirCalls,
              .clause = "reference/channel.h (death at any instruction)", .deadline = kDeadline) {
  const schedule::Scenario scenario = with_two_deaths(schedule::channel_of(1, 2, 2, true));
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::walk}) {
      hold(context, scenario, memory, search, share(context));
    }
  }
}

/// The largest message of a line whose messages are packed, and of one that has a header for each.
constexpr std::uint32_t kLayouts[] = {8, 16};

GAUNTLET_CASE(SharedMemoryRaces, ReferenceLine_AllInterleavingsAreAQueueAndNoWakeUpIsLost,
              .clause = "reference/line.h (linearizable as a bounded FIFO queue)",
              .deadline = 2 * kDeadline) {
  for (const std::uint32_t largest : kLayouts) {
    for (const bool membarrier : {true, false}) {
      for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
        hold(context,
             schedule::line_of(
                 {.messages = 1, .membarrier = membarrier, .largest_message = largest}),
             memory, Search::exhaustive, 1'000'000, true);
      }
      for (const Search search : {Search::pct, Search::pos, Search::walk}) {
        for (const std::uint32_t capacity : {1, 2}) {
          hold(context,
               schedule::line_of({.capacity = capacity,
                                  .messages = 3,
                                  .membarrier = membarrier,
                                  .largest_message = largest}),
               Memory::tso, search, share(context));
        }
      }
    }
  }
}

// Two messages under one header: what a receiver knows of the second one from its look at the first
// has to be what it would see.
GAUNTLET_CASE(SharedMemoryRaces, ReferencePackedLine_MessagesUnderOneHeaderAreAQueue,
              .clause = "reference/line.h (linearizable as a bounded FIFO queue)",
              .deadline = kDeadline) {
  for (const Memory memory : {Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::pos, Search::walk}) {
      for (const std::uint32_t capacity : {2, 8}) {
        hold(context, schedule::line_of({.capacity = capacity, .messages = 9}), memory, search,
             share(context));
      }
    }
  }
}

GAUNTLET_CASE(SharedMemoryRaces, ReferenceLineClosedInTraffic_DeliversWhatWasAcknowledged,
              .clause =
                  "reference/line.h (a send that is under way comes before the close, or "
                  "answers closed)",
              .deadline = 2 * kDeadline) {
  for (const std::uint32_t largest : kLayouts) {
    for (const bool membarrier : {true, false}) {
      for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
        hold(context,
             schedule::line_closed_in_traffic(
                 {.messages = 1, .membarrier = membarrier, .largest_message = largest}),
             memory, Search::exhaustive, 1'000'000, true);
      }
      for (const Search search : {Search::pct, Search::pos, Search::walk}) {
        hold(context,
             schedule::line_closed_in_traffic({.capacity = 2,
                                               .messages = 3,
                                               .membarrier = membarrier,
                                               .largest_message = largest}),
             Memory::tso, search, share(context));
      }
    }
  }
}

GAUNTLET_CASE(SharedMemoryCrashes, ReferenceLineAllSingleDeaths_LoseAtMostTheDeadsCall,
              .clause = "reference/line.h (death at any instruction)",
              .deadline = std::chrono::seconds(1440)) {
  for (const std::uint32_t largest : kLayouts) {
    for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
      // 170,000 executions, which a smoke test does not wait for.
      if (memory == Memory::c11 && context.profile() == Profile::smoke) continue;
      hold(context, schedule::line_of({.messages = 1, .deaths = true, .largest_message = largest}),
           memory, Search::exhaustive, 1'000'000, true);
    }
    for (const bool membarrier : {true, false}) {
      for (const Search search : {Search::pct, Search::pos, Search::walk}) {
        hold(context,
             schedule::line_of({.messages = 3,
                                .deaths = true,
                                .membarrier = membarrier,
                                .largest_message = largest}),
             Memory::tso, search, share(context));
      }
    }
  }
}

GAUNTLET_CASE(SharedMemoryCrashes, ReferenceLineHeirOfADeadSide_GoesOnWhereItStopped,
              .clause = "reference/line.h (the next one goes on where it stopped)",
              .deadline = 2 * kDeadline) {
  for (const std::uint32_t largest : kLayouts) {
    for (const auto side : {reference::LineSide::sender, reference::LineSide::receiver}) {
      for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
        for (const Search search : {Search::pct, Search::walk}) {
          hold(context,
               schedule::line_of({.capacity = 2,
                                  .messages = 2,
                                  .deaths = true,
                                  .heir = side,
                                  .largest_message = largest}),
               memory, search, share(context));
        }
      }
    }
  }
}

GAUNTLET_CASE(SharedMemoryRaces, ReferenceChannelInPlace_IsAQueueAndWhatIsBorrowedStays,
              .clause = "reference/channel.h (loan and borrow)", .deadline = kDeadline) {
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::walk}) {
      hold(context, schedule::channel_in_place(2, 2, false), memory, search, share(context));
    }
  }
}

// The heir clears what the dead one left while the others go on.
GAUNTLET_CASE(SharedMemoryCrashes, ReferenceChannelInPlaceAnyDies_LosesAtMostWhatItHeld,
              .clause = "reference/channel.h (loan and borrow; death at any instruction)",
              .deadline = kDeadline) {
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::walk}) {
      hold(context, schedule::channel_in_place(2, 2, true), memory, search, share(context));
    }
  }
}

GAUNTLET_CASE(MessagePassingRaces, ReferenceRendezvousOneToOne_AllInterleavingsAreAHandOver,
              .clause = "reference/rendezvous.h (a message passes at one instant of both calls)",
              .deadline = kDeadline) {
  hold(context, schedule::rendezvous_of(1, 1, false), Memory::sc, Search::exhaustive, 1'000'000,
       true);
}

// A receiver copies an offer before it takes it: what it copied may be offered no longer, though
// another offer of that sender lies in the same buffer.
GAUNTLET_CASE(MessagePassingRaces, ReferenceRendezvousOfferTakenBack_IsNotReceived,
              .clause = "reference/rendezvous.h (timed_out: nobody has taken it, and nobody will)",
              .deadline = kDeadline) {
  for (const Search search : {Search::exhaustive, Search::pct, Search::walk}) {
    hold(context, schedule::rendezvous_offer_that_is_taken_back(), Memory::sc, search,
         share(context));
  }
}

GAUNTLET_CASE(MessagePassingRaces, ReferenceRendezvousContended_EachMessageGoesToOneReceiver,
              .clause = "reference/rendezvous.h (a message passes at one instant of both calls)",
              .deadline = kDeadline) {
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::pos, Search::walk}) {
      hold(context, schedule::rendezvous_of(2, 1, false), memory, search, share(context));
    }
    hold(context, schedule::rendezvous_of(2, 2, false), memory, Search::pct, share(context));
  }
}

GAUNTLET_CASE(MessagePassingCrashes, ReferenceRendezvousAnyProcessDiesAnywhere_NoHalfHandOver,
              .clause = "reference/rendezvous.h (death at any instruction)",
              .deadline = kDeadline) {
  hold(context, schedule::rendezvous_of(1, 1, true), Memory::sc, Search::exhaustive, 1'000'000,
       true);
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::pos, Search::walk}) {
      hold(context, schedule::rendezvous_of(2, 1, true), memory, search, share(context));
    }
  }
}

GAUNTLET_CASE(FuturesRaces, ReferencePromiseOneSetter_AllInterleavingsAreExplained,
              .clause = "reference/promise.h (settled in one compare-and-swap)",
              .deadline = kDeadline) {
  hold(context, schedule::promise_of(1, false), Memory::sc, Search::exhaustive, 1'000'000, true);
}

GAUNTLET_CASE(FuturesRaces, ReferencePromiseTwoSetters_OneWinsAndAllAreToldTheSame,
              .clause = "reference/promise.h (settled in one compare-and-swap)",
              .deadline = kDeadline) {
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    hold(context, schedule::promise_of(2, false), memory, Search::pct, share(context));
  }
}

// One of them may be between its look and its sleep while the other is woken.
GAUNTLET_CASE(FuturesRaces, ReferencePromiseTwoWaiters_BothAreWoken,
              .clause = "reference/promise.h (everybody is told)", .deadline = kDeadline) {
  for (const Memory memory : {Memory::sc, Memory::tso, Memory::c11}) {
    for (const Search search : {Search::pct, Search::walk}) {
      hold(context, schedule::promise_of(1, false, 2), memory, search, share(context));
    }
  }
}

GAUNTLET_CASE(FuturesCrashes, ReferencePromiseAnyProcessDiesAnywhere_WaitersAreTold,
              .clause = "reference/promise.h (breaks when no setter is left)",
              .deadline = kDeadline) {
  for (const Search search : {Search::exhaustive, Search::pct, Search::walk}) {
    // One setter: a promise may break while another setter is still on its way.
    hold(context, schedule::promise_of(1, true), Memory::sc, search, share(context));
  }
}

}  // namespace
}  // namespace gauntlet
