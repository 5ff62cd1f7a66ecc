// Kills a process after its n-th instruction (ptrace).
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"

namespace gauntlet {

/// What came of one planned kill.
struct InstructionKill {
  bool fired = false;       ///< it was killed; false: it had ended by itself before
  std::uint32_t steps = 0;  ///< instructions that it was let do
};

/// Forks a process that runs `work`, lets it do `instructions` of it one by one, and kills it.
/// Those of leaving the stop at which the tracing begins count as well. A system call is one
/// instruction. For the body of a case with Need::ptrace. Errors: those of fork(2) and ptrace(2).
Result<InstructionKill> kill_at_instruction(const std::function<void()>& work,
                                            std::uint32_t instructions);

}  // namespace gauntlet
