// The walk over calls and errors, and its table.
#include "support/failing_calls.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/seed.h"
#include "faults/documented_errors.h"
#include "process/watch.h"

namespace gauntlet {
namespace {

/// Of the calls of one number, so many are failed: what comes later does the same again.
constexpr std::uint32_t kMostOfOneCall = 2;
/// Trials of an operation in smoke and full, none of smoke's of what is only told. With middleware
/// connections are made anew and brokers asked, which takes seconds: soak tries all.
constexpr std::uint64_t kSmokeTrials = 2;
constexpr std::uint64_t kMiddlewareTrials[] = {1, 12};

/// What such a call was to remove stays, whatever its caller does.
bool leaves_a_mapping(const CallFailure& failure) {
#ifdef SYS_shmdt
  if (failure.number == SYS_shmdt) return true;
#endif
  return failure.number == SYS_munmap;
}

FailureOutcome judge(const FailureTrial& trial, const FailureSeen& undisturbed,
                     const CallFailure& failure) {
  const FailureSeen& seen = trial.seen;
  if (seen.run.fired == 0) return FailureOutcome::not_reached;
  if (seen.crashed) return FailureOutcome::crashed;
  if (!seen.ended || !seen.acted.answered) return FailureOutcome::stuck;
  const bool leaks =
      seen.more_descriptors > std::max(0, undisturbed.more_descriptors) ||
      (!leaves_a_mapping(failure) && seen.more_mappings > std::max(0, undisturbed.more_mappings));
  if (leaks) return FailureOutcome::leaked;
  if (trial.damage) return *trial.damage;
  if (seen.acted.ok && seen.again.answered && !seen.again.ok) {
    // A connection that was given up is told by the next call at the latest.
    const bool told = seen.again.error == Code::peer_gone || seen.again.error == Code::closed;
    return told ? FailureOutcome::reported : FailureOutcome::broken;
  }
  if (seen.run.end == FailureRunEnd::retries) return FailureOutcome::retries;
  return seen.acted.ok ? FailureOutcome::made_up_for : FailureOutcome::reported;
}

/// Only wrong arguments bring such an error: no caller that is right has to think of it, and many
/// abort (the C library does) or go on. Or it says that a process is gone which is there: who
/// believes the system is right. The table tells what they do; whatever leaks is judged all the
/// same.
bool is_only_told(const CallFailure& failure, FailureOutcome outcome) {
  const bool untrue = failure.error == ESRCH;
  return (untrue || error_class(failure.number, failure.error) == ErrorClass::misuse) &&
         outcome != FailureOutcome::leaked;
}

std::string describe(const StepAnswer& answer) {
  if (!answer.answered) return "no answer";
  return answer.ok ? "ok" : describe(answer.error);
}

std::string describe(const FailureTrial& trial) {
  std::string text = "answered " + describe(trial.seen.acted);
  if (trial.seen.again.answered) text += ", again " + describe(trial.seen.again);
  if (trial.seen.more_descriptors > 0) {
    text += fmt::format(", {} descriptors more", trial.seen.more_descriptors);
  }
  if (trial.seen.more_mappings > 0) {
    text += fmt::format(", {} shared mappings more", trial.seen.more_mappings);
  }
  if (!trial.detail.empty()) text += ", " + trial.detail;
  return text;
}

std::span<const int> errors_of(const SeenCall& call) {
  if (call.number == SYS_futex) {
    return documented_futex_errors(call.arguments[1], call.arguments[3] != 0);
  }
  if (call.number == SYS_fcntl) return documented_fcntl_errors(call.arguments[1]);
  return documented_errors(call.number);
}

/// Where such a call never succeeds, what it was to remove stays for all that anybody can do.
bool removes(long number) {
  constexpr long kRemoving[] = {
#ifdef SYS_unlink
      SYS_unlink,
#endif
#ifdef SYS_shmctl
      SYS_shmctl,
#endif
      SYS_unlinkat, SYS_mq_unlink};
  return std::find(std::begin(kRemoving), std::end(kRemoving), number) != std::end(kRemoving);
}

/// Every failure of the calls that an undisturbed trial made.
std::vector<CallFailure> failures_of(const CallFailureRun& run) {
  std::vector<CallFailure> failures;
  for (const SeenCall& call : run.calls) {
    if (call.nth > kMostOfOneCall) continue;
    for (const int error : errors_of(call)) {
      // Only where nothing may lie at the address that was asked for.
      const bool no_replace = (call.arguments[3] & MAP_FIXED_NOREPLACE) != 0;
      if (call.number == SYS_mmap && error == EEXIST && !no_replace) continue;
      for (const bool persistent : {false, true}) {
        if (persistent && removes(call.number)) continue;
        CallFailure failure{call.number, call.nth, error, persistent};
        if (has_operations(call.number)) failure.operation = call.arguments[1];
        failures.push_back(failure);
      }
    }
  }
  return failures;
}

void shuffle(std::vector<CallFailure>& failures, Random random) {
  for (std::size_t left = failures.size(); left > 1; --left) {
    std::swap(failures[left - 1], failures[random.below(left)]);
  }
}

/// The walk over one operation.
class Walk {
 public:
  Walk(CaseContext& context, const FailureOperation& operation)
      : context_(context), operation_(operation) {}

