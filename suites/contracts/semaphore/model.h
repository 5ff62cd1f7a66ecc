// The sequential specification of a semaphore and of a mutex, for commands that come one at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "contracts/semaphore.h"

namespace gauntlet {

/// What must come back; `undefined` is not asked of the subject.
enum class Expected : std::uint8_t {
  ok,
  would_block,
  timed_out,
  not_owner,
  overflow,
  refused,
  undefined
};

/// Units free and who holds them. `step` functions answer what must come back and move on.
class SemaphoreModel {
 public:
  SemaphoreModel(const SemaphoreClaims& claims, std::int64_t initial)
      : claims_(claims), free_(initial) {}

  Expected try_acquire(std::size_t worker) {
    if (free_ == 0) {
      if (!owns(worker)) return Expected::would_block;
      return claims_.relock == Relock::waits ? Expected::refused : acquire_again();
    }
    take(worker);
    return Expected::ok;
  }

  /// A deadline so near that nothing can change before it.
  Expected acquire_shortly(std::size_t worker) {
    if (free_ > 0) {
      take(worker);
      return Expected::ok;
    }
    if (owns(worker) && claims_.relock != Relock::waits) return acquire_again();
    return claims_.deadlines ? Expected::timed_out : Expected::undefined;
  }

  Expected release(std::size_t worker) {
    if (claims_.owner && owner_ != worker) {
      return claims_.release_checks_owner ? Expected::not_owner : Expected::undefined;
    }
    if (free_ == claims_.largest_value) {
      return claims_.overflow_refused ? Expected::overflow : Expected::undefined;
    }
    if (--depth_ > 0) return Expected::ok;
    ++free_;
    owner_ = kNobody;
    return Expected::ok;
  }

  std::int64_t value() const { return free_; }

 private:
  void take(std::size_t worker) {
    --free_;
    depth_ = 1;
    if (claims_.owner) owner_ = worker;
  }

  bool owns(std::size_t worker) const { return claims_.owner && owner_ == worker; }

  /// The owner's next acquire, where that does not wait.
  Expected acquire_again() {
    if (claims_.relock == Relock::refused) return Expected::refused;
    if (claims_.relock == Relock::unclaimed) return Expected::undefined;
    if (claims_.relock == Relock::counted) ++depth_;
    return Expected::ok;
  }

  const SemaphoreClaims& claims_;
  std::int64_t free_;
  static constexpr std::size_t kNobody = SIZE_MAX;
  std::size_t owner_ = kNobody;
  std::int64_t depth_ = 0;  ///< releases that the owner owes; of counting ones it has no meaning
};

}  // namespace gauntlet
