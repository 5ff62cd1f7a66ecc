// A case that holds a scenario against a search of the model engine.
#pragma once

#include <cstdint>
#include <vector>

#include "cases/context.h"
#include "schedule/explore.h"

namespace gauntlet {

/// Explores `scenario`: executions are bounded by `most` (of this profile) and by some seconds, or
/// minutes in a soak; where `complete` is asked for, by most of the case's deadline. A finding
/// fails the case with its lanes and its schedule; a search that sees nothing (see canary.h), code
/// that is not instrumented and executions that never end are errors of the case. `complete`: it is
/// an error as well when the search did not see everything.
void hold(CaseContext& context, const schedule::Scenario& scenario, schedule::Memory memory,
          schedule::Search search, std::uint64_t most, bool complete = false);

}  // namespace gauntlet
