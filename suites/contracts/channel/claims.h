// Questions about claims that several cases ask before they are asked of a subject.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

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
/// What was sent is kept until somebody receives it.
inline bool keeps_messages(const ChannelClaims& claims) { return !claims.synchronous; }
inline bool has_kept_messages(const ChannelClaims& claims) {
  return has_messages(claims) && keeps_messages(claims);
}
inline bool blocks_when_full(const ChannelClaims& claims) {
  return is_countable(claims) && claims.overflow == Overflow::block && claims.sends_can_be_given_up;
}
/// Messages of one priority come out in the order sent: Order::priority is fifo among equals, and
/// all messages are equals unless a case says otherwise.
inline bool keeps_order(const ChannelClaims& claims) {
  return is_countable(claims) && claims.order != Order::none &&
         claims.delivery == Delivery::exactly_once;
}
/// What this death does is claimed, and the others go on after it.
inline bool is_survived(DeathDamage damage) {
  return damage == DeathDamage::none || damage == DeathDamage::may_lose_one;
}
inline bool is_rendezvous(const ChannelClaims& claims) {
  return claims.synchronous && has_messages(claims) && claims.fanout == Fanout::compete &&
         claims.delivery == Delivery::exactly_once;
}
inline bool has_priorities(const ChannelClaims& claims) {
  return keeps_order(claims) && claims.order == Order::priority && has_messages(claims) &&
         claims.priorities > 1;
}
/// As what anybody can attach who knows the name.
inline Role stranger_role(const ChannelClaims& claims) {
  return claims.strangers_receive ? Role::receiver : Role::sender;
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

/// Of `many` channels that a case would make one after another, so many; at least one.
inline std::uint64_t few_if_costly(const ChannelClaims& claims, std::uint64_t many) {
  return claims.costly_to_make ? std::max<std::uint64_t>(many / 8, 1) : many;
}

/// Of the priorities that a channel has, so many are used: few, so that many messages are equals.
inline std::uint32_t priorities_for(const ChannelClaims& claims) {
  return std::min<std::uint32_t>(claims.priorities, 4);
}

inline bool many_senders(const ChannelClaims& claims) {
  return is_countable(claims) && senders_for(claims, 512, 2) == 2;
}
inline bool many_receivers(const ChannelClaims& claims) {
  return is_countable(claims) && receivers_for(claims, 2) == 2;
}

}  // namespace gauntlet::channel_suite
