// The reference's objects as scenarios, compiled for the model engine.
#pragma once

#include "schedule/scenario.h"

namespace gauntlet::schedule {

/// So many processes acquire and release the one unit of a semaphore.
Scenario semaphore_of_one(bool returned_on_death, std::size_t processes);

}  // namespace gauntlet::schedule
