// Seeded programs of a few processes with a few calls each: plain data that is generated, run on a
// subject, made smaller and printed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/seed.h"
#include "cases/context.h"
#include "history/call.h"
#include "history/verdict.h"

namespace gauntlet {

struct SemaphoreStep {
  history::Op op = history::Op::try_acquire;
  std::uint32_t patience_us = 0;  ///< acquire only
};

struct SemaphoreProgram {
  std::int64_t initial = 1;
  std::vector<std::vector<SemaphoreStep>> processes;
};

/// 2–8 processes, 1–6 calls each, that end whatever the subject does: every wait has a deadline or
/// is for a unit whose owner gives it back.
SemaphoreProgram generate_program(Random& random, const SemaphoreClaims& claims);
/// One process or one call less.
std::vector<SemaphoreProgram> smaller_programs(const SemaphoreProgram& program);

/// A run that no order of its calls explains.
struct SemaphoreViolation {
  history::History history;
  history::Verdict verdict;
};

/// What one run came to.
struct SemaphoreRun {
  bool ran = false;  ///< false: it could not be run to its end, which has been told
  history::Verdict::Kind kind = history::Verdict::valid;
  std::optional<SemaphoreViolation> violation;
};

/// Runs the program once with all processes started together, and checks its history.
SemaphoreRun run_program(CaseContext& context, const SemaphoreProgram& program);

/// The verdict of the checker that the claims ask for.
history::Verdict check_history(const SemaphoreClaims& claims, std::int64_t initial,
                               const history::History& history,
                               std::optional<std::uint64_t> final_value);

history::Outcome to_outcome(const Error& error);

}  // namespace gauntlet
