// Contract Semaphore, overload: more processes than cores, dozens of waiters, limits reached.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "contracts/semaphore/claims.h"
#include "contracts/semaphore/matchers.h"
#include "contracts/semaphore/opening.h"
#include "process/shared.h"
#include "support/quiet.h"

namespace gauntlet {
namespace {

using Call = CommandedSemaphore::Call;

std::size_t cores() { return std::max<std::size_t>(1, std::thread::hardware_concurrency()); }

/// What crowds of workers count.
struct Crowd {
  static constexpr std::size_t kMost = 64;
  std::atomic<std::int64_t> inside{0};
  std::atomic<std::int64_t> most_inside{0};
  std::atomic<std::uint64_t> turns[kMost];
  std::atomic<std::uint64_t> turns_when_first_finished[kMost];
  std::atomic<bool> first_finished{false};
};

void count_inside(Crowd& crowd) {
  const std::int64_t inside = crowd.inside.fetch_add(1) + 1;
  std::int64_t most = crowd.most_inside.load();
  while (inside > most && !crowd.most_inside.compare_exchange_weak(most, inside)) {
  }
  crowd.inside.fetch_sub(1);
}

/// Four workers a core take turns on `units` units; answers false when that was not possible, which
/// has been told.
bool run_crowd(CaseContext& context, std::int64_t units, std::uint64_t rounds, Crowd& crowd,
               std::size_t workers) {
  const auto host = make_semaphore(context, units);
  if (!host) return false;
  Crew crew(workers);
  for (std::size_t i = 0; i < workers; ++i) {
    const auto added = crew.add([&](Worker& worker) {
      const auto semaphore = open_semaphore(worker, *host);
      if (!semaphore) return;
      worker.await_start();
      for (std::uint64_t round = 0; round < rounds; ++round) {
        if (!worker.expect(semaphore->acquire(Deadline::never()).has_value(), "acquire failed")) {
          return;
        }
        count_inside(crowd);
        crowd.turns[worker.index()].fetch_add(1);
        if (!worker.expect(semaphore->release().has_value(), "release failed")) return;
        worker.step();
      }
      if (crowd.first_finished.exchange(true)) return;
      for (std::size_t other = 0; other < workers; ++other) {
        crowd.turns_when_first_finished[other].store(crowd.turns[other].load());
      }
    });
    if (!added) {
      context.error("no worker: " + describe(added.error()));
      return false;
    }
  }
  const std::int64_t begun_ns = monotonic_ns();
  if (!crew.start(Deadline::after(kCallPatience))) {
    context.error("the crowd did not come to its start line");
    return false;
  }
  if (!await_end_or_stuck(context, crew, "everyone sleeps and units are free: lost wake-up")) {
    return false;
  }
  const auto seconds = static_cast<double>(monotonic_ns() - begun_ns) / 1e9;
  context.measured("acquires_per_s", static_cast<double>(rounds * workers) / seconds);
  return true;
}

void tell_fairness(CaseContext& context, const Crowd& crowd, std::size_t workers) {
  std::uint64_t sum = 0;
  std::uint64_t least = UINT64_MAX;
  for (std::size_t i = 0; i < workers; ++i) {
    const std::uint64_t turns = crowd.turns_when_first_finished[i].load();
    sum += turns;
    least = std::min(least, turns);
  }
  const double average = static_cast<double>(sum) / static_cast<double>(workers);
  context.measured("fairness_min_share_percent",
                   average == 0 ? 0 : 100.0 * static_cast<double>(least) / average);
}

// Four times as many processes as cores on one unit: everyone does all its rounds, never two at a
// time.
SEMAPHORE_CASE(overload, FourProcessesACoreOnOneUnit_EveryoneFinishes) {
  const std::size_t workers = std::min(4 * cores(), Crowd::kMost);
  const std::uint64_t rounds = context.amount(400, 5000, 100'000);
  Shared<Crowd> crowd;
  if (!run_crowd(context, 1, rounds, *crowd, workers)) return;
  for (std::size_t i = 0; i < workers; ++i) EXPECT_EQ(crowd->turns[i].load(), rounds);
  EXPECT_EQ(crowd->most_inside.load(), 1) << "more than one process held the only unit";
  tell_fairness(context, *crowd, workers);
}

// The same on several units: never more inside than units, and all units are there afterwards.
SEMAPHORE_CASE(overload, FourProcessesACoreOnThreeUnits_NeverMoreInside, .applies = counts) {
  const std::size_t workers = std::min(4 * cores(), Crowd::kMost);
  const std::uint64_t rounds = context.amount(400, 5000, 100'000);
  constexpr std::int64_t kUnits = 3;
  Shared<Crowd> crowd;
  if (!run_crowd(context, kUnits, rounds, *crowd, workers)) return;
  EXPECT_LE(crowd->most_inside.load(), kUnits);
  EXPECT_GE(crowd->most_inside.load(), 1);
  tell_fairness(context, *crowd, workers);
}

// A dozen sleepers and one unit that goes from one to the next: nobody is forgotten.
SEMAPHORE_CASE(
    overload, ADozenSleepers_EachGetsATurn,
    .applies = [](const SemaphoreClaims& claims) { return claims.sleeps; }) {
  constexpr std::size_t kSleepers = 12;
  CommandedSemaphore semaphore(context, 1, kSleepers + 1);
  if (!semaphore.ready()) return;
  std::size_t holder = kSleepers;
  ASSERT_THAT(semaphore.acquire(holder), Succeeds());
  std::vector<std::size_t> waiting;
  for (std::size_t sleeper = 0; sleeper < kSleepers; ++sleeper) {
    semaphore.begin(sleeper, Call::acquire, Deadline::after(kCallPatience));
    waiting.push_back(sleeper);
    ASSERT_TRUE(semaphore.waits(sleeper));  // in the order of their calls
  }
  bool in_order = true;
  for (std::size_t turn = 0; turn < kSleepers; ++turn) {
    ASSERT_THAT(semaphore.release(holder), Succeeds());
    Answer answer;
    holder = semaphore.finish_any(waiting, answer);
    ASSERT_THAT(answer, SucceedsPlainly()) << waiting.size() << " sleepers are left";
    in_order = in_order && holder == turn;
  }
  context.observed("sleepers_woken", in_order ? "in the order of their calls" : "in another order");
  if (context.semaphore().claims.fairness == Fairness::fifo) {
    EXPECT_TRUE(in_order) << "fifo fairness is claimed";
  }
}

// Units far beyond the number of processes are counted exactly: what was given can be taken.
SEMAPHORE_CASE(overload, ReleaseStorm_EveryUnitCanBeTaken, .applies = counts) {
  constexpr std::size_t kGivers = 4;
  const std::uint64_t each = std::min<std::uint64_t>(
      context.amount(1000, 5000, 7000),
      static_cast<std::uint64_t>(context.semaphore().claims.largest_value) / kGivers);
  const auto host = make_semaphore(context, 0);
  if (!host) return;
  Crew crew;
  for (std::size_t i = 0; i < kGivers; ++i) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      const auto semaphore = open_semaphore(worker, *host);
      if (!semaphore) return;
      worker.await_start();
      for (std::uint64_t unit = 0; unit < each; ++unit) {
        if (!worker.expect(semaphore->release().has_value(), "release failed")) return;
      }
    }));
  }
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  if (!context.join(crew)) return;
  Crew taker;
  Shared<std::uint64_t> taken;
  ASSERT_TRUE(taker.add([&](Worker& worker) {
    const auto semaphore = open_semaphore(worker, *host);
    while (semaphore && *taken <= kGivers * each && semaphore->try_acquire()) ++*taken;
  }));
  if (!context.join(taker)) return;
  EXPECT_EQ(*taken, kGivers * each);
}

// A process without a free descriptor is told so when it attaches, and attaches once it has one.
SEMAPHORE_CASE(
    overload, AttachWithoutAFreeDescriptor_IsRefusedOrNeedsNone,
    .applies = [](const SemaphoreClaims& claims) { return claims.reach == Reach::named; }) {
  const auto host = make_semaphore(context, 1);
  if (!host) return;
  const std::string address = host->address();
  const auto attach = context.semaphore().attach;
  Crew crew;
  Shared<bool> needed_one;
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    const auto refused = attach(address);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    *needed_one = !refused.has_value();
    worker.expect(refused || refused.error() == Code::exhausted,
                  refused ? "" : "not said to be exhausted: " + describe(refused.error()));
    const auto attached = attach(address);
    if (!worker.expect(attached.has_value(), "attach failed with free descriptors")) return;
    worker.expect((*attached)->try_acquire().has_value(), "the unit is gone");
    worker.expect((*attached)->release().has_value(), "release failed");
  }));
  context.join(crew);
  context.observed("attach_needs_a_descriptor", *needed_one ? "yes" : "no");
}

}  // namespace
}  // namespace gauntlet
