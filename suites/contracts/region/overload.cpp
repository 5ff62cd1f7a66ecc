// Contract Region, overload: many views, many regions, and every limit answered with an error.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "base/limits.h"
#include "contracts/region/claims.h"
#include "contracts/region/matchers.h"
#include "contracts/region/stage.h"
#include "process/shared.h"
#include "support/resource_limit.h"

namespace gauntlet::region_suite {
namespace {

/// Bytes of address space that this process uses.
rlim_t address_space_used() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * page_size();
}

// Four processes a core with several views each: every view shows what every other stored.
REGION_CASE(overload, FourProcessesACoreWithManyViews_AllSeeAll, .applies = shares) {
  const std::size_t workers =
      std::clamp<std::size_t>(4 * std::thread::hardware_concurrency(), 4, 16);
  const std::size_t views = context.amount(12, 60, 200);
  using Word = std::atomic<std::uint64_t>;
  const auto host = make_region(context, workers * views * sizeof(Word));
  if (host == nullptr) return;
  Crew crew;
  for (std::size_t i = 0; i < workers; ++i) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      std::vector<std::unique_ptr<Region>> mine;
      for (std::size_t view = 0; view < views; ++view) {
        mine.push_back(open_region(worker, *host));
        if (mine.back() == nullptr) return;
        const std::size_t at = worker.index() * views + view;
        reinterpret_cast<Word*>(mine.back()->bytes().data())[at].store(at + 1);
      }
      worker.arrive(0);
      worker.await(1);
      for (std::size_t at = 0; at < workers * views; ++at) {
        const auto& view = mine[at % views];
        const std::uint64_t word = reinterpret_cast<Word*>(view->bytes().data())[at].load();
        if (!worker.expect(word == at + 1, fmt::format("word {} is {}", at, word))) return;
      }
    }));
  }
  for (std::size_t i = 0; i < workers; ++i) {
    ASSERT_TRUE(crew.await_arrival(i, 0, Deadline::after(kCallPatience)).has_value());
  }
  crew.proceed_all(1);
  context.join(crew);
}

// Many regions at once: each is its own, from the first byte to the last, however many there are.
// Where the system has no room for more it says so, and those that are there stay.
REGION_CASE(overload, ManyRegionsAtOnce_EachKeepsItsOwnBytes) {
  const std::uint64_t wanted = context.amount(48, 400, 2000);
  const RegionOptions options{.size = page_size() + 8, .scope = context.scope(), .address = {}};
  std::vector<std::unique_ptr<RegionHost>> hosts;
  for (std::uint64_t i = 0; i < wanted; ++i) {
    auto host = context.region().create(options);
    if (!host) {
      if (i == 0) return context.not_created(host.error());
      EXPECT_EQ(host.error().code, Code::exhausted) << gauntlet::describe(host.error());
      break;
    }
    hosts.push_back(std::move(*host));
  }
  context.measured("regions", static_cast<double>(hosts.size()));
  Crew crew;
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    std::vector<std::unique_ptr<Region>> regions;
    for (std::size_t i = 0; i < hosts.size(); ++i) {
      auto region = hosts[i]->open({});
      if (!region) {
        worker.expect(i > 0 && region.error() == Code::exhausted,
                      "open: " + gauntlet::describe(region.error()));
        break;
      }
      Random random(i);
      store(random_bytes(random, options.size), (*region)->bytes().data());
      regions.push_back(std::move(*region));
    }
    std::vector<std::byte> seen(options.size);
    for (std::size_t i = 0; i < regions.size(); ++i) {
      Random random(i);
      load(regions[i]->bytes().data(), seen);
      const std::string differs = difference(random_bytes(random, options.size), seen);
      if (!worker.expect(differs.empty(), fmt::format("region {}: {}", i, differs))) return;
    }
  }));
  context.join(crew);
}

