// What the others learn when a process closes, ends or arrives, and what outlives it.
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/claims.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/stage.h"
#include "contracts/channel/stranger.h"

namespace gauntlet::channel_suite {
namespace {

enum class Departure : std::uint8_t { closes, exits };

void depart(Actor& actor, Departure how) {
  if (how == Departure::exits) return actor.leave();
  EXPECT_THAT(actor.close(), Succeeds());
}

bool tells_end(const ChannelClaims& claims) {
  return claims.senders_gone == PeerLoss::end_of_stream && keeps_order(claims);
}
bool tells_no_end(const ChannelClaims& claims) { return claims.senders_gone == PeerLoss::nothing; }
bool tells_senders(const ChannelClaims& claims) { return claims.receivers_gone == PeerLoss::error; }
bool tells_senders_nothing(const ChannelClaims& claims) {
  return claims.receivers_gone == PeerLoss::nothing && blocks_when_full(claims);
}
bool is_named(const ChannelClaims& claims) { return claims.reach == Reach::named; }
bool is_named_and_kept(const ChannelClaims& claims) {
  return is_named(claims) && keeps_messages(claims);
}
/// Who is not told of receivers that have gone, and drops what has no room, asks nobody when it
/// attaches either: a datagram to an address where nobody is, is on its way all the same.
bool asks_for_the_name(const ChannelClaims& claims) {
  return is_named(claims) &&
         !(claims.overflow == Overflow::drop && claims.receivers_gone == PeerLoss::nothing);
}

void expect_end_after_draining(CaseContext& context, Departure how) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& receiver = stage.add(Role::receiver);
  Actor& sender = stage.add(Role::sender);
  stage.host().let_go();
  for (std::uint32_t id = 1; id <= 3; ++id) {
    EXPECT_THAT(sender.send_message(id, 64, kPatient), Succeeds());
  }
  depart(sender, how);
  for (std::uint32_t id = 1; id <= 3; ++id) {
    EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(id));
  }
  EXPECT_THAT(receiver.receive_message(kPatient), FailsWith(Code::end_of_stream));
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::end_of_stream))
      << "the end is not the end the second time";
}

void expect_receiver_learns_nothing(CaseContext& context, Departure how) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& receiver = stage.add(Role::receiver);
  Actor& sender = stage.add(Role::sender);
  stage.host().let_go();
  const Transfer passed = transfer_message(sender, 1, 64, receiver);
  EXPECT_THAT(passed.sent, Succeeds());
  EXPECT_THAT(passed.received, BringsMessage(1));
  depart(sender, how);
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block));
  EXPECT_THAT(receiver.receive_message(at_most(kShortWait)), FailsWith(Code::timed_out));
}

void expect_sender_learns(CaseContext& context, Departure how) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& receiver = stage.add(Role::receiver);
  Actor& sender = stage.add(Role::sender);
  stage.host().let_go();
  const Transfer passed = transfer_message(sender, 1, 64, receiver);
  EXPECT_THAT(passed.sent, Succeeds());
  EXPECT_THAT(passed.received, BringsMessage(1));
  depart(receiver, how);
  Reply told = sender.send_message(2, 64, kPatient);
  // A broker learns of it in its own time; what it takes until then it takes for nobody.
  const bool by_a_broker = stage.claims().broker_death != BrokerDeath::no_broker;
  const Deadline patience = Deadline::after(kCallPatience);
  for (std::uint32_t id = 3; by_a_broker && told.ok && !patience.expired(); ++id) {
    told = sender.send_message(id, 64, kPatient);
  }
  EXPECT_THAT(told, FailsWith(Code::peer_gone)) << "a send after the last receiver has gone";
  EXPECT_THAT(sender.send_message(1, 64, kAttempt), FailsWith(Code::peer_gone));
}

}  // namespace

CHANNEL_CASE(conformance, LastSenderCloses_ReceiverGetsTheRestThenTheEnd, .applies = tells_end) {
  expect_end_after_draining(context, Departure::closes);
}

CHANNEL_CASE(conformance, LastSenderExits_ReceiverGetsTheRestThenTheEnd, .applies = tells_end) {
  expect_end_after_draining(context, Departure::exits);
}

CHANNEL_CASE(conformance, LastSenderExits_SleepingReceiverIsWokenByTheEnd, .applies = tells_end) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& receiver = stage.add(Role::receiver);
  Actor& sender = stage.add(Role::sender);
  stage.host().let_go();
  receiver.begin({.act = Command::receive_message, .wait = kPatient});
  ASSERT_TRUE(receiver.asleep());
  sender.leave();
  EXPECT_THAT(receiver.finish(), FailsWith(Code::end_of_stream));
}

