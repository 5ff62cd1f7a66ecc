// What every channel promises of its room: how much fits, and what a call does that finds none.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/claims.h"
#include "contracts/channel/judge.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/stage.h"

namespace gauntlet::channel_suite {
namespace {

using testing::AnyOf;

/// Ids of messages that are refused: the checker wants every id to be sent once.
constexpr std::uint32_t kRefused = 900'000;

struct Filled {
  std::uint32_t fit = 0;  ///< messages that went in
  Reply refused;          ///< what the last call answered, which found no room
};

/// Sends messages from id `first` on, of the full size, until one would block. Where the system
/// chose the capacity, full is what stays full for a moment: a network that acknowledges late may
/// have room for one more, and may find some again later.
Filled fill(Stage& stage, Actor& sender, std::uint32_t first = 1) {
  // 64 MiB: no default of any system comes near, so more than this is a channel that never fills.
  const std::size_t size = stage.options().message_size;
  const std::uint64_t bound = (std::uint64_t{64} << 20) / size;
  Filled filled;
  for (; filled.fit < bound; ++filled.fit) {
    filled.refused = sender.send_message(first + filled.fit, size, kAttempt);
    if (filled.refused.ok) continue;
    EXPECT_THAT(filled.refused, FailsWith(Code::would_block))
        << "send " << filled.fit + 1 << " in a row";
    if (stage.claims().exact_capacity || filled.refused.error != Code::would_block) return filled;
    filled.refused = sender.send_message(first + filled.fit, size, at_most(kShortWait));
    if (!filled.refused.ok) return filled;
  }
  ADD_FAILURE() << "took " << bound << " messages without a receiver and was never full";
  return filled;
}

/// Receives messages first … last in this order.
void expect_messages(Actor& receiver, std::uint32_t first, std::uint32_t last) {
  for (std::uint32_t id = first; id <= last; ++id) {
    const Reply reply = receiver.receive_message(kPatient);
    EXPECT_THAT(reply, BringsMessage(id));
    if (!reply.ok) return;
  }
}

}  // namespace

CHANNEL_CASE(
    conformance, ExactCapacity_SoManyFitAndOneMoreBlocks,
    .applies = [](const ChannelClaims& claims) {
      return blocks_when_full(claims) && claims.exact_capacity;
    }) {
  for (const std::size_t capacity : {1, 2, 3, 8}) {
    SCOPED_TRACE(fmt::format("capacity {}", capacity));
    Stage stage(context, options_for(context.channel().claims, capacity, 256));
    if (!stage.ready()) return;
    Actor& sender = stage.add(Role::sender);
    Actor& receiver = stage.add(Role::receiver);
    const auto full = static_cast<std::uint32_t>(stage.options().capacity);
    ASSERT_EQ(fill(stage, sender).fit, full) << "messages that fit into the channel";
    const Reply late = sender.send_message(kRefused, 64, at_most(kShortWait));
    EXPECT_THAT(late, FailsWith(Code::timed_out));
    EXPECT_GE(late.elapsed, kLeastShortWait) << "the deadline was kept too early";
    EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(1));
    // fill() was refused with full + 1.
    EXPECT_THAT(sender.send_message(full + 2, 64, kAttempt), Succeeds());
    EXPECT_THAT(sender.send_message(kRefused + 1, 64, kAttempt), FailsWith(Code::would_block));
    expect_messages(receiver, 2, full);
    EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(full + 2));
    EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block));
    judge(context, stage.history(), rules_for(context.channel().claims, stage.options(), true));
  }
}

CHANNEL_CASE(
    conformance, CapacityOfTheSystem_IsReachedAndEverythingComesOut,
    .applies = [](const ChannelClaims& claims) {
      return blocks_when_full(claims) && !claims.exact_capacity;
    }) {
  Stage stage(context, options_for(context.channel().claims, 4, 1024));
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const Filled full = fill(stage, sender);
  context.observed("capacity", fmt::format("{} messages of 1024 bytes", full.fit));
  EXPECT_GE(full.fit, 1U);
  EXPECT_THAT(full.refused, FailsWith(Code::timed_out));
  EXPECT_GE(full.refused.elapsed, kLeastShortWait) << "the deadline was kept too early";
  expect_messages(receiver, 1, full.fit);
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block));
}

