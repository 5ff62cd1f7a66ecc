// Contract Region, races and crashes: one process held up, or killed, at each instruction of what
// it stores, of resize and of create. The others run until they are quiet, so that each point has
// one outcome.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "contracts/region/stage.h"
#include "support/subject_sweep.h"

namespace gauntlet::region_suite {
namespace {

using schedule::Ending;
using schedule::Scenario;
using schedule::Self;
using schedule::Starts;
using RegionScenario = SubjectScenario<RegionHost, Region>;

constexpr std::chrono::seconds kSweepDeadline{120};
/// Stored one after the other, each a byte of its own.
constexpr std::size_t kStored = 16;

/// Of what must be zero, every so many bytes are looked at: each look is stepped.
constexpr std::size_t kBetweenLooks = 128;

bool steps(const RegionClaims& claims) { return can_be_stepped(claims.stepping); }
bool steps_and_resizes(const RegionClaims& claims) {
  return steps(claims) && claims.coherence == Coherence::shared &&
         claims.resizing != Resizing::none;
}
bool steps_and_is_made(const RegionClaims& claims) {
  return steps(claims) && claims.coherence == Coherence::shared && claims.chosen_address &&
         claims.zero_filled && claims.exact_size && claims.calls_survive_death;
}

/// Something is promised of a death.
bool dies(const RegionClaims& claims) {
  return steps(claims) &&
         (claims.writer_death != WriterDeath::unclaimed ||
          (steps_and_resizes(claims) && claims.calls_survive_death) || steps_and_is_made(claims));
}

/// What the processes of a scenario tell each other besides.
struct Board {
  std::atomic<bool> stored;         ///< the writer has stored and synced all
  std::atomic<std::uint32_t> made;  ///< creators that made it
};

std::byte value_at(std::size_t index) { return static_cast<std::byte>(index + 1); }

std::byte load_byte(std::span<std::byte> bytes, std::size_t at) {
  return *const_cast<const volatile std::byte*>(bytes.data() + at);
}

void store_all(Self& self, Region& region) {
  const std::span<std::byte> bytes = region.bytes();
  for (std::size_t each = 0; each < kStored; ++each) {
    *const_cast<volatile std::byte*>(bytes.data() + each) = value_at(each);
  }
  self.expect(region.sync().has_value(), "sync failed");
  self.at<Board>().stored.store(true);
}

/// Stores were made in order: what is there is a beginning of them, and all when they are done.
void look_at_stores(Self& self, Region& region, Coherence coherence) {
  const bool all = self.at<Board>().stored.load();
  const std::span<std::byte> bytes = region.bytes();
  std::size_t there = kStored;
  // From the last to the first: more may come meanwhile, so that the ones before are there too.
  for (std::size_t each = kStored; each-- > 0;) {
    const std::byte seen = load_byte(bytes, each);
    if (seen == value_at(each)) continue;
    self.expect(seen == std::byte{0}, "a byte that nobody stored");
    self.expect(there == kStored || there == each + 1, "a later store is there, an earlier is not");
    there = each;
  }
  if (coherence == Coherence::private_copy) {
    self.expect(there == 0, "a private store is seen by another");
  } else {
    self.expect(!all || there == kStored, "a store that was done is not seen");
  }
}

/// At least so large, and all of it can be loaded: what cannot ends the process (SIGBUS).
void look_whole(Self& self, Region& region, std::size_t at_least) {
  const std::span<std::byte> bytes = region.bytes();
  self.expect(bytes.size() >= at_least, "it is smaller than it ever was");
  for (std::size_t at = 0; at < bytes.size(); at += page_size()) load_byte(bytes, at);
  if (!bytes.empty()) load_byte(bytes, bytes.size() - 1);
}

std::string all_is_said(const Ending&) { return {}; }

Result<std::unique_ptr<Region>> open_view(RegionHost& host) { return host.open({}); }

RegionScenario scenario_of(CaseContext& context, std::size_t size) {
  return {context.region().name, context.region().claims.stepping,
          [options = RegionOptions{.size = size, .scope = context.scope()},
           create = context.region().create] { return create(options); }};
}

bool possible(CaseContext& context) { return make_region(context, page_size()) != nullptr; }

/// One stores, one looks meanwhile, and one who comes at the end.
Scenario storing(CaseContext& context) {
  const Coherence coherence = context.region().claims.coherence;
  RegionScenario scenario = scenario_of(context, page_size());
  const auto look = [coherence](Self& self, Region& region) {
    look_at_stores(self, region, coherence);
  };
  scenario.add("writer", open_view, store_all);
  scenario.add("reader", open_view, look);
  scenario.add("newcomer", open_view, look, Starts::at_the_end);
  return scenario.judged_by(all_is_said);
}

/// One makes it larger; one maps it again, and one for the first time.
Scenario growing(CaseContext& context) {
  const std::size_t size = page_size();
  RegionScenario scenario = scenario_of(context, size);
  scenario.add("resizer", open_view, [size](Self& self, Region& region) {
    self.expect(region.resize(3 * size).has_value(), "resize failed");
    look_whole(self, region, 3 * size);
    self.at<Board>().stored.store(true);
  });
  scenario.add("viewer", open_view, [size](Self& self, Region& region) {
    self.expect(region.refresh().has_value(), "refresh failed");
    look_whole(self, region, size);
  });
  const auto attach = [size, host = scenario.host()](Self& self) {
    const bool grown = self.at<Board>().stored.load();
    const Result<std::unique_ptr<Region>> view = (*host)->open({});
    self.expect(view.has_value(), "open failed");
    if (view) look_whole(self, **view, grown ? 3 * size : size);
  };
  scenario.add_bare("attacher", attach);
  scenario.add_bare("newcomer", attach, Starts::at_the_end);
  return scenario.judged_by(all_is_said);
}

/// A host that has given its address up to the processes of a scenario. What they leave there (one
/// execution may be over before its newcomer came) goes with it.
class VacantHost final : public RegionHost {
 public:
  static Result<std::unique_ptr<RegionHost>> create(const RegionSubject& subject,
                                                    const RegionOptions& options) {
    Result<std::unique_ptr<RegionHost>> host = subject.create(options);
    if (!host) return host;
    if (const Status removed = (*host)->remove(); !removed) {
      return tl::unexpected<Error>(removed.error());
    }
    return std::make_unique<VacantHost>(subject, std::move(*host));
  }
  VacantHost(const RegionSubject& subject, std::unique_ptr<RegionHost> before)
      : subject_(subject), before_(std::move(before)) {}
  VacantHost(const VacantHost&) = delete;
  ~VacantHost() override { static_cast<void>(subject_.remove(address())); }

