// A resource limit of this process that is lowered for a while.
#pragma once

#include <sys/resource.h>

namespace gauntlet {

/// Sets a soft limit and restores it. The limit must not be above the hard one (checked by
/// `lowered`).
class LoweredLimit {
 public:
  LoweredLimit(int resource, rlim_t to) : resource_(resource) {
    if (::getrlimit(limit(), &before_) != 0) return;
    rlimit lower = before_;
    lower.rlim_cur = to;
    lowered_ = ::setrlimit(limit(), &lower) == 0;
  }
  LoweredLimit(const LoweredLimit&) = delete;
  LoweredLimit& operator=(const LoweredLimit&) = delete;
  ~LoweredLimit() {
    if (lowered_) ::setrlimit(limit(), &before_);
  }
  bool lowered() const { return lowered_; }

 private:
  __rlimit_resource limit() const { return static_cast<__rlimit_resource>(resource_); }
  int resource_;
  rlimit before_ = {};
  bool lowered_ = false;
};

}  // namespace gauntlet
