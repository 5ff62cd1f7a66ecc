// Whole messages over a channel of messages or of bytes.
#include "contracts/channel/link.h"

#include <fmt/format.h>

#include "base/limits.h"

namespace gauntlet::channel_suite {

using history::Op;
using history::Outcome;

Deadline Wait::deadline() const {
  switch (kind) {
    case attempt:
      return Deadline::immediate();
    case past:
      return Deadline::after(-std::chrono::seconds(1));
    case limited:
      return Deadline::after(std::chrono::nanoseconds(limit_ns));
    case patient:
      return Deadline::after(kCallPatience);
    case endless:
      return Deadline::never();
  }
  return Deadline::immediate();
}

Wait at_most(std::chrono::nanoseconds limit) {
  return {.kind = Wait::limited, .limit_ns = limit.count()};
}

Outcome outcome_of(Code code) {
  switch (code) {
    case Code::timed_out:
      return Outcome::timed_out;
    case Code::would_block:
      return Outcome::would_block;
    case Code::end_of_stream:
      return Outcome::end_of_stream;
    case Code::peer_gone:
      return Outcome::peer_gone;
    default:
      return Outcome::error;
  }
}

MessageLink::MessageLink(Channel& channel, Framing framing, history::Lane lane, std::size_t largest,
                         std::uint32_t priorities)
    : channel_(channel),
      framing_(framing),
      lane_(lane),
      priorities_(priorities),
      out_(largest),
      in_(largest) {}

Passage MessageLink::send(std::uint32_t id, std::size_t size, Deadline deadline) {
  const std::span<std::byte> bytes(out_.data(), size);
  write_message(bytes, id);
  const history::Token token = lane_.invoke(Op::send, id, size);
  const Result<std::size_t> sent =
      priorities_ > 1 ? channel_.send_with_priority(bytes, priority_of(id, priorities_), deadline)
                      : send_all(bytes, deadline);
  Passage passage{
      .outcome = Outcome::ok, .error = {}, .id = id, .size = static_cast<std::uint32_t>(size)};
  if (!sent) {
    passage.error = sent.error();
    passage.outcome = outcome_of(sent.error().code);
  } else if (*sent != size) {
    passage.flaw =
        sentence(fmt::format("send of message {} of {} bytes answered {}", id, size, *sent));
  }
  lane_.respond(token, passage.outcome, id, size, passage.error.system_errno);
  return passage;
}

Passage MessageLink::receive(Deadline deadline) {
  const history::Token token = lane_.invoke(Op::receive);
  const Passage passage =
      framing_ == Framing::messages ? receive_whole(deadline) : receive_frame(deadline);
  lane_.respond(token, passage.outcome, passage.id, passage.size, passage.error.system_errno);
  return passage;
}

Result<std::size_t> MessageLink::send_all(std::span<const std::byte> bytes, Deadline deadline) {
  Result<std::size_t> sent = channel_.send(bytes, deadline);
  if (framing_ == Framing::messages) return sent;
  // A stream may take a part; a frame that was begun is finished, or it would look torn.
  std::size_t done = sent.value_or(0);
  while (sent && *sent > 0 && done < bytes.size()) {
    sent = channel_.send(bytes.subspan(done), Deadline::after(kCallPatience));
    done += sent.value_or(0);
  }
  if (!sent) return sent;
  return done;
}

Passage MessageLink::receive_whole(Deadline deadline) {
  Passage passage;
  const Result<std::size_t> received = channel_.receive(in_, deadline);
  if (!received) {
    passage.error = received.error();
    passage.outcome = outcome_of(received.error().code);
    return passage;
  }
  passage.outcome = Outcome::ok;
  const Reading reading = read_message(std::span(in_).first(std::min(*received, in_.size())));
  passage.id = reading.id;
  passage.size = static_cast<std::uint32_t>(*received);
  passage.flaw = reading.flaw;
  return passage;
}

Passage MessageLink::receive_frame(Deadline deadline) {
  Passage passage;
  const std::span<std::byte> header(in_.data(), kHeaderBytes);
  const Result<std::size_t> first = channel_.receive(header, deadline);
  if (!first) {
    passage.error = first.error();
    passage.outcome = outcome_of(first.error().code);
    return passage;
  }
  passage.outcome = Outcome::ok;
  Result<std::size_t> have = fill(header, *first);
  Reading reading;
  if (have) {
    reading = read_header(header);
    passage.id = reading.id;
    passage.size = reading.size;
    if (reading.whole && reading.size <= in_.size()) {
      have = fill(std::span(in_).first(reading.size), kHeaderBytes);
      if (have) reading = read_message(std::span(in_).first(reading.size));
    }
  }
  if (!have) {
    passage.outcome = Outcome::error;
    passage.error = have.error();
    passage.flaw = sentence("the stream went no further in the middle of a message: " +
                            describe(have.error()));
  } else {
    passage.flaw = reading.flaw;
  }
  return passage;
}

Result<std::size_t> MessageLink::fill(std::span<std::byte> bytes, std::size_t have) {
  while (have < bytes.size()) {
    const Result<std::size_t> more =
        channel_.receive(bytes.subspan(have), Deadline::after(kCallPatience));
    if (!more) return more;
    if (*more == 0) return fail_with(Code::corrupt, "receive answered 0");
    have += *more;
  }
  return have;
}

}  // namespace gauntlet::channel_suite
