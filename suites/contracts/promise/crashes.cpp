// Contract Promise, crashes: a setter or a waiter dies before, in the middle of, and after its
// call.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "contracts/promise/matchers.h"
#include "contracts/promise/recorded.h"
#include "faults/system_call_kill.h"

namespace gauntlet {
namespace {

using std::chrono::microseconds;

bool processes(const PromiseClaims& claims) { return claims.reach != Reach::threads; }
bool threads(const PromiseClaims& claims) { return claims.reach == Reach::threads; }
bool mortal_waiters(const PromiseClaims& claims) {
  return processes(claims) && claims.many_waiters && claims.waiter_may_die;
}
bool told_of_deaths(const PromiseClaims& claims) {
  return claims.setter_death == SetterDeath::broken;
}

/// A sweep over all stops of one call ends here at the latest.
constexpr std::uint32_t kMostStops = 64;
constexpr std::uint64_t kValue = 77;

// The setter dies before it has set, while waiters sleep: each of them learns what is claimed.
PROMISE_CASE(crashes, SetterDiesBeforeItsSet_EachWaiterLearnsWhatIsClaimed) {
  const PromiseClaims& claims = context.promise().claims;
  const std::size_t waiters = waiters_for(claims, 4);
  CommandedPromise promise(context, waiters + 1);
  if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return;
  for (std::size_t waiter = 1; waiter <= waiters; ++waiter) {
    if (!promise.open(waiter, PromiseRole::waiter)) return;
    if (!told_of_deaths(claims)) continue;
    promise.begin_wait(waiter);
    ASSERT_TRUE(promise.asleep(waiter));
  }
  promise.die(0);
  for (std::size_t waiter = 1; waiter <= waiters; ++waiter) {
    if (told_of_deaths(claims)) {
      ASSERT_THAT(promise.finish(waiter), IsToldBroken()) << "waiter " << waiter;
    } else {
      EXPECT_THAT(promise.wait(waiter, Deadline::after(kShortWait)), FailsWith(Code::timed_out));
    }
  }
}

// The setter dies before anybody waits: who comes afterwards learns of it, by a try as well.
PROMISE_CASE(crashes, SetterDiesBeforeAnybodyWaits_LatecomerLearnsOfIt, .applies = told_of_deaths) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return;
  promise.die(0);
  if (!promise.open(1, PromiseRole::waiter)) return;
  EXPECT_THAT(promise.try_wait(1), IsToldBroken());
}

// The setter dies after its set: nothing of it is lost.
PROMISE_CASE(crashes, SetterDiesAfterItsSet_WaitersAreTold) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return;
  ASSERT_THAT(promise.set(0, kValue), Succeeds());
  promise.die(0);
  if (!promise.open(1, PromiseRole::waiter)) return;
  EXPECT_THAT(promise.wait(1), IsTold(kValue));
}

// One of two setters dies: the other one can still set.
PROMISE_CASE(
    crashes, OneOfTwoSettersDies_TheOtherSets,
    .applies = [](const PromiseClaims& claims) { return claims.many_setters; }) {
  CommandedPromise promise(context, 3);
  if (!promise.ready()) return;
  for (const std::size_t setter : {0U, 1U}) {
    if (!promise.open(setter, PromiseRole::setter)) return;
  }
  if (!promise.open(2, PromiseRole::waiter)) return;
  promise.begin_wait(2);
  ASSERT_TRUE(promise.asleep(2));
  promise.die(0);
  ASSERT_TRUE(promise.asleep(2)) << "told, though a setter is left";
  ASSERT_THAT(promise.set(1, kValue), Succeeds());
  EXPECT_THAT(promise.finish(2), IsTold(kValue));
}

// A setter that is stopped is not dead: waiters wait on, and are told when it goes on and sets.
PROMISE_CASE(crashes, SetterStopped_IsNotTakenForDead, .applies = processes) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return;
  if (!promise.open(1, PromiseRole::waiter)) return;
  Process& setter = promise.actors().crew().process(0);
  context.fault_planned();
  ASSERT_TRUE(setter.stop(Deadline::after(kCallPatience)).has_value());
  context.fault_fired();
  promise.begin_wait(1);
  EXPECT_TRUE(promise.asleep(1)) << "a stopped setter was taken for dead";
  ASSERT_TRUE(setter.resume().has_value());
  ASSERT_THAT(promise.set(0, kValue), Succeeds());
  EXPECT_THAT(promise.finish(1), IsTold(kValue));
}

