// Contract Region, crashes: what a killed writer leaves in the memory, and what a killed holder
// leaves of the object.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <chrono>

#include "base/limits.h"
#include "contracts/region/claims.h"
#include "contracts/region/matchers.h"
#include "contracts/region/stage.h"
#include "process/shared.h"

namespace gauntlet::region_suite {
namespace {

using Word = std::atomic<std::uint64_t>;

/// The words that a writer stores 1, 2, 3 … to in turn, one to a page and not at its start.
constexpr std::size_t kWords = 5;
std::size_t place_of(std::size_t word) { return word * (page_size() + 64) + 8; }
std::size_t words_size() { return place_of(kWords); }

using Words = std::array<std::uint64_t, kWords>;

/// What the words hold when exactly `stores` stores were done.
Words after(std::uint64_t stores) {
  Words words{};
  for (std::size_t word = 0; word < kWords; ++word) {
    const std::uint64_t turn = stores % kWords;
    words[word] = stores - turn + word;
    if (word > turn) words[word] = words[word] < kWords ? 0 : words[word] - kWords;
  }
  return words;
}

Word& word_of(Region& region, std::size_t word) {
  return *reinterpret_cast<Word*>(region.bytes().data() + place_of(word));
}

Words read_words(Region& region) {
  Words words{};
  for (std::size_t word = 0; word < kWords; ++word) words[word] = word_of(region, word).load();
  return words;
}

std::string told(const Words& words) { return testing::PrintToString(words); }

/// One writer, killed after a random number of stores; what a reader that was there and one that
/// comes later then see. Answers false when something was wrong.
bool kill_a_writer(CaseContext& context, std::uint64_t stores) {
  const auto host = make_region(context, words_size());
  if (host == nullptr) return false;
  struct Seen {
    Words before_view{};
    Words after_view{};
  };
  Shared<Seen> seen;
  Crew crew;
  const auto writer = crew.add([&](Worker& worker) {
    const auto region = open_region(worker, *host);
    if (region == nullptr) return;
    for (std::uint64_t i = 1; i < kLoopBound; ++i) {
      word_of(*region, i % kWords).store(i, std::memory_order_release);
      worker.step();  // after the store: so many are certainly done
    }
  });
  const auto reader = crew.add([&](Worker& worker) {
    const auto region = open_region(worker, *host);
    worker.arrive(0);
    worker.await(1);
    if (region == nullptr) return;
    seen->before_view = read_words(*region);
    const auto later = open_region(worker, *host);
    if (later != nullptr) seen->after_view = read_words(*later);
  });
  if (!writer || !reader) {
    context.error("no worker");
    return false;
  }
  context.fault_planned();
  EXPECT_TRUE(crew.await_arrival(*reader, 0, Deadline::after(kCallPatience)).has_value());
  EXPECT_TRUE(crew.await_progress(*writer, stores, Deadline::after(kCallPatience)).has_value());
  EXPECT_TRUE(crew.kill(*writer)) << "the writer ended before it was killed";
  const std::uint64_t certain = crew.progress(*writer);
  crew.proceed(*reader, 1);
  if (!context.join(crew)) return false;
  const bool stay = context.region().claims.writer_death == WriterDeath::stores_stay;
  const auto explained = [&](const Words& words) {
    return stay ? words == after(certain) || words == after(certain + 1) : words == Words{};
  };
  for (const Words* words : {&seen->before_view, &seen->after_view}) {
    EXPECT_TRUE(explained(*words))
        << (words == &seen->before_view ? "a view from before the death" : "a view opened later")
        << " shows " << told(*words) << ", which is not what " << certain << " stores leave, "
        << told(after(certain)) << ", nor one more";
  }
  return !testing::Test::HasFailure();
}

// Killed at a random moment between two stores: every store that was done is there, in order, and
// none that was not; with private copies, nothing is. Fails when stores wait in the dead process on
// their way to the others, or are rolled back.
REGION_CASE(
    crashes, WriterKilledBetweenTwoStores_ExactlyWhatItStoredStays,
    .applies = [](const RegionClaims& claims) {
      return claims.zero_filled && claims.writer_death != WriterDeath::unclaimed;
    }) {
  const std::uint64_t kills = context.amount(6, 80, 2000);
  Random random = context.random();
  for (std::uint64_t i = 0; i < kills; ++i) {
    if (!kill_a_writer(context, 1 + random.below(3000))) return;
  }
}

// A stopped writer is not a dead one, and what it stored so far is there for everybody.
REGION_CASE(crashes, WriterStopped_OthersSeeItsStoresAndGoOn, .applies = shares) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  context.fault_planned();
  ASSERT_TRUE(stage.crew().process(0).stop(Deadline::after(kCallPatience)).has_value());
  context.fault_fired();
  stage.expect_bytes(1, 0, bytes, "the writer is stopped");
  const std::vector<std::byte> more = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(1, 0, more), Succeeds());
  ASSERT_TRUE(stage.crew().process(0).resume().has_value());
  stage.expect_bytes(0, 0, more, "the writer goes on");
}