  Result<std::unique_ptr<Region>> open(const RegionView& view) override {
    return before_->open(view);
  }
  Status remove() override { return before_->remove(); }
  void let_go() override { before_->let_go(); }
  std::string address() const override { return before_->address(); }

 private:
  const RegionSubject& subject_;
  std::unique_ptr<RegionHost> before_;
};

/// What it takes to make, attach and remove a region at one address.
struct Place {
  const RegionSubject& subject;
  RegionOptions options;                                ///< without an address
  std::shared_ptr<std::unique_ptr<RegionHost>> before;  ///< a VacantHost

  std::string address() const { return (*before)->address(); }

  void create(Self& self, std::shared_ptr<std::unique_ptr<RegionHost>>& kept) const {
    RegionOptions here = options;
    here.address = address();
    Result<std::unique_ptr<RegionHost>> made = subject.create(here);
    self.expect(made || made.error().system_errno == EEXIST, "create failed");
    if (made) {
      // Its end would take the name along; the process ends without it.
      *kept = std::move(*made);
      self.at<Board>().made.fetch_add(1);
    }
  }

  void attach(Self& self) const {
    const Result<std::unique_ptr<Region>> region = subject.attach(address(), {});
    if (!region) return;
    const std::span<std::byte> bytes = (*region)->bytes();
    self.expect(bytes.size() == options.size, "it is half made: another size");
    bool zero = true;
    for (std::size_t at = 0; at < bytes.size(); at += kBetweenLooks) {
      zero = zero && load_byte(bytes, at) == std::byte{0};
    }
    self.expect(zero, "it is half made: not all zero");
  }

