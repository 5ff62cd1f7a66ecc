// Contract Region, races: create, attach, resize, refresh, detach and remove at the same time.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "base/limits.h"
#include "contracts/region/claims.h"
#include "contracts/region/stage.h"
#include "process/shared.h"
#include "support/own_cpu.h"

namespace gauntlet::region_suite {
namespace {

bool chosen(const RegionClaims& claims) {
  return claims.reach == Reach::named && claims.chosen_address && claims.zero_filled &&
         claims.exact_size;
}
bool removable(const RegionClaims& claims) { return chosen(claims) && claims.removable_in_use; }
bool resizes(const RegionClaims& claims) {
  return shares(claims) && claims.resizing == Resizing::grow_and_shrink;
}

/// An address that a region of the subject had and that is free again.
std::string free_address(CaseContext& context) {
  const auto made = make_region(context, 1);
  return made == nullptr ? "" : made->address();
}

/// What is wrong with a region of `size` zeros that somebody just attached to, or "".
std::string half_made(Region& region, std::size_t size) {
  const std::span<std::byte> bytes = region.bytes();
  if (bytes.size() != size) return fmt::format("it has {} bytes, not {}", bytes.size(), size);
  std::vector<std::byte> seen(size);
  const Touch touched = load(bytes.data(), seen);
  if (!touched.done()) {
    return fmt::format("signal {} at byte {} of {}", touched.signal, touched.bytes_before, size);
  }
  const bool zero = std::ranges::all_of(seen, [](std::byte byte) { return byte == std::byte{0}; });
  return zero ? "" : "it is not all zero";
}

/// Rounds that all workers begin together.
struct Rounds {
  std::atomic<std::uint64_t> arrived{0};
  std::atomic<std::uint64_t> made{0};  ///< creators that made it, over all rounds
  std::atomic<std::uint64_t> seen{0};  ///< openers that attached

  /// Waits until all `workers` have come to the end of their `round`-th round, from 1.
  bool meet(std::uint64_t round, std::size_t workers) {
    arrived.fetch_add(1);
    const Deadline patience = Deadline::after(kCallPatience);
    for (std::uint64_t looks = 1; arrived.load() < round * workers; ++looks) {
      if (looks % 1024 != 0) continue;
      if (patience.expired()) return false;
      ::sched_yield();
    }
    return true;
  }
};

// Creators and openers of one address at once: one creator makes it, and who attaches finds it
// whole, of the right size and zero. Fails when the name is there before the size or the contents
// (shm_open and ftruncate are two calls), or when two creators both believe that it is theirs.
REGION_CASE(races, CreatorsAndOpenersAtOnce_OneMakesItAndNobodySeesItHalfMade, .applies = chosen) {
  constexpr std::size_t kCreators = 2;
  constexpr std::size_t kWorkers = 4;
  const std::uint64_t rounds = context.amount(40, 600, 10'000);
  const std::size_t size = sample_size();
  const std::string address = free_address(context);
  if (address.empty()) return;
  Shared<Rounds> shared;
  const RegionSubject& subject = context.region();
  const RegionOptions options{.size = size, .scope = context.scope(), .address = address};
  Crew crew;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      take_own_cpu(worker.index());
      worker.await_start();
      for (std::uint64_t round = 1; round <= rounds; ++round) {
        std::unique_ptr<RegionHost> host;
        std::unique_ptr<Region> region;
        if (worker.index() < kCreators) {
          auto created = subject.create(options);
          if (created) host = std::move(*created);
          worker.expect(created || created.error().system_errno == EEXIST,
                        created ? "" : "create: " + gauntlet::describe(created.error()));
          shared->made.fetch_add(created ? 1 : 0);
        } else {
          const Deadline patience = Deadline::after(kCallPatience);
          while (region == nullptr && !patience.expired()) {
            auto attached = subject.attach(address, {});
            if (attached) region = std::move(*attached);
          }
          if (!worker.expect(region != nullptr, "what was made could never be attached")) return;
          const std::string wrong = half_made(*region, size);
          worker.expect(wrong.empty(), "attached to a region that was half made: " + wrong);
          shared->seen.fetch_add(1);
        }
        if (!worker.expect(shared->meet(2 * round - 1, kWorkers), "the others never came")) return;
        region.reset();
        host.reset();  // the name goes
        if (!worker.expect(shared->meet(2 * round, kWorkers), "the others never came")) return;
      }
    }));
  }
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  if (!context.join(crew, Deadline::after(2 * kCallPatience))) return;
  EXPECT_EQ(shared->made.load(), rounds) << "creators that made it, in " << rounds << " rounds";
  EXPECT_EQ(shared->seen.load(), rounds * (kWorkers - kCreators));
}

