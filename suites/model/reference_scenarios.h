// The reference's objects as scenarios, compiled for the model engine.
#pragma once

#include <cstddef>
#include <cstdint>

#include "schedule/scenario.h"

namespace gauntlet::schedule {

/// So many processes acquire and release the one unit of a semaphore; with deaths, any one of them
/// dies and its unit comes back. With fewer `places` than processes, somebody must come into a dead
/// one's.
Scenario semaphore_of_one(std::size_t processes, bool deaths, std::uint32_t places = 4);

/// Senders that send `messages` each, one receiver that takes them all; with deaths, any one dies.
/// Afterwards somebody takes what is left.
Scenario channel_of(std::uint32_t capacity, std::uint32_t senders, std::uint32_t messages,
                    bool deaths);

/// The same with capacity 1, by loan and borrow. The borrower holds each message until the next has
/// come, and a newcomer takes the dead one's place in the middle of the traffic.
Scenario channel_in_place(std::uint32_t senders, std::uint32_t messages, bool deaths);

/// Senders of one message each, and receivers that share them out evenly; with deaths, any one
/// dies.
Scenario rendezvous_of(std::uint32_t senders, std::uint32_t receivers, bool deaths);

/// Setters that set a value of their own, and those who wait; with deaths, any one dies.
Scenario promise_of(std::uint32_t setters, bool deaths, std::uint32_t waiters = 1);

}  // namespace gauntlet::schedule
