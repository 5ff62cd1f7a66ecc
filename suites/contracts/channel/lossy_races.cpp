// Senders and receivers that run free on a channel that may lose: whatever arrives was sent, whole,
// in the order of its sender, and no more than the claims allow is lost or doubled.
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/lossy.h"
#include "contracts/channel/matchers.h"
#include "support/property.h"

namespace gauntlet::channel_suite {
namespace {

std::size_t receives_of(const history::History& history) {
  return static_cast<std::size_t>(
      std::count_if(history.calls.begin(), history.calls.end(), [](const history::Call& call) {
        return call.op == history::Op::receive && call.outcome == history::Outcome::ok;
      }));
}

void run_traffic(CaseContext& context, std::size_t senders, std::size_t message_size,
                 std::uint32_t messages) {
  const ChannelClaims& claims = context.channel().claims;
  Stage stage(context, options_for(claims, 8, message_size));
  if (!stage.ready()) return;
  TrafficOptions options;
  options.senders = senders_for(claims, message_size, senders);
  options.receivers = 1;
  options.messages = messages;
  options.message_size = stage.options().message_size;
  options.stay_for_an_arrival = true;
  Traffic traffic(stage, options, context.random());
  if (!traffic.start() || !traffic.finish()) return;
  const history::History history = traffic.history();
  EXPECT_GT(receives_of(history), 0U) << "nothing arrived of " << messages << " messages";
  judge(context, history, lossy_rules(claims, stage.options()));
}

/// Who sends how much before somebody receives.
struct Burst {
  int sender = 0;
  int messages = 0;
  int size = 0;
};
std::ostream& operator<<(std::ostream& out, const Burst& burst) {
  return out << "sender " << burst.sender << " sends " << burst.messages << " of " << burst.size
             << " bytes";
}

}  // namespace

// Small messages from several senders: where two share a queue, or a header is written apart from
// its body, they mix.
CHANNEL_CASE(races, ManySendersOneReceiver_WhatArrivesIsWholeAndInOrder, .applies = is_lossy) {
  run_traffic(context, 3, 128, static_cast<std::uint32_t>(context.amount(150, 1500, 10'000)));
}

// Messages over the buffers of the transport are sent in parts, between which others come.
CHANNEL_CASE(races, LargeMessagesFromManySenders_AreNeverTorn, .applies = is_lossy) {
  run_traffic(context, 2, 48 * 1024, static_cast<std::uint32_t>(context.amount(40, 300, 2000)));
}

// Any bursts within the room arrive, each sender's in its order.
CHANNEL_CASE(properties, AnyBurstsWithinTheRoom_ArriveInTheOrderOfEachSender, .applies = is_lossy) {
  const ChannelClaims& claims = context.channel().claims;
  const ChannelOptions options = options_for(claims, 8, 4096);
  const int senders = static_cast<int>(senders_for(claims, 4096, 2));
  Stage stage(context, options);
  if (!stage.ready()) return;
  std::vector<Actor*> actors;
  for (int i = 0; i < senders; ++i) actors.push_back(&stage.add(Role::sender));
  Actor& receiver = stage.add(Role::receiver);
  std::uint32_t next = 0;
  check_property(context, {.tests = context.amount(20, 200, 2000), .size = 8}, [&] {
    const auto burst =
        rc::gen::map(rc::gen::tuple(rc::gen::inRange(0, senders),
                                    rc::gen::inRange(0, static_cast<int>(options.capacity) / 2 + 1),
                                    rc::gen::inRange(static_cast<int>(kHeaderBytes),
                                                     static_cast<int>(options.message_size) + 1)),
                     [](const std::tuple<int, int, int>& drawn) {
                       return Burst{std::get<0>(drawn), std::get<1>(drawn), std::get<2>(drawn)};
                     });
    const auto bursts = *rc::gen::container<std::vector<Burst>>(burst).as("bursts");
    for (const Burst& each : bursts) {
      for (int i = 0; i < each.messages; ++i) {
        const Reply sent = actors[static_cast<std::size_t>(each.sender)]->send_message(
            next + static_cast<std::uint32_t>(i), static_cast<std::size_t>(each.size), kPatient);
        if (!sent.ok) RC_FAIL("a send answered " + describe(sent));
      }
      for (int i = 0; i < each.messages; ++i, ++next) {
        const Reply came = receiver.receive_message(kPatient);
        if (!came.ok) RC_FAIL("a receive answered " + describe(came));
        if (came.passage.flawed()) RC_FAIL(std::string(came.passage.flaw.data()));
        if (claims.order != Order::none) RC_ASSERT(came.passage.id == next);
        RC_ASSERT(came.passage.size == static_cast<std::uint32_t>(each.size));
      }
    }
  });
}

}  // namespace gauntlet::channel_suite
