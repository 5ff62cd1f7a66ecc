// How the answer of a commanded call is expected in a test.
#pragma once

#include <gmock/gmock.h>

#include <string>

#include "contracts/notifier/commanded.h"

namespace gauntlet::notifying {

MATCHER(Succeeds, "succeeds") { return arg.arrived && arg.ok; }

MATCHER(BringsOne, "brings one notification") {
  return arg.arrived && arg.ok && arg.notification.count == 1;
}

MATCHER_P(BringsCount, count, "brings a count of " + std::to_string(count)) {
  return arg.arrived && arg.ok && arg.notification.count == count;
}

MATCHER_P(BringsPayload, payload, "brings the payload " + std::to_string(payload)) {
  return arg.arrived && arg.ok && arg.notification.payload == payload;
}

MATCHER_P(IsFrom, sender, "is from process " + std::to_string(sender)) {
  return arg.arrived && arg.ok && arg.notification.sender == sender;
}

MATCHER(BringsNothing, "finds that nothing pends") {
  return arg.arrived && !arg.ok &&
         (arg.error.code == Code::would_block || arg.error.code == Code::timed_out);
}

MATCHER_P(FailsWith, code, "fails with " + std::string(code_name(code))) {
  return arg.arrived && !arg.ok && arg.error.code == code;
}

}  // namespace gauntlet::notifying
