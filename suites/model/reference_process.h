// What the reference's scenarios share: the file and the room that the model gives them.
#pragma once

#include <cstddef>

namespace gauntlet::schedule {

/// The memory file of the model (schedule/file_calls.cpp).
inline constexpr int kRegionDescriptor = 1000;
/// More than any of the small objects wants.
inline constexpr std::size_t kRegionBytes = 16 * 1024;

}  // namespace gauntlet::schedule
