// What the cases of priorities share: what comes out next, by a model.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "contracts/channel/claims.h"
#include "contracts/channel/stage.h"

namespace gauntlet::channel_suite {

/// The messages in the channel, as ids: each has the priority that priority_of says.
class PriorityModel {
 public:
  explicit PriorityModel(std::uint32_t priorities) : priorities_(priorities) {}

  bool empty() const { return ids_.empty(); }
  std::size_t size() const { return ids_.size(); }
  void put(std::uint32_t id) { ids_.push_back(id); }
  /// The oldest of the highest priority.
  std::uint32_t take() {
    const auto next = std::max_element(ids_.begin(), ids_.end(), [&](auto a, auto b) {
      return priority_of(a, priorities_) < priority_of(b, priorities_);
    });
    const std::uint32_t id = *next;
    ids_.erase(next);
    return id;
  }

 private:
  std::uint32_t priorities_;
  std::vector<std::uint32_t> ids_;
};

/// An id of that priority that was not used before: `n` counts messages.
inline std::uint32_t id_of(std::uint32_t n, std::uint32_t priority, std::uint32_t priorities) {
  return n * priorities + priority;
}

}  // namespace gauntlet::channel_suite
