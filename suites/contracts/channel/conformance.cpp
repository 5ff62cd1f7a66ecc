// What every channel promises of its messages, their order and their sizes, call by call.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <set>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/claims.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/stage.h"

namespace gauntlet::channel_suite {
namespace {

using testing::AnyOf;

std::vector<std::byte> bytes_from(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::size_t largest_of(const ChannelClaims& claims, const ChannelOptions& options) {
  return claims.message_size_is_limit ? options.message_size : claims.largest_message;
}

}  // namespace

CHANNEL_CASE(conformance, EmptyTryReceive_WouldBlock) {
  Stage stage(context);
  if (!stage.ready()) return;
  stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const std::size_t buffer = stage.options().message_size;
  EXPECT_THAT(receiver.receive(buffer, kAttempt), FailsWith(Code::would_block));
  EXPECT_THAT(receiver.receive(buffer, kAttempt), FailsWith(Code::would_block));
}

CHANNEL_CASE(conformance, EmptyReceiveWithDeadline_TimesOutNotEarlyAndTakesNothing) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const Reply reply = receiver.receive(stage.options().message_size, at_most(kShortWait));
  EXPECT_THAT(reply, FailsWith(Code::timed_out));
  EXPECT_GE(reply.elapsed, kLeastShortWait) << "the deadline was kept too early";
  const auto bytes = bytes_from({7});
  const Transfer passed = transfer(sender, bytes, receiver, stage.options().message_size);
  EXPECT_THAT(passed.sent, Sends(1));
  EXPECT_THAT(passed.received, Brings(bytes));
}

CHANNEL_CASE(conformance, EmptyReceive_SleepsUntilASendWakesIt) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  receiver.begin({.act = Command::receive_message, .wait = kEndless});
  ASSERT_TRUE(receiver.asleep()) << "receive from an empty channel does not sleep";
  EXPECT_THAT(sender.send_message(1, 64, kPatient), Succeeds());
  EXPECT_THAT(receiver.finish(), BringsMessage(1));
}

// A waiter that gave up must not swallow the wake-up of the one that still waits.
CHANNEL_CASE(conformance, AnotherReceiverTimedOut_TheNextSendStillWakesTheSleeper,
             .applies = many_receivers) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& hasty = stage.add(Role::receiver);
  Actor& steady = stage.add(Role::receiver);
  steady.begin({.act = Command::receive_message, .wait = kEndless});
  ASSERT_TRUE(steady.asleep());
  EXPECT_THAT(hasty.receive_message(at_most(kShortWait)), FailsWith(Code::timed_out));
  EXPECT_THAT(sender.send_message(1, 64, kPatient), Succeeds());
  EXPECT_THAT(steady.finish(), BringsMessage(1));
  EXPECT_THAT(sender.send_message(2, 64, kPatient), Succeeds());
  EXPECT_THAT(hasty.receive_message(kPatient), BringsMessage(2));
}

CHANNEL_CASE(conformance, TwoReceiversAsleep_TwoSendsWakeBoth, .applies = many_receivers) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& first = stage.add(Role::receiver);
  Actor& second = stage.add(Role::receiver);
  for (Actor* receiver : {&first, &second}) {
    receiver->begin({.act = Command::receive_message, .wait = kPatient});
    ASSERT_TRUE(receiver->asleep());
  }
  EXPECT_THAT(sender.send_message(1, 64, kPatient), Succeeds());
  EXPECT_THAT(sender.send_message(2, 64, kPatient), Succeeds());
  const Reply one = first.finish();
  const Reply two = second.finish();
  EXPECT_TRUE(one.ok && two.ok) << "first: " << describe(one) << ", second: " << describe(two);
  EXPECT_EQ(one.passage.id + two.passage.id, 3U) << "messages 1 and 2 each come out once";
}

CHANNEL_CASE(conformance, MessageOfEverySize_ComesOutWithItsExactBytes, .applies = has_messages) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const std::size_t largest = stage.options().message_size;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{8},
        std::size_t{9}, std::size_t{52}, std::size_t{63}, std::size_t{64}, std::size_t{65},
        std::size_t{255}, std::size_t{256}, largest - 1, largest}) {
    if (size == 0 && !stage.claims().empty_messages) continue;
    SCOPED_TRACE(fmt::format("a message of {} bytes", size));
    const auto bytes = pattern(size, context.seed() + size);
    const Transfer passed = transfer(sender, bytes, receiver, largest);
    EXPECT_THAT(passed.sent, Sends(size));
    EXPECT_THAT(passed.received, Brings(bytes));
  }
  EXPECT_THAT(receiver.receive(largest, kAttempt), FailsWith(Code::would_block));
}

