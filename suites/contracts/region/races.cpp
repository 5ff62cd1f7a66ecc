// Contract Region, races: words that several processes load and store at the same time, at
// addresses of their own.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <vector>

#include "base/limits.h"
#include "contracts/region/claims.h"
#include "contracts/region/stage.h"
#include "history/lanes.h"
#include "history/recorder.h"
#include "history/register.h"
#include "process/shared.h"
#include "support/own_cpu.h"

namespace gauntlet::region_suite {
namespace {

using Word = std::atomic<std::uint64_t>;
static_assert(sizeof(Word) == 8 && Word::is_always_lock_free);

/// The `number`-th aligned word of a view.
Word& word_at(Region& region, std::size_t number) {
  return reinterpret_cast<Word*>(region.bytes().data())[number];
}

/// Forks `count` workers, each with a view of `host` and a CPU of its own, and lets them go at
/// once. Answers true when all ended well.
template <class Body>
bool race(CaseContext& context, RegionHost& host, std::size_t count, const Body& body) {
  Crew crew(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto added = crew.add([&](Worker& worker) {
      const auto region = open_region(worker, host);
      if (region == nullptr) return;
      take_own_cpu(worker.index());
      worker.await_start();
      body(worker, *region);
    });
    if (!added) {
      context.error("no worker: " + gauntlet::describe(added.error()));
      return false;
    }
  }
  if (!crew.start(Deadline::after(kCallPatience))) {
    context.error("the workers did not come to their start line");
    return false;
  }
  return context.join(crew, Deadline::after(2 * kCallPatience));
}

/// Waits by looking until `holds` does, at most as long as a call may take.
template <class Condition>
bool spin_until(const Condition& holds) {
  const Deadline patience = Deadline::after(kCallPatience);
  for (std::uint64_t looks = 1; !holds(); ++looks) {
    if (looks % 4096 != 0) continue;
    if (patience.expired()) return false;
    ::sched_yield();  // the other may need this CPU
  }
  return true;
}

/// Rounds of two that hand over to each other. Where each hand-over waits for a turn of the
/// scheduler, beside much other work, they end early: `last` is told before the word that lets the
/// other go on.
class Rounds {
 public:
  explicit Rounds(std::uint64_t most) { *last_ = most; }
  bool more(std::uint64_t round) const { return round <= *last_; }
  /// By the one of the two who leads.
  void lead(std::uint64_t round) const {
    if (enough_.expired()) *last_ = std::min(*last_, round);
  }

