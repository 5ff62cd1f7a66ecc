// What a channel promises that may lose, double, refuse or drop: nothing is invented or torn, what
// fits arrives in order, and a full channel does to its sender what is claimed.
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/lossy.h"
#include "contracts/channel/matchers.h"

namespace gauntlet::channel_suite {
namespace {

bool refuses(const ChannelClaims& claims) {
  return has_messages(claims) && claims.fanout == Fanout::compete &&
         claims.overflow == Overflow::refuse;
}
bool drops(const ChannelClaims& claims) {
  return has_messages(claims) && claims.overflow == Overflow::drop;
}
bool ordered(const ChannelClaims& claims) {
  return is_lossy(claims) && claims.order != Order::none && claims.order != Order::priority;
}

/// More than any of the channels here holds.
constexpr std::uint32_t kFlood = 4000;
constexpr std::size_t kFloodBytes = 4096;

}  // namespace

// In peace and within its room even a channel that may lose has no reason to.
CHANNEL_CASE(conformance, MessagesWithinTheRoom_AllArriveOnceInOrder, .applies = ordered) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const auto batch = static_cast<std::uint32_t>(stage.options().capacity);
  std::uint32_t id = 0;
  for (int round = 0; round < 5; ++round) {
    for (std::uint32_t i = 0; i < batch; ++i) {
      ++id;
      EXPECT_THAT(sender.send_message(id, 32 + id, kPatient), Succeeds());
    }
    for (std::uint32_t i = batch; i > 0; --i) {
      EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(id - i + 1));
    }
  }
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block));
  EXPECT_THAT(receiver.receive_message(at_most(kShortWait)), FailsWith(Code::timed_out));
}

CHANNEL_CASE(conformance, FullChannelThatRefuses_SaysSoAtOnceAndKeepsWhatItTook,
             .applies = refuses) {
  Stage stage(context, options_for(context.channel().claims, 4, 64 * 1024));
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const std::size_t size = stage.options().message_size;
  std::uint32_t fit = 0;
  Reply reply;
  // With patience: the refusal does not wait for room.
  for (; fit < kFlood; ++fit) {
    reply = sender.send_message(fit + 1, size, kPatient);
    if (!reply.ok) break;
  }
  ASSERT_THAT(reply, FailsWith(Code::would_block)) << "after " << fit << " messages";
  context.observed("capacity", std::to_string(fit) + " messages of 64 KiB");
  for (std::uint32_t id = 1; id <= fit; ++id) {
    ASSERT_THAT(receiver.receive_message(kPatient), BringsMessage(id));
  }
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block))
      << "a refused message was sent all the same";
  EXPECT_THAT(sender.send_message(fit + 2, size, kPatient), Succeeds());
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(fit + 2));
}

CHANNEL_CASE(conformance, FullChannelThatDrops_SenderGoesOnAndWhatArrivesIsInOrder,
             .applies = drops) {
  Stage stage(context, options_for(context.channel().claims, 4, kFloodBytes));
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  std::uint32_t probes = 1;
  if (!meet(sender, {&receiver}, probes)) return;
  const std::size_t size = stage.options().message_size;
  std::uint32_t sent = 0;
  while (sent < kFlood) {
    const Reply reply = sender.send_message(++sent, size, kPatient);
    ASSERT_THAT(reply, Succeeds()) << "message " << sent << " into a channel that drops";
  }
  std::uint32_t came = 0;
  std::uint32_t last = 0;
  while (came <= sent) {
    const Reply reply = receiver.receive_message(at_most(kLull));
    if (!reply.ok) break;
    EXPECT_FALSE(reply.passage.flawed()) << reply.passage.flaw.data();
    EXPECT_GT(reply.passage.id, last) << "doubled, or out of its order";
    EXPECT_LE(reply.passage.id, sent);
    last = reply.passage.id;
    ++came;
  }
  context.observed("kept_of_a_flood", std::to_string(came));
  EXPECT_GT(came, 0U) << "all was dropped";
  EXPECT_LT(came, sent) << "nothing was dropped: " << sent << " messages of " << size << " bytes";
  // The flood is over, and the channel is what it was.
  meet(sender, {&receiver}, probes);
}

}  // namespace gauntlet::channel_suite
