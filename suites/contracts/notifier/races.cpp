// Contract Notifier, races: processes started together, histories checked, wake-ups counted.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "base/limits.h"
#include "contracts/notifier/opening.h"
#include "contracts/notifier/program.h"
#include "history/lanes.h"
#include "process/futex.h"
#include "process/shared.h"
#include "support/own_cpu.h"
#include "support/quiet.h"
#include "support/shrink.h"

namespace gauntlet {
namespace {

using std::chrono::microseconds;

constexpr std::uint32_t kRunsPerCandidate = 10;
constexpr std::chrono::seconds kShrinking{3};

bool remembers(const NotifierClaims& claims) { return claims.remembered; }
/// Each notification comes out, by itself or in a count.
bool adds_up(const NotifierClaims& claims) {
  return claims.remembered && claims.pending != Pending::coalesced &&
         claims.audience == Audience::one;
}

void report(CaseContext& context, const NotifierProgram& program, const NotifierViolation& first,
            std::uint64_t number, std::uint64_t of) {
  const auto attempt = [&](const NotifierProgram& candidate) {
    return run_notifier_program(context, candidate).violation;
  };
  const auto shrunk = shrink(program, first, smaller_programs, attempt, kRunsPerCandidate,
                             Deadline::after(kShrinking));
  const NotifierViolation& violation = shrunk.evidence;
  context.lanes(history::draw_lanes(violation.history, violation.verdict.culprits) +
                "found      program " + std::to_string(number) + " of " + std::to_string(of) +
                ", shrunk " + std::to_string(shrunk.times) + " times, " +
                std::to_string(kRunsPerCandidate) + " runs a candidate\n");
  ADD_FAILURE() << context.info().subject << ": " << violation.verdict.message;
}

// Fails when a notification is lost between its sender and a waiter that is just going to sleep,
// when one is taken twice, or when the order is another: any run whose calls no order of a
// sequential notifier explains.
NOTIFIER_CASE(races, SeededPrograms_AreExplainedByASequentialNotifier, .applies = remembers) {
  const std::uint64_t programs = context.amount(14, 300, 10'000);
  Random random = context.random();
  std::uint64_t undecided = 0;
  std::uint64_t i = 0;
  while (context.another(i, programs)) {
    ++i;
    const NotifierProgram program = generate_notifier_program(random, context.notifier().claims);
    const NotifierRun run = run_notifier_program(context, program);
    if (!run.ran) return;
    if (run.violation) return report(context, program, *run.violation, i, programs);
    if (run.undecided) ++undecided;
  }
  context.measured("undecided_histories", static_cast<double>(undecided));
  EXPECT_LE(undecided, i / 20) << "too many histories over the budget of the search";
}

/// Busy for a random time of about a sleep and a wake-up, so that what one process does next meets
/// every moment of what the other does.
void work(Random& random, std::uint64_t most_us) {
  const Deadline end = Deadline::after(microseconds(random.below(most_us)));
  while (!end.expired()) {
  }
}

// Two processes notify each other in turns: each notification meets a waiter that is just going to
// sleep. Fails when one is lost between the waiter's look and its sleep.
NOTIFIER_CASE(races, PingPong_NoWakeUpIsLost, .applies = remembers) {
  constexpr std::uint64_t kMostUs = 60;
  const std::uint64_t rounds = context.amount(300, 10'000, 300'000);
  const auto ping = make_notifier(context);
  if (!ping) return;
  const auto pong = make_notifier(context);
  if (!pong) return;
  Crew crew;
  for (const bool first : {true, false}) {
    const auto body = [&, first](Worker& worker) {
      const auto mine = open_notifier(worker, first ? *ping : *pong, NotifierRole::waiter);
      const auto other = open_notifier(worker, first ? *pong : *ping, NotifierRole::notifier);
      if (!mine || !other) return;
      Random random = context.random(worker.index());
      take_own_cpu(worker.index());
      worker.await_start();
      for (std::uint64_t round = 0; round < rounds; ++round) {
        if (first && !notify_when_there_is_room(worker, *other, 0)) return;
        work(random, kMostUs);
        if (!worker.expect(mine->wait(Deadline::never()).has_value(), "wait failed")) return;
        if (!first && !notify_when_there_is_room(worker, *other, 0)) return;
        worker.step();
      }
    };
    if (!add_worker(context, crew, body)) return;
  }
  if (!start(context, crew)) return;
  await_end_or_stuck(context, crew, "both sleep and one was notified: lost wake-up");
}

// The waiter looks, finds nothing, and goes to sleep; the notification is sent at that very moment.
// Fails when it falls between the look and the sleep.
NOTIFIER_CASE(races, NotifyBetweenTheLookAndTheSleep_IsNotLost, .applies = remembers) {
  constexpr std::uint64_t kMostUs = 20;
  struct Moment {
    FutexWord about_to_sleep{
        0};  ///< the round in which the waiter is at its look; or that it is over
    std::atomic<bool> awaited{false};
    void tell(std::uint32_t round) {
      about_to_sleep.store(round);
      if (awaited.load()) futex_wake_all(about_to_sleep);
    }
    // Sleeps after a while, so that who is stuck is seen to be, and so that one CPU is enough.
    void await(std::uint32_t round) {
      constexpr int kSpins = 5000;
      for (int spin = 0; spin < kSpins && about_to_sleep.load() < round; ++spin) {
      }
      awaited.store(true);
      for (std::uint32_t seen = about_to_sleep.load(); seen < round; seen = about_to_sleep.load()) {
        futex_wait(about_to_sleep, seen);
      }
      awaited.store(false);
    }
  };
  const auto rounds = static_cast<std::uint32_t>(context.amount(400, 20'000, 500'000));
  const auto host = make_notifier(context);
  if (!host) return;
  Shared<Moment> moment;
  Crew crew;
  const auto waiting = [&](Worker& worker) {
    const auto waiter = open_notifier(worker, *host, NotifierRole::waiter);
    take_own_cpu(worker.index());
    worker.await_start();
    for (std::uint32_t round = 1; waiter && round <= rounds; ++round) {
      moment->tell(round);
      if (!worker.expect(waiter->wait(Deadline::never()).has_value(), "wait failed")) break;
      worker.step();
    }
    moment->tell(UINT32_MAX);
  };
  const auto notifying = [&](Worker& worker) {
    const auto notifier = open_notifier(worker, *host, NotifierRole::notifier);
    Random random = context.random();
    take_own_cpu(worker.index());
    worker.await_start();
    for (std::uint32_t round = 1; notifier && round <= rounds; ++round) {
      moment->await(round);
      work(random, kMostUs);
      if (!notify_when_there_is_room(worker, *notifier, 0)) return;
      worker.step();
    }
  };
  if (!add_worker(context, crew, waiting) || !add_worker(context, crew, notifying)) return;
  if (!start(context, crew)) return;
  await_end_or_stuck(context, crew, "the waiter sleeps beside a notification: lost wake-up");
}

/// What waiters of a race found together.
struct Sums {
  std::atomic<std::uint64_t> taken{0};
  std::atomic<std::uint64_t> busy_notifiers{0};
};

/// Waits shortly, again and again, until the notifiers are done and nothing is left.
void take_with_short_waits(Worker& worker, Notifier& waiter, Sums& sums, Random random,
                           std::uint64_t most_us) {
  bool last_look = false;
  for (std::uint64_t i = 0; i < kLoopBound; ++i) {
    const bool over = sums.busy_notifiers.load() == 0;
    const auto told = waiter.wait(last_look ? Deadline::immediate()
                                            : Deadline::after(microseconds(random.below(most_us))));
    if (told) {
      sums.taken.fetch_add(told->count);
      worker.step();
      continue;
    }
    if (!worker.expect(brought_nothing(told.error()), "wait: " + describe(told.error()))) return;
    if (last_look) return;
    last_look = over;
  }
}

/// Notifiers and waiters beside each other, on CPUs of their own; every notification that was made
/// must have been taken.
void expect_nothing_lost(CaseContext& context, std::size_t notifiers, std::size_t waiters,
                         std::uint64_t each, std::uint64_t pause_us, std::uint64_t patience_us) {
  const auto host = make_notifier(context);
  if (!host) return;
  Shared<Sums> sums;
  sums->busy_notifiers.store(notifiers);
  Crew crew;
  for (std::size_t i = 0; i < waiters; ++i) {
    const auto body = [&](Worker& worker) {
      const auto waiter = open_notifier(worker, *host, NotifierRole::waiter);
      take_own_cpu(worker.index());
      worker.await_start();
      if (!waiter) return;
      take_with_short_waits(worker, *waiter, *sums, context.random(worker.index()), patience_us);
    };
    if (!add_worker(context, crew, body)) return;
  }
  for (std::size_t i = 0; i < notifiers; ++i) {
    const auto body = [&](Worker& worker) {
      const auto notifier = open_notifier(worker, *host, NotifierRole::notifier);
      Random random = context.random(worker.index());
      take_own_cpu(worker.index());
      worker.await_start();
      for (std::uint64_t n = 0; notifier && n < each; ++n) {
        if (!notify_when_there_is_room(worker, *notifier, 0)) break;
        if (pause_us > 0) work(random, pause_us);
        worker.step();
      }
      sums->busy_notifiers.fetch_sub(1);
    };
    if (!add_worker(context, crew, body)) return;
  }
  if (!start(context, crew)) return;
  if (!context.join(crew, Deadline::after(2 * kCallPatience))) return;
  EXPECT_EQ(sums->taken.load(), notifiers * each)
      << sums->taken.load() << " notifications were taken of " << notifiers * each
      << " that were made";
}

// A waiter times out at the very moment of a notification. Fails when a notification goes to a wait
// that has already given up: what was taken must be what was made.
NOTIFIER_CASE(races, TimeOutsAgainstNotifications_NoneIsLost, .applies = adds_up) {
  constexpr std::uint64_t kPauseUs = 120;
  expect_nothing_lost(context, 1, 1, context.amount(400, 10'000, 200'000), kPauseUs, kPauseUs);
}

// Several notifiers at once. Fails when adding is not atomic, or when a take of the whole count
// misses what is added meanwhile.
NOTIFIER_CASE(races, ManyNotifiersOneWaiter_TheCountsAddUp, .applies = adds_up) {
  expect_nothing_lost(context, 3, 1, context.amount(500, 10'000, 300'000), 0, 200);
}

// Several waiters compete. Fails when two of them take the same notification, or when one that
// takes nothing swallows the wake-up that belongs to another.
NOTIFIER_CASE(
    races, ManyNotifiersManyWaiters_EachIsTakenOnce, .applies = [](const NotifierClaims& claims) {
      return adds_up(claims) && claims.many_waiters && claims.seen_at_once;
    }) {
  expect_nothing_lost(context, 2, 3, context.amount(400, 10'000, 300'000), 0, 200);
}

}  // namespace
}  // namespace gauntlet
