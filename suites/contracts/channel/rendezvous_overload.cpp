// Too many at the meeting place: many senders before no receiver, more processes than cores, and
// sends given up by the hundred.
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/rendezvous.h"
#include "contracts/channel/traffic.h"

namespace gauntlet::channel_suite {

CHANNEL_CASE(
    overload, RendezvousManySendersBeforeNoReceiver_AllSleepAndEachIsTakenOnce,
    .applies = [](const ChannelClaims& claims) {
      return is_rendezvous(claims) && claims.senders == Multiplicity::many;
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  TrafficOptions options;
  options.senders = four_a_core();
  options.receivers = 0;
  options.messages = static_cast<std::uint32_t>(context.amount(12, 120, 1200));
  Traffic traffic(stage, options, context.random());
  if (!traffic.start()) return;
  for (std::size_t sender = 0; sender < options.senders; ++sender) {
    ASSERT_TRUE(traffic.crew().process(sender).await_asleep(Deadline::after(kCallPatience)))
        << "sender " << sender << " does not sleep, and there is no receiver";
    EXPECT_EQ(traffic.crew().progress(sender), 0U)
        << "a send of sender " << sender << " ended, and there is no receiver";
  }
  traffic.add_receiver();
  if (!traffic.finish()) return;
  judge_rendezvous(context, traffic.history());
}

CHANNEL_CASE(overload, RendezvousOfMoreProcessesThanCores_AllMeet, .applies = is_rendezvous) {
  const ChannelClaims& claims = context.channel().claims;
  Stage stage(context);
  if (!stage.ready()) return;
  TrafficOptions options;
  options.senders = claims.senders == Multiplicity::one ? 1 : four_a_core() / 2;
  options.receivers = claims.receivers == Multiplicity::one ? 1 : four_a_core() / 2;
  options.messages =
      static_cast<std::uint32_t>(context.amount(200, 2000, 10'000) / options.senders);
  Traffic traffic(stage, options, context.random());
  if (!traffic.start() || !traffic.finish()) return;
  judge_rendezvous(context, traffic.history());
}

// Each send that gives up takes its offer back whole: its message, its place and its waiter.
CHANNEL_CASE(overload, RendezvousSendsGivenUpByTheHundred_LeaveNothing, .applies = can_give_up) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const auto attempts = static_cast<std::uint32_t>(context.amount(150, 400, 400));
  for (std::uint32_t id = 1; id <= attempts; ++id) {
    const bool tries = id % 2 == 0;
    const Reply reply =
        sender.send_message(id, 64, tries ? kAttempt : at_most(std::chrono::microseconds(50)));
    ASSERT_THAT(reply, FailsWith(tries ? Code::would_block : Code::timed_out));
  }
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block));
  const Transfer passed = transfer_message(sender, attempts + 1, 64, receiver);
  EXPECT_THAT(passed.sent, Succeeds());
  EXPECT_THAT(passed.received, BringsMessage(attempts + 1));
}

}  // namespace gauntlet::channel_suite
