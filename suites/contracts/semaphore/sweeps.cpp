// Contract Semaphore, races and crashes: one process held up, or killed, at each instruction of
// its calls. The others run until they are quiet, so that each point has one outcome.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "contracts/semaphore/opening.h"
#include "contracts/semaphore/program.h"
#include "contracts/semaphore/recorded.h"
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
using SemaphoreScenario = SubjectScenario<SemaphoreHost, Semaphore>;

constexpr std::chrono::seconds kSweepDeadline{120};
/// Tries of who counts what is left: more than any scenario has units.
constexpr int kMostTries = 6;

bool steps(const SemaphoreClaims& claims) { return can_be_stepped(claims.stepping); }

Response response_of(const Result<Acquired>& told) {
  if (!told) return {.outcome = to_outcome(told.error())};
  return {.outcome = *told == Acquired::owner_died ? Outcome::owner_died : Outcome::ok};
}

bool took(Outcome outcome) { return outcome == Outcome::ok || outcome == Outcome::owner_died; }

void take(Self& self, Semaphore& semaphore) {
  const Response told =
      self.call(Op::acquire, 0, [&] { return response_of(semaphore.acquire(Deadline::never())); });
  self.expect(took(told.outcome), "acquire failed");
}

void give(Self& self, Semaphore& semaphore) {
  const Response told = self.call(Op::release, 0, [&] {
    const Status status = semaphore.release();
    return Response{.outcome = status ? Outcome::ok : to_outcome(status.error())};
  });
  self.expect(told.outcome == Outcome::ok, "release failed");
}

void take_and_give(Self& self, Semaphore& semaphore) {
  take(self, semaphore);
  give(self, semaphore);
}

/// What is left, in the history: each try, up to the one that finds nothing. One with an owner is
/// given back after each.
void count(Self& self, Semaphore& semaphore, bool owner) {
  for (int tries = 0; tries < (owner ? 1 : kMostTries); ++tries) {
    const Response told =
        self.call(Op::try_acquire, 0, [&] { return response_of(semaphore.try_acquire()); });
    if (!took(told.outcome)) break;
    if (owner) give(self, semaphore);
  }
}

/// Scenarios of the case's subject.
struct Subject {
  explicit Subject(CaseContext& the_context)
      : context(the_context),
        claims(context.semaphore().claims),
        initial(claims.owner ? 1 : 0),
        scenario(context.semaphore().name, claims.stepping, [&context = context, units = initial] {
          SemaphoreOptions options;
          options.initial = units;
          options.scope = context.scope();
          return context.semaphore().create(options);
        }) {}

  void add(const char* name, SemaphoreScenario::Act act, Starts starts = Starts::at_once) {
    scenario.add(
        name, [](SemaphoreHost& host) { return host.open(); }, std::move(act), starts);
  }

  /// `in_order`: the second and the third come to wait one after the other.
  Scenario finish(bool in_order = false) {
    add(
        "counter", [owner = claims.owner](Self& self, Semaphore& s) { count(self, s, owner); },
        Starts::at_the_end);
    return scenario.judged_by([claims = claims, units = initial, in_order](const Ending& ending) {
      if (in_order && claims.fairness == Fairness::fifo) {
        if (const std::string unfair = overtaking(ending.history); !unfair.empty()) return unfair;
      }
      const history::Verdict verdict = check_history(claims, units, ending.history, std::nullopt);
      return verdict.kind == history::Verdict::valid ? std::string() : verdict.message;
    });
  }

  static std::string overtaking(const history::History& history) {
    std::int64_t served_ns[2] = {-1, -1};
    for (const history::Call& call : history.calls) {
      if (call.op == Op::acquire && (call.process == 1 || call.process == 2)) {
        served_ns[call.process - 1] = call.returned_ns;
      }
    }
    return served_ns[1] < served_ns[0] ? "who came later was served earlier" : "";
  }

  CaseContext& context;
  const SemaphoreClaims& claims;
  std::int64_t initial;
  SemaphoreScenario scenario;
};

