// The reference's objects as scenarios, compiled for the model engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "reference/line.h"
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

struct LineScenario {
  std::uint32_t capacity = 1;
  std::uint32_t messages = 2;
  bool deaths = false;  ///< any one dies
  /// Somebody who tries to take this side after a death, and to send or receive once.
  std::optional<reference::LineSide> heir = std::nullopt;
  /// Who goes to sleep fences for the others; else each call makes its own fence.
  bool membarrier = true;
};

/// One sender and one receiver of so many messages. Afterwards somebody takes what is left.
Scenario line_of(const LineScenario& plan);

/// The receiver closes while the sender sends: what was acknowledged must come out, no more.
Scenario line_closed_in_traffic(const LineScenario& plan);

/// Senders of one message each, and receivers that share them out evenly; with deaths, any one
/// dies.
Scenario rendezvous_of(std::uint32_t senders, std::uint32_t receivers, bool deaths);

/// Setters that set a value of their own, and those who wait; with deaths, any one dies.
Scenario promise_of(std::uint32_t setters, bool deaths, std::uint32_t waiters = 1);

}  // namespace gauntlet::schedule
