// Questions about claims that several cases ask before they are asked of a subject.
#pragma once

#include <algorithm>
#include <cstddef>

#include "contracts/channel.h"

namespace gauntlet::channel_suite {

inline bool has_messages(const ChannelClaims& claims) {
  return claims.framing == Framing::messages;
}
inline bool has_bytes(const ChannelClaims& claims) { return claims.framing == Framing::bytes; }

/// Nothing is dropped, and a message goes to one receiver: what was sent can be counted.
inline bool is_countable(const ChannelClaims& claims) {
  return claims.overflow != Overflow::drop && claims.fanout == Fanout::compete &&
         !claims.synchronous;
}
inline bool blocks_when_full(const ChannelClaims& claims) {
  return is_countable(claims) && claims.overflow == Overflow::block;
}
inline bool keeps_order(const ChannelClaims& claims) {
  return is_countable(claims) && claims.order != Order::none && claims.order != Order::priority &&
         claims.delivery == Delivery::exactly_once;
}
/// As what anybody can attach who knows the name.
inline Role stranger_role(const ChannelClaims& claims) {
  return claims.strangers_receive ? Role::receiver : Role::sender;
}
inline bool survives_death(const ChannelClaims& claims) {
  return claims.sender_death != DeathDamage::unclaimed &&
         claims.receiver_death != DeathDamage::unclaimed;
}

/// How many processes may send messages of `size` at once and have them come out whole.
inline std::size_t senders_for(const ChannelClaims& claims, std::size_t size, std::size_t wanted) {
  const bool interleaves = has_bytes(claims) && claims.atomic_bytes < size;
  return claims.senders == Multiplicity::one || interleaves ? std::min<std::size_t>(wanted, 1)
                                                            : wanted;
}
/// How many processes may receive whole messages at once. Frames on a stream of bytes cannot be
/// shared: one receiver may get the head and another the tail.
inline std::size_t receivers_for(const ChannelClaims& claims, std::size_t wanted) {
  return claims.receivers == Multiplicity::one || has_bytes(claims)
             ? std::min<std::size_t>(wanted, 1)
             : wanted;
}

inline bool many_senders(const ChannelClaims& claims) {
  return is_countable(claims) && senders_for(claims, 512, 2) == 2;
}
inline bool many_receivers(const ChannelClaims& claims) {
  return is_countable(claims) && receivers_for(claims, 2) == 2;
}

}  // namespace gauntlet::channel_suite
