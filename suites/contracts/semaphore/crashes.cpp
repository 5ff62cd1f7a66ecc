// Contract Semaphore, crashes: a process dies while it holds, waits, or is inside a call.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "contracts/semaphore/claims.h"
#include "contracts/semaphore/matchers.h"
#include "contracts/semaphore/opening.h"
#include "contracts/semaphore/program.h"
#include "contracts/semaphore/recorded.h"
#include "faults/system_call_kill.h"
#include "history/lanes.h"

namespace gauntlet {
namespace {

using Call = CommandedSemaphore::Call;

bool survives_calls(const SemaphoreClaims& claims) {
  return claims.call_death == CallDeath::survived;
}
bool counts_and_survives(const SemaphoreClaims& claims) {
  return counts(claims) && survives_calls(claims);
}

// A process that is killed outside any call, holding nothing, harms nobody; a newcomer takes its
// place. This much is certain for every semaphore.
SEMAPHORE_CASE(crashes, IdleProcessKilled_OthersAndANewcomerGoOn) {
  CommandedSemaphore semaphore(context, 1, 2);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  ASSERT_THAT(semaphore.release(0), Succeeds());
  semaphore.kill(0);
  EXPECT_THAT(semaphore.acquire(1), SucceedsPlainly());
  EXPECT_THAT(semaphore.release(1), Succeeds());
  const std::size_t newcomer = semaphore.add_worker();
  EXPECT_THAT(semaphore.acquire(newcomer), SucceedsPlainly());
  EXPECT_THAT(semaphore.try_acquire(1), FailsWith(Code::would_block));
}

void kill_a_holder(CaseContext& context, Call how) {
  CommandedSemaphore semaphore(context, 1, 3);
  if (!semaphore.ready()) return;
  semaphore.begin(0, how, Deadline::after(kCallPatience));
  ASSERT_THAT(semaphore.finish(0), Succeeds());
  semaphore.kill(0);
  switch (context.semaphore().claims.owner_death) {
    case OwnerDeath::nothing:
      EXPECT_THAT(semaphore.try_acquire(1), FailsWith(Code::would_block));
      if (!context.semaphore().claims.deadlines) return;
      EXPECT_THAT(semaphore.acquire(1, Deadline::after(kShortWait)), FailsWith(Code::timed_out));
      return;
    case OwnerDeath::units_returned:
      semaphore.begin(1, Call::acquire, Deadline::after(kCallPatience));
      ASSERT_THAT(semaphore.finish(1), SucceedsPlainly());
      break;
    case OwnerDeath::reported:
      semaphore.begin(1, Call::acquire, Deadline::after(kCallPatience));
      ASSERT_THAT(semaphore.finish(1), ReportsOwnerDied());
      break;
  }
  EXPECT_THAT(semaphore.try_acquire(2), Fails()) << "the unit came back twice";
  EXPECT_THAT(semaphore.release(1), Succeeds());
  EXPECT_THAT(semaphore.acquire(2), SucceedsPlainly());
}

// A process that is killed while it holds a unit, outside any call: the unit goes where the claim
// says, and nowhere else, whichever way it was taken.
SEMAPHORE_CASE(crashes, HolderKilled_UnitGoesWhereTheClaimSays) {
  for (const Call how : {Call::acquire, Call::try_acquire}) {
    SCOPED_TRACE(how == Call::acquire ? "taken by acquire" : "taken by try_acquire");
    kill_a_holder(context, how);
  }
}

// The same while others already sleep for the unit: the claim must wake one of them.
SEMAPHORE_CASE(
    crashes, HolderKilledBeforeWaiters_OneOfThemGetsTheUnit,
    .applies = [](const SemaphoreClaims& claims) {
      return claims.owner_death != OwnerDeath::nothing;
    }) {
  CommandedSemaphore semaphore(context, 1, 3);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  std::vector<std::size_t> waiting{1, 2};
  for (const std::size_t waiter : waiting) {
    semaphore.begin(waiter, Call::acquire, Deadline::after(kCallPatience));
    ASSERT_TRUE(semaphore.waits(waiter));
  }
  semaphore.kill(0);
  Answer answer;
  const std::size_t first = semaphore.finish_any(waiting, answer);
  if (context.semaphore().claims.owner_death == OwnerDeath::reported) {
    ASSERT_THAT(answer, ReportsOwnerDied());
  } else {
    ASSERT_THAT(answer, SucceedsPlainly());
  }
  ASSERT_THAT(semaphore.release(first), Succeeds());
  semaphore.finish_any(waiting, answer);
  EXPECT_THAT(answer, SucceedsPlainly()) << "the death was told twice, or the wake-up was lost";
}

// A waiter that is killed in its sleep takes no unit and no wake-up with it.
SEMAPHORE_CASE(crashes, WaiterKilledInItsSleep_ReleaseWakesAnother, .applies = survives_calls) {
  CommandedSemaphore semaphore(context, 1, 3);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  for (const std::size_t waiter : {1U, 2U}) {
    semaphore.begin(waiter, Call::acquire, Deadline::after(kCallPatience));
    ASSERT_TRUE(semaphore.waits(waiter));
  }
  semaphore.kill(1);
  ASSERT_THAT(semaphore.release(0), Succeeds());
  EXPECT_THAT(semaphore.finish(2), SucceedsPlainly()) << "the dead waiter took the wake-up";
  EXPECT_THAT(semaphore.try_acquire(0), FailsWith(Code::would_block));
}

// A stopped process is not a dead one: what it holds stays taken until it goes on.
SEMAPHORE_CASE(crashes, HolderStopped_UnitStaysTakenUntilItGoesOn) {
  CommandedSemaphore semaphore(context, 1, 2);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  context.fault_planned();
  ASSERT_TRUE(semaphore.crew().process(0).stop(Deadline::after(kCallPatience)).has_value());
  context.fault_fired();
  EXPECT_THAT(semaphore.try_acquire(1), FailsWith(Code::would_block));
  semaphore.begin(1, Call::acquire, Deadline::after(kCallPatience));
  EXPECT_TRUE(semaphore.waits(1));
  ASSERT_TRUE(semaphore.crew().process(0).resume().has_value());
  ASSERT_THAT(semaphore.release(0), Succeeds());
  EXPECT_THAT(semaphore.finish(1), SucceedsPlainly());
}

/// One kill of a sweep: `victim` acts between arm() and disarm() in a process of its own.
struct Sweep {
  CommandedSemaphore& semaphore;
  CaseContext& context;
  std::size_t victim_index = 0;