// One process makes and removes the name all the time while others attach: who attaches finds a
// whole region, which stays whole for as long as its view lives. Fails when the removal takes the
// memory with it, or an opener gets hold of what is being taken apart.
REGION_CASE(races, NameMadeAndRemovedAllTheTime_WhoAttachesHasAWholeRegion, .applies = removable) {
  constexpr std::size_t kWorkers = 3;
  const std::uint64_t rounds = context.amount(150, 2000, 40'000);
  const std::size_t size = page_size() + 10;
  const std::string address = free_address(context);
  if (address.empty()) return;
  struct Ends {
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> attached{0};
  };
  Shared<Ends> ends;
  const RegionSubject& subject = context.region();
  const RegionOptions options{.size = size, .scope = context.scope(), .address = address};
  Crew crew;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      take_own_cpu(worker.index());
      worker.await_start();
      if (worker.index() == 0) {
        const Deadline patience = Deadline::after(kCallPatience);
        for (std::uint64_t round = 0;
             round < rounds || (ends->attached.load() == 0 && !patience.expired()); ++round) {
          const auto host = subject.create(options);
          if (!worker.expect(host.has_value(),
                             host ? "" : "create: " + gauntlet::describe(host.error()))) {
            break;
          }
        }
        ends->over.store(true);
        return;
      }
      while (!ends->over.load()) {
        const auto region = subject.attach(address, {});
        if (!region) continue;
        ends->attached.fetch_add(1);
        for (int look = 0; look < 2; ++look) {
          const std::string wrong = half_made(**region, size);
          if (!worker.expect(wrong.empty(), "attached to a region that is not whole: " + wrong)) {
            return;
          }
        }
      }
    }));
  }
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  if (!context.join(crew, Deadline::after(2 * kCallPatience))) return;
  EXPECT_GT(ends->attached.load(), 0U) << "nobody ever attached: the race did not happen";
  context.measured("attached", static_cast<double>(ends->attached.load()));
}

// One process grows and shrinks the region while others refresh: a refreshed view is of one of the
// sizes and can be loaded as far as no size is smaller. Fails when the new size is told before the
// memory is there, or the view is mapped with a size that was true before.
REGION_CASE(races, ResizedWhileOthersRefresh_ViewsHaveOneOfTheSizes, .applies = resizes) {
  constexpr std::size_t kWorkers = 3;
  const std::uint64_t rounds = context.amount(300, 4000, 80'000);
  const std::size_t sizes[] = {page_size(), 2 * page_size() + 5, 5 * page_size()};
  const auto host = make_region(context, sizes[0]);
  if (host == nullptr) return;
  Shared<std::atomic<bool>> over;
  Crew crew;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      const auto region = open_region(worker, *host);
      if (region == nullptr) return;
      Random random = context.random(worker.index());
      take_own_cpu(worker.index());
      worker.await_start();
      for (std::uint64_t round = 0; worker.index() == 0 && round < rounds; ++round) {
        const Status resized = region->resize(sizes[random.below(std::size(sizes))]);
        if (!worker.expect(resized.has_value(),
                           resized ? "" : "resize: " + gauntlet::describe(resized.error()))) {
          break;
        }
      }
      if (worker.index() == 0) {
        over->store(true);
        return;
      }
      std::vector<std::byte> least(sizes[0]);
      while (!over->load()) {
        const Status refreshed = region->refresh();
        if (!worker.expect(refreshed.has_value(),
                           refreshed ? "" : gauntlet::describe(refreshed.error()))) {
          return;
        }
        const std::size_t size = region->bytes().size();
        if (!worker.expect(std::ranges::find(sizes, size) != std::end(sizes),
                           fmt::format("a view of {} bytes, which it never had", size))) {
          return;
        }
        const Touch touched = load(region->bytes().data(), least);
        if (!worker.expect(touched.done(), "a byte that every size has cannot be loaded")) return;
      }
    }));
  }
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  context.join(crew, Deadline::after(2 * kCallPatience));
}