// Zeros, ones and every byte value: nothing in a message means anything to the channel.
CHANNEL_CASE(conformance, AnyContent_ComesOutUnchanged) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const std::size_t size = stage.options().message_size;
  std::vector<std::vector<std::byte>> contents{
      std::vector<std::byte>(size, std::byte{0x00}), std::vector<std::byte>(size, std::byte{0xff}),
      std::vector<std::byte>(size), std::vector<std::byte>(size)};
  for (std::size_t at = 0; at < size; ++at) {
    contents[2][at] = static_cast<std::byte>(at);
    contents[3][at] = static_cast<std::byte>("\r\n\0\x1a\x04"[at % 5]);
  }
  for (const auto& content : contents) {
    if (has_messages(stage.claims())) {
      const Transfer passed = transfer(sender, content, receiver, size);
      EXPECT_THAT(passed.sent, Sends(size));
      EXPECT_THAT(passed.received, Brings(content));
      continue;
    }
    EXPECT_THAT(sender.send(content, kPatient), Sends(size));
    std::vector<std::byte> came;
    while (came.size() < size) {
      const Reply reply = receiver.receive(size - came.size(), kPatient);
      ASSERT_THAT(reply, Succeeds());
      ASSERT_GT(reply.size, 0U);
      came.insert(came.end(), reply.bytes.begin(), reply.bytes.end());
    }
    EXPECT_TRUE(came == content) << "content came out changed";
  }
}

CHANNEL_CASE(conformance, TwoSends_StayTwoMessages, .applies = has_kept_messages) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const auto first = bytes_from({1, 2, 3});
  const auto second = bytes_from({4, 5});
  EXPECT_THAT(sender.send(first, kPatient), Sends(3));
  EXPECT_THAT(sender.send(second, kPatient), Sends(2));
  EXPECT_THAT(receiver.receive(stage.options().message_size, kPatient), Brings(first));
  EXPECT_THAT(receiver.receive(stage.options().message_size, kPatient), Brings(second));
}

CHANNEL_CASE(conformance, Bytes_ComeOutAsTheConcatenationOfTheSends, .applies = has_bytes) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const auto all = pattern(16 * 1024, context.seed());
  Random random = context.random();
  std::size_t sent = 0;
  std::size_t received = 0;
  while (received < all.size()) {
    while (sent < all.size()) {
      const std::size_t size = std::min<std::size_t>(random.between(1, 5000), all.size() - sent);
      const Reply reply = sender.send(std::span(all).subspan(sent, size), kAttempt);
      if (!reply.ok) {
        ASSERT_THAT(reply, FailsWith(Code::would_block));
        break;
      }
      sent += reply.size;
    }
    const Reply reply = receiver.receive(random.between(1, 3000), kPatient);
    ASSERT_THAT(reply, Succeeds());
    ASSERT_GT(reply.size, 0U);
    ASSERT_LE(received + reply.size, sent) << "more came out than went in";
    ASSERT_TRUE(std::equal(reply.bytes.begin(), reply.bytes.end(), all.begin() + received))
        << "the bytes from " << received << " on are others than those sent";
    received += reply.size;
  }
  EXPECT_THAT(receiver.receive(64, kAttempt), FailsWith(Code::would_block));
}

CHANNEL_CASE(conformance, MessagesOfOneSender_ComeOutInTheOrderTheyWereSent,
             .applies = keeps_order) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const auto batch = static_cast<std::uint32_t>(stage.options().capacity);
  // Three times round, so that a ring has wrapped.
  for (std::uint32_t round = 0; round < 3; ++round) {
    for (std::uint32_t i = 1; i <= batch; ++i) {
      const std::uint32_t id = round * batch + i;
      EXPECT_THAT(sender.send_message(id, kHeaderBytes + id, kPatient), Succeeds());
    }
    for (std::uint32_t i = 1; i <= batch; ++i) {
      EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(round * batch + i));
    }
  }
}

