// Which stops of a call somebody is killed at: before and after each of its system calls.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "cases/context.h"

namespace gauntlet::channel_suite {

/// Stops from 1 on: each of them, but in smoke about every second, drawn from the case's seed.
class Stops {
 public:
  explicit Stops(const CaseContext& context)
      : random_(context.random()), longest_(context.amount(3, 1, 1)) {}

  /// Kills at one stop after the other while `kill_at(stop)` says that the call reached it, and
  /// returns how many it reached. A call without an end to them fails the case.
  template <typename KillAt>
  std::uint32_t visit(const KillAt& kill_at) {
    std::uint32_t reached = 0;
    std::uint64_t stop = 1;
    while (stop <= kMostStops && kill_at(static_cast<std::uint32_t>(stop))) {
      ++reached;
      stop += random_.between(1, longest_);
    }
    EXPECT_LE(stop, kMostStops) << "a single call made " << kMostStops / 2 << " system calls";
    return reached;
  }

 private:
  /// No call of a channel makes half as many system calls: a sweep that goes on has gone wrong.
  static constexpr std::uint64_t kMostStops = 200;

  Random random_;
  std::uint64_t longest_;
};

}  // namespace gauntlet::channel_suite
