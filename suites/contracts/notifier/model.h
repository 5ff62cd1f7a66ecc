// The sequential specification of a notifier, for commands that come one at a time.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "contracts/notifier.h"

namespace gauntlet {

/// What pends for each waiter (for all of them together where each notification reaches one).
class NotifierModel {
 public:
  NotifierModel(const NotifierClaims& claims, std::size_t waiters)
      : claims_(claims), pending_(claims.audience == Audience::all ? waiters : 1) {}

  /// False when no more can pend: then it must be refused.
  bool notify(std::uint32_t payload, pid_t sender) {
    if (claims_.most_pending != 0 && pending_[0].size() >= claims_.most_pending) return false;
    const Notification made{.count = 1,
                            .payload = claims_.payload ? payload : 0,
                            .sender = claims_.names_sender ? sender : 0};
    for (std::deque<Notification>& queue : pending_) add(queue, made);
    return true;
  }

  /// What a wait of this waiter must bring; nothing when nothing pends.
  std::optional<Notification> wait(std::size_t waiter) {
    std::deque<Notification>& queue = pending_[waiter % pending_.size()];
    if (queue.empty()) return std::nullopt;
    Notification first = queue.front();
    if (claims_.pending == Pending::counted) first.count = queue.size();
    if (claims_.pending == Pending::queued) {
      queue.pop_front();
    } else {
      queue.clear();
    }
    return first;
  }

 private:
  void add(std::deque<Notification>& queue, const Notification& made) const {
    if (claims_.pending == Pending::coalesced && !queue.empty()) return;
    auto place = queue.end();
    if (claims_.order == NotifyOrder::lowest_first) {
      place = std::upper_bound(
          queue.begin(), queue.end(), made,
          [](const Notification& a, const Notification& b) { return a.payload < b.payload; });
    }
    queue.insert(place, made);
  }

  const NotifierClaims& claims_;
  std::vector<std::deque<Notification>> pending_;
};

}  // namespace gauntlet
