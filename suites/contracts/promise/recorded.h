// An actor's end whose calls are recorded in its lane of the history.
#pragma once

#include <memory>
#include <optional>

#include "contracts/promise/actors.h"
#include "history/promise.h"
#include "history/recorder.h"

namespace gauntlet {

/// Lives with an actor. An error that no claim explains is recorded as such and is a failure.
class RecordedPromise {
 public:
  RecordedPromise(Actor& actor, PromiseRole role, std::size_t promise, history::Lane lane);

  bool ready() const { return promise_ != nullptr; }
  /// True when this call settled it.
  bool set(std::uint64_t value);
  bool fail(std::uint64_t error);
  /// What it was told, or nothing: it timed out, or would have had to wait.
  std::optional<Settlement> wait(Deadline deadline);
  /// Its end is destroyed.
  void drop();

 private:
  bool respond(history::Token token, const Status& status, const char* call);

  Actor& actor_;
  history::Lane lane_;
  std::unique_ptr<Promise> promise_;
};

/// Draws a violation and fails the case, or calls an undecided history an error; true when valid.
bool expect_explained(CaseContext& context, const history::History& history,
                      const history::PromiseRules& rules);

}  // namespace gauntlet
