// Each system call of an acquire, a release and an opening fails as its manual page allows: the
// error is reported or made up for, nothing leaks, and no unit is lost or made up.
#include "support/failing_calls.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/semaphore/opening.h"
#include "process/futex.h"
#include "process/proc_files.h"
#include "process/shared.h"

namespace gauntlet {
namespace {

/// What the other process does, and the two tell each other.
struct Other {
  FutexWord ready{0};              ///< 1: it stands where it should
  FutexWord caller{0};             ///< the pid of who will sleep in its call
  std::atomic<bool> acted{false};  ///< the traced process has made its call
  std::atomic<bool> got{false};    ///< the sleeper has got its unit
};

class SemaphoreTrials {
 public:
  explicit SemaphoreTrials(CaseContext& context)
      : context_(context), claims_(context.semaphore().claims) {}

  std::vector<FailureOperation> of_calls() {
    std::vector<FailureOperation> all{
        {"acquire", [this](const auto& failure) { return acquire(failure); }},
        {"release", [this](const auto& failure) { return release(failure); }}};
    if (!claims_.sleeps) return all;
    all.push_back({"acquire that waits",
                   [this](const auto& failure) { return acquire_that_waits(failure); }});
    all.push_back({"release before a sleeper",
                   [this](const auto& failure) { return release_before_a_sleeper(failure); }});
    return all;
  }
  std::vector<FailureOperation> of_opening() {
    return {{"open", [this](const auto& failure) { return open(failure); }}};
  }

 private:
  using Trial = std::optional<FailureTrial>;
  using Failure = std::optional<CallFailure>;

  Deadline limit() const {
    return claims_.deadlines ? Deadline::after(kFailingCallLimit) : Deadline::never();
  }
  Deadline patience() const {
    return claims_.deadlines ? Deadline::after(kCallPatience) : Deadline::never();
  }

  static Result<std::int64_t> told_of(const Result<Acquired>& acquired) {
    if (!acquired) return tl::unexpected(acquired.error());
    return *acquired == Acquired::owner_died ? 1 : 0;
  }

  Result<std::int64_t> opened(std::unique_ptr<Semaphore>& mine) {
    return keep(host_->open(), mine);
  }

  /// Acquires and gives back.
  Result<std::int64_t> once(Semaphore& mine) const {
    const auto acquired = told_of(mine.acquire(patience()));
    if (!acquired) return acquired;
    return told(mine.release());
  }

  /// A newcomer finds exactly the one unit.
  void look(FailureTrial& trial, Crew& crew) {
    enum : std::uint64_t { kFound = 1, kNoMore = 2 };
    const auto newcomer = crew.add([this](Worker& worker) {
      std::unique_ptr<Semaphore> mine;
      if (!opened(mine)) return;
      if (!mine->try_acquire()) return;
      worker.step();
      if (claims_.owner || !mine->try_acquire()) worker.step();
      static_cast<void>(mine->release());
    });
    if (newcomer) static_cast<void>(crew.process(*newcomer).wait(Deadline::after(kCallPatience)));
    const std::uint64_t seen = newcomer ? crew.progress(*newcomer) : 0;
    if (seen < kFound) {
      trial.damage = FailureOutcome::lost;
      trial.detail = "the unit is not there";
    } else if (seen < kNoMore) {
      trial.damage = FailureOutcome::broken;
      trial.detail = "there are two units";
    }
  }

  /// One trial on a semaphore of its own with one unit. `before` says whether the others stand
  /// where they should, `after` waits for them.
  Trial run(const FailingCall& call, const Failure& failure,
            const std::function<bool(Crew&)>& before = {},
            const std::function<void(Crew&)>& after = {}) {
    host_ = make_semaphore(context_, 1);
    if (!host_) return std::nullopt;
    Crew crew;
    if (before && !before(crew)) {
      context_.error("the other process does not come to its place");
      return std::nullopt;
    }
    auto seen = try_failure(context_, crew, call, failure);
    if (!seen) return std::nullopt;
    FailureTrial trial(std::move(*seen));
    if (after) after(crew);
    // One that was killed in the call, or dead, takes its unit with it, as claimed elsewhere.
    if (trial.seen.ended && !trial.seen.crashed) look(trial, crew);
    end_all(crew);
    return trial;
  }

  Trial acquire(const Failure& failure) {
    std::unique_ptr<Semaphore> mine;
    bool took = false;
    const FailingCall call{
        .prepare = [&](Worker&) { return opened(mine); },
        .act =
            [&](Worker&) {
              const auto answer = told_of(mine->acquire(limit()));
              took = answer.has_value();
              return answer;
            },
        .again = [&](Worker&) { return took ? told(mine->release()) : once(*mine); }};
    return run(call, failure);
  }

  Trial release(const Failure& failure) {
    std::unique_ptr<Semaphore> mine;
    bool gave = false;
    const FailingCall call{
        .prepare = [&](Worker&) { return opened_and_acquired(mine); },
        .act =
            [&](Worker&) {
              const auto answer = told(mine->release());
              gave = answer.has_value();
              return answer;
            },
        .again = [&](Worker&) { return gave ? once(*mine) : told(mine->release()); }};
    return run(call, failure);
  }

