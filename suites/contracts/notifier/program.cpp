// Generates, runs and checks programs on a notifier.
#include "contracts/notifier/program.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <utility>

#include "base/limits.h"
#include "contracts/notifier/opening.h"
#include "history/recorder.h"
#include "process/crew.h"
#include "process/futex.h"
#include "process/shared.h"
#include "support/own_cpu.h"

namespace gauntlet {
namespace {

using history::Op;
using history::Outcome;
using std::chrono::microseconds;

constexpr std::size_t kMostNotifiers = 3;
constexpr std::size_t kMostWaiters = 3;
constexpr std::size_t kMostCalls = 4;
/// No more than can pend anywhere, so that nobody has to wait for room.
constexpr std::size_t kMostPending = kMostNotifiers * kMostCalls;

/// What the processes of one run share.
struct Board {
  FutexWord busy_notifiers{0};
  std::atomic<std::int64_t> last_notify_ns{0};  ///< when the newest began
};

Outcome outcome_of_wait(const Error& error) {
  if (error == Code::timed_out) return Outcome::timed_out;
  return error == Code::would_block ? Outcome::would_block : Outcome::error;
}

/// One waiter's end, whose calls are recorded.
struct RecordedWaiter {
  Worker& worker;
  Notifier& notifier;
  const NotifierClaims& claims;
  history::Lane lane;
  std::int64_t last_taken_ns = -1;

  /// False when nothing was there, or at a failure, which has been told.
  bool wait(Deadline deadline) {
    const history::Token token = lane.invoke(Op::wait);
    const Result<Notification> told = notifier.wait(deadline);
    if (told) {
      const bool counts = claims.pending == Pending::counted;
      lane.respond(token, Outcome::ok, counts ? told->count : told->payload);
      last_taken_ns = monotonic_ns();
      return true;
    }
    lane.respond(token, outcome_of_wait(told.error()), 0, 0, told.error().system_errno);
    worker.expect(brought_nothing(told.error()), "wait: " + describe(told.error()));
    return false;
  }
};

void notify_all(Worker& worker, NotifierHost& host, history::Lane lane, Board& board,
                const std::vector<std::uint32_t>& payloads) {
  const auto notifier = open_notifier(worker, host, NotifierRole::notifier);
  take_own_cpu(worker.index());
  worker.await_start();
  for (const std::uint32_t payload : payloads) {
    if (!notifier) break;
    std::int64_t begun = monotonic_ns();
    std::int64_t newest = board.last_notify_ns.load();
    while (newest < begun && !board.last_notify_ns.compare_exchange_weak(newest, begun)) {
    }
    const history::Token token = lane.invoke(Op::notify, payload);
    const Status told = notifier->notify(payload, Deadline::after(kCallPatience));
    lane.respond(token, told ? Outcome::ok : Outcome::error, 0, 0,
                 told ? 0 : told.error().system_errno);
    if (!worker.expect(told.has_value(), told ? "" : "notify: " + describe(told.error()))) break;
  }
  board.busy_notifiers.fetch_sub(1);
  futex_wake_all(board.busy_notifiers);
}

void wait_for_all(Worker& worker, NotifierHost& host, history::Lane lane, Board& board,
                  const NotifierClaims& claims, const std::vector<std::uint32_t>& patience_us) {
  const auto notifier = open_notifier(worker, host, NotifierRole::waiter);
  take_own_cpu(worker.index());
  worker.await_start();
  if (!notifier) return;
  RecordedWaiter waiter{worker, *notifier, claims, lane};
  for (const std::uint32_t patience : patience_us) {
    waiter.wait(patience == 0 ? Deadline::immediate() : Deadline::after(microseconds(patience)));
  }
  for (std::uint32_t busy = board.busy_notifiers.load(); busy != 0;
       busy = board.busy_notifiers.load()) {
    futex_wait(board.busy_notifiers, busy);
  }
  // What comes a moment later is not missed by a try: it is waited for when it must come.
  if (!claims.seen_at_once && waiter.last_taken_ns < board.last_notify_ns.load()) {
    worker.expect(waiter.wait(Deadline::after(kCallPatience)), "the last notification was lost");
  }
  for (std::size_t i = 0; i <= kMostPending && waiter.wait(Deadline::immediate()); ++i) {
  }
}

/// One lane for each waiter where each is told of everything; else all of them together.
std::vector<history::History> objects_of(const history::History& all, std::size_t notifiers,
                                         std::size_t waiters, Audience audience) {
  if (audience == Audience::one) return {all};
  std::vector<history::History> objects;
  for (std::size_t waiter = notifiers; waiter < notifiers + waiters; ++waiter) {
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < all.calls.size(); ++i) {
      if (all.calls[i].process < notifiers || all.calls[i].process == waiter) kept.push_back(i);
    }
    objects.push_back(history::restrict_to(all, kept));
  }
  return objects;
}

template <class Calls>
void add_smaller(std::vector<NotifierProgram>& candidates, const NotifierProgram& program,
                 Calls NotifierProgram::*of_role) {
  const Calls& processes = program.*of_role;
  for (std::size_t process = 0; process < processes.size(); ++process) {
    const auto at = static_cast<std::ptrdiff_t>(process);
    if (processes.size() > 1) {
      candidates.push_back(program);
      auto& fewer = candidates.back().*of_role;
      fewer.erase(fewer.begin() + at);
    }
    for (std::size_t call = 0; call < processes[process].size(); ++call) {
      candidates.push_back(program);
      auto& shorter = (candidates.back().*of_role)[process];
      shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(call));
    }
  }
}

}  // namespace

