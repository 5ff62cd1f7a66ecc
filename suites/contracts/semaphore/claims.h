// What a case asks of a semaphore's claims, to say where it applies.
#pragma once

#include "contracts/semaphore.h"

namespace gauntlet {

/// Has units that are nobody's, and room for several.
inline bool counts(const SemaphoreClaims& claims) {
  return !claims.owner && claims.largest_value > 1;
}

}  // namespace gauntlet
