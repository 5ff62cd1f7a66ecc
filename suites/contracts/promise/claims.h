// What a case asks of a promise's claims, to say where it applies.
#pragma once

#include "contracts/promise.h"

namespace gauntlet {

inline bool many_setters(const PromiseClaims& claims) { return claims.many_setters; }

}  // namespace gauntlet
