// How long a clause waits for a broker's answer.
#pragma once

#include "base/deadline.h"
#include "base/limits.h"

namespace gauntlet {

inline Deadline patience() { return Deadline::after(kCallPatience); }

}  // namespace gauntlet