CHANNEL_CASE(conformance, FullSend_SleepsUntilAReceiveWakesIt, .applies = blocks_when_full) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const std::uint32_t full = fill(stage, sender).fit;
  // What fill() was refused has the id full + 1.
  std::uint32_t last = full + 2;
  ASSERT_TRUE(begin_send_that_sleeps(stage, sender, last, stage.options().message_size, kEndless))
      << "send into a full channel does not sleep";
  // One message makes room where messages are counted; elsewhere the system says when.
  const std::uint32_t taken = stage.claims().exact_capacity ? 1 : full;
  expect_messages(receiver, 1, taken);
  EXPECT_THAT(sender.finish(), Succeeds()) << "after " << taken << " of " << full << " came out";
  expect_messages(receiver, taken + 1, full);
  expect_messages(receiver, full + 2, last);
}

// Whatever a call with a deadline in the past does, it does it wholly or not at all.
CHANNEL_CASE(conformance, DeadlineInThePast_ActsWhollyOrNotAtAll, .applies = keeps_order) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  EXPECT_THAT(receiver.receive_message(kPast), FailsWith(Code::timed_out));
  EXPECT_THAT(sender.send_message(1, 64, kPast), AnyOf(Succeeds(), FailsWith(Code::timed_out)));
  EXPECT_THAT(sender.send_message(2, 64, kPatient), Succeeds());
  EXPECT_THAT(receiver.receive_message(kPast), AnyOf(Succeeds(), FailsWith(Code::timed_out)));
  EXPECT_THAT(sender.send_message(3, 64, kPatient), Succeeds());
  for (int i = 0; i < 4; ++i) {
    if (!receiver.receive_message(kAttempt).ok) break;
  }
  if (stage.claims().exact_capacity) {
    fill(stage, sender, 10);
    EXPECT_THAT(sender.send_message(kRefused, 64, kPast), FailsWith(Code::timed_out));
    while (receiver.receive_message(kAttempt).ok) {
    }
  }
  judge(context, stage.history(), rules_for(stage.claims(), stage.options(), true));
}

// A write of at most the atomic size into a channel that has room for a part of it is refused
// whole: POSIX.1-2024 write(), O_NONBLOCK and {PIPE_BUF}.
CHANNEL_CASE(
    conformance, AtomicSendWithoutEnoughRoom_SendsNothing,
    .applies = [](const ChannelClaims& claims) {
      return blocks_when_full(claims) && has_bytes(claims) && claims.atomic_bytes > 1;
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const std::size_t atomic = stage.claims().atomic_bytes;
  // Any sizes until one does not fit, then smaller ones into what is left.
  Random random = context.random();
  std::uint64_t accepted = 0;
  std::size_t most = atomic;
  while (accepted < (std::uint64_t{64} << 20)) {
    const std::size_t size = random.between(most / 2 + 1, most);
    const Reply reply = sender.send(pattern(size, accepted), kAttempt);
    if (reply.ok) {
      EXPECT_EQ(reply.size, size) << "an atomic send was cut";
      accepted += reply.size;
    } else {
      ASSERT_THAT(reply, FailsWith(Code::would_block));
      if (most == 1) break;
      most /= 2;
    }
  }
  std::uint64_t came = 0;
  for (std::uint64_t turn = 0; turn <= accepted; ++turn) {
    const Reply reply = receiver.receive(atomic, kAttempt);
    if (!reply.ok) break;
    came += reply.size;
  }
  EXPECT_EQ(came, accepted) << "bytes of refused sends came out, or accepted ones did not";
}

}  // namespace gauntlet::channel_suite
