// Contract Region, crashes: killed before and after each system call of create, open, resize and
// detach.
#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "base/limits.h"
#include "contracts/region/matchers.h"
#include "contracts/region/stage.h"
#include "faults/system_call_kill.h"

namespace gauntlet::region_suite {
namespace {

/// A sweep over all stops of one call ends here at the latest.
constexpr std::uint32_t kMostStops = 80;

bool survives(const RegionClaims& claims) {
  return claims.calls_survive_death && claims.coherence == Coherence::shared;
}
bool survives_create(const RegionClaims& claims) {
  return survives(claims) && claims.chosen_address && claims.zero_filled;
}
bool survives_resize(const RegionClaims& claims) {
  return survives(claims) && claims.resizing != Resizing::none;
}

/// Kills a process of its own at each stop of what `act` does between arm() and disarm(), and has
/// `judge` look at what is left. `before` comes first, each time; the place of the kill is in every
/// message of `judge`.
struct Sweep {
  CaseContext& context;
  std::function<bool()> before = [] { return true; };
  Crew::Body act;
  std::function<void()> judge;

  void run() const {
    std::uint64_t fired = 0;
    for (std::uint32_t stop = 1; stop <= kMostStops; ++stop) {
      if (!before()) return;
      Crew crew(1);
      const auto victim = crew.add_traced(act);
      if (!victim) return context.error("no worker: " + gauntlet::describe(victim.error()));
      const auto kill =
          kill_at_system_call(crew.process(*victim), stop, Deadline::after(kCallPatience));
      ASSERT_TRUE(kill.has_value()) << gauntlet::describe(kill.error());
      if (!kill->fired) {
        context.join(crew);
        context.measured("kill_points", static_cast<double>(fired));
        EXPECT_GT(fired, 0U) << "the call makes no system call to be killed at";
        return;
      }
      context.fault_planned();
      ++fired;
      if (!context.join(crew)) return;
      SCOPED_TRACE("killed " + kill->place());
      judge();
      if (testing::Test::HasFailure()) return;
    }
    ADD_FAILURE() << "the call did not come to its end in " << kMostStops << " stops";
  }
};

// The creator dies somewhere in create: whoever comes then finds a whole region of the right size,
// all zero, or none, and when the name is removed another can make it anew. Fails when the name is
// there before what it names.
REGION_CASE(crashes, CreatorKilledAtEachSystemCall_NewcomerSeesAWholeRegionOrNone,
            .applies = survives_create, .needs = {Need::ptrace}) {
  const std::size_t size = sample_size();
  const auto first = make_region(context, size);
  if (first == nullptr) return;
  const RegionSubject& subject = context.region();
  const RegionOptions options{.size = size, .scope = context.scope(), .address = first->address()};
  ASSERT_TRUE(subject.remove(options.address).has_value());
  Crew newcomers;
  Sweep{
      .context = context,
      .act =
          [&](Worker& worker) {
            worker.arm();
            const auto host = subject.create(options);
            worker.disarm();
            worker.expect(host.has_value(), host ? "" : gauntlet::describe(host.error()));
          },
      .judge =
          [&] {
            const auto newcomer = newcomers.add([&](Worker& worker) {
              const auto region = subject.attach(options.address, {});
              std::vector<std::byte> seen(size);
              if (region) {
                const std::span<std::byte> bytes = (*region)->bytes();
                worker.expect(bytes.size() == size, "a newcomer sees a region of " +
                                                        std::to_string(bytes.size()) +
                                                        " bytes, half made");
                worker.expect(bytes.size() != size || load(bytes.data(), seen).done(),
                              "a newcomer cannot load what it sees");
                worker.expect(seen == zeros(size), "a newcomer sees a region that is not zero");
              }
              static_cast<void>(subject.remove(options.address));
              const auto again = subject.create(options);
              worker.expect(again.has_value(), again ? ""
                                                     : "the name cannot be made anew: " +
                                                           gauntlet::describe(again.error()));
            });
            ASSERT_TRUE(newcomer.has_value());
            context.join(newcomers);
          },
  }
      .run();
}

// Somebody dies while it opens a view: nobody else notices, and the next one opens. Fails when an
// opener takes a lock, or a count, that only it can give back.
REGION_CASE(crashes, OpenerKilledAtEachSystemCall_OthersGoOn, .applies = survives,
            .needs = {Need::ptrace}) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  Sweep{
      .context = context,
      .act =
          [&](Worker& worker) {
            worker.arm();
            const auto region = stage.host().open({});
            worker.disarm();
            worker.expect(region.has_value(), region ? "" : gauntlet::describe(region.error()));
          },
      .judge =
          [&] {
            ASSERT_THAT(stage.open(0, 1), Succeeds()) << "opened after the death";
            stage.expect_bytes(0, 0, bytes, "a view opened after the death", 1);
            stage.expect_bytes(0, 0, bytes, "a view from before the death", 0);
            ASSERT_THAT(stage.detach(0, 1), Succeeds());
          },
  }
      .run();
}

// The same while it detaches.
REGION_CASE(crashes, DetacherKilledAtEachSystemCall_OthersGoOn, .applies = survives,
            .needs = {Need::ptrace}) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  Sweep{
      .context = context,
      .act =
          [&](Worker& worker) {
            const auto region = open_region(worker, stage.host());
            if (region == nullptr) return;
            worker.expect(store(bytes, region->bytes().data()).done(), "the store faulted");
            worker.arm();
            const Status detached = region->detach();
            worker.disarm();
            worker.expect(detached.has_value(), "detach failed");
          },
      .judge =
          [&] {
            stage.expect_bytes(0, 0, bytes, "what the dead stored");
            ASSERT_THAT(stage.open(0, 1), Succeeds()) << "opened after the death";
            ASSERT_THAT(stage.store(0, 0, zeros(sample_size()), 1), Succeeds());
            ASSERT_THAT(stage.detach(0, 1), Succeeds());
          },
  }
      .run();
}

