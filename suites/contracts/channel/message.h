// Messages that show it when they are torn: an id, a length, and a body that follows from both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace gauntlet::channel_suite {

/// id, length and check word; the smallest message.
inline constexpr std::size_t kHeaderBytes = 16;

/// A sentence that fits into shared memory.
using Sentence = std::array<char, 160>;
Sentence sentence(std::string_view text);

/// The priority that a message is sent with, where a case uses so many of them.
inline std::uint32_t priority_of(std::uint64_t id, std::uint32_t priorities) {
  return static_cast<std::uint32_t>(id % priorities);
}

/// Fills `into` (at least kHeaderBytes) with the message `id` of that size.
void write_message(std::span<std::byte> into, std::uint32_t id);

struct Reading {
  bool whole = false;
  std::uint32_t id = 0;
  std::uint32_t size = 0;  ///< as the message itself says
  Sentence flaw{};         ///< "torn: message 3 of 512 bytes is …", empty when whole
};

/// Reads a message that must be exactly `bytes`.
Reading read_message(std::span<const std::byte> bytes);
/// Reads only the header (kHeaderBytes): `whole` says that it is one.
Reading read_header(std::span<const std::byte> bytes);

/// `size` bytes that depend on `tag` and on the position of each; any size, any content.
std::vector<std::byte> pattern(std::size_t size, std::uint64_t tag);

}  // namespace gauntlet::channel_suite
