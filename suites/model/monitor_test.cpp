// A monitor explains nothing that its scenario's judge refuses: histories of the reference, as they
// are and spoilt, before both.
#include "history/monitor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/seed.h"
#include "history/lanes.h"
#include "model/reference_scenarios.h"
#include "schedule/explore.h"

namespace gauntlet::schedule {
namespace {

using history::Call;
using history::History;
using history::Op;
using history::Outcome;

constexpr std::size_t kWidth = 100;

std::vector<Ending> some_endings(Scenario scenario, std::uint64_t seed) {
  std::vector<Ending> endings;
  scenario.judge = [&endings](const Ending& ending) {
    endings.push_back(ending);
    endings.back().region = nullptr;
    return std::string();
  };
  for (const Search search : {Search::pct, Search::walk, Search::random}) {
    Options options;
    options.search = search;
    options.seed = seed;
    options.most_executions = 400;
    const Exploration result = explore(scenario, options);
    EXPECT_TRUE(result.clean()) << result.error;
  }
  return endings;
}

/// No two events are at the same time, and there is room between any two.
constexpr std::int64_t kRoom = 16;
void make_room(History& history) {
  for (Call& call : history.calls) {
    call.invoked_ns *= kRoom;
    if (call.returned_ns >= 0) call.returned_ns *= kRoom;
  }
  for (history::Death& death : history.deaths) death.at_ns *= kRoom;
}

bool is_in_order(const History& history, const Call& call) {
  if (call.returned_ns >= 0 && call.returned_ns <= call.invoked_ns) return false;
  return std::all_of(history.calls.begin(), history.calls.end(), [&](const Call& other) {
    if (&other == &call || other.process != call.process) return true;
    const bool other_first = other.invoked_ns < call.invoked_ns;
    const Call& first = other_first ? other : call;
    const Call& second = other_first ? call : other;
    return first.returned_ns >= 0 && first.returned_ns < second.invoked_ns;
  });
}

/// Changes one thing. False: that would be no history, or the same one.
bool spoil(History& history, Random& random) {
  if (history.calls.empty()) return false;
  Call& call = history.calls[random.below(history.calls.size())];
  const Call& other = history.calls[random.below(history.calls.size())];
  const Call before = call;
  // A time that no other event has.
  const std::int64_t at = static_cast<std::int64_t>(random.below(history.calls.size() * 3) * kRoom +
                                                    1 + random.below(kRoom - 1));
  switch (random.below(5)) {
    case 0:
      if (call.op == Op::send || history::never_returned(call)) return false;
      call.value = call.op == Op::value ? random.below(3) : other.value;
      break;
    case 1: {
      constexpr Outcome kOutcomes[] = {Outcome::ok, Outcome::timed_out, Outcome::would_block};
      if (history::never_returned(call)) return false;
      call.outcome = kOutcomes[random.below(3)];
      if (call.op == Op::receive && call.outcome == Outcome::ok) call.value = other.value;
      break;
    }
    case 2:
      if (call.returned_ns < 0) return false;
      call.returned_ns = at;
      break;
    case 3:
      call.invoked_ns = at;
      break;
    default: {  // its process dies in it, if that is its last call and nobody is dead
      const bool is_last =
          std::none_of(history.calls.begin(), history.calls.end(), [&](const Call& later) {
            return later.process == call.process && later.invoked_ns > call.invoked_ns;
          });
      if (!is_last || !history.deaths.empty() || call.returned_ns < 0) return false;
      history.deaths.push_back({call.process, call.returned_ns});
      call.outcome = Outcome::unknown;
      call.killed = true;
      call.returned_ns = -1;
      break;
    }
  }
  if (call == before || !is_in_order(history, call)) return false;
  for (const history::Death& death : history.deaths) {
    if (death.process == call.process && std::max(call.invoked_ns, call.returned_ns) >= death.at_ns)
      return false;
  }
  history.sort();
  return true;
}

struct Tally {
  int explained = 0;
  int refused_by_judge = 0;
  int refused_by_both = 0;
  int refused_by_monitor = 0;
};

/// What the judge refuses, the monitor does not explain.
Tally compare(const Scenario& scenario, std::uint64_t seed) {
  constexpr int kSpoiltEach = 20;
  Random random(seed);
  Tally tally;
  const auto monitor = scenario.monitor();
  for (Ending& ending : some_endings(scenario, seed)) {
    EXPECT_EQ(scenario.judge(ending), "");
    EXPECT_TRUE(monitor->explains(follow(*monitor, ending.history)))
        << history::draw_lanes(ending.history, {}, kWidth);
    make_room(ending.history);
    for (int i = 0; i < kSpoiltEach; ++i) {
      Ending spoilt = ending;
      bool changed = false;
      for (std::uint64_t left = 1 + random.below(3); left > 0; --left) {
        History history = spoilt.history;
        if (!spoil(history, random)) continue;
        spoilt.history = history;
        changed = true;
      }
      if (!changed) continue;
      const std::string wrong = scenario.judge(spoilt);
      const bool explained = monitor->explains(follow(*monitor, spoilt.history));
      EXPECT_FALSE(explained && !wrong.empty()) << wrong << "\n"
                                                << history::draw_lanes(spoilt.history, {}, kWidth);
      tally.explained += explained ? 1 : 0;
      tally.refused_by_judge += wrong.empty() ? 0 : 1;
      tally.refused_by_both += !wrong.empty() && !explained ? 1 : 0;
      tally.refused_by_monitor += wrong.empty() && !explained ? 1 : 0;
    }
    if (testing::Test::HasFailure()) break;
  }
  return tally;
}

void expect_no_more_is_explained(const Scenario& scenario) {
  const Tally tally = compare(scenario, 7);
  std::printf("%d explained, %d refused by both, %d by the monitor alone\n", tally.explained,
              tally.refused_by_both, tally.refused_by_monitor);
  // Else nothing was compared.
  EXPECT_GT(tally.explained, 100);
  EXPECT_GT(tally.refused_by_both, 100);
  EXPECT_EQ(tally.refused_by_both, tally.refused_by_judge);
}

TEST(Monitor, OfAChannel_ExplainsNothingThatTheJudgeRefuses) {
  for (const std::uint32_t deaths : {0U, 1U}) {
    expect_no_more_is_explained(channel_calls(1, {"ss", "sr", "rr"}, deaths));
    expect_no_more_is_explained(channel_calls(2, {"sss", "rrr"}, deaths));
  }
}
TEST(Monitor, OfASemaphore_ExplainsNothingThatTheJudgeRefuses) {
  expect_no_more_is_explained(semaphore_calls({}, {"arv", "ar", "arv"}, 0));
  expect_no_more_is_explained(semaphore_calls({.returned_on_death = true}, {"arv", "ar", "ar"}, 1));
}
TEST(Monitor, OfARendezvous_ExplainsNothingThatTheJudgeRefuses) {
  for (const std::uint32_t deaths : {0U, 1U}) {
    expect_no_more_is_explained(rendezvous_calls({"ss", "ss", "rrrr"}, deaths));
  }
}
TEST(Monitor, OfABroadcast_ExplainsNothingThatTheJudgeRefuses) {
  for (const std::uint32_t deaths : {0U, 1U}) {
    expect_no_more_is_explained(
        broadcast_calls({.workload = {"ss", "rr", "rr"}, .deaths = deaths}));
    expect_no_more_is_explained(
        broadcast_calls({.workload = {"sss", "ss", "rrrrr"}, .deaths = deaths}));
  }
}

}  // namespace
}  // namespace gauntlet::schedule
