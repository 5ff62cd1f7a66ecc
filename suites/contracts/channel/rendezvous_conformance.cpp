// What a synchronous channel promises, call by call: a send ends when a receiver has taken the
// message, and nothing is kept in between.
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/rendezvous.h"

namespace gauntlet::channel_suite {
namespace {

bool many_rendezvous_senders(const ChannelClaims& claims) {
  return is_rendezvous(claims) && claims.senders == Multiplicity::many;
}
bool tells_rendezvous_receivers(const ChannelClaims& claims) {
  return is_rendezvous(claims) && claims.senders_gone == PeerLoss::end_of_stream;
}
bool tells_rendezvous_senders(const ChannelClaims& claims) {
  return is_rendezvous(claims) && claims.receivers_gone == PeerLoss::error;
}

}  // namespace

CHANNEL_CASE(conformance, RendezvousSend_SleepsUntilAReceiverTakesTheMessage,
             .applies = is_rendezvous) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  ASSERT_TRUE(offer(sender, 1));
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(1));
  EXPECT_THAT(sender.finish(), Succeeds());
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block));
  judge_rendezvous(context, stage.history());
}

// "At once" is what can be done at once: the other side is there.
CHANNEL_CASE(conformance, RendezvousTryReceive_TakesFromASenderThatWaits, .applies = can_give_up) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  ASSERT_TRUE(offer(sender, 1));
  EXPECT_THAT(receiver.receive_message(kAttempt), BringsMessage(1));
  EXPECT_THAT(sender.finish(), Succeeds());
}

CHANNEL_CASE(conformance, RendezvousTrySend_ReachesAReceiverThatWaits, .applies = can_give_up) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  ASSERT_TRUE(ask(receiver));
  EXPECT_THAT(sender.send_message(1, 64, kAttempt), Succeeds());
  EXPECT_THAT(receiver.finish(), BringsMessage(1));
}

CHANNEL_CASE(conformance, RendezvousTrySendWithoutReceiver_WouldBlockAndIsNeverReceived,
             .applies = can_give_up) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  EXPECT_THAT(sender.send_message(1, 64, kAttempt), FailsWith(Code::would_block));
  EXPECT_THAT(sender.send_message(2, 64, kAttempt), FailsWith(Code::would_block));
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block));
  const Transfer passed = transfer_message(sender, 3, 64, receiver);
  EXPECT_THAT(passed.sent, Succeeds());
  EXPECT_THAT(passed.received, BringsMessage(3));
}

CHANNEL_CASE(conformance, RendezvousSendTimesOut_NotEarlyAndIsNeverReceived,
             .applies = can_give_up) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const Reply late = sender.send_message(1, 64, at_most(kShortWait));
  EXPECT_THAT(late, FailsWith(Code::timed_out));
  EXPECT_GE(late.elapsed, kLeastShortWait) << "the deadline was kept too early";
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block))
      << "a message whose send timed out";
  const Transfer passed = transfer_message(sender, 2, 64, receiver);
  EXPECT_THAT(passed.sent, Succeeds());
  EXPECT_THAT(passed.received, BringsMessage(2));
}

// A receiver that gave up is nobody's receiver: a later send must not end for its sake.
CHANNEL_CASE(conformance, RendezvousReceiveTimedOut_TheNextSendStillWaits,
             .applies = is_rendezvous) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  EXPECT_THAT(receiver.receive_message(at_most(kShortWait)), FailsWith(Code::timed_out));
  ASSERT_TRUE(offer(sender, 1));
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(1));
  EXPECT_THAT(sender.finish(), Succeeds());
}

CHANNEL_CASE(conformance, RendezvousSendersWait_EachReceiveLetsExactlyOneGo,
             .applies = many_rendezvous_senders) {
  Stage stage(context);
  if (!stage.ready()) return;
  std::vector<Actor*> senders;
  for (std::uint32_t id = 1; id <= 3; ++id) {
    senders.push_back(&stage.add(Role::sender));
    ASSERT_TRUE(offer(*senders.back(), id));
  }
  Actor& receiver = stage.add(Role::receiver);
  std::vector<bool> gone(senders.size());
  for (std::size_t turn = 0; turn < senders.size(); ++turn) {
    const Reply reply = receiver.receive_message(kPatient);
    ASSERT_THAT(reply, Succeeds());
    const std::size_t taken = reply.passage.id - 1;
    ASSERT_LT(taken, senders.size()) << "a message that nobody sent";
    EXPECT_FALSE(gone[taken]) << "message " << reply.passage.id << " came out twice";
    gone[taken] = true;
    EXPECT_THAT(senders[taken]->finish(), Succeeds());
    for (std::size_t other = 0; other < senders.size(); ++other) {
      if (gone[other]) continue;
      EXPECT_TRUE(senders[other]->asleep())
          << "the send of message " << other + 1 << " ended, and nobody has received it";
    }
  }
}

CHANNEL_CASE(
    conformance, RendezvousBufferUnderTheMessage_IsTooLargeAndTheSenderStillWaits,
    .applies = [](const ChannelClaims& claims) {
      return is_rendezvous(claims) && claims.short_buffer_keeps_message;
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const std::size_t size = stage.options().message_size;
  ASSERT_TRUE(offer(sender, 1, size));
  EXPECT_THAT(receiver.receive(size - 1, kPatient), FailsWith(Code::too_large));
  EXPECT_TRUE(sender.asleep()) << "nobody has taken the message";
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(1));
  EXPECT_THAT(sender.finish(), Succeeds());
}

CHANNEL_CASE(conformance, RendezvousLastReceiverExits_SleepingSenderIsTold,
             .applies = tells_rendezvous_senders) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& receiver = stage.add(Role::receiver);
  Actor& sender = stage.add(Role::sender);
  stage.host().let_go();
  ASSERT_TRUE(offer(sender, 1));
  receiver.leave();
  EXPECT_THAT(sender.finish(), FailsWith(Code::peer_gone));
}

CHANNEL_CASE(conformance, RendezvousLastSenderExits_SleepingReceiverIsWokenByTheEnd,
             .applies = tells_rendezvous_receivers) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& receiver = stage.add(Role::receiver);
  Actor& sender = stage.add(Role::sender);
  stage.host().let_go();
  ASSERT_TRUE(ask(receiver));
  sender.leave();
  EXPECT_THAT(receiver.finish(), FailsWith(Code::end_of_stream));
}

}  // namespace gauntlet::channel_suite
