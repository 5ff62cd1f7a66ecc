// Contract Promise, races: setters and waiters that meet at the same moment, histories checked,
// wake-ups counted.
#include <gtest/gtest.h>

#include <chrono>

#include "base/limits.h"
#include "contracts/promise/claims.h"
#include "contracts/promise/commanded.h"
#include "contracts/promise/rounds.h"

namespace gauntlet {
namespace {

using std::chrono::microseconds;
using Turn = PromiseRounds::Turn;

constexpr std::uint64_t kMostBusyUs = 120;
constexpr const char* kLostWakeUp = "all sleep and the promise is set: lost wake-up";

/// A value that names its setter and its round.
std::uint64_t value_of(const PromiseClaims& claims, const Turn& turn) {
  return sample_value(claims, turn.round * 8 + turn.actor.index() + 1);
}

// A waiter that is just going to sleep meets the set. Fails when a wake-up is lost between the
// waiter's look and its sleep.
PROMISE_CASE(races, SetMeetsWaitersGoingToSleep_NoWakeUpIsLost) {
  const PromiseClaims& claims = context.promise().claims;
  PromiseRounds rounds(context, 1, waiters_for(claims, 2));
  rounds.play(
      context.amount(80, 4000, 100'000),
      [&](Turn& turn) {
        busy_for(turn.random, kMostBusyUs);
        turn.actor.expect(turn.promise.set(value_of(claims, turn)), "the only set was refused");
      },
      [&](Turn& turn) {
        busy_for(turn.random, kMostBusyUs);
        turn.actor.expect(turn.promise.wait(Deadline::never()).has_value(), "wait failed");
      },
      kLostWakeUp);
}

// Waits that time out at the very moment of the set. Fails when a wait that began after the set had
// answered is not told, or when one that gave up takes the answer with it.
PROMISE_CASE(races, TimeOutsAgainstTheSet_AreExplained) {
  const PromiseClaims& claims = context.promise().claims;
  PromiseRounds rounds(context, 1, waiters_for(claims, 2));
  rounds.play(
      context.amount(60, 3000, 60'000),
      [&](Turn& turn) {
        busy_for(turn.random, 2 * kMostBusyUs);
        turn.actor.expect(turn.promise.set(value_of(claims, turn)), "the only set was refused");
      },
      [&](Turn& turn) {
        for (int tries = 0; tries < 8; ++tries) {
          const bool is_try = turn.random.chance(0.2);
          const microseconds patience(turn.random.below(kMostBusyUs));
          if (turn.promise.wait(is_try ? Deadline::immediate() : Deadline::after(patience))) return;
        }
        turn.actor.expect(turn.promise.wait(Deadline::never()).has_value(), "wait failed");
      },
      kLostWakeUp);
}

// Several set at once. Fails when two of them succeed, when the loser's value is seen by anybody,
// or when one is refused before anything was settled.
PROMISE_CASE(races, SettersTogether_OneWinsAndAllAreToldTheSame, .applies = many_setters) {
  const PromiseClaims& claims = context.promise().claims;
  PromiseRounds rounds(context, 3, waiters_for(claims, 2));
  rounds.play(
      context.amount(60, 3000, 60'000),
      [&](Turn& turn) {
        busy_for(turn.random, 8);
        if (claims.can_fail && turn.random.chance(0.3)) {
          turn.promise.fail(value_of(claims, turn));
        } else {
          turn.promise.set(value_of(claims, turn));
        }
        turn.promise.set(value_of(claims, turn));  // refused, whoever won
      },
      [&](Turn& turn) {
        busy_for(turn.random, 8);
        turn.promise.wait(Deadline::immediate());
        const auto told = turn.promise.wait(Deadline::never());
        turn.actor.expect(told.has_value(), "wait failed");
        if (claims.repeatable) turn.promise.wait(Deadline::never());
      },
      kLostWakeUp);
}

// What the setter wrote before its set is there for whoever was told. Fails when the answer
// overtakes the memory (ISO C++20 [futures.state]: set synchronizes with the wait).
PROMISE_CASE(races, DataWrittenBeforeTheSet_IsSeenByWhoIsTold) {
  constexpr std::size_t kWords = 64;
  struct Data {
    volatile std::uint64_t words[PromiseRounds::kMostPromises][kWords];
  };
  const PromiseClaims& claims = context.promise().claims;
  const Shared<Data> data;
  PromiseRounds rounds(context, 1, waiters_for(claims, 2));
  rounds.play(
      std::min<std::uint64_t>(context.amount(100, 100, 100), PromiseRounds::kMostPromises),
      [&](Turn& turn) {
        busy_for(turn.random, 20);
        for (volatile std::uint64_t& word : data->words[turn.round]) word = turn.round + 1;
        turn.actor.expect(turn.promise.set(1), "the only set was refused");
      },
      [&](Turn& turn) {
        while (!turn.promise.wait(Deadline::never())) return;
        std::size_t missing = 0;
        for (const volatile std::uint64_t& word : data->words[turn.round]) {
          missing += word == turn.round + 1 ? 0 : 1;
        }
        turn.actor.expect(missing == 0, std::to_string(missing) +
                                            " words that were written before the set are missing");
      },
      kLostWakeUp);
}

// The setter goes without a word at the moment when waiters come. Fails when a waiter sleeps on, or
// is told that it is broken before the setter went.
PROMISE_CASE(
    races, SetterGoesWhileWaitersCome_AllAreToldThatItIsBroken,
    .applies = [](const PromiseClaims& claims) {
      return claims.setter_death == SetterDeath::broken;
    }) {
  const PromiseClaims& claims = context.promise().claims;
  PromiseRounds rounds(context, setters_for(claims, 2), waiters_for(claims, 2));
  rounds.play(
      context.amount(40, 2000, 50'000),
      [&](Turn& turn) {
        busy_for(turn.random, kMostBusyUs);
        turn.promise.drop();
      },
      [&](Turn& turn) {
        busy_for(turn.random, kMostBusyUs);
        const auto told = turn.promise.wait(Deadline::never());
        turn.actor.expect(told && told->kind == Settlement::broken, "not told that it is broken");
      },
      "all sleep and the setter is gone: nobody told them");
}

}  // namespace
}  // namespace gauntlet
