// What a reply is expected to be, in the words of the contract.
#pragma once

#include <gmock/gmock.h>

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "contracts/channel/stage.h"

namespace gauntlet::channel_suite {

MATCHER(Succeeds, negation ? "does not succeed" : "succeeds") { return arg.answered && arg.ok; }

MATCHER_P(Sends, size, "accepts " + std::to_string(size) + " bytes") {
  return arg.answered && arg.ok && arg.size == static_cast<std::size_t>(size);
}

MATCHER_P(FailsWith, code, "answers " + std::string(code_name(code))) {
  return arg.answered && !arg.ok && arg.error.code == code;
}

/// The exact bytes, with the place of the first difference.
MATCHER_P(Brings, bytes, "brings the " + std::to_string(bytes.size()) + " bytes that were sent") {
  if (!arg.answered || !arg.ok) return false;
  if (arg.size != bytes.size()) return false;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (arg.bytes[at] == bytes[at]) continue;
    *result_listener << "byte " << at << " is " << static_cast<int>(arg.bytes[at]) << " and not "
                     << static_cast<int>(bytes[at]);
    return false;
  }
  return true;
}

/// A whole message with that id.
MATCHER_P(BringsMessage, id, "brings message " + std::to_string(id)) {
  if (!arg.answered || !arg.ok) return false;
  if (arg.passage.flawed()) {
    *result_listener << arg.passage.flaw.data();
    return false;
  }
  *result_listener << "message " << arg.passage.id;
  return arg.passage.id == static_cast<std::uint32_t>(id);
}

}  // namespace gauntlet::channel_suite