  /// False: it came to an end that was told.
  bool run() {
    const auto first = operation_.run(std::nullopt);
    if (!first) return false;
    const bool fine = first->seen.ended && first->seen.acted.ok && !first->damage &&
                      (!first->seen.again.answered || first->seen.again.ok);
    if (!fine) {
      ADD_FAILURE() << operation_.name << " with nothing failing: prepared "
                    << describe(first->seen.prepared) << ", " << describe(*first);
      return false;
    }
    std::vector<CallFailure> failures = failures_of(first->seen.run);
    const std::size_t all = failures.size();
    draw(failures);
    for (const CallFailure& failure : failures) {
      if (!run(failure, first->seen)) return false;
    }
    tell(failures.size(), all);
    return true;
  }

 private:
  bool run(const CallFailure& failure, const FailureSeen& undisturbed) {
    const auto trial = operation_.run(failure);
    if (!trial) return false;
    const FailureOutcome outcome = judge(*trial, undisturbed, failure);
    if (outcome != FailureOutcome::not_reached) {
      context_.fault_planned();
      context_.fault_fired();
    }
    ++counts_[outcome];
    const std::string call = fmt::format("{}: {}", operation_.name, failure.describe());
    rows_ += fmt::format("{} -> {}\n", failure.describe(), word(outcome));
    EXPECT_TRUE(is_fine(outcome) || is_only_told(failure, outcome))
        << call << " -> " << word(outcome) << " (" << describe(*trial) << ")";
    return true;
  }

  /// As many as this profile tries, drawn from the seed.
  void draw(std::vector<CallFailure>& failures) const {
    if (context_.profile() == Profile::smoke) {
      std::erase_if(failures, [](const CallFailure& each) {
        return error_class(each.number, each.error) == ErrorClass::misuse;
      });
    }
    const bool slow = context_.info().method == "middleware";
    const std::uint64_t most =
        slow ? context_.amount(kMiddlewareTrials[0], kMiddlewareTrials[1], UINT64_MAX)
             : context_.amount(kSmokeTrials, UINT64_MAX, UINT64_MAX);
    if (failures.size() <= most) return;
    shuffle(failures, context_.random(std::hash<std::string>{}(operation_.name)));
    failures.resize(static_cast<std::size_t>(most));
  }

  void tell(std::size_t tried, std::size_t all) {
    std::string sums = fmt::format("{} of {} failures tried", tried, all);
    for (const auto& [outcome, count] : counts_) {
      sums += fmt::format(", {} {}", count, word(outcome));
      context_.measured(fmt::format("{}_{}", operation_.name, word(outcome)),
                        static_cast<double>(count));
    }
    context_.observed("failing calls: " + operation_.name, sums + "\n" + rows_);
  }

  CaseContext& context_;
  const FailureOperation& operation_;
  std::map<FailureOutcome, std::uint32_t> counts_;
  std::string rows_;
};

}  // namespace

std::string_view word(FailureOutcome outcome) {
  constexpr std::string_view kWords[] = {"not reached", "reported", "made up for", "retries",
                                         "hidden",      "lost",     "leaked",      "broken",
                                         "stuck",       "crashed"};
  return kWords[static_cast<std::size_t>(outcome)];
}

bool is_fine(FailureOutcome outcome) { return outcome <= FailureOutcome::retries; }

void walk_failures(CaseContext& context, const std::vector<FailureOperation>& operations) {
  for (const FailureOperation& operation : operations) {
    if (!Walk(context, operation).run()) return;
  }
}

}  // namespace gauntlet