NotifierProgram generate_notifier_program(Random& random, const NotifierClaims& claims) {
  NotifierProgram program;
  program.notifiers.resize(random.between(1, kMostNotifiers));
  for (auto& payloads : program.notifiers) {
    payloads.resize(random.between(1, kMostCalls));
    for (std::uint32_t& payload : payloads) {
      payload = static_cast<std::uint32_t>(random.between(0, claims.largest_payload));
    }
  }
  // Where what is notified comes later, it must be known who has to wait for it.
  const bool several = claims.many_waiters && claims.seen_at_once;
  program.waiters.resize(several ? random.between(1, kMostWaiters) : 1);
  for (auto& waits : program.waiters) {
    waits.resize(random.between(0, kMostCalls));
    for (std::uint32_t& patience : waits) {
      constexpr std::uint64_t kMostUs = 1500;
      patience = static_cast<std::uint32_t>(random.chance(0.4) ? 0 : random.below(kMostUs));
    }
  }
  return program;
}

std::vector<NotifierProgram> smaller_programs(const NotifierProgram& program) {
  std::vector<NotifierProgram> candidates;
  add_smaller(candidates, program, &NotifierProgram::notifiers);
  add_smaller(candidates, program, &NotifierProgram::waiters);
  return candidates;
}

history::NotificationRules rules_of(const NotifierClaims& claims) {
  history::NotificationRules rules;
  rules.pending = claims.pending == Pending::queued    ? history::PendingRule::queued
                  : claims.pending == Pending::counted ? history::PendingRule::counted
                                                       : history::PendingRule::coalesced;
  rules.order = claims.order == NotifyOrder::fifo           ? history::PayloadOrder::fifo
                : claims.order == NotifyOrder::lowest_first ? history::PayloadOrder::lowest_first
                                                            : history::PayloadOrder::any;
  rules.payload = claims.payload;
  rules.certain_nothing = claims.seen_at_once;
  rules.search = {.steps = 200'000, .memory_bytes = 64 * 1024 * 1024};
  return rules;
}

NotifierRun run_notifier_program(CaseContext& context, const NotifierProgram& program) {
  NotifierRun run;
  const NotifierClaims& claims = context.notifier().claims;
  const auto host = make_notifier(context);
  if (!host) return run;
  const std::size_t notifiers = program.notifiers.size();
  const std::size_t waiters = program.waiters.size();
  const history::Recorder recorder =
      history::Recorder::create(notifiers + waiters, kMostCalls + kMostPending + 3);
  Shared<Board> board;
  board->busy_notifiers.store(static_cast<std::uint32_t>(notifiers));
  Crew crew;
  for (const auto& payloads : program.notifiers) {
    const auto body = [&](Worker& worker) {
      notify_all(worker, *host, recorder.lane(worker.index()), *board, payloads);
    };
    if (!add_worker(context, crew, body)) return run;
  }
  for (const auto& waits : program.waiters) {
    const auto body = [&](Worker& worker) {
      wait_for_all(worker, *host, recorder.lane(worker.index()), *board, claims, waits);
    };
    if (!add_worker(context, crew, body)) return run;
  }
  if (!start(context, crew) || !context.join(crew, Deadline::after(2 * kCallPatience))) return run;
  run.ran = true;
  for (history::History& object :
       objects_of(recorder.collect(), notifiers, waiters, claims.audience)) {
    object.unit = "notification";
    history::Verdict verdict = history::check_notifications(object, rules_of(claims));
    run.undecided = run.undecided || verdict.kind == history::Verdict::unknown;
    if (verdict.kind != history::Verdict::violation) continue;
    run.violation = NotifierViolation{std::move(object), std::move(verdict)};
    return run;
  }
  return run;
}

}  // namespace gauntlet
