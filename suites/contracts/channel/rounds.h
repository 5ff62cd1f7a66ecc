// Runs many programs, one after another, on one channel by one set of processes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cases/context.h"
#include "contracts/channel.h"
#include "contracts/channel/program.h"
#include "history/call.h"
#include "history/verdict.h"

namespace gauntlet::channel_suite {

/// What one program did. The channel was drained after it, by calls that are in the history too.
struct Round {
  history::History history;
  std::uint32_t priorities = 1;    ///< that the program used
  std::vector<std::string> flaws;  ///< torn messages, wrong answers; as a sentence each
  std::string stuck;               ///< who sleeps in which call although nothing is in the way
  std::string died;                ///< who ended that nobody had killed
};

/// What a batch of programs came to. Programs after one that got stuck or died have no round.
struct Batch {
  std::vector<Round> rounds;
  Error not_created;  ///< when `created` is false
  bool created = true;
  std::string broken;  ///< the machine failed: no process, no memory
};

/// All programs must have the same lanes with the same roles. The workers are forked once and go
/// through the programs in step: they start each one together, and when all are done one of them
/// receives what is left. For the body; every wait is bounded.
Batch run_rounds(const ChannelSubject& subject, const ChannelOptions& options,
                 const std::vector<Program>& programs);

/// What is wrong with the round: a flaw, a death, somebody stuck, or a history that no queue with
/// these claims explains.
history::Verdict verdict_of(const ChannelClaims& claims, const ChannelOptions& options,
                            const Round& round);

}  // namespace gauntlet::channel_suite
