// A channel full of every priority, and an urgent message before a full one.
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/priority.h"

namespace gauntlet::channel_suite {
namespace {

bool fills_with_priorities(const ChannelClaims& claims) {
  return has_priorities(claims) && blocks_when_full(claims);
}

bool shares_its_room(const ChannelClaims& claims) {
  return fills_with_priorities(claims) && !claims.capacity_of_each_priority;
}

bool has_room_for_each(const ChannelClaims& claims) {
  return fills_with_priorities(claims) && claims.capacity_of_each_priority && claims.exact_capacity;
}

/// Sends messages of random priorities until one would block.
PriorityModel fill(Stage& stage, Actor& sender, std::uint32_t priorities, Random random) {
  PriorityModel model(priorities);
  for (std::uint32_t n = 1; n <= 10'000; ++n) {
    const auto priority = static_cast<std::uint32_t>(random.below(priorities));
    const std::uint32_t id = id_of(n, priority, priorities);
    const Reply reply = sender.send_message(id, stage.options().message_size, kAttempt);
    if (!reply.ok) {
      EXPECT_THAT(reply, FailsWith(Code::would_block));
      return model;
    }
    model.put(id);
  }
  ADD_FAILURE() << "took 10000 messages and was never full";
  return model;
}

}  // namespace

CHANNEL_CASE(overload, FullOfEveryPriority_ComesOutByPriority, .applies = fills_with_priorities) {
  const std::uint32_t priorities = priorities_for(context.channel().claims);
  const auto rounds = static_cast<std::uint32_t>(context.amount(3, 20, 100));
  Stage stage(context, options_for(context.channel().claims, 64, 512), priorities);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  for (std::uint32_t round = 0; round < rounds; ++round) {
    PriorityModel model = fill(stage, sender, priorities, context.random(round));
    while (!model.empty()) {
      EXPECT_THAT(receiver.receive_message(kAttempt), BringsMessage(model.take()));
    }
    EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block));
    if (testing::Test::HasFailure()) return;
  }
}

// Once in, the urgent message is the next to come out, however many were there before it.
CHANNEL_CASE(overload, UrgentSenderAsleepBeforeAFullChannel_ItsMessageIsNextOnceItIsIn,
             .applies = shares_its_room) {
  const std::uint32_t priorities = priorities_for(context.channel().claims);
  Stage stage(context, options_for(context.channel().claims, 6, 512), priorities);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  // One less than the largest priority at most, so that the urgent one is alone in its own.
  std::uint32_t n = 0;
  PriorityModel model(priorities);
  while (n < 10'000) {
    ++n;
    const std::uint32_t id = id_of(n, n % (priorities - 1), priorities);
    if (!sender.send_message(id, stage.options().message_size, kAttempt).ok) break;
    model.put(id);
  }
  const std::uint32_t urgent = id_of(n + 1, priorities - 1, priorities);
  sender.begin({.act = Command::send_message,
                .wait = kPatient,
                .id = urgent,
                .size = stage.options().message_size});
  ASSERT_TRUE(sender.asleep()) << "the send into a full channel does not sleep";
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(model.take()));
  EXPECT_THAT(sender.finish(), Succeeds());
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(urgent));
  while (!model.empty()) {
    EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(model.take()));
  }
}

// Full of the lowest, it takes exactly its capacity of every other one, which all go first.
CHANNEL_CASE(overload, OnePriorityFull_OthersTakeTheirCapacityAndGoFirst,
             .applies = has_room_for_each) {
  const std::uint32_t priorities = priorities_for(context.channel().claims);
  Stage stage(context, options_for(context.channel().claims, 6, 512), priorities);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const auto capacity = static_cast<std::uint32_t>(stage.options().capacity);
  const std::size_t size = stage.options().message_size;
  PriorityModel model(priorities);
  std::uint32_t n = 0;
  for (std::uint32_t priority = 0; priority < priorities; ++priority) {
    for (std::uint32_t count = 0; count < capacity; ++count) {
      const std::uint32_t id = id_of(++n, priority, priorities);
      EXPECT_THAT(sender.send_message(id, size, kAttempt), Succeeds());
      model.put(id);
    }
    EXPECT_THAT(sender.send_message(id_of(++n, priority, priorities), size, kAttempt),
                FailsWith(Code::would_block));
  }
  while (!model.empty()) {
    EXPECT_THAT(receiver.receive_message(kAttempt), BringsMessage(model.take()));
  }
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block));
}

}  // namespace gauntlet::channel_suite
