// Many promises one after the other, each met by all actors at the same moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "contracts/promise/recorded.h"
#include "process/futex.h"
#include "process/shared.h"

namespace gauntlet {

/// Busy for a random time below `most_us`, about what a sleep and a wake-up take, so that what one
/// does next meets every moment of what the others do.
void busy_for(Random& random, std::uint64_t most_us);

/// The first `setters` actors set, the other ones wait; in each round on a promise of its own.
class PromiseRounds {
 public:
  /// At most so many promises are made at once: some subjects need a process for each.
  static constexpr std::size_t kMostPromises = 100;

  struct Turn {
    Actor& actor;
    RecordedPromise& promise;
    Random& random;
    std::size_t round;
  };
  using Act = std::function<void(Turn&)>;

  PromiseRounds(CaseContext& context, std::size_t setters, std::size_t waiters)
      : context_(context), setters_(setters), waiters_(waiters) {}

  /// Plays `rounds` rounds, in which setters do `set` and waiters do `wait`, and checks the history
  /// of each; fewer where the case has done enough. False: something was wrong, or was not
  /// possible, and has been told.
  bool play(std::uint64_t rounds, const Act& set, const Act& wait, std::string_view meaning);

 private:
  bool play_some(std::size_t rounds, const Act& set, const Act& wait, std::string_view meaning);
  void act(Actor& actor, std::size_t rounds, const Act& act);
  void meet(std::size_t round);

  CaseContext& context_;
  std::size_t setters_;
  std::size_t waiters_;
  std::uint64_t batch_ = 0;
  std::vector<history::Recorder> recorders_;
  FutexWord* arrived_ = nullptr;  ///< actors at the start of any round so far
};

}  // namespace gauntlet
