// Small seeded programs of several processes on one channel, as plain data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/seed.h"
#include "contracts/channel.h"
#include "contracts/channel/link.h"

namespace gauntlet::channel_suite {

/// One call of a program.
struct Step {
  enum Act : std::uint8_t { send, receive };
  Act act = send;
  Wait wait{};
  std::uint32_t id = 0;    ///< of the message that is sent
  std::uint32_t size = 0;  ///< of it
};

/// What one process does: `pauses` empty turns of a loop first, so that many rounds try many
/// alignments, then its steps.
struct LaneProgram {
  Role role = Role::sender;
  std::uint32_t pauses = 0;
  std::vector<Step> steps;
};

struct Program {
  std::uint32_t priorities = 1;  ///< how many are used; a message has that of its id
  std::vector<LaneProgram> lanes;
  std::size_t calls() const;
};

/// What the programs of one batch have in common, drawn once for a channel.
struct Shape {
  std::size_t senders = 2;     ///< lanes that only send, patiently
  std::size_t receivers = 1;   ///< lanes that only receive
  std::size_t mixed = 0;       ///< lanes that do both, and never wait for long
  std::size_t capacity = 2;    ///< room that calls with patience may count on
  std::size_t most_calls = 6;  ///< a lane
  std::size_t message_size = 512;
  /// Of ten calls so many do not insist: a try, or a deadline of at most `brief_ns`.
  std::uint32_t tries_in_ten = 3;
  std::uint32_t briefs_in_ten = 2;
  std::int64_t brief_ns = 300'000;
  /// Of ten programs so many receive nothing by themselves: all that fits is sent, and comes out
  /// when the round is drained, so that the senders have the CPUs for themselves.
  std::uint32_t drained_in_ten = 1;
  std::uint32_t priorities = 1;  ///< how many are used
};

/// True when no call with patience can be left waiting by a channel that keeps its promises:
/// enough messages for the receives that insist, enough room or receives for the sends that do.
/// Whoever is stuck in such a program is stuck by the channel's fault.
bool cannot_get_stuck(const Program& program, std::size_t capacity);

/// A program for which cannot_get_stuck holds. Message ids go up from `first_id`.
Program draw_program(Random& random, const Shape& shape, std::uint32_t first_id);

/// Smaller programs, the smallest first: without a lane, a call, or a pair of calls. All of them
/// cannot get stuck.
std::vector<Program> smaller(const Program& program, std::size_t capacity);

/// "p0 sends 1 (64 bytes), 2 (try); p1 receives 2 times".
std::string describe(const Program& program);

}  // namespace gauntlet::channel_suite
