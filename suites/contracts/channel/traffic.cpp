// The loops of free-running senders and receivers, and their end.
#include "contracts/channel/traffic.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/limits.h"

namespace gauntlet::channel_suite {
namespace {

/// The gate at which a victim that has sent all its messages waits for its death.
constexpr std::size_t kLastGate = Worker::kGates - 1;
/// How long a receiver waits before it looks whether anybody sends still.
constexpr std::chrono::milliseconds kLookAgain{5};

}  // namespace

Traffic::Traffic(Stage& stage, const TrafficOptions& options, Random random)
    : stage_(stage),
      options_(options),
      random_(random),
      recorder_(history::Recorder::create(options.senders + options.receivers + kMostNewcomers,
                                          calls_of_busiest())),
      crew_(options.senders + options.receivers + kMostNewcomers) {
  EXPECT_TRUE(recorder_.ok()) << recorder_.error().message();
  for (std::size_t i = 0; i < options_.senders; ++i) add_sender();
  for (std::size_t i = 0; i < options_.receivers; ++i) add_receiver();
}

std::size_t Traffic::calls_of_busiest() const {
  // One receiver may get all messages of all senders, newcomers and victims too, with time-outs
  // between them.
  constexpr std::size_t kTimeOuts = 1000;
  const std::size_t before_an_arrival =
      options_.stay_for_an_arrival ? static_cast<std::size_t>(kCallPatience / kLookAgain) : 0;
  return (options_.senders + kMostNewcomers) * messages_of_victim() + kTimeOuts + before_an_arrival;
}

/// A buffer that suits the channel, which may insist on its largest message (mq_receive(3)).
std::size_t Traffic::largest() const {
  return std::max(options_.message_size, stage_.options().message_size);
}

bool Traffic::start() {
  started_ = true;
  const Status started = crew_.start(Deadline::after(kCallPatience));
  EXPECT_TRUE(started) << "the workers did not start: " << describe(started.error());
  return started.has_value();
}

std::size_t Traffic::add_sender(bool victim) {
  const std::size_t lane = crew_.size();
  const Random random = random_.fork(lane);
  const Result<std::size_t> added = crew_.add(
      [this, lane, victim, random](Worker& worker) { send_all(worker, lane, victim, random); });
  EXPECT_TRUE(added) << "no worker";
  if (!victim) senders_.push_back(lane);
  return lane;
}

std::size_t Traffic::add_receiver() {
  const std::size_t lane = crew_.size();
  const Result<std::size_t> added =
      crew_.add([this, lane](Worker& worker) { receive_all(worker, lane); });
  EXPECT_TRUE(added) << "no worker";
  return lane;
}

void Traffic::send_all(Worker& worker, std::size_t lane, bool victim, Random random) {
  const auto channel = stage_.host().open(Role::sender);
  if (!worker.expect(channel.has_value(), "open() of a sender failed")) return;
  MessageLink link(**channel, stage_.claims().framing, recorder_.lane(lane), largest());
  if (!started_) worker.await_start();
  const std::uint32_t messages = victim ? messages_of_victim() : options_.messages;
  for (std::uint32_t n = 1; n <= messages; ++n) {
    const std::size_t size = options_.fixed_size
                                 ? options_.message_size
                                 : random.between(kHeaderBytes, options_.message_size);
    const auto id = static_cast<std::uint32_t>(lane) * kIdsASender + n;
    const Passage passage = link.send(id, size, Deadline::after(kCallPatience));
    // Refused is not sent, and the next message may fit.
    if (stage_.claims().overflow == Overflow::refuse &&
        passage.outcome == history::Outcome::would_block) {
      continue;
    }
    if (!worker.expect(
            passage.outcome == history::Outcome::ok,
            fmt::format("send {} of {} answered {}", n, messages, describe(passage.error)))) {
      return;
    }
    worker.step();
  }
  if (victim) {
    worker.await(kLastGate);
  } else if (options_.stay_for_an_arrival && !stage_.claims().messages_outlive_sender) {
    await_an_arrival();
  }
}

void Traffic::await_an_arrival() {
  FutexWord& arrived = board_->one_has_arrived;
  const Deadline last = Deadline::after(kCallPatience);
  while (arrived.load(std::memory_order_acquire) == 0 && !last.expired()) {
    futex_wait(arrived, 0, last.remaining());
  }
}

void Traffic::receive_all(Worker& worker, std::size_t lane) {
  const auto channel = stage_.host().open(Role::receiver);
  if (!worker.expect(channel.has_value(), "open() of a receiver failed")) return;
  MessageLink link(**channel, stage_.claims().framing, recorder_.lane(lane), largest());
  if (!started_) worker.await_start();
  for (std::uint64_t turn = 0; turn < kLoopBound; ++turn) {
    const bool last = board_->nobody_sends.load(std::memory_order_acquire) != 0;
    const Passage passage =
        link.receive(last ? Deadline::immediate() : Deadline::after(kLookAgain));
    if (passage.outcome == history::Outcome::ok) {
      if (board_->one_has_arrived.load(std::memory_order_relaxed) == 0) {
        board_->one_has_arrived.store(1, std::memory_order_release);
        futex_wake_all(board_->one_has_arrived);
      }
      worker.step();
      if (!worker.expect(!passage.flawed(), passage.flaw.data())) return;
      continue;
    }
    if (last && passage.outcome == history::Outcome::would_block) return;
    if (!worker.expect(passage.outcome == history::Outcome::timed_out,
                       "receive answered " + describe(passage.error))) {
      return;
    }
  }
}

void Traffic::kill_at(std::size_t victim, std::size_t witness, std::uint64_t steps) {
  stage_.context().fault_planned();
  const Status reached = crew_.await_progress(witness, steps, Deadline::after(kCallPatience));
  EXPECT_TRUE(reached) << "worker " << witness << " made only " << crew_.progress(witness)
                       << " calls: " << describe(reached.error());
  deaths_.push_back({.process = static_cast<std::uint32_t>(victim), .at_ns = history::now_ns()});
  EXPECT_TRUE(crew_.kill(victim)) << "worker " << victim << " had ended before its kill";
}

/// Returns when all senders have ended, or one makes no call any more: join() tells where it hangs.
void Traffic::await_senders() {
  const Deadline last = stage_.context().patience();
  for (const std::size_t sender : senders_) {
    std::uint64_t calls = crew_.progress(sender);
    while (!crew_.process(sender).wait(Deadline::after(kCallPatience))) {
      const std::uint64_t now = crew_.progress(sender);
      if (now == calls || last.expired()) return;
      calls = now;
    }
  }
}

bool Traffic::finish() {
  await_senders();
  board_->nobody_sends.store(1, std::memory_order_release);
  return stage_.context().join(crew_);
}

history::History Traffic::history() const {
  history::History history = recorder_.collect();
  for (const history::Death& death : deaths_) history.mark_killed(death.process, death.at_ns);
  return history;
}

}  // namespace gauntlet::channel_suite