  template <class Act>
  Result<SystemCallKill> kill_at(std::uint32_t stop, const Act& act) {
    const auto added = semaphore.crew().add_traced([&](Worker& worker) {
      const auto opened = open_semaphore(worker, semaphore.host());
      if (!opened) return;
      worker.arm();
      act(worker, *opened);
      worker.disarm();
    });
    if (!added) return tl::unexpected<Error>(added.error());
    victim_index = *added;
    return kill_at_system_call(semaphore.crew().process(*added), stop,
                               Deadline::after(kCallPatience));
  }
};

/// A sweep over all stops of one act ends here at the latest.
constexpr std::uint32_t kMostStops = 64;

// Killed before or after each system call of a release that must wake a sleeper: the survivors go
// on, and at most the one unit of that call is open. A poster killed between adding the unit
// and waking the sleeper is the classic hole.
SEMAPHORE_CASE(crashes, ReleaserKilledAtEachSystemCall_WaitersGoOn, .applies = counts_and_survives,
               .needs = {Need::ptrace}) {
  bool over = false;
  std::uint64_t fired = 0;
  for (std::uint32_t stop = 1; !over && stop <= kMostStops; ++stop) {
    CommandedSemaphore semaphore(context, 0, 2);
    if (!semaphore.ready()) return;
    semaphore.begin(0, Call::acquire, Deadline::after(kCallPatience));
    ASSERT_TRUE(semaphore.waits(0));
    Sweep sweep{semaphore, context};
    const auto kill = sweep.kill_at(stop, [](Worker& worker, Semaphore& mine) {
      worker.expect(mine.release().has_value(), "release failed");
    });
    ASSERT_TRUE(kill.has_value()) << describe(kill.error());
    over = !kill->fired;
    if (over) break;
    ++fired;
    context.fault_planned();
    SCOPED_TRACE("releaser killed " + kill->place());
    ASSERT_THAT(semaphore.release(1), Succeeds());
    ASSERT_THAT(semaphore.finish(0), Succeeds()) << "the waiter sleeps on, though a unit is free";
    // The released unit of the dead may be there or not; that of the living was taken or is.
    const Answer one = semaphore.try_acquire(1);
    if (one.ok) {
      EXPECT_THAT(semaphore.try_acquire(1), FailsWith(Code::would_block)) << "a unit was made up";
    }
  }
  EXPECT_TRUE(over) << "the release did not come to its end in " << kMostStops << " stops";
  context.measured("kill_points", static_cast<double>(fired));
}

// Killed before or after each system call of an acquire that sleeps and times out: nothing is
// taken with it, and the next release finds the next waiter.
SEMAPHORE_CASE(
    crashes, AcquirerKilledAtEachSystemCall_UnitsAreConserved,
    .applies =
        [](const SemaphoreClaims& claims) { return survives_calls(claims) && claims.deadlines; },
    .needs = {Need::ptrace}) {
  bool over = false;
  std::uint64_t fired = 0;
  for (std::uint32_t stop = 1; !over && stop <= kMostStops; ++stop) {
    CommandedSemaphore semaphore(context, 1, 3);
    if (!semaphore.ready()) return;
    ASSERT_THAT(semaphore.acquire(0), Succeeds());
    Sweep sweep{semaphore, context};
    const auto kill = sweep.kill_at(stop, [](Worker& worker, Semaphore& mine) {
      const auto acquired = mine.acquire(Deadline::after(kShortWait));
      worker.expect(!acquired && acquired.error() == Code::timed_out, "it should time out");
    });
    ASSERT_TRUE(kill.has_value()) << describe(kill.error());
    over = !kill->fired;
    if (over) break;
    ++fired;
    context.fault_planned();
    SCOPED_TRACE("acquirer killed " + kill->place());
    semaphore.begin(1, Call::acquire, Deadline::after(kCallPatience));
    ASSERT_TRUE(semaphore.waits(1));
    ASSERT_THAT(semaphore.release(0), Succeeds());
    EXPECT_THAT(semaphore.finish(1), SucceedsPlainly()) << "the dead took the unit or the wake-up";
    EXPECT_THAT(semaphore.try_acquire(2), FailsWith(Code::would_block)) << "a unit was made up";
  }
  EXPECT_TRUE(over) << "the acquire did not come to its end in " << kMostStops << " stops";
  context.measured("kill_points", static_cast<double>(fired));
}

// The same for a release by the owner: wherever it is killed, who sleeps for the unit gets it.
// Fails when the unit is given back in one step and the sleeper woken in another, and nobody but
// the dead knew of the second.
SEMAPHORE_CASE(
    crashes, OwnerKilledAtEachSystemCallOfItsRelease_AWaiterGetsTheUnit,
    .applies = [](const SemaphoreClaims& claims) { return claims.owner && survives_calls(claims); },
    .needs = {Need::ptrace}) {
  bool over = false;
  std::uint64_t fired = 0;
  for (std::uint32_t stop = 1; !over && stop <= kMostStops; ++stop) {
    CommandedSemaphore semaphore(context, 1, 1);
    if (!semaphore.ready()) return;
    const auto owner = semaphore.crew().add_traced([&](Worker& worker) {
      const auto mine = open_semaphore(worker, semaphore.host());
      if (!mine) return;
      worker.expect(mine->acquire(Deadline::never()).has_value(), "acquire failed");
      worker.arrive(0);
      worker.arm();
      worker.expect(mine->release().has_value(), "release failed");
      worker.disarm();
    });
    ASSERT_TRUE(owner.has_value()) << describe(owner.error());
    ASSERT_TRUE(semaphore.crew().await_arrival(*owner, 0, Deadline::after(kCallPatience)));
    semaphore.begin(0, Call::acquire, Deadline::after(kCallPatience));
    ASSERT_TRUE(semaphore.waits(0));
    const auto kill =
        kill_at_system_call(semaphore.crew().process(*owner), stop, Deadline::after(kCallPatience));
    ASSERT_TRUE(kill.has_value()) << describe(kill.error());
    over = !kill->fired;
    if (!over) {
      ++fired;
      context.fault_planned();
    }
    SCOPED_TRACE(over ? "not killed" : "owner killed " + kill->place());
    ASSERT_THAT(semaphore.finish(0), Succeeds()) << "the waiter sleeps on, though nobody holds it";
    EXPECT_THAT(semaphore.release(0), Succeeds());
    EXPECT_THAT(semaphore.acquire(0), SucceedsPlainly());
  }
  EXPECT_TRUE(over) << "the release did not come to its end in " << kMostStops << " stops";
  context.measured("kill_points", static_cast<double>(fired));
}

/// Workers that acquire and release without a pause; recorded. Those that are to be killed stay
/// when they are done, so that every kill meets a living process.
struct Traffic {
  static constexpr std::size_t kWorkers = 4;
  static constexpr std::size_t kVictims = 2;
  static constexpr std::uint64_t kRounds = 600;