// A waiter that is killed in its sleep takes no wake-up with it.
PROMISE_CASE(crashes, WaiterKilledInItsSleep_OthersAreTold, .applies = mortal_waiters) {
  CommandedPromise promise(context, 4);
  if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return;
  for (const std::size_t waiter : {1U, 2U, 3U}) {
    if (!promise.open(waiter, PromiseRole::waiter)) return;
    promise.begin_wait(waiter);
    ASSERT_TRUE(promise.asleep(waiter));
  }
  promise.die(1);
  ASSERT_THAT(promise.set(0, kValue), Succeeds());
  for (const std::size_t waiter : {2U, 3U}) {
    EXPECT_THAT(promise.finish(waiter), IsTold(kValue)) << "the dead took the wake-up";
  }
}

/// Kills a new process at its `stop`-th system-call stop inside `act`.
template <class Act>
Result<SystemCallKill> kill_inside(CommandedPromise& promise, PromiseRole role, std::uint32_t stop,
                                   const Act& act) {
  Crew& crew = promise.actors().crew();
  const auto added = crew.add_traced([&](Worker& worker) {
    const auto mine = promise.actors().host().open(role);
    if (!worker.expect(mine.has_value(), "open failed")) return;
    worker.arm();
    act(worker, **mine);
    worker.disarm();
  });
  if (!added) return tl::unexpected<Error>(added.error());
  return kill_at_system_call(crew.process(*added), stop, Deadline::after(kCallPatience));
}

/// Runs `attempt(stop)` for stop 1, 2, … until the call is over before it: it answers whether the
/// kill has fired.
template <class Attempt>
void sweep(CaseContext& context, const Attempt& attempt) {
  std::uint64_t fired = 0;
  bool over = false;
  for (std::uint32_t stop = 1; !over && stop <= kMostStops && !testing::Test::HasFailure();
       ++stop) {
    over = !attempt(stop);
    fired += over ? 0 : 1;
  }
  EXPECT_TRUE(over || testing::Test::HasFailure())
      << "the call did not come to its end in " << kMostStops << " stops";
  context.measured("kill_points", static_cast<double>(fired));
}

// Killed before or after each system call of a set that must wake two sleepers: all are told the
// same, the value or that it is broken, and nobody sleeps on. A setter killed between the change
// and the wake-up is the classic hole.
PROMISE_CASE(
    crashes, SetterKilledAtEachSystemCall_WaitersAgreeAndNobodySleepsOn,
    .applies =
        [](const PromiseClaims& claims) { return processes(claims) && told_of_deaths(claims); },
    .needs = {Need::ptrace}) {
  const std::size_t waiters = waiters_for(context.promise().claims, 2);
  sweep(context, [&](std::uint32_t stop) {
    CommandedPromise promise(context, waiters);
    for (std::size_t waiter = 0; waiter < waiters; ++waiter) {
      if (!promise.ready() || !promise.open(waiter, PromiseRole::waiter)) return false;
      promise.begin_wait(waiter);
      if (!promise.asleep(waiter)) return false;
    }
    const auto kill =
        kill_inside(promise, PromiseRole::setter, stop, [](Worker& worker, auto& mine) {
          worker.expect(mine.set(kValue).has_value(), "set failed");
        });
    EXPECT_TRUE(kill.has_value()) << describe(kill.error());
    if (!kill || !kill->fired) return false;
    context.fault_planned();
    SCOPED_TRACE("setter killed " + kill->place());
    const PromiseAnswer first = promise.finish(0);
    EXPECT_TRUE(first.ok && (first.settlement == Settlement{Settlement::value, kValue} ||
                             first.settlement == Settlement{Settlement::broken, 0}))
        << testing::PrintToString(first);
    for (std::size_t waiter = 1; waiter < waiters; ++waiter) {
      const PromiseAnswer answer = promise.finish(waiter);
      EXPECT_TRUE(answer.ok && answer.settlement == first.settlement)
          << "one is told " << testing::PrintToString(first) << ", another "
          << testing::PrintToString(answer);
    }
    return true;
  });
}

// Killed before or after each system call of a wait that sleeps and times out: the set that follows
// reaches all others.
PROMISE_CASE(crashes, WaiterKilledAtEachSystemCall_OthersAreTold, .applies = mortal_waiters,
             .needs = {Need::ptrace}) {
  sweep(context, [&](std::uint32_t stop) {
    CommandedPromise promise(context, 2);
    if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return false;
    if (!promise.open(1, PromiseRole::waiter)) return false;
    promise.begin_wait(1);
    if (!promise.asleep(1)) return false;
    const auto kill =
        kill_inside(promise, PromiseRole::waiter, stop, [](Worker& worker, auto& mine) {
          const auto told = mine.wait(Deadline::after(kShortWait));
          worker.expect(!told && told.error() == Code::timed_out, "it should time out");
        });
    EXPECT_TRUE(kill.has_value()) << describe(kill.error());
    if (!kill || !kill->fired) return false;
    context.fault_planned();
    SCOPED_TRACE("waiter killed " + kill->place());
    EXPECT_THAT(promise.set(0, kValue), Succeeds());
    EXPECT_THAT(promise.finish(1), IsTold(kValue)) << "the dead took the wake-up";
    return true;
  });
}

