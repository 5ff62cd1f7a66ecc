// Batches of promises, a barrier before each.
#include "contracts/promise/rounds.h"

#include <sched.h>

#include <algorithm>
#include <memory>

#include "support/own_cpu.h"

namespace gauntlet {
namespace {

constexpr std::size_t kMostCalls = 16;  // an actor makes in one round

}  // namespace

void busy_for(Random& random, std::uint64_t most_us) {
  const Deadline end = Deadline::after(std::chrono::microseconds(random.below(most_us)));
  while (!end.expired()) {
  }
}

/// Looks for a while, so that all go on at the same moment, and then sleeps: when one of them is
/// stuck in its round, all must be seen asleep.
void PromiseRounds::meet(std::size_t round) {
  constexpr int kLooks = 2000;
  const auto all = static_cast<std::uint32_t>((round + 1) * (setters_ + waiters_));
  if (arrived_->fetch_add(1) + 1 == all) return futex_wake_all(*arrived_);
  for (int looks = 0; arrived_->load() < all && looks < kLooks; ++looks) ::sched_yield();
  for (std::uint32_t seen = arrived_->load(); seen < all; seen = arrived_->load()) {
    futex_wait(*arrived_, seen);
  }
}

void PromiseRounds::act(Actor& actor, std::size_t rounds, const Act& act) {
  const PromiseRole role = actor.index() < setters_ ? PromiseRole::setter : PromiseRole::waiter;
  Random random = context_.random(batch_ * 64 + actor.index());
  // Setters share a CPU with nobody who waits, where there are two.
  take_own_cpu(role == PromiseRole::setter ? 0 : 1);
  std::vector<std::unique_ptr<RecordedPromise>> ends;
  for (std::size_t round = 0; round < rounds; ++round) {
    ends.push_back(std::make_unique<RecordedPromise>(actor, role, round,
                                                     recorders_[round].lane(actor.index())));
    if (!ends.back()->ready()) return;
  }
  actor.await_start();
  for (std::size_t round = 0; round < rounds; ++round) {
    meet(round);
    Turn turn{actor, *ends[round], random, round};
    act(turn);
    actor.step();
  }
}

bool PromiseRounds::play_some(std::size_t rounds, const Act& set, const Act& wait,
                              std::string_view meaning) {
  ++batch_;
  recorders_.clear();
  for (std::size_t round = 0; round < rounds; ++round) {
    recorders_.push_back(history::Recorder::create(setters_ + waiters_, kMostCalls));
  }
  const Shared<FutexWord> arrived;
  arrived_ = &*arrived;
  Actors actors(context_, rounds);
  for (std::size_t i = 0; i < setters_ + waiters_; ++i) {
    actors.add([&, i](Actor& actor) { act(actor, rounds, i < setters_ ? set : wait); });
  }
  if (!actors.run(meaning)) return false;
  history::PromiseRules rules;
  for (std::uint32_t setter = 0; setter < setters_; ++setter) rules.setters.push_back(setter);
  rules.breaks = context_.promise().claims.setter_death == SetterDeath::broken;
  return std::all_of(recorders_.begin(), recorders_.end(), [&](const history::Recorder& recorder) {
    return expect_explained(context_, recorder.collect(), rules);
  });
}

bool PromiseRounds::play(std::uint64_t rounds, const Act& set, const Act& wait,
                         std::string_view meaning) {
  std::uint64_t played = 0;
  while (context_.another(played, rounds)) {
    const std::uint64_t some = std::min<std::uint64_t>(rounds - played, kMostPromises);
    if (!play_some(static_cast<std::size_t>(some), set, wait, meaning)) return false;
    played += some;
  }
  return true;
}

}  // namespace gauntlet
