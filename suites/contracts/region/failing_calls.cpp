// Each system call of a view's operations and of an opening fails as its manual page allows: the
// error is reported or made up for, nothing leaks, and the region is what it was or what it was to
// become.
#include "support/failing_calls.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/region/stage.h"
#include "process/shared.h"

namespace gauntlet::region_suite {
namespace {

constexpr std::size_t kSize = 8192;
constexpr std::size_t kLarger = 4 * kSize;
constexpr auto kMark = std::byte{0x5a};

class RegionTrials {
 public:
  explicit RegionTrials(CaseContext& context)
      : context_(context), claims_(context.region().claims) {}

  std::vector<FailureOperation> of_calls() {
    std::vector<FailureOperation> all{
        {"sync",
         [this](const auto& failure) {
           return on_a_view([](Region& view) { return view.sync(); }, kSize, failure);
         }},
        {"refresh", [this](const auto& failure) {
           return on_a_view([](Region& view) { return view.refresh(); }, kSize, failure);
         }}};
    if (claims_.resizing == Resizing::none) return all;
    all.push_back({"resize", [this](const auto& failure) {
                     return on_a_view([](Region& view) { return view.resize(kLarger); }, kLarger,
                                      failure);
                   }});
    return all;
  }
  std::vector<FailureOperation> of_opening() {
    return {{"open", [this](const auto& failure) { return open(failure); }},
            {"create", [this](const auto& failure) { return create(failure); }}};
  }

 private:
  using Trial = std::optional<FailureTrial>;
  using Failure = std::optional<CallFailure>;

  Result<std::int64_t> opened(std::unique_ptr<Region>& mine) const {
    return keep(host_->open({}), mine);
  }
  static bool holds_a_mark(Region& view) {
    return view.bytes().size() >= kSize && view.bytes()[kSize / 2] == kMark;
  }

  /// `act` on a view that has stored a mark; afterwards the region has `size` bytes.
  Trial on_a_view(Status (*act)(Region&), std::size_t size, const Failure& failure) {
    host_ = make_region(context_, kSize);
    if (!host_) return std::nullopt;
    Crew crew;
    std::unique_ptr<Region> mine;
    const FailingCall call{.prepare =
                               [&](Worker&) {
                                 const auto done = opened(mine);
                                 if (done) mine->bytes()[kSize / 2] = kMark;
                                 return done;
                               },
                           .act = [&](Worker&) { return told(act(*mine)); },
                           .again = [&](Worker&) -> Result<std::int64_t> {
                             const auto done = told(act(*mine));
                             if (done && (mine->bytes().size() < size || !holds_a_mark(*mine))) {
                               return fail_with(Code::corrupt, "bytes");
                             }
                             return done;
                           }};
    return looked_at(crew, call, failure, claims_.coherence == Coherence::shared);
  }

  Trial open(const Failure& failure) {
    host_ = make_region(context_, kSize);
    if (!host_) return std::nullopt;
    Crew crew;
    const FailingCall call{.prepare = {},
                           .act =
                               [&](Worker&) {
                                 std::unique_ptr<Region> mine;
                                 return opened(mine);
                               },
                           .again = {}};
    return looked_at(crew, call, failure, false);
  }

  /// In the traced process: what it leaves behind is seen by the case's own look for leftovers.
  Trial create(const Failure& failure) {
    host_ = make_region(context_, kSize);
    if (!host_) return std::nullopt;
    Crew crew;
    std::unique_ptr<RegionHost> made;
    const FailingCall call{.prepare = {},
                           .act = [&](Worker&) -> Result<std::int64_t> {
                             RegionOptions options;
                             options.size = kSize;
                             options.scope = context_.scope();
                             return keep(context_.region().create(options), made);
                           },
                           .again = {},
                           .cleanup = [&] { made.reset(); }};
    return looked_at(crew, call, failure, false);
  }

  /// Runs the trial, and has a newcomer look at the region.
  Trial looked_at(Crew& crew, const FailingCall& call, const Failure& failure, bool marked) {
    auto seen = try_failure(context_, crew, call, failure);
    if (!seen) return std::nullopt;
    FailureTrial trial(std::move(*seen));
    const auto newcomer = crew.add([&](Worker& worker) {
      std::unique_ptr<Region> mine;
      if (!opened(mine) || mine->bytes().size() < kSize) return;
      if (marked && !holds_a_mark(*mine)) return;
      mine->bytes()[0] = kMark;
      worker.step();
    });
    end_all(crew);
    if (!newcomer || crew.progress(*newcomer) == 0) {
      trial.damage = FailureOutcome::broken;
      trial.detail = "a newcomer does not find the region as it was";
    }
    return trial;
  }

  CaseContext& context_;
  const RegionClaims& claims_;
  std::unique_ptr<RegionHost> host_;
};

}  // namespace

REGION_CASE(overload, EachSystemCallFails_IsReportedOrMadeUpFor, .needs = {Need::ptrace},
            .deadline = std::chrono::seconds(180)) {
  RegionTrials trials(context);
  walk_failures(context, trials.of_calls());
}

REGION_CASE(overload, EachSystemCallOfOpeningFails_IsReportedOrMadeUpFor, .needs = {Need::ptrace},
            .deadline = std::chrono::seconds(180)) {
  RegionTrials trials(context);
  walk_failures(context, trials.of_opening());
}

}  // namespace gauntlet::region_suite
