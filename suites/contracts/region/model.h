// The sequential model of a region: an array of bytes, and how much of it each view shows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "contracts/region.h"

namespace gauntlet::region_suite {

class RegionModel {
 public:
  RegionModel(const RegionClaims& claims, std::size_t size, std::size_t views)
      : private_copies_(claims.coherence == Coherence::private_copy),
        object_(size),
        copies_(views, object_),
        sizes_(views, size) {}

  std::size_t object_size() const { return object_.size(); }
  std::size_t view_size(std::size_t view) const { return sizes_[view]; }
  /// What can be touched through the view: after it was made smaller by another, less than it has.
  std::size_t reachable(std::size_t view) const { return std::min(sizes_[view], object_.size()); }

  void store(std::size_t view, std::size_t offset, std::span<const std::byte> bytes) {
    std::copy(bytes.begin(), bytes.end(), of(view).begin() + static_cast<std::ptrdiff_t>(offset));
  }
  std::span<const std::byte> load(std::size_t view) {
    return std::span(of(view)).first(reachable(view));
  }
  void resize(std::size_t view, std::size_t size) {
    object_.resize(size);
    sizes_[view] = size;
  }
  void refresh(std::size_t view) { sizes_[view] = object_.size(); }
  void reopen(std::size_t view) {
    sizes_[view] = object_.size();
    copies_[view] = object_;
  }

 private:
  std::vector<std::byte>& of(std::size_t view) { return private_copies_ ? copies_[view] : object_; }

  bool private_copies_;
  std::vector<std::byte> object_;
  std::vector<std::vector<std::byte>> copies_;
  std::vector<std::size_t> sizes_;
};

}  // namespace gauntlet::region_suite
