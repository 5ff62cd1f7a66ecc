// What the cases share that ask channels of their messages which may lose, double or drop some, or
// which more than one receiver gets.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "contracts/channel/claims.h"
#include "contracts/channel/judge.h"
#include "contracts/channel/stage.h"
#include "contracts/channel/traffic.h"

namespace gauntlet::channel_suite {

/// Whole messages, one receiver each, and something less than "each exactly once, or wait": what
/// keeps_order() does not ask.
inline bool is_lossy(const ChannelClaims& claims) {
  return has_messages(claims) && claims.fanout == Fanout::compete && !claims.synchronous &&
         !keeps_order(claims);
}
inline bool is_broadcast(const ChannelClaims& claims) {
  return has_messages(claims) && claims.fanout == Fanout::broadcast && !claims.synchronous;
}
inline bool lossy_sender_may_die(const ChannelClaims& claims) {
  return is_lossy(claims) && claims.sender_death != DeathDamage::unclaimed;
}
inline bool lossy_receiver_may_die(const ChannelClaims& claims) {
  return is_lossy(claims) && claims.receiver_death != DeathDamage::unclaimed;
}

/// judge()'s rules for a receiver that took what was there: at_least_once loses nothing, and a
/// receiver's death loses only what is claimed.
history::FifoRules lossy_rules(const ChannelClaims& claims, const ChannelOptions& options);

/// The calls of all senders, and those of this one receiver.
history::History seen_by(const history::History& history, std::uint32_t receiver);

/// Ids of probes are from here on; they are sent until somebody gets one.
inline constexpr std::uint32_t kProbeIds = 1'000'000'000;

/// Makes sure that sender and receivers have found each other, which takes a while where nothing
/// tells a sender who listens: sends probes until each receiver got one, and lets each receive up
/// to the last of them. `first` numbers the probes of a stage. False (and failed) when somebody
/// never got one.
bool meet(Actor& sender, const std::vector<Actor*>& receivers, std::uint32_t& first);

/// Receives with patience until message `id` comes; answers false (and fails) when it does not.
bool receive_up_to(Actor& receiver, std::uint32_t id);

/// Takes what is left, until nothing came for a moment; answers how many.
std::uint32_t drain_lossy(Actor& receiver);

/// How long nothing must come until a channel that may lose counts as empty.
inline constexpr std::chrono::milliseconds kLull{50};

}  // namespace gauntlet::channel_suite
