// Seeded programs of a few notifiers and waiters with a few calls each: plain data that is
// generated, run on a subject with its calls recorded, made smaller and printed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/seed.h"
#include "cases/context.h"
#include "history/call.h"
#include "history/notification.h"
#include "history/verdict.h"

namespace gauntlet {

struct NotifierProgram {
  std::vector<std::vector<std::uint32_t>> notifiers;  ///< the payloads that each notifies
  std::vector<std::vector<std::uint32_t>> waiters;    ///< how long each of its waits is, in µs
};

/// 1–3 notifiers and, where several may wait, up to 3 waiters, that end whatever the subject does.
NotifierProgram generate_notifier_program(Random& random, const NotifierClaims& claims);
/// One process or one call less.
std::vector<NotifierProgram> smaller_programs(const NotifierProgram& program);

/// A run that no order of its calls explains.
struct NotifierViolation {
  history::History history;
  history::Verdict verdict;
};

/// What one run came to.
struct NotifierRun {
  bool ran = false;  ///< false: it could not be run to its end, which has been told
  bool undecided = false;
  std::optional<NotifierViolation> violation;
};

/// Runs the program once with all processes started together. When all notifiers are done, every
/// waiter takes what is left, so that what was lost is missed.
NotifierRun run_notifier_program(CaseContext& context, const NotifierProgram& program);

/// What the claims promise, in the words of the checker.
history::NotificationRules rules_of(const NotifierClaims& claims);

}  // namespace gauntlet
