// Contract Promise, races and crashes: one process held up, or killed, at each instruction of set
// and wait. The others run until they are quiet, so that each point has one outcome.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "contracts/promise/commanded.h"
#include "history/promise.h"
#include "support/subject_sweep.h"

namespace gauntlet {
namespace {

using history::Op;
using history::Outcome;
using schedule::Ending;
using schedule::Response;
using schedule::Scenario;
using schedule::Self;
using schedule::Starts;
using PromiseScenario = SubjectScenario<PromiseHost, Promise>;

constexpr std::chrono::seconds kSweepDeadline{120};
/// Ends that wait, in any scenario.
constexpr std::uint32_t kWaiters = 3;

bool steps(const PromiseClaims& claims) {
  return can_be_stepped(claims.stepping) && claims.reach != Reach::threads;
}

void set(Self& self, Promise& promise, std::uint64_t value) {
  const Response told = self.call(Op::set, value, [&] {
    const Status status = promise.set(value);
    if (status) return Response{.outcome = Outcome::ok};
    const bool refused = status.error() == Code::settled;
    return Response{.outcome = refused ? Outcome::refused : Outcome::error};
  });
  self.expect(told.outcome != Outcome::error, "set failed");
}

void wait(Self& self, Promise& promise, Deadline deadline) {
  const Response told = self.call(Op::wait, 0, [&] {
    const Result<Settlement> settled = promise.wait(deadline);
    if (!settled) {
      const bool pending = settled.error() == Code::would_block;
      return Response{.outcome = pending ? Outcome::would_block : Outcome::error};
    }
    constexpr Outcome kOutcomes[] = {Outcome::ok, Outcome::failed, Outcome::broken};
    return Response{.outcome = kOutcomes[settled->kind], .value = settled->content};
  });
  self.expect(told.outcome != Outcome::error, "wait failed");
}

/// Scenarios of the case's subject.
struct Subject {
  explicit Subject(CaseContext& context)
      : claims(context.promise().claims),
        scenario(
            context.promise().name, claims.stepping,
            [options = PromiseOptions{.waiters = waiters_for(claims), .scope = context.scope()},
             create = context.promise().create] { return create(options); }) {}

  static std::uint32_t waiters_for(const PromiseClaims& claims) {
    return claims.many_waiters ? kWaiters : 1;
  }

  void add_setter(const char* name, std::uint64_t value, Starts starts = Starts::at_once) {
    const std::uint64_t content = sample_value(claims, value);
    const std::size_t index = scenario.add(
        name, [](PromiseHost& host) { return host.open(PromiseRole::setter); },
        [content](Self& self, Promise& promise) { set(self, promise, content); }, starts);
    setters.push_back(static_cast<std::uint32_t>(index));
  }

  void add_waiter(const char* name, Starts starts = Starts::at_once) {
    // Who comes at the end finds what became of it, or that nothing did, at once.
    const bool tries = starts == Starts::at_the_end;
    scenario.add(
        name, [](PromiseHost& host) { return host.open(PromiseRole::waiter); },
        [tries](Self& self, Promise& promise) {
          wait(self, promise, tries ? Deadline::immediate() : Deadline::never());
        },
        starts);
  }

  Scenario finish() {
    if (claims.many_waiters && claims.kept_for_latecomers) {
      add_waiter("latecomer", Starts::at_the_end);
    }
    const history::PromiseRules rules{.setters = setters,
                                      .breaks = claims.setter_death == SetterDeath::broken};
    return scenario.judged_by([rules](const Ending& ending) {
      const history::Verdict verdict = history::check_promise(ending.history, rules);
      return verdict.kind == history::Verdict::valid ? std::string() : verdict.message;
    });
  }

  const PromiseClaims& claims;
  std::vector<std::uint32_t> setters;
  PromiseScenario scenario;
};

bool possible(CaseContext& context) {
  const auto host = context.promise().create({.waiters = 1, .scope = context.scope()});
  if (!host) context.not_created(host.error());
  return host.has_value();
}

/// One that waits, those that set, and another that waits, where there may be several.
Scenario settling(CaseContext& context, bool setter_first) {
  Subject subject(context);
  if (setter_first) subject.add_setter("setter", 1);
  subject.add_waiter("waiter");
  if (!setter_first) subject.add_setter("setter", 1);
  if (subject.claims.many_setters) subject.add_setter("second setter", 2);
  if (subject.claims.many_waiters) subject.add_waiter("second waiter");
  return subject.finish();
}

/// A setter that dies. Where its death settles nothing, another one sets, if there may be one.
Scenario setter_with_heir(CaseContext& context) {
  Subject subject(context);
  const PromiseClaims& claims = subject.claims;
  subject.add_waiter("waiter");
  subject.add_setter("setter", 1);
  if (claims.many_setters && claims.setter_death == SetterDeath::nothing) {
    subject.add_setter("heir", 2, Starts::after_a_death);
  }
  return subject.finish();
}

// Held up anywhere in set or wait, for as long as all others can go on: one setter wins, all are
// told the same, and nobody sleeps beside a value. Fails wherever two steps should have been one;
// which instruction lies between them the table says.
PROMISE_CASE(races, PreemptedAtEachInstruction_OneWinsAndNobodyIsForgotten, .applies = steps,
             .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context)) return;
  const auto hold_up = [&](bool setter_first, std::size_t victim) {
    expect_preemption_sweep(context, settling(context, setter_first), victim, {},
                            amount_for_subject());
  };
  run_sweeps(context,
             {[&] { hold_up(false, 0); }, [&] { hold_up(false, 1); }, [&] { hold_up(true, 0); }});
}

// Killed anywhere in set or wait: what was set is there whole or not at all, and the others learn
// of it, or of the death, as claimed.
PROMISE_CASE(crashes, KilledAtEachInstruction_OthersLearnWhatIsClaimed, .applies = steps,
             .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context)) return;
  const PromiseClaims& claims = context.promise().claims;
  std::vector<Allowed> allowed;
  if (claims.setter_death == SetterDeath::nothing && !claims.many_setters) {
    allowed = {{"stuck: waiter", "nobody is left to set it"}};
  }
  std::vector<std::function<void()>> sweeps = {[&] {
    expect_kill_sweep(context, setter_with_heir(context), 1, allowed, amount_for_subject());
  }};
  if (claims.waiter_may_die && claims.many_waiters) {
    sweeps.emplace_back(
        [&] { expect_kill_sweep(context, settling(context, false), 0, {}, amount_for_subject()); });
  }
  run_sweeps(context, sweeps);
}

}  // namespace
}  // namespace gauntlet
