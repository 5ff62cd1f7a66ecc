// The ranks' part of a clause, run under MPICH's launcher, and the facts that it printed.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "cases/context.h"

namespace gauntlet {

/// What came of a job.
struct RankFacts {
  int status = -1;  ///< of the launcher
  std::vector<std::pair<std::string, long>> facts;

  /// The values of that name in the order printed.
  std::vector<long> all(std::string_view name) const;
  /// The only one of that name; -1 when there is none or several.
  long one(std::string_view name) const;
};

/// Runs clause `name` of fixtures/subjects/message_passing/mpi/clauses.cpp. Nothing when it could
/// not be run or never ended: then the context was told.
std::optional<RankFacts> run_ranks(CaseContext& context, std::string_view name, unsigned ranks = 2);

}  // namespace gauntlet
