// How the answer of a commanded call is expected in a test.
#pragma once

#include <gmock/gmock.h>

#include "contracts/promise/commanded.h"

namespace gauntlet {

MATCHER(Succeeds, "succeeds") { return arg.arrived && arg.ok; }

MATCHER_P(FailsWith, code, "fails with " + std::string(code_name(code))) {
  return arg.arrived && !arg.ok && arg.error.code == code;
}

MATCHER_P(IsTold, value, "is told the value " + std::to_string(value)) {
  return arg.arrived && arg.ok &&
         arg.settlement == Settlement{Settlement::value, static_cast<std::uint64_t>(value)};
}

MATCHER_P(IsToldTheError, error, "is told the error " + std::to_string(error)) {
  return arg.arrived && arg.ok &&
         arg.settlement == Settlement{Settlement::failed, static_cast<std::uint64_t>(error)};
}

MATCHER(IsToldBroken, "is told that the promise is broken") {
  return arg.arrived && arg.ok && arg.settlement == Settlement{Settlement::broken, 0};
}

}  // namespace gauntlet
