// Holds a recorded history against what the subject claims.
#pragma once

#include <string>
#include <string_view>

#include "cases/context.h"
#include "contracts/channel.h"
#include "history/fifo_channel.h"

namespace gauntlet::channel_suite {

/// The rules that follow from the claims. `drained`: at the end somebody received until nothing
/// was left. Order::fifo is a linearizable queue, so "empty" and "full" are exact; channels that
/// claim less may answer them while somebody else is inside a call.
/// With more than one of `priorities`, each message has that of its id.
history::FifoRules rules_for(const ChannelClaims& claims, const ChannelOptions& options,
                             bool drained, std::uint32_t priorities = 1);

/// check_fifo_channel; a search over its budget is tried again without the capacity, which the
/// patterns decide alone, so that `unknown` stays a rarity.
history::Verdict check(const history::History& history, const history::FifoRules& rules);

/// The message of a verdict and its lanes, for people.
std::string explain(const history::History& history, const history::Verdict& verdict);

/// Fails the case when the history cannot be explained; an undecided one is an error of the suite.
/// Answers true when it is valid.
bool judge(CaseContext& context, const history::History& history, const history::FifoRules& rules,
           std::string_view circumstance = {});

}  // namespace gauntlet::channel_suite
