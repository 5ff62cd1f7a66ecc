// A process that was not forked from the host: it finds the channel by its address alone.
#pragma once

#include <cstdint>
#include <string>

#include "cases/context.h"

namespace gauntlet::channel_suite {

/// Runs this program again, attaches to the case's subject at `address`, and there does `action`
/// ("send" or "receive") with message `id`. Fails the case when that does not work.
void expect_stranger(CaseContext& context, const std::string& address, const std::string& action,
                     std::uint32_t id);

}  // namespace gauntlet::channel_suite
