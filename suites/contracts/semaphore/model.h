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
    if (free_ == 0)
      return claims_.owner && owner_ == worker ? Expected::refused : Expected::would_block;
    take(worker);
    return Expected::ok;
  }

  /// A deadline so near that nothing can change before it.
  Expected acquire_shortly(std::size_t worker) {
    if (free_ > 0) {
      take(worker);
      return Expected::ok;
    }
    if (claims_.owner && owner_ == worker && claims_.relock_refused) return Expected::refused;
    return claims_.deadlines ? Expected::timed_out : Expected::undefined;
  }

  Expected release(std::size_t worker) {
    if (claims_.owner && owner_ != worker) {
      return claims_.release_checks_owner ? Expected::not_owner : Expected::undefined;
    }
    if (free_ == claims_.largest_value) {
      return claims_.overflow_refused ? Expected::overflow : Expected::undefined;
    }
    ++free_;
    owner_ = kNobody;
    return Expected::ok;
  }

  std::int64_t value() const { return free_; }

 private:
  void take(std::size_t worker) {
    --free_;
    if (claims_.owner) owner_ = worker;
  }

  const SemaphoreClaims& claims_;
  std::int64_t free_;
  static constexpr std::size_t kNobody = SIZE_MAX;
  std::size_t owner_ = kNobody;
};

}  // namespace gauntlet