// Setters killed at random moments around their set, while waiters come: what everybody was told
// can be explained by a promise that was settled once or broke, and nobody sleeps on.
PROMISE_CASE(
    crashes, SettersKilledInMidFlight_WhatWaitersAreToldIsExplained,
    .applies = [](const PromiseClaims& claims) {
      return processes(claims) && told_of_deaths(claims);
    }) {
  const PromiseClaims& claims = context.promise().claims;
  const std::size_t setters = setters_for(claims, 2);
  const std::size_t waiters = waiters_for(claims, 2);
  Random random = context.random();
  std::uint64_t inside = 0;
  const std::uint64_t storms = context.amount(12, 150, 4000);
  for (std::uint64_t storm = 0; context.another(storm, storms); ++storm) {
    const auto recorder = history::Recorder::create(setters + waiters, 4);
    Actors actors(context);
    for (std::size_t i = 0; i < setters + waiters; ++i) {
      const bool sets = i < setters;
      const microseconds pause(random.below(400));
      actors.add([&, sets, pause](Actor& actor) {
        RecordedPromise mine(actor, sets ? PromiseRole::setter : PromiseRole::waiter, 0,
                             recorder.lane(actor.index()));
        if (!mine.ready()) return;
        actor.await_start();
        const Deadline then = Deadline::after(pause);
        while (!then.expired()) {
        }
        if (sets) {
          mine.set(actor.index() + 1);
          actor.step();
          while (true) std::this_thread::sleep_for(std::chrono::hours(1));  // until it is killed
        }
        actor.expect(mine.wait(Deadline::after(kCallPatience)).has_value(), "told nothing");
      });
    }
    if (!actors.launch() || !actors.go()) return;
    const Deadline moment = Deadline::after(microseconds(random.below(500)));
    while (!moment.expired()) {
    }
    std::vector<history::Death> deaths;
    for (std::uint32_t setter = 0; setter < setters; ++setter) {
      context.fault_planned();
      const std::int64_t at_ns = history::now_ns();
      if (actors.crew().kill(setter)) deaths.push_back({setter, at_ns});
    }
    if (!context.join(actors.crew(), Deadline::after(2 * kCallPatience))) return;
    history::History history = recorder.collect();
    for (const history::Death& death : deaths) history.mark_killed(death.process, death.at_ns);
    inside += static_cast<std::uint64_t>(
        std::count_if(history.calls.begin(), history.calls.end(),
                      [](const history::Call& call) { return call.killed; }));
    history::PromiseRules rules;
    for (std::uint32_t setter = 0; setter < setters; ++setter) rules.setters.push_back(setter);
    if (!expect_explained(context, history, rules)) return;
  }
  context.measured("kills_inside_a_call", static_cast<double>(inside));
}

// A process that holds all threads, killed before or after each system call of its set: nothing of
// it is left, and a fresh promise in another process works.
PROMISE_CASE(crashes, ProcessOfAllThreadsKilledInItsSet_AFreshOneWorks, .applies = threads,
             .needs = {Need::ptrace}) {
  const PromiseSubject& subject = context.promise();
  const PromiseOptions options{.waiters = 1, .scope = context.scope()};
  sweep(context, [&](std::uint32_t stop) {
    Crew crew;
    const auto added = crew.add_traced([&](Worker& worker) {
      const auto host = subject.create(options);
      if (!worker.expect(host.has_value(), "create failed")) return;
      const auto setter = (*host)->open(PromiseRole::setter);
      const auto waiter = (*host)->open(PromiseRole::waiter);
      if (!worker.expect(setter && waiter, "open failed")) return;
      std::thread sleeper([&] {
        const auto told = (*waiter)->wait(Deadline::after(kCallPatience));
        worker.expect(told && told->content == kValue, "told another thing");
      });
      worker.arm();
      worker.expect((*setter)->set(kValue).has_value(), "set failed");
      worker.disarm();
      sleeper.join();
    });
    if (!added) {
      context.error("no worker: " + describe(added.error()));
      return false;
    }
    const auto kill =
        kill_at_system_call(crew.process(*added), stop, Deadline::after(kCallPatience));
    EXPECT_TRUE(kill.has_value()) << describe(kill.error());
    if (kill && kill->fired) context.fault_planned();
    SCOPED_TRACE(kill ? "killed " + kill->place() : "");
    if (!context.join(crew) || !kill || !kill->fired) return false;
    CommandedPromise fresh(context, 2);
    if (!fresh.ready() || !fresh.open(0, PromiseRole::setter)) return false;
    if (!fresh.open(1, PromiseRole::waiter)) return false;
    EXPECT_THAT(fresh.set(0, kValue), Succeeds());
    EXPECT_THAT(fresh.wait(1), IsTold(kValue));
    return true;
  });
}

}  // namespace
}  // namespace gauntlet
