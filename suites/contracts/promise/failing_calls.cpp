// Each system call of a set, a wait and an opening fails as its manual page allows: the error is
// reported or made up for, nothing leaks, and whoever waits is told in the end.
#include "support/failing_calls.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "cases/case.h"

namespace gauntlet {
namespace {

constexpr std::uint64_t kValue = 7;

/// Everything happens in one process, for that is as far as some promises reach: what others see is
/// asked by other cases.
class PromiseTrials {
 public:
  explicit PromiseTrials(CaseContext& context)
      : context_(context), claims_(context.promise().claims) {}

  std::vector<FailureOperation> of_calls() {
    return {{"set", [this](const auto& failure) { return set(failure); }},
            {"wait", [this](const auto& failure) { return wait(failure); }}};
  }
  std::vector<FailureOperation> of_opening() {
    return {{"open as setter",
             [this](const auto& failure) { return open(PromiseRole::setter, failure); }},
            {"open as waiter",
             [this](const auto& failure) { return open(PromiseRole::waiter, failure); }}};
  }

 private:
  using Trial = std::optional<FailureTrial>;
  using Failure = std::optional<CallFailure>;

  /// In the traced process.
  struct Ends {
    std::unique_ptr<PromiseHost> host = nullptr;
    std::unique_ptr<Promise> setter = nullptr;
    std::unique_ptr<Promise> waiter = nullptr;
  };

  Result<std::int64_t> make(Ends& ends) {
    PromiseOptions options;
    options.scope = context_.scope();
    return keep(context_.promise().create(options), ends.host);
  }
  static Result<std::int64_t> open(Ends& ends, PromiseRole role) {
    return keep(ends.host->open(role), role == PromiseRole::setter ? ends.setter : ends.waiter);
  }
  Result<std::int64_t> prepare(Ends& ends) {
    auto done = make(ends);
    if (done) done = open(ends, PromiseRole::setter);
    if (done) done = open(ends, PromiseRole::waiter);
    return done;
  }
  static Result<std::int64_t> set(Ends& ends) { return told(ends.setter->set(kValue)); }
  static Result<std::int64_t> wait(Ends& ends) {
    const auto settled = ends.waiter->wait(Deadline::after(kFailingCallLimit));
    if (!settled) return tl::unexpected(settled.error());
    if (settled->kind == Settlement::value && settled->content == kValue) return 1;
    return 0;  // settled otherwise
  }

  Trial run(Ends& ends, FailingCall call, const Failure& failure) {
    call.cleanup = [&ends] { ends = {}; };
    Crew crew;
    auto seen = try_failure(context_, crew, call, failure);
    if (!seen) return std::nullopt;
    end_all(crew);
    const bool never_made = seen->prepared.answered && !seen->prepared.ok;
    if (never_made) {
      context_.not_created(seen->prepared.error);
      return std::nullopt;
    }
    return FailureTrial(std::move(*seen));
  }

  Trial set(const Failure& failure) {
    Ends ends;
    bool did = false;
    auto trial = run(ends,
                     {.prepare = [&](Worker&) { return prepare(ends); },
                      .act =
                          [&](Worker&) {
                            const auto done = set(ends);
                            did = done.has_value();
                            return done;
                          },
                      .again = [&](Worker&) -> Result<std::int64_t> {
                        // Set in vain, it may be set anew or it is settled; the waiter is told so
                        // or so, and at the latest when the setter goes.
                        if (!did) static_cast<void>(set(ends));
                        if (!did && claims_.setter_death == SetterDeath::broken)
                          ends.setter.reset();
                        return wait(ends);
                      }},
                     failure);
    if (!trial || !trial->seen.again.answered) return trial;
    const StepAnswer& waited = trial->seen.again;
    if (trial->seen.acted.ok && (!waited.ok || waited.value != 1)) {
      trial->damage = FailureOutcome::hidden;
      trial->detail = "the waiter is not told the value";
    } else if (!trial->seen.acted.ok && !waited.ok) {
      trial->damage = FailureOutcome::broken;
      trial->detail = "the waiter is never told";
    }
    return trial;
  }

  Trial wait(const Failure& failure) {
    Ends ends;
    bool was_told = false;
    auto trial = run(ends,
                     {.prepare =
                          [&](Worker&) {
                            auto done = prepare(ends);
                            if (done) done = set(ends);
                            return done;
                          },
                      .act =
                          [&](Worker&) {
                            const auto done = wait(ends);
                            was_told = done.has_value();
                            return done;
                          },
                      .again = [&](Worker&) -> Result<std::int64_t> {
                        if (was_told && !claims_.repeatable) return 1;
                        return wait(ends);
                      }},
                     failure);
    if (!trial || !trial->seen.again.answered) return trial;
    if (trial->seen.acted.ok && trial->seen.acted.value != 1) {
      trial->damage = FailureOutcome::hidden;
      trial->detail = "the waiter is told something else";
    } else if (!trial->seen.again.ok || trial->seen.again.value != 1) {
      trial->damage = FailureOutcome::lost;
      trial->detail = "the failed wait took the value";
    }
    return trial;
  }

  Trial open(PromiseRole role, const Failure& failure) {
    Ends ends;
    return run(ends,
               {.prepare = [&](Worker&) { return make(ends); },
                .act =
                    [&, role](Worker&) {
                      const auto done = open(ends, role);
                      ends.setter.reset();
                      ends.waiter.reset();
                      return done;
                    },
                .again = {}},
               failure);
  }

  CaseContext& context_;
  const PromiseClaims& claims_;
};

}  // namespace

PROMISE_CASE(overload, EachSystemCallFails_IsReportedOrMadeUpFor, .needs = {Need::ptrace},
             .deadline = std::chrono::seconds(180)) {
  PromiseTrials trials(context);
  walk_failures(context, trials.of_calls());
}

PROMISE_CASE(overload, EachSystemCallOfOpeningFails_IsReportedOrMadeUpFor, .needs = {Need::ptrace},
             .deadline = std::chrono::seconds(180)) {
  PromiseTrials trials(context);
  walk_failures(context, trials.of_opening());
}

}  // namespace gauntlet
