// Which stops of a call somebody is killed at: before and after each of its system calls.
#pragma once

#include <cstdint>

#include "cases/context.h"

namespace gauntlet::channel_suite {

/// More than twice the system calls of any single call.
constexpr std::uint32_t kMostStops = 200;

/// Stops from 1 on: each of them, but in smoke about every second, drawn from the case's seed.
class Stops {
 public:
  explicit Stops(const CaseContext& context)
      : random_(context.random()), longest_(context.amount(3, 1, 1)) {}

  /// Kills at one stop after the other while `kill_at(stop)` says that the call reached it. Returns
  /// how many were reached; the last stop tried is `last`, over kMostStops if there is no end.
  template <typename KillAt>
  std::uint32_t visit(const KillAt& kill_at) {
    std::uint32_t reached = 0;
    last_ = 1;
    while (last_ <= kMostStops && kill_at(last_)) {
      ++reached;
      last_ += static_cast<std::uint32_t>(random_.between(1, longest_));
    }
    return reached;
  }
  std::uint32_t last() const { return last_; }

 private:
  Random random_;
  std::uint64_t longest_;
  std::uint32_t last_ = 0;
};

}  // namespace gauntlet::channel_suite
