// A process that was not forked from the host: it finds the region by its address alone.
#pragma once

#include <cstdint>
#include <string>

#include "cases/context.h"

namespace gauntlet::region_suite {

/// Runs this program again, which attaches to the case's subject at `address`, expects the bytes
/// that `random_bytes` makes of `seed` at offset 0, and stores those of `seed + 1` in their place.
/// Fails the case when that does not work.
void expect_stranger(CaseContext& context, const std::string& address, std::uint32_t seed);

}  // namespace gauntlet::region_suite