  Result<std::int64_t> opened_and_acquired(std::unique_ptr<Semaphore>& mine) {
    const auto open = opened(mine);
    return open ? told_of(mine->acquire(patience())) : open;
  }

  /// Somebody holds the unit, and gives it back when the caller sleeps for it or is done.
  Trial acquire_that_waits(const Failure& failure) {
    const Shared<Other> other;
    std::unique_ptr<Semaphore> mine;
    bool took = false;
    const FailingCall call{
        .prepare =
            [&](Worker&) {
              set(other->caller, static_cast<std::uint32_t>(::getpid()));
              return opened(mine);
            },
        .act =
            [&](Worker&) {
              const auto answer = told_of(mine->acquire(limit()));
              took = answer.has_value();
              other->acted.store(true, std::memory_order_release);
              return answer;
            },
        .again = [&](Worker&) { return took ? told(mine->release()) : once(*mine); }};
    return run(call, failure, [&](Crew& crew) {
      const auto holder = crew.add([&](Worker& worker) {
        std::unique_ptr<Semaphore> held;
        if (!opened_and_acquired(held)) return;
        worker.arrive(0);
        const auto caller = static_cast<pid_t>(await(other->caller));
        while (!other->acted.load(std::memory_order_acquire) && !sleeps(caller) &&
               !is_dead(caller)) {
          pause_between_looks();
        }
        static_cast<void>(held->release());
      });
      return holder && crew.await_arrival(*holder, 0, Deadline::after(kCallPatience));
    });
  }

  /// A process asleep can only be looked at.
  static void pause_between_looks() {
    const timespec pause{0, 1'000'000};
    ::nanosleep(&pause, nullptr);
  }

  /// Seen asleep in several looks: a tracer lets it stand in between (state t).
  static bool sleeps(pid_t pid) {
    constexpr int kLooks = 5;
    for (int look = 0; look < kLooks; ++look) {
      const auto stat = pid > 0 ? read_stat(pid) : std::nullopt;
      if (!stat || stat->state != 'S') return false;
    }
    return true;
  }

  /// Whoever sleeps for the unit gets it, though the caller's wake-up fails.
  Trial release_before_a_sleeper(const Failure& failure) {
    const Shared<Other> other;
    std::unique_ptr<Semaphore> mine;
    bool gave = false;
    std::size_t sleeper = 0;
    const FailingCall call{
        .prepare =
            [&](Worker&) {
              const auto held = opened_and_acquired(mine);
              if (!held) return held;
              set(other->ready);
              const auto sleeper_pid = static_cast<pid_t>(await(other->caller));
              while (!sleeps(sleeper_pid)) pause_between_looks();
              return held;
            },
        .act =
            [&](Worker&) {
              const auto answer = told(mine->release());
              gave = answer.has_value();
              return answer;
            },
        .again = [&](Worker&) { return gave ? Result<std::int64_t>(0) : told(mine->release()); }};
    const auto before = [&](Crew& crew) {
      const auto added = crew.add([&](Worker&) {
        await(other->ready);
        std::unique_ptr<Semaphore> wanted;
        if (!opened(wanted)) return;
        set(other->caller, static_cast<std::uint32_t>(::getpid()));
        const auto answer = wanted->acquire(Deadline::never());
        other->got.store(answer.has_value(), std::memory_order_release);
        if (answer) static_cast<void>(wanted->release());
      });
      sleeper = added.value_or(0);
      return added.has_value();
    };
    const auto after = [&](Crew& crew) {
      if (!ends_by_itself(crew.process(sleeper))) crew.kill(sleeper);
    };
    auto trial = run(call, failure, before, after);
    if (trial && trial->seen.ended && !trial->seen.crashed && !other->got.load()) {
      trial->damage = trial->seen.acted.ok ? FailureOutcome::hidden : FailureOutcome::broken;
      trial->detail = "the sleeper is not woken";
    }
    return trial;
  }

  Trial open(const Failure& failure) {
    const FailingCall call{.prepare = {},
                           .act =
                               [&](Worker&) {
                                 std::unique_ptr<Semaphore> mine;
                                 return opened(mine);
                               },
                           .again = {}};
    return run(call, failure);
  }

  CaseContext& context_;
  const SemaphoreClaims& claims_;
  std::unique_ptr<SemaphoreHost> host_;
};

}  // namespace

SEMAPHORE_CASE(overload, EachSystemCallFails_IsReportedOrMadeUpFor, .needs = {Need::ptrace},
               .deadline = std::chrono::seconds(180)) {
  SemaphoreTrials trials(context);
  walk_failures(context, trials.of_calls());
}

SEMAPHORE_CASE(overload, EachSystemCallOfOpeningFails_IsReportedOrMadeUpFor,
               .needs = {Need::ptrace}, .deadline = std::chrono::seconds(180)) {
  SemaphoreTrials trials(context);
  walk_failures(context, trials.of_opening());
}

}  // namespace gauntlet