// The region only grows: whatever size a refreshed view has, all of it can be loaded, and what is
// new is zero. Fails when the size is published before the memory.
REGION_CASE(
    races, GrownWhileOthersRefresh_EveryByteOfAViewIsThere,
    .applies = [](const RegionClaims& c) { return shares(c) && c.resizing != Resizing::none; }) {
  constexpr std::size_t kWorkers = 3;
  const std::uint64_t pages = context.amount(60, 600, 4000);
  const auto host = make_region(context, page_size());
  if (host == nullptr) return;
  Crew crew;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      const auto region = open_region(worker, *host);
      if (region == nullptr) return;
      take_own_cpu(worker.index());
      worker.await_start();
      if (worker.index() == 0) {
        for (std::size_t size = 2; size <= pages; ++size) {
          const Status resized = region->resize(size * page_size());
          if (!worker.expect(resized.has_value(),
                             resized ? "" : "resize: " + gauntlet::describe(resized.error()))) {
            return;
          }
        }
        return;
      }
      const Deadline patience = Deadline::after(kCallPatience);
      while (region->bytes().size() < pages * page_size() && !patience.expired()) {
        if (!worker.expect(region->refresh().has_value(), "refresh failed")) return;
        const std::span<std::byte> bytes = region->bytes();
        std::vector<std::byte> last(1);
        const Touch touched = load(bytes.data() + bytes.size() - 1, last);
        if (!worker.expect(touched.done(), "the last byte of a view cannot be loaded") ||
            !worker.expect(last[0] == std::byte{0}, "a new byte is not zero")) {
          return;
        }
      }
      worker.expect(region->bytes().size() == pages * page_size(), "the last size never came");
    }));
  }
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  context.join(crew, Deadline::after(2 * kCallPatience));
}

// Views come and go in all processes at once, and whoever has one finds the bytes that were stored
// at the start. Fails when the end of one view ends another, or its memory.
REGION_CASE(races, ViewsComeAndGoInAllProcesses_EachShowsTheBytes, .applies = shares) {
  constexpr std::size_t kWorkers = 4;
  const std::uint64_t rounds = context.amount(120, 2000, 40'000);
  const std::size_t size = page_size() + 100;
  Stage keeper(context, size, 1);  // one view stays, so that the object does
  if (!keeper.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, size);
  ASSERT_TRUE(keeper.store(0, 0, bytes).ok);
  Crew crew;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      take_own_cpu(worker.index());
      worker.await_start();
      std::vector<std::byte> seen(size);
      std::unique_ptr<Region> last;  // two views overlap, in every order of their ends
      for (std::uint64_t round = 0; round < rounds; ++round) {
        auto region = open_region(worker, keeper.host());
        if (region == nullptr) return;
        if (round % 2 == 0) last.reset();
        const Touch touched = load(region->bytes().data(), seen);
        const std::string differs = touched.done() ? difference(bytes, seen) : "it faulted";
        if (!worker.expect(differs.empty(), "a view shows other bytes: " + differs)) return;
        last = std::move(region);
      }
    }));
  }
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  context.join(crew, Deadline::after(2 * kCallPatience));
}

}  // namespace
}  // namespace gauntlet::region_suite