 private:
  Shared<std::uint64_t> last_;
  Deadline enough_ = Deadline::after(std::chrono::seconds(30));
};

// Aligned words behave like words of one memory: in one order that everybody agrees on and that
// keeps to the times of the calls. Fails when views are not of the same pages, when one of them
// shows a copy, or when a store is done in parts.
REGION_CASE(races, WordsUnderContention_AreLinearizable,
            .clause = "claims: coherence; XBD 4.15.2 Memory Synchronization", .applies = shares) {
  constexpr std::size_t kWorkers = 4;
  constexpr std::size_t kWords = 3;
  constexpr std::size_t kApart = 700;  // words: one to a page, and not at its start
  const std::uint64_t calls = context.amount(1500, 20'000, 200'000);
  const auto host = make_region(context, kWords * kApart * sizeof(Word));
  if (host == nullptr) return;
  std::vector<history::Recorder> recorders;
  for (std::size_t word = 0; word < kWords; ++word) {
    recorders.push_back(history::Recorder::create(kWorkers, calls));
    if (!recorders.back().ok()) return context.error("no memory for the history");
  }
  const bool ran = race(context, *host, kWorkers, [&](Worker& worker, Region& region) {
    Random random = context.random(worker.index());
    std::array<Word*, kWords> words{};
    for (std::size_t word = 0; word < kWords; ++word) words[word] = &word_at(region, word * kApart);
    for (std::uint64_t i = 1; i <= calls; ++i) {
      const std::size_t word = random.below(kWords);
      history::Lane lane = recorders[word].lane(worker.index());
      if (random.chance(0.4)) {
        const std::uint64_t value = i * kWorkers + worker.index();  // nobody else stores it
        const history::Token token = lane.invoke(history::Op::store, value);
        words[word]->store(value, std::memory_order_relaxed);
        lane.respond(token, history::Outcome::ok);
      } else {
        const history::Token token = lane.invoke(history::Op::load);
        const std::uint64_t value = words[word]->load(std::memory_order_relaxed);
        lane.respond(token, history::Outcome::ok, value);
      }
    }
  });
  if (!ran) return;
  for (std::size_t word = 0; word < kWords; ++word) {
    const history::History history = recorders[word].collect();
    const history::Verdict verdict = history::check_register(history, {});
    if (verdict.kind == history::Verdict::valid) continue;
    if (verdict.kind == history::Verdict::unknown) return context.error(verdict.message);
    context.lanes(history::draw_lanes(history, verdict.culprits));
    FAIL() << context.info().subject << ", word " << word << ": " << verdict.message;
  }
}

// Data first, then the flag with release; who sees the flag with acquire sees the data, whole.
// Fails when the two take different ways to the reader, in this order or another.
REGION_CASE(races, FlagSeen_DataIsWhole,
            .clause = "claims: coherence; C++20 [atomics.order] release and acquire",
            .applies = shares) {
  constexpr std::size_t kData = 512;  // words: a page, so that flag and data lie in several
  constexpr std::size_t kFlag = 0;
  constexpr std::size_t kAnswer = 64;
  constexpr std::size_t kFirst = 256;
  const Rounds rounds(context.amount(400, 5000, 100'000));
  const auto host = make_region(context, (kFirst + kData) * sizeof(Word));
  if (host == nullptr) return;
  race(context, *host, 2, [&](Worker& worker, Region& region) {
    Word& flag = word_at(region, kFlag);
    Word& answer = word_at(region, kAnswer);
    for (std::uint64_t round = 1; rounds.more(round); ++round) {
      if (worker.index() == 0) {
        rounds.lead(round);
        // Plain stores of data, as programs do it.
        auto* const data = reinterpret_cast<std::uint64_t*>(&word_at(region, kFirst));
        for (std::size_t i = 0; i < kData; ++i) data[i] = round + i;
        flag.store(round, std::memory_order_release);
        const auto answered = [&] { return answer.load(std::memory_order_acquire) == round; };
        if (!worker.expect(spin_until(answered), "the reader never saw the flag")) return;
        continue;
      }
      const auto seen = [&] { return flag.load(std::memory_order_acquire) == round; };
      if (!worker.expect(spin_until(seen), "the flag was never seen")) return;
      for (std::size_t i = kData; i-- > 0;) {  // the last word is the one stored last
        const std::uint64_t value = word_at(region, kFirst + i).load(std::memory_order_relaxed);
        if (worker.expect(value == round + i,
                          value == round + i
                              ? ""
                              : fmt::format("flag {} was seen before the data: word {} is {}",
                                            round, i, value))) {
          continue;
        }
        return;
      }
      answer.store(round, std::memory_order_release);
    }
  });
}

// Two processes store one word each and then load the other's, sequentially consistent: they cannot
// both find nothing. Fails when a store may stay out of sight of the other behind a later load.
REGION_CASE(races, BothStoreThenLoad_OneOfThemSeesTheOther,
            .clause = "claims: coherence; C++20 [atomics.order] seq_cst", .applies = shares) {
  const Rounds rounds(context.amount(2000, 30'000, 500'000));
  constexpr std::size_t kApart = 512;  // words: another page
  const auto host = make_region(context, 4 * kApart * sizeof(Word));
  if (host == nullptr) return;
  struct Seen {
    std::uint64_t round[2];
  };
  Shared<Seen> seen;
  race(context, *host, 2, [&](Worker& worker, Region& region) {
    const std::size_t me = worker.index();
    Word& mine = word_at(region, me * kApart);
    Word& others = word_at(region, (1 - me) * kApart);
    Word& my_turn = word_at(region, (2 + me) * kApart);
    Word& others_turn = word_at(region, (3 - me) * kApart);
    for (std::uint64_t round = 1; rounds.more(round); ++round) {
      if (me == 0) rounds.lead(round);
      mine.store(round, std::memory_order_seq_cst);
      seen->round[me] = others.load(std::memory_order_seq_cst);
      my_turn.store(2 * round, std::memory_order_release);
      const auto both_loaded = [&] {
        return others_turn.load(std::memory_order_acquire) >= 2 * round;
      };
      if (!worker.expect(spin_until(both_loaded), "the other never came")) return;
      if (me == 0 &&
          !worker.expect(seen->round[0] >= round || seen->round[1] >= round,
                         fmt::format("in round {} neither saw the store of the other", round))) {
        my_turn.store(UINT64_MAX, std::memory_order_release);
        return;
      }
      my_turn.store(2 * round + 1, std::memory_order_release);
      const auto both_judged = [&] {
        return others_turn.load(std::memory_order_acquire) >= 2 * round + 1;
      };
      if (!worker.expect(spin_until(both_judged), "the other never came")) return;
    }
  });
}

// An atomic addition is one in every view: none is lost, though all add to the same word. Fails
// when views are of different pages for a moment, or an addition is a load and a store.
REGION_CASE(races, AdditionsOfAllProcesses_NoneIsLost,
            .clause = "claims: coherence; C++20 [atomics.order] read-modify-write",
            .applies = shares) {
  constexpr std::size_t kWorkers = 4;
  const std::uint64_t rounds = context.amount(20'000, 300'000, 3'000'000);
  const auto host = make_region(context, sample_size());
  if (host == nullptr) return;
  Shared<std::uint64_t> sum;
  const bool ran = race(context, *host, kWorkers, [&](Worker& worker, Region& region) {
    for (std::uint64_t i = 0; i < rounds; ++i) {
      word_at(region, 1).fetch_add(1, std::memory_order_relaxed);
    }
    word_at(region, 0).fetch_add(1, std::memory_order_acq_rel);
    const auto all_done = [&] { return word_at(region, 0).load() == kWorkers; };
    if (worker.index() == 0 && worker.expect(spin_until(all_done), "the others never ended")) {
      *sum = word_at(region, 1).load();
    }
  });
  if (!ran) return;
  EXPECT_EQ(*sum, kWorkers * rounds) << "additions were lost";
}

// Each process has every fourth byte for itself: a store of one byte takes none of its neighbours
// along. Fails when a store is the load, change and store of something wider.
REGION_CASE(races, NeighbouringBytesOfSeveralProcesses_StayApart,
            .clause = "C++20 [intro.memory] memory locations; POSIX.1-2024 XBD 4.15.1",
            .applies = shares) {
  constexpr std::size_t kWorkers = 4;
  const std::uint64_t rounds = context.amount(200, 3000, 50'000);
  constexpr std::size_t kBytes = 1024;
  const auto host = make_region(context, kBytes);
  if (host == nullptr) return;
  race(context, *host, kWorkers, [&](Worker& worker, Region& region) {
    auto* const bytes = reinterpret_cast<volatile std::uint8_t*>(region.bytes().data());
    for (std::uint64_t round = 1; round <= rounds; ++round) {
      const auto mark = static_cast<std::uint8_t>(round * 4 + worker.index());
      for (std::size_t i = worker.index(); i < kBytes; i += kWorkers) bytes[i] = mark;
      for (std::size_t i = worker.index(); i < kBytes; i += kWorkers) {
        const std::uint8_t found = bytes[i];
        if (found == mark) continue;
        worker.expect(false,
                      fmt::format("byte {} is {:#04x}, its only writer stored {:#04x}", i,
                                  static_cast<unsigned>(found), static_cast<unsigned>(mark)));
        return;
      }
    }
  });
}

}  // namespace
}  // namespace gauntlet::region_suite
