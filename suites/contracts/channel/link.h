// One process's way into a channel in terms of whole messages, recorded, for both framings.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "contracts/channel.h"
#include "contracts/channel/message.h"
#include "history/recorder.h"

namespace gauntlet::channel_suite {

/// How long a call may take, as plain data that crosses into a worker.
struct Wait {
  enum Kind : std::uint8_t { attempt, past, limited, patient, endless };
  Kind kind = attempt;
  std::int64_t limit_ns = 0;

  /// The deadline, from now on.
  Deadline deadline() const;
};
inline constexpr Wait kAttempt{.kind = Wait::attempt};  ///< Deadline::immediate()
inline constexpr Wait kPast{.kind = Wait::past};        ///< a deadline a second ago
inline constexpr Wait kPatient{.kind = Wait::patient};  ///< kCallPatience: it must succeed
inline constexpr Wait kEndless{.kind = Wait::endless};  ///< Deadline::never()
Wait at_most(std::chrono::nanoseconds limit);

/// What a call on messages came to.
struct Passage {
  history::Outcome outcome = history::Outcome::unknown;
  Error error;           ///< when outcome is not ok
  std::uint32_t id = 0;  ///< what was received
  std::uint32_t size = 0;
  Sentence flaw{};  ///< not empty: something came that nobody sent so
  bool flawed() const { return flaw[0] != '\0'; }
};

history::Outcome outcome_of(Code code);

/// Sends and receives messages of message.h and records each call in a lane. On a channel of bytes
/// a message is a frame, read header first and body then, so that nothing of the next one is taken.
/// Lives in a worker.
class MessageLink {
 public:
  /// With more than one of `priorities`, a message goes out with the one of its id.
  MessageLink(Channel& channel, Framing framing, history::Lane lane, std::size_t largest,
              std::uint32_t priorities = 1);

  Passage send(std::uint32_t id, std::size_t size, Deadline deadline);
  Passage receive(Deadline deadline);

 private:
  Result<std::size_t> send_all(std::span<const std::byte> bytes, Deadline deadline);
  Passage receive_whole(Deadline deadline);
  Passage receive_frame(Deadline deadline);
  Result<std::size_t> fill(std::span<std::byte> bytes, std::size_t have);

  Channel& channel_;
  Framing framing_;
  history::Lane lane_;
  std::uint32_t priorities_;
  std::vector<std::byte> out_;
  std::vector<std::byte> in_;
};

}  // namespace gauntlet::channel_suite
