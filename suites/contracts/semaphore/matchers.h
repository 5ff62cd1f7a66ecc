// How the answer of a commanded call is expected in a test.
#pragma once

#include <gmock/gmock.h>

#include "contracts/semaphore/commanded.h"

namespace gauntlet {

MATCHER(Succeeds, "succeeds") { return arg.arrived && arg.ok; }

MATCHER(SucceedsPlainly, "succeeds, without a word about a dead owner") {
  return arg.arrived && arg.ok && !arg.owner_died;
}

MATCHER(ReportsOwnerDied, "succeeds and says that the owner died") {
  return arg.arrived && arg.ok && arg.owner_died;
}

MATCHER_P(FailsWith, code, "fails with " + std::string(code_name(code))) {
  return arg.arrived && !arg.ok && arg.error.code == code;
}

MATCHER(Fails, "fails") { return arg.arrived && !arg.ok; }

MATCHER_P(HasValue, value, "answers " + std::to_string(value)) {
  return arg.arrived && arg.ok && arg.value == static_cast<std::int64_t>(value);
}

}  // namespace gauntlet
