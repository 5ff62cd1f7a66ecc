// Priorities of processes, given and read.
#pragma once

#include <sys/types.h>

#include <optional>

#include "cases/context.h"

namespace gauntlet {

/// Makes the process a SCHED_FIFO one. False when this run may not: the case was told not_run.
bool make_real_time(CaseContext& context, pid_t pid, int priority);

/// The priority that the scheduler uses now, inherited ones included (proc_pid_stat(5), field 18);
/// lower is more urgent, real-time ones are negative.
std::optional<int> effective_priority(pid_t pid);

}  // namespace gauntlet
