// One operation of a subject with each of its system calls failing in turn, as its manual page
// allows: is the error reported or made up for, does anything leak, and does the object still work?
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cases/context.h"
#include "faults/system_call_failure.h"
#include "process/crew.h"
#include "process/futex.h"

namespace gauntlet {

/// What one failure came to.
enum class FailureOutcome : std::uint8_t {
  not_reached,  ///< the call was not made
  reported,     ///< the operation answered an error, and everything is as it was before
  made_up_for,  ///< it answered success, and was done
  retries,      ///< it asks again for as long as the failure lasts, and is done afterwards
  hidden,       ///< it answered success, and was not done
  lost,         ///< it answered an error, and took or left something
  leaked,       ///< a descriptor or a shared mapping stays behind
  broken,       ///< afterwards the object does not work any more
  stuck,        ///< the process sleeps or works on and on
  crashed,      ///< the process died
};
std::string_view word(FailureOutcome outcome);
/// True for those that a user can live with: the first four.
bool is_fine(FailureOutcome outcome);

/// How a step of the traced process ended.
struct StepAnswer {
  bool answered = false;
  bool ok = false;
  Error error;
  std::int64_t value = 0;  ///< what the contract's steps tell besides
};

/// A step answers a value of the contract's own, or the error of the call.
using FailureStep = std::function<Result<std::int64_t>(Worker&)>;

/// What the traced process does. Each step runs in it, one after the other.
struct FailingCall {
  FailureStep prepare;  ///< nothing fails yet; may be empty
  FailureStep act;      ///< between the marks
  FailureStep again;  ///< nothing fails any more: the same operation, or its opposite; may be empty
  /// Drops what the process still has, however the steps ended.
  std::function<void()> cleanup = {};
};

/// An operation under a failure answers by then, where it has a deadline.
inline constexpr std::chrono::seconds kFailingCallLimit{2};

/// What a step answers that has nothing else to tell.
inline Result<std::int64_t> told(const Status& status) {
  if (!status) return tl::unexpected(status.error());
  return 0;
}
/// The same of an opening; what was opened is kept in `mine`.
template <class End>
Result<std::int64_t> keep(Result<std::unique_ptr<End>> opened, std::unique_ptr<End>& mine) {
  if (!opened) return tl::unexpected(opened.error());
  mine = std::move(*opened);
  return 0;
}

/// Two processes tell each other: who awaits a word sleeps until the other has set it.
inline void set(FutexWord& word, std::uint32_t value = 1) {
  word.store(value, std::memory_order_release);
  futex_wake_all(word);
}
inline std::uint32_t await(FutexWord& word) {
  std::uint32_t seen = 0;
  while ((seen = word.load(std::memory_order_acquire)) == 0) futex_wait(word, 0);
  return seen;
}

/// What was seen of a trial, before the contract has looked at its object.
struct FailureSeen {
  CallFailureRun run;
  StepAnswer prepared;
  StepAnswer acted;
  StepAnswer again;
  bool ended = false;    ///< by itself
  bool crashed = false;  ///< by a signal, or with a status
  /// After `again` than before `act`, likewise shared mappings; 0 in a process with threads of a
  /// library.
  int more_descriptors = 0;
  int more_mappings = 0;
};

/// Forks a traced worker of `crew` that does the steps under `failure` (nothing: nobody fails) and
/// waits for its end; one that is stuck is killed. Nothing: there is no worker, or no ptrace, and
/// the context has been told.
std::optional<FailureSeen> try_failure(CaseContext& context, Crew& crew, const FailingCall& call,
                                       const std::optional<CallFailure>& failure);

/// Waits for the end. False: it and everybody else only sleeps, or it works for ever.
bool ends_by_itself(Process& process);
/// The end of all workers; who is stuck is killed.
void end_all(Crew& crew);

/// What the contract found out about its object after a trial.
struct FailureTrial {
  explicit FailureTrial(FailureSeen what) : seen(std::move(what)) {}
  FailureSeen seen;
  /// What is wrong with the object now: lost, hidden or broken, otherwise nothing.
  std::optional<FailureOutcome> damage;
  std::string detail;  ///< in words, for what is not fine
};

/// One trial from making the object to looking at it; nothing ends the walk (the context knows
/// why).
using RunFailureTrial =
    std::function<std::optional<FailureTrial>(const std::optional<CallFailure>& failure)>;

/// An operation of a contract, and how it is tried.
struct FailureOperation {
  std::string name;  ///< "send"
  RunFailureTrial run;
};

/// Tries each operation once undisturbed, and then with each call that it made and each error that
/// the call's page allows, once and from then on always: all of them in full, some of them, drawn
/// from the seed, in smoke. Tells the table (observed["failing calls: send"], a line a call, an
/// error and an outcome) and the counts, and fails the case for whatever is not fine; what comes of
/// errors that only wrong arguments bring (ErrorClass::misuse) is told and, but for leaks, not
/// judged. Without ptrace: not_run.
void walk_failures(CaseContext& context, const std::vector<FailureOperation>& operations);

}  // namespace gauntlet