CHANNEL_CASE(
    conformance, LargestMessage_FitsAndOneByteMoreIsTooLarge,
    .applies = [](const ChannelClaims& claims) {
      return has_messages(claims) && (claims.message_size_is_limit || claims.largest_message > 0);
    }) {
  const ChannelClaims& claims = context.channel().claims;
  // The limit itself where it can be had cheaply; where any size may be asked for, 64 KiB.
  const std::size_t wanted =
      claims.largest_message > 0 ? std::min<std::size_t>(claims.largest_message, 1 << 20) : 65536;
  Stage stage(context, options_for(claims, 1, wanted));
  if (!stage.ready()) return;
  const std::size_t largest = largest_of(claims, stage.options());
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const auto bytes = pattern(largest + 1, context.seed());
  EXPECT_THAT(sender.send(bytes, kAttempt), FailsWith(Code::too_large));
  EXPECT_THAT(receiver.receive(largest, kAttempt), FailsWith(Code::would_block))
      << "the refused message was sent all the same";
  const auto fitting = pattern(largest, context.seed());
  const Transfer passed = transfer(sender, fitting, receiver, largest);
  EXPECT_THAT(passed.sent, Sends(largest));
  EXPECT_THAT(passed.received, Brings(fitting));
}

CHANNEL_CASE(
    conformance, BufferUnderTheMessage_IsTooLargeAndTheMessageStays,
    .applies = [](const ChannelClaims& claims) {
      return has_kept_messages(claims) && claims.short_buffer_keeps_message;
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const std::size_t size = stage.options().message_size;
  const auto bytes = pattern(size, context.seed());
  EXPECT_THAT(sender.send(bytes, kPatient), Sends(size));
  EXPECT_THAT(receiver.receive(size - 1, kAttempt), FailsWith(Code::too_large));
  EXPECT_THAT(receiver.receive(1, kPatient), FailsWith(Code::too_large));
  EXPECT_THAT(receiver.receive(size, kPatient), Brings(bytes));
  EXPECT_THAT(receiver.receive(size, kAttempt), FailsWith(Code::would_block));
}

// Never a silently cut message: it is reported, and the message behind it is not harmed.
CHANNEL_CASE(
    conformance, BufferUnderTheMessage_IsTooLargeAndTheNextIsWhole,
    .applies = [](const ChannelClaims& claims) {
      return has_kept_messages(claims) && !claims.short_buffer_keeps_message;
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const std::size_t size = stage.options().message_size;
  const auto cut = pattern(size, 1);
  const auto next = pattern(size, 2);
  EXPECT_THAT(sender.send(cut, kPatient), Sends(size));
  EXPECT_THAT(sender.send(next, kPatient), Sends(size));
  EXPECT_THAT(receiver.receive(size - 1, kPatient), FailsWith(Code::too_large));
  const Reply reply = receiver.receive(size, kPatient);
  context.observed("message_under_short_buffer", reply.bytes == cut ? "stays" : "is lost");
  EXPECT_THAT(reply, AnyOf(Brings(cut), Brings(next)));
}

CHANNEL_CASE(conformance, CompetingReceivers_GetEachMessageOnce, .applies = many_receivers) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor* senders[] = {&stage.add(Role::sender), &stage.add(Role::sender)};
  Actor* receivers[] = {&stage.add(Role::receiver), &stage.add(Role::receiver),
                        &stage.add(Role::receiver)};
  std::multiset<std::uint32_t> came;
  const std::uint32_t batch = static_cast<std::uint32_t>(stage.options().capacity);
  std::multiset<std::uint32_t> sent;
  for (std::uint32_t id = 1; id <= 3 * batch; ++id) {
    EXPECT_THAT(senders[id % 2]->send_message(id, 64, kPatient), Succeeds());
    sent.insert(id);
    if (id % batch != 0) continue;
    for (std::uint32_t i = 0; i < batch; ++i) {
      const Reply reply = receivers[i % 3]->receive_message(kPatient);
      ASSERT_THAT(reply, Succeeds());
      came.insert(reply.passage.id);
    }
  }
  EXPECT_EQ(came, sent);
  for (Actor* receiver : receivers) {
    EXPECT_THAT(receiver->receive_message(kAttempt), FailsWith(Code::would_block));
  }
}

}  // namespace gauntlet::channel_suite
