// What a case asks of a region's claims, to say where it applies.
#pragma once

#include "contracts/region.h"

namespace gauntlet::region_suite {

inline bool shares(const RegionClaims& claims) { return claims.coherence == Coherence::shared; }
inline bool named(const RegionClaims& claims) { return claims.reach == Reach::named; }
inline bool named_and_shares(const RegionClaims& claims) { return named(claims) && shares(claims); }

}  // namespace gauntlet::region_suite
