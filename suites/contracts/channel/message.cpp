// Writing and reading of messages that show it when they are torn.
#include "contracts/channel/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace gauntlet::channel_suite {
namespace {

struct Header {
  std::uint32_t id;
  std::uint32_t size;
  std::uint64_t check;
};
static_assert(sizeof(Header) == kHeaderBytes);

/// The finalizer of SplitMix64: neighbouring inputs share no byte pattern.
std::uint64_t mix(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15ULL;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

std::uint64_t check_of(std::uint32_t id, std::uint32_t size) {
  return mix((static_cast<std::uint64_t>(id) << 32) | size);
}

/// The eight bytes of the body that begin at 8 * word.
std::uint64_t body_word(std::uint64_t tag, std::size_t word) {
  return mix(tag + word * 0x10001ULL);
}

void write_body(std::span<std::byte> body, std::uint64_t tag) {
  for (std::size_t at = 0; at < body.size(); at += 8) {
    const std::uint64_t word = body_word(tag, at / 8);
    std::memcpy(body.data() + at, &word, std::min<std::size_t>(8, body.size() - at));
  }
}

/// Position of the first byte that is not what write_body wrote, or body.size().
std::size_t first_wrong(std::span<const std::byte> body, std::uint64_t tag) {
  for (std::size_t at = 0; at < body.size(); at += 8) {
    const std::uint64_t word = body_word(tag, at / 8);
    const std::size_t length = std::min<std::size_t>(8, body.size() - at);
    if (std::memcmp(body.data() + at, &word, length) == 0) continue;
    std::array<std::byte, 8> expected{};
    std::memcpy(expected.data(), &word, 8);
    for (std::size_t i = 0; i < length; ++i) {
      if (body[at + i] != expected[i]) return at + i;
    }
  }
  return body.size();
}

}  // namespace

Sentence sentence(std::string_view text) {
  Sentence made{};
  text.copy(made.data(), made.size() - 1);
  return made;
}

void write_message(std::span<std::byte> into, std::uint32_t id) {
  const auto size = static_cast<std::uint32_t>(into.size());
  const Header header{.id = id, .size = size, .check = check_of(id, size)};
  std::memcpy(into.data(), &header, sizeof header);
  write_body(into.subspan(kHeaderBytes), header.check);
}

Reading read_header(std::span<const std::byte> bytes) {
  Reading reading;
  if (bytes.size() < kHeaderBytes) {
    reading.flaw =
        sentence(fmt::format("torn: a message of {} bytes came, less than a header", bytes.size()));
    return reading;
  }
  Header header{};
  std::memcpy(&header, bytes.data(), sizeof header);
  reading.id = header.id;
  reading.size = header.size;
  reading.whole = header.size >= kHeaderBytes && header.check == check_of(header.id, header.size);
  if (!reading.whole) {
    reading.flaw =
        sentence(fmt::format("torn: a message with the header id {}, size {}, check {:016x}",
                             header.id, header.size, header.check));
  }
  return reading;
}

Reading read_message(std::span<const std::byte> bytes) {
  Reading reading = read_header(bytes);
  if (!reading.whole) return reading;
  reading.whole = false;
  if (reading.size != bytes.size()) {
    reading.flaw = sentence(fmt::format("torn: message {} has {} bytes, {} came", reading.id,
                                        reading.size, bytes.size()));
    return reading;
  }
  const std::span<const std::byte> body = bytes.subspan(kHeaderBytes);
  const std::size_t wrong = first_wrong(body, check_of(reading.id, reading.size));
  if (wrong != body.size()) {
    reading.flaw = sentence(fmt::format("torn: message {} of {} bytes is another from byte {} on",
                                        reading.id, reading.size, kHeaderBytes + wrong));
    return reading;
  }
  reading.whole = true;
  return reading;
}

std::vector<std::byte> pattern(std::size_t size, std::uint64_t tag) {
  std::vector<std::byte> made(size);
  write_body(made, mix(tag));
  return made;
}

}  // namespace gauntlet::channel_suite