/// Three who take and give back, one after the other. `first_is_held`: and nobody else, so that it
/// is known in which order the others come.
Scenario contention(CaseContext& context, bool first_is_held = false) {
  Subject subject(context);
  subject.add("first", take_and_give);
  subject.add("second", take_and_give);
  subject.add("third", take_and_give);
  return subject.finish(first_is_held);
}

/// Two who take and two who give, in turn. A taker that comes first sleeps.
Scenario exchange(CaseContext& context, bool giver_first) {
  Subject subject(context);
  if (giver_first) subject.add("first giver", give);
  subject.add("taker", take);
  subject.add("giver", give);
  subject.add("second taker", take);
  if (!giver_first) subject.add("second giver", give);
  return subject.finish();
}

/// One that sleeps, one that wakes it, and one that gives as well, should somebody die.
Scenario exchange_with_heir(CaseContext& context, bool second_taker) {
  Subject subject(context);
  subject.add("taker", take);
  subject.add("giver", give);
  if (second_taker) subject.add("second taker", take, Starts::after_a_death);
  subject.add("heir", give, Starts::after_a_death);
  return subject.finish();
}

bool possible(CaseContext& context) {
  return make_semaphore(context, context.semaphore().claims.owner ? 1 : 0) != nullptr;
}

// Held up anywhere in a call, for as long as all others can go on: each call has an explanation,
// nobody is inside with another, and nobody sleeps beside a free unit. Fails wherever two steps
// should have been one; which instruction lies between them the table says.
SEMAPHORE_CASE(races, PreemptedAtEachInstruction_CallsAreExplainedAndNobodyIsForgotten,
               .applies = steps, .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context)) return;
  const SemaphoreClaims& claims = context.semaphore().claims;
  const SweepAmount amount = amount_for_subject(!claims.sleeps);
  const auto hold_up = [&](const Scenario& scenario, std::size_t victim) {
    expect_preemption_sweep(context, scenario, victim, {}, amount);
  };
  if (claims.owner) {
    return run_sweeps(context, {[&] { hold_up(contention(context, true), 0); },
                                [&] { hold_up(contention(context), 1); }});
  }
  run_sweeps(context, {[&] { hold_up(exchange(context, false), 0); },
                       [&] { hold_up(exchange(context, false), 1); },
                       [&] { hold_up(exchange(context, true), 0); }});
}

/// What a death may come to, as claimed.
std::vector<Allowed> allowed_of(const SemaphoreClaims& claims) {
  if (claims.call_death == CallDeath::unclaimed) {
    return {{"stuck:", "nothing is promised of a death inside a call", claims.owner}};
  }
  if (claims.owner && claims.owner_death == OwnerDeath::nothing) {
    return {{"stuck:", "what the dead held stays taken"}};
  }
  return {};
}

// Killed anywhere in acquire and release, alone or when others have come to wait for what it holds:
// the others go on as claimed, and what is left at the end can be explained. Fails where a call
// leaves something half done that only it knew of.
SEMAPHORE_CASE(crashes, KilledAtEachInstruction_OthersGoOnAsClaimed, .applies = steps,
               .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context)) return;
  const SemaphoreClaims& claims = context.semaphore().claims;
  const SweepAmount amount = amount_for_subject(!claims.sleeps);
  const std::vector<Allowed> allowed = allowed_of(claims);
  const auto kill = [&](const Scenario& scenario, std::size_t victim) {
    expect_kill_sweep(context, scenario, victim, allowed, amount);
  };
  if (claims.owner) {
    const auto kill_late = [&] {
      expect_preemption_and_kill_sweep(context, contention(context), 0, allowed, amount);
    };
    return run_sweeps(context, {[&] { kill(contention(context), 0); }, kill_late});
  }
  run_sweeps(context, {[&] { kill(exchange_with_heir(context, true), 0); },
                       [&] { kill(exchange_with_heir(context, false), 1); }});
}

}  // namespace
}  // namespace gauntlet
