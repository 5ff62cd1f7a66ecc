// Finds out that workers are stuck by looking at them, not by a time limit.
#pragma once

#include <chrono>
#include <string_view>

#include "cases/context.h"
#include "process/crew.h"

namespace gauntlet {

/// Who does nothing but sleep for so long will not wake by itself: five times the longest re-check
/// that a subject claims.
inline constexpr std::chrono::seconds kQuiet{1};

/// Whether every thread of every process that this one has started, brokers too, sleeps at this
/// moment, and not for a disk. Who waits for one that still works is not stuck.
bool all_descendants_asleep();

/// Waits until all workers of the crew have ended. When every one that is left sleeps in a system
/// call and none has made progress (Worker::step) for longer than any claimed re-check, they are
/// stuck: the case fails with `meaning`, their states are told, and the answer is false. A worker
/// that can run is waited for, however slow the machine.
bool await_end_or_stuck(CaseContext& context, Crew& crew, std::string_view meaning);

}  // namespace gauntlet