  /// What anybody left can be removed, and made anew.
  void renew(Self& self) const {
    attach(self);
    static_cast<void>(subject.remove(address()));
    RegionOptions here = options;
    here.address = address();
    self.expect(subject.create(here).has_value(), "it cannot be made anew");
  }
};

/// Two make it, one attaches meanwhile, and in the end it is removed and made anew.
Scenario making(CaseContext& context) {
  const RegionOptions options{.size = page_size() + 12, .scope = context.scope()};
  RegionScenario scenario(
      context.region().name, context.region().claims.stepping,
      [options, &subject = context.region()] { return VacantHost::create(subject, options); });
  const auto place = std::make_shared<Place>(
      Place{.subject = context.region(), .options = options, .before = scenario.host()});
  const auto make = [place, kept = std::make_shared<std::unique_ptr<RegionHost>>()](
                        Self& self) mutable { place->create(self, kept); };
  scenario.add_bare("creator", make);
  scenario.add_bare("attacher", [place](Self& self) { place->attach(self); });
  scenario.add_bare("second creator", make);
  scenario.add_bare(
      "newcomer", [place](Self& self) { place->renew(self); }, Starts::at_the_end);
  return scenario.judged_by([](const Ending& ending) -> std::string {
    const auto& board = *reinterpret_cast<const Board*>(ending.region);
    if (board.made.load() > 1) return "two have made it";
    return board.made.load() == 0 && ending.deaths == 0 ? "nobody has made it" : "";
  });
}

// Held up anywhere between its stores, for as long as all others can go on: what another sees is a
// beginning of them, and all of them when they are done.
REGION_CASE(races, PreemptedAtEachInstruction_StoresAreSeenInOrderAndWhole, .applies = steps,
            .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context)) return;
  expect_preemption_sweep(context, storing(context), 0, {}, amount_for_subject());
}

// Held up anywhere in resize, or in an open beside it: everybody has the old size or the new one,
// and what they have can be loaded.
REGION_CASE(races, PreemptedAtEachInstructionOfResize_OthersSeeTheOldSizeOrTheNew,
            .applies = steps_and_resizes, .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context)) return;
  const auto hold_up = [&](std::size_t victim) {
    expect_preemption_sweep(context, growing(context), victim, {}, amount_for_subject());
  };
  run_sweeps(context, {[&] { hold_up(0); }, [&] { hold_up(2); }});
}

// Held up anywhere in create, or in attach: one creator makes it, and who attaches finds it whole
// or not at all.
REGION_CASE(races, PreemptedAtEachInstructionOfCreate_OneMakesItAndNobodySeesItHalfMade,
            .applies = steps_and_is_made, .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context)) return;
  const auto hold_up = [&](std::size_t victim) {
    expect_preemption_sweep(context, making(context), victim, {}, amount_for_subject());
  };
  run_sweeps(context, {[&] { hold_up(0); }, [&] { hold_up(1); }});
}

// Killed anywhere between its stores, in resize or in create: what was done stays, what was not is
// not seen, and the others go on.
REGION_CASE(crashes, KilledAtEachInstruction_OthersSeeWhatWasDoneAndGoOn, .applies = dies,
            .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context)) return;
  const RegionClaims& claims = context.region().claims;
  const auto kill = [&](Scenario (*make)(CaseContext&)) {
    return [&context, make] {
      expect_kill_sweep(context, make(context), 0, {}, amount_for_subject());
    };
  };
  std::vector<std::function<void()>> sweeps;
  if (claims.writer_death != WriterDeath::unclaimed) sweeps.emplace_back(kill(storing));
  if (steps_and_resizes(claims) && claims.calls_survive_death) sweeps.emplace_back(kill(growing));
  if (steps_and_is_made(claims)) sweeps.emplace_back(kill(making));
  run_sweeps(context, sweeps);
}

}  // namespace
}  // namespace gauntlet::region_suite
