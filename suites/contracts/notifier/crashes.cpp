// Contract Notifier, crashes: a notifier or a waiter dies outside a call, asleep, and inside one.
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "contracts/notifier/matchers.h"
#include "contracts/notifier/opening.h"
#include "faults/system_call_kill.h"
#include "process/shared.h"
#include "support/quiet.h"

namespace gauntlet {
namespace {

using notifying::BringsNothing;
using notifying::BringsOne;
using notifying::FailsWith;
using notifying::Succeeds;

bool adds_up(const NotifierClaims& claims) {
  return claims.pending != Pending::coalesced && claims.audience == Audience::one;
}

/// Takes all that pends, at most `most`; answers how many notifications that were.
std::uint64_t drain(CommandedNotifier& notifier, std::size_t waiter, std::uint64_t most) {
  std::uint64_t taken = 0;
  for (std::uint64_t i = 0; i <= most; ++i) {
    const NotifierAnswer answer = notifier.wait_for_nothing(waiter);
    if (!answer.ok) {
      EXPECT_THAT(answer, BringsNothing());
      break;
    }
    taken += answer.notification.count;
  }
  return taken;
}

// A notifier that is killed outside any call takes nothing back of what it has said, and the others
// and a newcomer go on.
NOTIFIER_CASE(crashes, IdleNotifierKilled_WhatItSaidStaysAndOthersGoOn) {
  CommandedNotifier notifier(context, 2, 1);
  if (!notifier.ready()) return;
  ASSERT_THAT(notifier.notify(0), Succeeds());
  notifier.kill(0);
  EXPECT_THAT(notifier.wait(2), BringsOne()) << "it went with its sender";
  ASSERT_THAT(notifier.notify(1), Succeeds());
  EXPECT_THAT(notifier.wait(2), BringsOne());
  const std::size_t newcomer = notifier.add(NotifierRole::notifier);
  if (!notifier.ready()) return;
  notifier.begin_wait(2);
  ASSERT_TRUE(notifier.asleep(2));
  ASSERT_THAT(notifier.notify(newcomer), Succeeds());
  EXPECT_THAT(notifier.finish(2), BringsOne());
  EXPECT_THAT(notifier.wait_for_nothing(2), BringsNothing());
}

// The only waiter is killed in its sleep: who notifies is told or heard later, as claimed, and a
// newcomer is reached. It could fail if the dead were still taken for the one who is woken.
NOTIFIER_CASE(crashes, WaiterKilledAsleep_NotifierIsToldAsClaimedAndANewcomerIsReached) {
  const NotifierClaims& claims = context.notifier().claims;
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  notifier.begin_wait(1);
  ASSERT_TRUE(notifier.asleep(1));
  notifier.kill(1);
  const NotifierAnswer towards_nobody = notifier.notify(0);
  if (claims.dead_waiter_is_told) {
    EXPECT_THAT(towards_nobody, FailsWith(Code::peer_gone));
  } else {
    EXPECT_THAT(towards_nobody, Succeeds());
  }
  const std::size_t newcomer = notifier.add(NotifierRole::waiter);
  if (!notifier.ready()) return;
  if (claims.waiter_death == WaiterDeath::kept) {
    EXPECT_THAT(notifier.wait(newcomer), BringsOne()) << "the dead took it";
  }
  notifier.begin_wait(newcomer);
  ASSERT_TRUE(notifier.asleep(newcomer));
  ASSERT_THAT(notifier.notify(0), Succeeds());
  EXPECT_THAT(notifier.finish(newcomer), BringsOne());
  EXPECT_THAT(notifier.wait_for_nothing(newcomer), BringsNothing());
}

// A waiter dies with notifications pending: they are lost with it or there for the next, as
// claimed.
NOTIFIER_CASE(crashes, WaiterKilledWithNotificationsPending_LostOrKeptAsClaimed) {
  constexpr std::uint32_t kPending = 3;
  const NotifierClaims& claims = context.notifier().claims;
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  ASSERT_THAT(notifier.notify(0, 0, Deadline::after(kCallPatience), kPending), Succeeds());
  notifier.kill(1);
  const std::size_t newcomer = notifier.add(NotifierRole::waiter);
  if (!notifier.ready()) return;
  const bool kept = claims.waiter_death == WaiterDeath::kept;
  const std::uint32_t expected = !kept ? 0 : claims.pending == Pending::coalesced ? 1 : kPending;
  EXPECT_EQ(drain(notifier, newcomer, kPending), expected);
  ASSERT_THAT(notifier.notify(0), Succeeds());
  EXPECT_THAT(notifier.wait(newcomer), BringsOne());
}

// One of several sleeping waiters is killed: the next notification wakes another, not the dead.
NOTIFIER_CASE(
    crashes, OneOfTwoSleepersKilled_TheOtherIsWoken,
    .applies = [](const NotifierClaims& claims) { return claims.many_waiters; }) {
  CommandedNotifier notifier(context, 1, 2);
  if (!notifier.ready()) return;
  for (const std::size_t waiter : {1U, 2U}) {
    notifier.begin_wait(waiter);
    ASSERT_TRUE(notifier.asleep(waiter));
  }
  notifier.kill(1);
  ASSERT_THAT(notifier.notify(0), Succeeds());
  EXPECT_THAT(notifier.finish(2), BringsOne()) << "the dead waiter took the wake-up";
  EXPECT_THAT(notifier.wait_for_nothing(2), BringsNothing());
}

// A stopped waiter is not a dead one: what is notified meanwhile is there when it goes on.
NOTIFIER_CASE(crashes, WaiterStoppedWhileNotified_TakesItWhenItGoesOn) {
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  context.fault_planned();
  ASSERT_TRUE(notifier.crew().process(1).stop(Deadline::after(kCallPatience)).has_value());
  context.fault_fired();
  ASSERT_THAT(notifier.notify(0), Succeeds());
  notifier.begin_wait(1);
  ASSERT_TRUE(notifier.crew().process(1).resume().has_value());
  EXPECT_THAT(notifier.finish(1), BringsOne());
  EXPECT_THAT(notifier.wait_for_nothing(1), BringsNothing());
}

/// A sweep over all stops of one act ends here at the latest.
constexpr std::uint32_t kMostStops = 64;

/// One kill of a sweep: `act` runs between arm() and disarm() in a process of its own.
template <class Act>
Result<SystemCallKill> kill_at(CommandedNotifier& notifier, NotifierRole role, std::uint32_t stop,
                               const Act& act) {
  const auto added = notifier.crew().add_traced([&](Worker& worker) {
    const auto opened = open_notifier(worker, notifier.host(), role);
    if (!opened) return;
    worker.arm();
    act(worker, *opened);
    worker.disarm();
  });
  if (!added) return tl::unexpected<Error>(added.error());
  return kill_at_system_call(notifier.crew().process(*added), stop, Deadline::after(kCallPatience));
}

// Killed before or after each system call of a notify that must wake a sleeper: the waiter is
// reached by the next notifier, and at most the one notification of that call is open.
NOTIFIER_CASE(crashes, NotifierKilledAtEachSystemCall_WaiterIsReachedByTheNext,
              .needs = {Need::ptrace}) {
  const bool coalesced = context.notifier().claims.pending == Pending::coalesced;
  bool over = false;
  std::uint64_t fired = 0;
  for (std::uint32_t stop = 1; !over && stop <= kMostStops; ++stop) {
    CommandedNotifier notifier(context, 1, 1);
    if (!notifier.ready()) return;
    notifier.begin_wait(1);
    ASSERT_TRUE(notifier.asleep(1));
    const auto kill =
        kill_at(notifier, NotifierRole::notifier, stop, [](Worker& worker, Notifier& mine) {
          const Status told = mine.notify(0, Deadline::after(kCallPatience));
          worker.expect(told.has_value(), "notify failed");
        });
    ASSERT_TRUE(kill.has_value()) << describe(kill.error());
    over = !kill->fired;
    if (over) break;
    ++fired;
    context.fault_planned();
    SCOPED_TRACE("notifier killed " + kill->place());
    ASSERT_THAT(notifier.notify(0), Succeeds());
    const NotifierAnswer first = notifier.finish(1);
    ASSERT_THAT(first, Succeeds()) << "the waiter sleeps on beside a notification";
    const std::uint64_t taken = first.notification.count + drain(notifier, 1, 2);
    EXPECT_GE(taken, 1U);
    EXPECT_LE(taken, 2U) << "a notification was made up";
    if (coalesced) {
      EXPECT_THAT(notifier.wait_for_nothing(1), BringsNothing());
    }
  }
  EXPECT_TRUE(over) << "the notify did not come to its end in " << kMostStops << " stops";
  context.measured("kill_points", static_cast<double>(fired));
}

// Killed before or after each system call of a wait that takes one of two notifications: what it
// had not taken is there for the next, or lost with it as claimed, and nothing is there twice.
NOTIFIER_CASE(crashes, WaiterKilledAtEachSystemCall_TakesNoMoreThanItsOwn,
              .needs = {Need::ptrace}) {
  constexpr std::uint32_t kPending = 2;
  const NotifierClaims& claims = context.notifier().claims;
  const bool kept = claims.waiter_death == WaiterDeath::kept;
  // What one wait takes: one of a queue, else all there is.
  const std::uint64_t all = claims.pending == Pending::coalesced ? 1 : kPending;
  bool over = false;
  std::uint64_t fired = 0;
  for (std::uint32_t stop = 1; !over && stop <= kMostStops; ++stop) {
    CommandedNotifier notifier(context, 1, 0);
    if (!notifier.ready()) return;
    const auto kill =
        kill_at(notifier, NotifierRole::waiter, stop, [&](Worker& worker, Notifier& mine) {
          // From within: the notifications come after the tracer, before the wait.
          const auto other = open_notifier(worker, notifier.host(), NotifierRole::notifier);
          for (std::uint32_t i = 0; other && i < kPending; ++i) {
            static_cast<void>(other->notify(0, Deadline::after(kCallPatience)));
          }
          const auto told = mine.wait(Deadline::after(kCallPatience));
          worker.expect(told.has_value(), "wait failed");
        });
    ASSERT_TRUE(kill.has_value()) << describe(kill.error());
    over = !kill->fired;
    if (over) break;
    ++fired;
    context.fault_planned();
    SCOPED_TRACE("waiter killed " + kill->place());
    const std::size_t newcomer = notifier.add(NotifierRole::waiter);
    if (!notifier.ready()) return;
    const std::uint64_t left = drain(notifier, newcomer, kPending);
    EXPECT_LE(left, kept ? all : 0U) << "notifications came back from the dead";
    ASSERT_THAT(notifier.notify(0), Succeeds());
    EXPECT_THAT(notifier.wait(newcomer), BringsOne());
    EXPECT_THAT(notifier.wait_for_nothing(newcomer), BringsNothing());
  }
  EXPECT_TRUE(over) << "the wait did not come to its end in " << kMostStops << " stops";
  context.measured("kill_points", static_cast<double>(fired));
}

/// What notifiers and their waiter share while some of them are killed.
struct Traffic {
  static constexpr std::size_t kMost = 8;
  std::atomic<std::uint64_t> begun[kMost];
  std::atomic<std::uint64_t> done[kMost];
  std::atomic<std::uint64_t> taken{0};
  std::atomic<bool> over{false};
};

void notify_in_traffic(Worker& worker, NotifierHost& host, Traffic& traffic, std::uint64_t rounds) {
  const auto notifier = open_notifier(worker, host, NotifierRole::notifier);
  worker.await_start();
  for (std::uint64_t round = 0; notifier && round < rounds; ++round) {
    traffic.begun[worker.index()].fetch_add(1);
    if (!notify_when_there_is_room(worker, *notifier, 0)) return;
    traffic.done[worker.index()].fetch_add(1);
    worker.step();
  }
  worker.arrive(1);
  worker.await(0);  // every kill meets a living process
}

void wait_in_traffic(Worker& worker, NotifierHost& host, Traffic& traffic) {
  const auto waiter = open_notifier(worker, host, NotifierRole::waiter);
  worker.await_start();
  bool last_look = false;
  for (std::uint64_t i = 0; waiter && i < kLoopBound; ++i) {
    const bool over = traffic.over.load();
    const auto told = waiter->wait(Deadline::after(kShortWait / 4));
    if (told) {
      traffic.taken.fetch_add(told->count);
      worker.step();
      continue;
    }
    if (!worker.expect(brought_nothing(told.error()), "wait: " + describe(told.error()))) return;
    if (last_look) return;
    last_look = over;
  }
}

// Notifiers are killed at random moments of traffic without a pause: the survivors do all their
// rounds, and what comes out is what was said, but for the one notification that each of the dead
// was at.
NOTIFIER_CASE(crashes, NotifiersKilledInMidTraffic_OnlyTheirOpenCallIsUncertain,
              .applies = adds_up) {
  constexpr std::size_t kNotifiers = 3;
  constexpr std::size_t kVictims = 2;
  constexpr std::uint64_t kRounds = 300;
  const std::uint64_t storms = context.amount(2, 40, 1000);
  Random random = context.random();
  std::uint64_t open_calls = 0;
  for (std::uint64_t storm = 0; context.another(storm, storms); ++storm) {
    const auto host = make_notifier(context);
    if (!host) return;
    Shared<Traffic> traffic;
    Crew crew;
    for (std::size_t i = 0; i < kNotifiers; ++i) {
      const auto body = [&](Worker& worker) {
        notify_in_traffic(worker, *host, *traffic, kRounds);
      };
      if (!add_worker(context, crew, body)) return;
    }
    const auto body = [&](Worker& worker) { wait_in_traffic(worker, *host, *traffic); };
    if (!add_worker(context, crew, body) || !start(context, crew)) return;
    for (std::size_t victim = 0; victim < kVictims; ++victim) {
      context.fault_planned();
      static_cast<void>(
          crew.await_progress(victim, random.below(kRounds), Deadline::after(kCallPatience)));
      EXPECT_TRUE(crew.kill(victim)) << "notifier " << victim << " was gone";
    }
    for (std::size_t survivor = kVictims; survivor < kNotifiers; ++survivor) {
      const Status arrived = crew.await_arrival(survivor, 1, Deadline::after(kCallPatience));
      EXPECT_TRUE(arrived.has_value()) << "a survivor did not do all its rounds";
    }
    traffic->over.store(true);
    crew.proceed_all(0);
    if (!context.join(crew, Deadline::after(2 * kCallPatience))) return;
    std::uint64_t said = 0;
    std::uint64_t begun = 0;
    for (std::size_t i = 0; i < kNotifiers; ++i) {
      said += traffic->done[i].load();
      begun += traffic->begun[i].load();
    }
    open_calls += begun - said;
    EXPECT_GE(traffic->taken.load(), said) << "notifications of the dead or the living were lost";
    EXPECT_LE(traffic->taken.load(), begun) << "notifications were made up";
  }
  context.measured("kills_inside_a_call", static_cast<double>(open_calls));
}

// The waiter is killed in mid-traffic and another takes its place, several times: notifiers never
// get stuck or fail but as claimed, and the last waiter is reached.
NOTIFIER_CASE(crashes, WaitersKilledInMidTraffic_NotifiersGoOnAndTheNextIsReached) {
  const NotifierClaims& claims = context.notifier().claims;
  const std::uint64_t deaths = context.amount(4, 60, 1500);
  Random random = context.random();
  CommandedNotifier notifier(context, 1, 0);
  if (!notifier.ready()) return;
  for (std::uint64_t death = 0; death < deaths; ++death) {
    Crew victims;
    const auto body = [&](Worker& worker) {
      const auto waiter = open_notifier(worker, notifier.host(), NotifierRole::waiter);
      worker.arrive(0);
      for (std::uint64_t i = 0; waiter && i < kLoopBound; ++i) {
        if (waiter->wait(Deadline::after(kShortWait))) worker.step();
      }
    };
    if (!add_worker(context, victims, body)) return;
    ASSERT_TRUE(victims.await_arrival(0, 0, Deadline::after(kCallPatience)).has_value());
    const auto before = static_cast<std::uint32_t>(random.between(1, 20));
    for (std::uint32_t i = 0; i < before; ++i) ASSERT_THAT(notifier.notify(0), Succeeds());
    context.fault_planned();
    notifier.begin_notify(0, 0, Deadline::after(kShortWait));
    EXPECT_TRUE(victims.kill(0));
    context.join(victims);
    const NotifierAnswer during = notifier.finish(0);
    const bool told = claims.dead_waiter_is_told && during.error == Code::peer_gone;
    // The dead may have left so many that there is no room, and nobody who makes some.
    const bool full = claims.overflow == NotifyOverflow::block && during.error == Code::timed_out;
    EXPECT_TRUE(during.arrived && (during.ok || told || full)) << testing::PrintToString(during);
  }
  const std::size_t newcomer = notifier.add(NotifierRole::waiter);
  if (!notifier.ready()) return;
  const std::uint64_t left = drain(notifier, newcomer, 30 * deaths);
  if (claims.waiter_death == WaiterDeath::lost) {
    EXPECT_EQ(left, 0U);
  }
  ASSERT_THAT(notifier.notify(0), Succeeds());
  EXPECT_THAT(notifier.wait(newcomer), BringsOne());
}

}  // namespace
}  // namespace gauntlet