/// A sweep over resize from sample_size() to `to`.
void kill_a_resizer(CaseContext& context, std::size_t to) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  Random random = context.random();
  std::vector<std::byte> bytes = random_bytes(random, sample_size());
  const std::size_t common = std::min(to, bytes.size());
  const bool shrinks = stage.claims().resizing == Resizing::grow_and_shrink;
  std::vector<std::byte> expected = bytes;
  expected.resize(common);
  expected.resize(std::max(to, bytes.size()));  // zeros past what both sizes have
  std::unique_ptr<Stage> fresh;                 // for those that cannot be made smaller again
  Stage* now = &stage;
  Sweep{
      .context = context,
      .before =
          [&] {
            if (!shrinks) {
              fresh = std::make_unique<Stage>(context, sample_size(), 1);
              now = fresh.get();
            }
            return now->ready() && (!shrinks || now->resize(0, sample_size()).ok) &&
                   now->store(0, 0, bytes).touch.done();
          },
      .act =
          [&](Worker& worker) {
            const auto region = open_region(worker, now->host());
            if (region == nullptr) return;
            worker.arm();
            const Status resized = region->resize(to);
            worker.disarm();
            worker.expect(resized.has_value(), "resize failed");
          },
      .judge =
          [&] {
            const Reply refreshed = now->refresh(0);
            ASSERT_THAT(refreshed, Succeeds());
            ASSERT_TRUE(refreshed.size == to || refreshed.size == bytes.size())
                << refreshed.size << " bytes, neither the old size nor the new one";
            if (refreshed.size == bytes.size()) {
              now->expect_bytes(0, 0, bytes, "the old size");
            } else {
              expected.resize(to);
              now->expect_bytes(0, 0, expected, "the new size");
            }
            ASSERT_THAT(now->open(0, 1), SucceedsWithSize(refreshed.size));
            ASSERT_THAT(now->detach(0, 1), Succeeds());
          },
  }
      .run();
}

// Somebody dies while it makes the region larger: it has the old size or the new one, every byte of
// it can be loaded, the old bytes are there and the new ones are zero. Fails when the size is told
// before the memory is there.
REGION_CASE(crashes, GrowerKilledAtEachSystemCall_RegionHasTheOldSizeOrTheNew,
            .applies = survives_resize, .needs = {Need::ptrace}) {
  kill_a_resizer(context, 2 * sample_size());
}

// The same for one that makes it smaller.
REGION_CASE(
    crashes, ShrinkerKilledAtEachSystemCall_RegionHasTheOldSizeOrTheNew,
    .applies =
        [](const RegionClaims& claims) {
          return survives_resize(claims) && claims.resizing == Resizing::grow_and_shrink;
        },
    .needs = {Need::ptrace}) {
  kill_a_resizer(context, page_size() + 30);
}

}  // namespace
}  // namespace gauntlet::region_suite
