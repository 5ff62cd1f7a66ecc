// Contract Notifier, races and crashes: one process held up, or killed, at each instruction of
// notify and wait. The others run until they are quiet, so that each point has one outcome.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "contracts/notifier/opening.h"
#include "contracts/notifier/program.h"
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
using NotifierScenario = SubjectScenario<NotifierHost, Notifier>;

constexpr std::chrono::seconds kSweepDeadline{120};
/// Waits of one waiter: more than any scenario notifies.
constexpr std::uint64_t kMostWaits = 6;

bool steps(const NotifierClaims& claims) { return can_be_stepped(claims.stepping); }

/// What the processes of a scenario tell each other besides: how many notifications have begun.
std::atomic<std::uint64_t>& begun_in(Self& self) { return self.at<std::atomic<std::uint64_t>>(); }

NotifierScenario::Act notifies(std::uint32_t payload, bool to_the_gone_too = false) {
  return [payload, to_the_gone_too](Self& self, Notifier& notifier) {
    begun_in(self).fetch_add(1);
    const Response told = self.call(Op::notify, payload, [&] {
      const Status status = notifier.notify(payload, Deadline::never());
      if (status) return Response{.outcome = Outcome::ok};
      const bool gone = status.error() == Code::peer_gone;
      return Response{.outcome = gone ? Outcome::peer_gone : Outcome::error};
    });
    self.expect(
        told.outcome == Outcome::ok || (to_the_gone_too && told.outcome == Outcome::peer_gone),
        "notify failed");
  };
}

/// Answers how many notifications it brought.
std::uint64_t wait_once(Self& self, Notifier& notifier, Pending pending, Deadline deadline) {
  std::uint64_t count = 0;
  const Response told = self.call(Op::wait, 0, [&] {
    const Result<Notification> brought = notifier.wait(deadline);
    if (!brought) {
      const bool nothing = brought.error() == Code::would_block;
      return Response{.outcome = nothing ? Outcome::would_block : Outcome::error};
    }
    count = brought->count;
    return Response{.outcome = Outcome::ok,
                    .value = pending == Pending::counted ? brought->count : brought->payload};
  });
  self.expect(told.outcome != Outcome::error, "wait failed");
  return count;
}

/// Waits until `expected` notifications have come, and looks that no more do. Coalesced ones do not
/// say how many they were: there one has come after the last has begun, and what is left is no
/// matter.
NotifierScenario::Act awaits(Pending pending, std::uint64_t expected) {
  return [pending, expected](Self& self, Notifier& notifier) {
    std::uint64_t come = 0;
    for (std::uint64_t waits = 0; come < expected && waits < kMostWaits; ++waits) {
      const std::uint64_t brought = wait_once(self, notifier, pending, Deadline::never());
      come = pending == Pending::coalesced ? begun_in(self).load() : come + brought;
    }
    self.expect(come >= expected, "waits came back without notifications");
    wait_once(self, notifier, pending, Deadline::immediate());
  };
}

/// Waits for one, whichever.
NotifierScenario::Act awaits_one(Pending pending) {
  return [pending](Self& self, Notifier& notifier) {
    self.expect(wait_once(self, notifier, pending, Deadline::never()) > 0, "nothing came");
  };
}

/// Scenarios of the case's subject.
struct Subject {
  explicit Subject(CaseContext& context)
      : claims(context.notifier().claims),
        scenario(context.notifier().name, claims.stepping,
                 [options = NotifierOptions{.scope = context.scope()},
                  create = context.notifier().create] { return create(options); }) {}

  void add(const char* name, NotifierRole role, NotifierScenario::Act act,
           Starts starts = Starts::at_once) {
    scenario.add(
        name, [role](NotifierHost& host) { return host.open(role); }, std::move(act), starts);
  }

  /// Which of two is payload 1 and which 2, where there are payloads.
  std::uint32_t payload(std::uint32_t number) const { return claims.payload ? number : 0; }

  Scenario finish() {
    return scenario.judged_by([rules = rules_of(claims)](const Ending& ending) {
      const history::Verdict verdict = history::check_notifications(ending.history, rules);
      return verdict.kind == history::Verdict::valid ? std::string() : verdict.message;
    });
  }

  const NotifierClaims& claims;
  NotifierScenario scenario;
};

/// Two notify one.
Scenario notifying(CaseContext& context) {
  Subject subject(context);
  // One wait may stand for both, and its waiter be gone before the second is said.
  const bool may_be_late = subject.claims.pending == Pending::coalesced;
  subject.add("waiter", NotifierRole::waiter, awaits(subject.claims.pending, 2));
  subject.add("notifier", NotifierRole::notifier, notifies(subject.payload(1), may_be_late));
  subject.add("second notifier", NotifierRole::notifier, notifies(subject.payload(2), may_be_late));
  return subject.finish();
}

/// A notifier that dies, and another: whatever the dead has said, the waiter is told once.
Scenario notifier_dies(CaseContext& context) {
  Subject subject(context);
  subject.add("waiter", NotifierRole::waiter, awaits_one(subject.claims.pending));
  subject.add("notifier", NotifierRole::notifier, notifies(subject.payload(1)));
  subject.add("next", NotifierRole::notifier, notifies(subject.payload(2), true),
              Starts::after_a_death);
  return subject.finish();
}

/// A waiter that dies, and its heir: it is told what is said after it has come, at the least.
Scenario waiter_dies(CaseContext& context) {
  Subject subject(context);
  const bool told = subject.claims.dead_waiter_is_told;
  subject.add("waiter", NotifierRole::waiter, awaits_one(subject.claims.pending));
  subject.add("notifier", NotifierRole::notifier, notifies(subject.payload(1), told));
  subject.add("heir", NotifierRole::waiter, awaits_one(subject.claims.pending),
              Starts::after_a_death);
  subject.add("next", NotifierRole::notifier, notifies(subject.payload(2), told),
              Starts::after_a_death);
  return subject.finish();
}

bool possible(CaseContext& context) { return make_notifier(context) != nullptr; }

// Held up anywhere in notify or wait, for as long as all others can go on: no notification is lost
// or made up, and nobody sleeps beside one. Fails wherever two steps should have been one; which
// instruction lies between them the table says.
NOTIFIER_CASE(races, PreemptedAtEachInstruction_NothingIsLostAndNobodyIsForgotten, .applies = steps,
              .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context)) return;
  const auto hold_up = [&](std::size_t victim) {
    expect_preemption_sweep(context, notifying(context), victim, {}, amount_for_subject());
  };
  run_sweeps(context, {[&] { hold_up(0); }, [&] { hold_up(1); }});
}

// Killed anywhere in notify or wait: the others go on, and who comes in the place of a dead waiter
// is told.
NOTIFIER_CASE(crashes, KilledAtEachInstruction_OthersAndANewcomerAreTold, .applies = steps,
              .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context)) return;
  const auto kill = [&](const Scenario& scenario, std::size_t victim) {
    expect_kill_sweep(context, scenario, victim, {}, amount_for_subject());
  };
  run_sweeps(context,
             {[&] { kill(notifier_dies(context), 1); }, [&] { kill(waiter_dies(context), 0); }});
}

}  // namespace
}  // namespace gauntlet