  CaseContext& context;
  SemaphoreHost& host;
  history::Recorder recorder = history::Recorder::create(kWorkers, 2 * kRounds + 2);

  void work(Worker& worker) {
    RecordedSemaphore semaphore(worker, host, recorder.lane(worker.index()));
    if (!semaphore.ready()) return;
    worker.await_start();
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      if (!worker.expect(semaphore.acquire(), "a survivor did not get a unit")) return;
      if (!semaphore.release()) return;
      worker.step();
    }
    if (worker.index() < kVictims) worker.await(0);
  }

  bool add_to(Crew& crew) {
    for (std::size_t i = 0; i < kWorkers; ++i) {
      const auto added = crew.add([this](Worker& worker) { work(worker); });
      if (!added) {
        context.error("no worker: " + describe(added.error()));
        return false;
      }
    }
    return true;
  }

  /// Kills each victim at a moment of its own; answers who died when.
  std::vector<history::Death> kill_victims(Crew& crew, Random& random) {
    std::vector<history::Death> deaths;
    for (std::size_t victim = 0; victim < kVictims; ++victim) {
      context.fault_planned();
      static_cast<void>(
          crew.await_progress(victim, random.below(kRounds), Deadline::after(kCallPatience)));
      const std::int64_t at_ns = history::now_ns();
      if (crew.kill(victim)) deaths.push_back({static_cast<std::uint32_t>(victim), at_ns});
    }
    return deaths;
  }
};

std::uint64_t killed_inside(const history::History& history) {
  return static_cast<std::uint64_t>(
      std::count_if(history.calls.begin(), history.calls.end(),
                    [](const history::Call& call) { return call.killed; }));
}

// Killed at random moments of traffic without a pause, several times: survivors do all their
// rounds, and what was taken and given back can be explained by a semaphore that lost at most what
// the dead had.
SEMAPHORE_CASE(crashes, KilledInMidTraffic_SurvivorsFinishAndUnitsAreExplained,
               .applies = survives_calls) {
  const SemaphoreClaims& claims = context.semaphore().claims;
  const std::uint64_t storms = context.amount(4, 40, 1000);
  const bool lost = claims.owner_death == OwnerDeath::nothing;
  const std::int64_t units =
      lost ? static_cast<std::int64_t>(Traffic::kVictims) + 1 : 1;  // one is left for the others
  if (units > claims.largest_value) return context.error("claims leave no unit for survivors");
  Random random = context.random();
  std::uint64_t inside = 0;
  for (std::uint64_t storm = 0; context.another(storm, storms); ++storm) {
    const auto host = make_semaphore(context, units);
    if (!host) return;
    Traffic traffic{context, *host};
    Crew crew(Traffic::kWorkers);
    if (!traffic.add_to(crew)) return;
    ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
    const std::vector<history::Death> deaths = traffic.kill_victims(crew, random);
    if (!context.join(crew, Deadline::after(2 * kCallPatience))) return;
    history::History history = traffic.recorder.collect();
    for (const history::Death& death : deaths) history.mark_killed(death.process, death.at_ns);
    inside += killed_inside(history);
    const history::Verdict verdict = check_history(claims, units, history, std::nullopt);
    if (verdict.kind == history::Verdict::violation) {
      context.lanes(history::draw_lanes(history, verdict.culprits));
      FAIL() << context.info().subject << ": " << verdict.message;
    }
    if (verdict.kind == history::Verdict::unknown) {
      return context.error("a history could not be decided: " + verdict.message);
    }
  }
  context.measured("kills_inside_a_call", static_cast<double>(inside));
}

}  // namespace
}  // namespace gauntlet