// Opened and detached very often: nothing is used up. Fails when a view leaves a descriptor or a
// mapping behind: more of them come and go than the limits allow at once.
REGION_CASE(overload, OpenedAndDetachedManyTimes_NothingIsUsedUp) {
  const std::uint64_t rounds = context.amount(400, 5000, 100'000);
  const auto host = make_region(context, sample_size());
  if (host == nullptr) return;
  Crew crew;
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    const LoweredLimit few(RLIMIT_NOFILE, 64);
    const LoweredLimit narrow(RLIMIT_AS, address_space_used() + rounds / 4 * sample_size());
    for (std::uint64_t round = 0; round < rounds; ++round) {
      const auto region = open_region(worker, *host);
      if (region == nullptr) return;
      if (round % 2 == 0) continue;  // the end of a view detaches it, too
      if (!worker.expect(region->detach().has_value(), "detach failed")) return;
    }
  }));
  context.join(crew);
}

// A process without a free descriptor is told so when it opens, and opens once it has one.
REGION_CASE(overload, OpenWithoutAFreeDescriptor_IsRefusedOrNeedsNone) {
  const auto host = make_region(context, sample_size());
  if (host == nullptr) return;
  Crew crew;
  Shared<bool> needed_one;
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    {
      const LoweredLimit none(RLIMIT_NOFILE, 0);
      const auto refused = host->open({});
      *needed_one = !refused.has_value();
      worker.expect(refused || refused.error() == Code::exhausted,
                    refused ? "" : "not exhausted: " + gauntlet::describe(refused.error()));
    }
    const auto region = open_region(worker, *host);
    if (region == nullptr) return;
    std::vector<std::byte> seen(sample_size());
    worker.expect(load(region->bytes().data(), seen).done(), "the view cannot be loaded");
  }));
  context.join(crew);
  context.observed("open_needs_a_descriptor", *needed_one ? "yes" : "no");
}

// A process whose address space is full is told so, has what it had, and opens once there is room.
REGION_CASE(overload, OpenWithoutAddressSpace_IsExhaustedAndLaterWorks) {
  const std::size_t size = std::size_t{8} << 20;
  const auto host = make_region(context, size);
  if (host == nullptr) return;
  Crew crew;
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    {
      const LoweredLimit full(RLIMIT_AS, address_space_used() + size / 2);
      const auto refused = host->open({});
      worker.expect(!refused && refused.error() == Code::exhausted,
                    refused ? "opened, though the address space was full"
                            : "not exhausted: " + gauntlet::describe(refused.error()));
    }
    const auto region = open_region(worker, *host);
    if (region == nullptr) return;
    std::vector<std::byte> last(1);
    worker.expect(load(region->bytes().data() + size - 1, last).done(), "the view is not whole");
  }));
  context.join(crew);
}

// A size over the largest is refused with an error, and nothing is made.
REGION_CASE(
    overload, SizeOverTheLargest_IsRefused, .applies = [](const RegionClaims& claims) {
      return claims.largest != 0 && claims.largest < SIZE_MAX;
    }) {
  const RegionOptions options{
      .size = context.region().claims.largest + 1, .scope = context.scope(), .address = {}};
  const auto made = context.region().create(options);
  ASSERT_FALSE(made.has_value()) << "a region of " << options.size << " bytes was made";
  const Code code = made.error().code;
  EXPECT_TRUE(code == Code::invalid || code == Code::exhausted || code == Code::too_large)
      << gauntlet::describe(made.error());
}

// A size that no memory has is refused when the region is made, not by SIGBUS when somebody stores,
// and the refusal leaves room for one that fits. In a sandbox, whose memory file systems are small.
REGION_CASE(
    overload, MoreThanTheMemoryHas_IsRefusedWhenItIsMade,
    .applies = [](const RegionClaims& claims) { return claims.reserved; },
    .needs = {Need::private_mount}) {
  const RegionOptions options{
      .size = std::size_t{4} << 30, .scope = context.scope(), .address = {}};
  const auto made = context.region().create(options);
  ASSERT_FALSE(made.has_value()) << "4 GiB were reserved in a file system of half of one";
  EXPECT_EQ(made.error().code, Code::exhausted) << gauntlet::describe(made.error());
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  Random random = context.random();
  EXPECT_THAT(stage.store(0, 0, random_bytes(random, sample_size())), Succeeds());
}

}  // namespace
}  // namespace gauntlet::region_suite