// A holder that is killed takes only its own view with it.
REGION_CASE(crashes, HolderKilled_OthersAndANewcomerGoOn, .applies = shares) {
  Stage stage(context, sample_size(), 3);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  stage.kill(0);
  stage.expect_bytes(1, 0, bytes, "the one that stored is dead");
  const std::size_t newcomer = stage.add_viewer();
  stage.expect_bytes(newcomer, 0, bytes, "a newcomer");
  const std::vector<std::byte> more = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(newcomer, 0, more), Succeeds());
  stage.expect_bytes(2, 0, more, "stored since");
}

// All holders are killed: an object with kernel or file system persistence is there for the next
// one, with its bytes.
REGION_CASE(
    crashes, AllHoldersKilled_PersistentBytesAreThereForTheNext,
    .applies = [](const RegionClaims& claims) {
      return named_and_shares(claims) && claims.persistence != Persistence::process;
    }) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  stage.host().let_go();
  stage.kill(0);
  stage.kill(1);
  const std::size_t newcomer = stage.add();
  ASSERT_THAT(stage.attach(newcomer), Succeeds());
  stage.expect_bytes(newcomer, 0, bytes, "after all holders were killed");
}

// An object that goes with its last view goes with a killed one, too. Fails when views are counted
// by those who end in order.
REGION_CASE(
    crashes, LastHolderKilled_ObjectIsGone, .applies = [](const RegionClaims& claims) {
      return named_and_shares(claims) && claims.gone_with_last_view;
    }) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  stage.host().let_go();
  const std::size_t newcomer = stage.add();
  stage.kill(0);
  ASSERT_THAT(stage.attach(newcomer), Succeeds()) << "while one view is left";
  ASSERT_THAT(stage.detach(newcomer), Succeeds());
  stage.kill(1);
  EXPECT_THAT(stage.attach(newcomer), Fails()) << "the last holder is dead and the object is there";
}

// Processes are killed at random moments while they and others open, store to and detach views:
// those that live go on, and what nobody stores to stays.
REGION_CASE(
    crashes, KilledWhileOthersAttach_SurvivorsSeeTheBytes,
    .applies = [](const RegionClaims& c) { return shares(c) && c.calls_survive_death; }) {
  constexpr std::size_t kWorkers = 4;
  constexpr std::size_t kVictims = 2;
  const std::uint64_t storms = context.amount(3, 40, 1000);
  const std::uint64_t rounds = 80;
  const std::size_t size = 2 * page_size();
  Random random = context.random();
  Stage keeper(context, size, 1);
  if (!keeper.ready()) return;
  const std::vector<std::byte> bytes = random_bytes(random, page_size());
  ASSERT_THAT(keeper.store(0, 0, bytes), Succeeds());
  for (std::uint64_t storm = 0; storm < storms; ++storm) {
    Crew crew;
    for (std::size_t i = 0; i < kWorkers; ++i) {
      ASSERT_TRUE(crew.add([&](Worker& worker) {
        const bool victim = worker.index() < kVictims;
        std::vector<std::byte> seen(bytes.size());
        worker.await_start();
        // A victim goes on until it is killed.
        for (std::uint64_t round = 0; round < (victim ? kLoopBound : rounds); ++round) {
          const auto region = open_region(worker, keeper.host());
          if (region == nullptr) return;
          if (victim) {
            store(bytes, region->bytes().data() + page_size());
          } else {
            const Touch touched = load(region->bytes().data(), seen);
            const std::string differs = touched.done() ? difference(bytes, seen) : "it faulted";
            if (!worker.expect(differs.empty(), "a survivor's view: " + differs)) return;
          }
          worker.step();
        }
      }));
    }
    ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
    for (std::size_t victim = 0; victim < kVictims; ++victim) {
      context.fault_planned();
      ASSERT_TRUE(
          crew.await_progress(victim, random.below(rounds), Deadline::after(kCallPatience)));
      EXPECT_TRUE(crew.kill(victim));
    }
    if (!context.join(crew)) return;
  }
  keeper.expect_bytes(0, 0, bytes, "after the storms");
}

}  // namespace
}  // namespace gauntlet::region_suite
