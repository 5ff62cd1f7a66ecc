// How the reply of an actor is expected in a test.
#pragma once

#include <gmock/gmock.h>

#include <csignal>

#include "contracts/region/stage.h"

namespace gauntlet::region_suite {

MATCHER(Succeeds, "succeeds") { return arg.answered && arg.ok && arg.touch.done(); }

MATCHER_P(SucceedsWithSize, size, "succeeds with " + std::to_string(size) + " bytes") {
  return arg.answered && arg.ok && arg.touch.done() && arg.size == size;
}

MATCHER_P(FailsWith, code, "fails with " + std::string(code_name(code))) {
  return arg.answered && !arg.ok && arg.error.code == code;
}

MATCHER(Fails, "fails") { return arg.answered && !arg.ok; }

/// A load or store that raised `signal` at its first byte, at that byte's address.
MATCHER_P(Raises, signal,
          std::string("raises ") + (signal == SIGBUS ? "SIGBUS" : "SIGSEGV") + " at once") {
  return arg.answered && arg.ok && arg.touch.signal == signal && arg.touch.bytes_before == 0;
}

}  // namespace gauntlet::region_suite