CHANNEL_CASE(
    conformance, OneOfTwoSendersCloses_IsNotTheEnd, .applies = [](const ChannelClaims& claims) {
      return tells_end(claims) && claims.senders == Multiplicity::many;
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& receiver = stage.add(Role::receiver);
  Actor& first = stage.add(Role::sender);
  Actor& second = stage.add(Role::sender);
  stage.host().let_go();
  EXPECT_THAT(first.close(), Succeeds());
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block));
  EXPECT_THAT(second.send_message(1, 64, kPatient), Succeeds());
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(1));
  EXPECT_THAT(second.close(), Succeeds());
  EXPECT_THAT(receiver.receive_message(kPatient), FailsWith(Code::end_of_stream));
}

CHANNEL_CASE(conformance, LastSenderCloses_ReceiverLearnsNothing, .applies = tells_no_end) {
  expect_receiver_learns_nothing(context, Departure::closes);
}

CHANNEL_CASE(conformance, LastSenderExits_ReceiverLearnsNothing, .applies = tells_no_end) {
  expect_receiver_learns_nothing(context, Departure::exits);
}

CHANNEL_CASE(conformance, LastReceiverCloses_SenderIsTold, .applies = tells_senders) {
  expect_sender_learns(context, Departure::closes);
}

CHANNEL_CASE(conformance, LastReceiverExits_SenderIsTold, .applies = tells_senders) {
  expect_sender_learns(context, Departure::exits);
}

CHANNEL_CASE(conformance, LastReceiverExits_SenderFillsTheChannelAndWaits,
             .applies = tells_senders_nothing) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& receiver = stage.add(Role::receiver);
  Actor& sender = stage.add(Role::sender);
  stage.host().let_go();
  receiver.leave();
  Reply reply;
  for (std::uint32_t id = 1; id <= 100'000; ++id) {
    reply = sender.send_message(id, 512, kAttempt);
    if (!reply.ok) break;
  }
  EXPECT_THAT(reply, FailsWith(Code::would_block));
  EXPECT_THAT(sender.send_message(1, 512, at_most(kShortWait)), FailsWith(Code::timed_out));
}

CHANNEL_CASE(conformance, CallsAfterOwnClose_AnswerClosed) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  EXPECT_THAT(sender.close(), Succeeds());
  EXPECT_THAT(sender.send_message(1, 64, kAttempt), FailsWith(Code::closed));
  EXPECT_THAT(receiver.close(), Succeeds());
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::closed));
}

CHANNEL_CASE(
    conformance, SenderExits_ItsMessagesAreReceivedByOneWhoComesLater,
    .applies = [](const ChannelClaims& claims) {
      return keeps_order(claims) && claims.messages_outlive_sender;
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  EXPECT_THAT(sender.send_message(1, 64, kPatient), Succeeds());
  EXPECT_THAT(sender.send_message(2, 512, kPatient), Succeeds());
  sender.leave();
  Actor& receiver = stage.add(Role::receiver);
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(1));
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(2));
}

CHANNEL_CASE(conformance, StrangerAttachesByName_SendsAndReceives, .applies = is_named_and_kept) {
  Stage stage(context);
  if (!stage.ready()) return;
  const std::string address = stage.host().address();
  ASSERT_FALSE(address.empty()) << "a channel that is reached by name has no address";
  Actor& receiver = stage.add(Role::receiver);
  expect_stranger(context, address, "send", 1);
  expect_stranger(context, address, "send", 2);
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(1));
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(2));
  if (!stage.claims().strangers_receive) return;
  receiver.leave();
  Actor& sender = stage.add(Role::sender);
  EXPECT_THAT(sender.send_message(3, 64, kPatient), Succeeds());
  expect_stranger(context, address, "receive", 3);
}

CHANNEL_CASE(
    conformance, EveryUserGone_KernelKeepsTheMessagesForAStranger,
    .applies = [](const ChannelClaims& claims) {
      return is_named_and_kept(claims) && claims.persistence != Persistence::process;
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  const std::string address = stage.host().address();
  Actor& sender = stage.add(Role::sender);
  EXPECT_THAT(sender.send_message(1, 64, kPatient), Succeeds());
  sender.leave();
  stage.host().let_go();
  expect_stranger(context, address, "receive", 1);
}

CHANNEL_CASE(conformance, AttachToANameThatIsNotThere_IsRefused, .applies = asks_for_the_name) {
  std::string address;
  {
    Stage stage(context);
    if (!stage.ready()) return;
    address = stage.host().address();
  }
  // In a process of its own, as every call on a subject.
  Shared<int> code;
  Crew crew(1);
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    const auto channel = context.channel().attach(address, stranger_role(context.channel().claims));
    worker.expect(!channel.has_value(), "attach found a channel whose host had removed it");
    *code = channel ? -1 : static_cast<int>(channel.error().code);
  }));
  if (context.join(crew)) {
    context.observed("attach_to_nothing", code_name(static_cast<Code>(*code)));
  }
}

}  // namespace gauntlet::channel_suite
