// Senders and receivers that run free on the channel of a stage, to be killed, slowed and counted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "contracts/channel/stage.h"
#include "history/recorder.h"
#include "process/crew.h"
#include "process/futex.h"

namespace gauntlet::channel_suite {

/// Processes that are more than the cores can run at once.
inline std::size_t four_a_core() {
  return std::clamp<std::size_t>(4 * std::thread::hardware_concurrency(), 4, 16);
}

struct TrafficOptions {
  std::size_t senders = 2;
  std::size_t receivers = 2;
  std::uint32_t messages = 100;    ///< of each sender; a victim goes on after them
  std::size_t message_size = 512;  ///< the largest; sizes are drawn
  bool fixed_size = false;         ///< every message has message_size
  /// Senders whose messages do not outlive them stay until one has arrived: where receivers come
  /// late nothing might, and nothing would be said about the channel. For traffic without deaths.
  bool stay_for_an_arrival = false;
};

/// Senders send with patience until they have sent what they should; receivers receive until the
/// body says that nobody sends any more, and then until nothing is left. Every call is recorded.
/// Message ids say who sent them: sender * kIdsASender + n.
class Traffic {
 public:
  static constexpr std::uint32_t kIdsASender = 100'000;

  Traffic(Stage& stage, const TrafficOptions& options, Random random);

  /// All who were added so far start together.
  bool start();
  /// More of them, at once; for newcomers after a death. Answers the worker.
  std::size_t add_sender(bool victim = false);
  std::size_t add_receiver();
  Crew& crew() { return crew_; }

  /// SIGKILL of `victim` when `witness` has made at least `steps` calls. A planned fault.
  void kill_at(std::size_t victim, std::size_t witness, std::uint64_t steps);

  /// Waits for the senders, lets the receivers drain, and joins. True when all was right.
  bool finish();
  /// Everything that was called, with the deaths.
  history::History history() const;

 private:
  void await_senders();
  /// Besides those that the options ask for.
  static constexpr std::size_t kMostNewcomers = 4;
  struct Board {
    FutexWord nobody_sends{0};
    FutexWord one_has_arrived{0};
  };
  void send_all(Worker& worker, std::size_t lane, bool victim, Random random);
  void await_an_arrival();
  void receive_all(Worker& worker, std::size_t lane);
  std::uint32_t messages_of_victim() const { return 4 * options_.messages; }
  std::size_t calls_of_busiest() const;
  std::size_t largest() const;

  Stage& stage_;
  TrafficOptions options_;
  Random random_;
  history::Recorder recorder_;
  Shared<Board> board_;
  Crew crew_;
  std::vector<std::size_t> senders_;
  std::vector<history::Death> deaths_;
  bool started_ = false;
};

}  // namespace gauntlet::channel_suite
