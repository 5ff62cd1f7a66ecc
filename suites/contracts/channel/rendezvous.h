// What the cases of rendezvous share: how their histories are judged, and how one is tried.
#pragma once

#include <string_view>

#include "contracts/channel/claims.h"
#include "contracts/channel/stage.h"

namespace gauntlet::channel_suite {

inline bool can_give_up(const ChannelClaims& claims) {
  return is_rendezvous(claims) && claims.sends_can_be_given_up;
}

/// Fails the case when the history cannot be that of a rendezvous. Answers true when it can.
bool judge_rendezvous(CaseContext& context, const history::History& history,
                      std::string_view circumstance = {});

/// `sender` begins to send message `id` and is seen to sleep in it. Answers false when it is not,
/// which fails the case.
bool offer(Actor& sender, std::uint32_t id, std::size_t size = 64);
/// The same for a receiver.
bool ask(Actor& receiver);

/// Newcomers of both roles meet, and find nothing that others left.
void expect_newcomers_meet(Stage& stage, std::uint32_t id);

}  // namespace gauntlet::channel_suite
