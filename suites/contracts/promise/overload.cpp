// Contract Promise, overload: more waiters than cores, many promises, waits without a pause.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "contracts/promise/claims.h"
#include "contracts/promise/matchers.h"
#include "contracts/promise/rounds.h"

namespace gauntlet {
namespace {

using std::chrono::microseconds;
using Turn = PromiseRounds::Turn;

std::size_t cores() { return std::max<std::size_t>(1, std::thread::hardware_concurrency()); }
bool many_waiters(const PromiseClaims& claims) { return claims.many_waiters; }

/// Actor 0 is the setter, and the others sleep in wait. False: that was not possible, which has
/// been told.
bool all_asleep(CommandedPromise& promise, std::size_t waiters) {
  if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return false;
  for (std::size_t waiter = 1; waiter <= waiters; ++waiter) {
    if (!promise.open(waiter, PromiseRole::waiter)) return false;
    promise.begin_wait(waiter);
  }
  for (std::size_t waiter = 1; waiter <= waiters; ++waiter) {
    if (!promise.asleep(waiter)) return false;
  }
  return true;
}

// Eight waiters a core, all asleep: one set wakes every one of them.
PROMISE_CASE(overload, EightSleepersACore_OneSetWakesAll, .applies = many_waiters) {
  const std::size_t waiters = std::min<std::size_t>(8 * cores(), CommandedPromise::kMostActors - 1);
  CommandedPromise promise(context, waiters + 1);
  if (!all_asleep(promise, waiters)) return;
  const std::int64_t begun_ns = monotonic_ns();
  ASSERT_THAT(promise.set(0, 7), Succeeds());
  for (std::size_t waiter = 1; waiter <= waiters; ++waiter) {
    ASSERT_THAT(promise.finish(waiter), IsTold(7)) << "waiter " << waiter << " of " << waiters;
  }
  context.measured("wake_all_us", static_cast<double>(monotonic_ns() - begun_ns) / 1e3);
}

// The same for the death of the setter: all learn of it.
PROMISE_CASE(
    overload, FourSleepersACore_AllLearnThatItIsBroken, .applies = [](const PromiseClaims& claims) {
      return claims.many_waiters && claims.setter_death == SetterDeath::broken;
    }) {
  const std::size_t waiters = std::min<std::size_t>(4 * cores(), CommandedPromise::kMostActors - 1);
  CommandedPromise promise(context, waiters + 1);
  if (!all_asleep(promise, waiters)) return;
  const std::int64_t begun_ns = monotonic_ns();
  promise.die(0);
  for (std::size_t waiter = 1; waiter <= waiters; ++waiter) {
    ASSERT_THAT(promise.finish(waiter), IsToldBroken()) << "waiter " << waiter << " of " << waiters;
  }
  context.measured("broken_told_to_all_us", static_cast<double>(monotonic_ns() - begun_ns) / 1e3);
}

// Many promises at once, set in a row: each waiter is told its own.
PROMISE_CASE(overload, ManyPromisesAtOnce_EachIsToldItsOwn) {
  const PromiseClaims& claims = context.promise().claims;
  const std::size_t promises = context.amount(100, 300, 1000);
  CommandedPromise promise(context, 2, promises);
  if (!promise.ready()) return;
  for (std::size_t number = 0; number < promises; ++number) {
    if (!promise.open(0, PromiseRole::setter, number)) return;
    ASSERT_THAT(promise.set(0, sample_value(claims, number)), Succeeds());
  }
  for (std::size_t number = 0; number < promises; ++number) {
    if (!promise.open(1, PromiseRole::waiter, number)) return;
    ASSERT_THAT(promise.wait(1), IsTold(sample_value(claims, number))) << "promise " << number;
  }
}

// Waiters that give up and come again without a pause, twice as many as cores: none of their
// time-outs takes the answer with it, and all are told in the end.
PROMISE_CASE(overload, WaitersStormWithShortDeadlines_AllAreTold) {
  const PromiseClaims& claims = context.promise().claims;
  const std::size_t waiters = waiters_for(claims, std::min<std::size_t>(2 * cores(), 32));
  PromiseRounds rounds(context, 1, waiters);
  rounds.play(
      context.amount(30, 500, 10'000),
      [&](Turn& turn) {
        busy_for(turn.random, 500);
        turn.actor.expect(turn.promise.set(1), "the only set was refused");
      },
      [&](Turn& turn) {
        for (int tries = 0; tries < 12; ++tries) {
          if (turn.promise.wait(Deadline::after(microseconds(turn.random.below(60))))) return;
        }
        turn.actor.expect(turn.promise.wait(Deadline::never()).has_value(), "wait failed");
      },
      "all sleep and the promise is set: lost wake-up");
}

// Four setters a core at once: one wins, and nobody is refused before.
PROMISE_CASE(overload, FourSettersACore_OneWins, .applies = many_setters) {
  const std::size_t setters = std::min<std::size_t>(4 * cores(), 32);
  PromiseRounds rounds(context, setters, 1);
  rounds.play(
      context.amount(30, 500, 10'000), [&](Turn& turn) { turn.promise.set(turn.actor.index()); },
      [&](Turn& turn) {
        turn.actor.expect(turn.promise.wait(Deadline::never()).has_value(), "wait failed");
      },
      "all sleep and the promise is set: lost wake-up");
}

// A process without a free descriptor is told so when it attaches, and attaches once it has one.
PROMISE_CASE(
    overload, AttachWithoutAFreeDescriptor_IsRefusedOrNeedsNone,
    .applies = [](const PromiseClaims& claims) { return claims.reach == Reach::named; }) {
  const auto host = context.promise().create({.waiters = 1, .scope = context.scope()});
  if (!host) return context.not_created(host.error());
  const std::string address = (*host)->address();
  const auto attach = context.promise().attach;
  Crew crew;
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    const auto refused = attach(address, PromiseRole::setter);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    worker.expect(refused || refused.error() == Code::exhausted,
                  refused ? "" : "not said to be exhausted: " + describe(refused.error()));
    const auto attached = attach(address, PromiseRole::setter);
    if (!worker.expect(attached.has_value(), "attach failed with free descriptors")) return;
    worker.expect((*attached)->set(1).has_value(), "set failed");
  }));
  context.join(crew);
}

}  // namespace
}  // namespace gauntlet
