// A sender or a receiver of a channel that may lose is killed: between calls, at each system call,
// in mid-traffic. What arrives is still whole, in order and no oftener than claimed, what the
// claims keep is kept, and a newcomer is at home.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/lossy.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/stops.h"

namespace gauntlet::channel_suite {
namespace {

/// Both roles by newcomers; a dead receiver's heir takes what is left first.
void expect_newcomers_at_home(Stage& stage, Actor* receiver, std::uint32_t& probes) {
  Actor& sender = stage.add(Role::sender);
  Actor& heir = receiver != nullptr ? *receiver : stage.add(Role::receiver);
  if (meet(sender, {&heir}, probes)) drain_lossy(heir);
}

bool keeps_all(const ChannelClaims& claims) {
  return is_lossy(claims) && claims.delivery == Delivery::at_least_once &&
         claims.receiver_death == DeathDamage::none;
}

void kill_in_mid_traffic(CaseContext& context, Role victim_role) {
  const ChannelClaims& claims = context.channel().claims;
  const std::uint64_t rounds = context.amount(2, 20, 200);
  for (std::uint64_t round = 0; context.another(round, rounds); ++round) {
    Random random = context.random(round + 1);
    Stage stage(context, options_for(claims, random.between(1, 8), 1024));
    if (!stage.ready()) return;
    TrafficOptions options;
    options.message_size = random.chance(0.5) ? stage.options().message_size : 64;
    options.messages = static_cast<std::uint32_t>(context.amount(60, 200, 200));
    const bool sender_dies = victim_role == Role::sender;
    const bool alone = sender_dies && claims.senders == Multiplicity::one;
    options.senders = alone ? 0 : 1;
    options.receivers = sender_dies ? 1 : 0;
    Traffic traffic(stage, options, random.fork(7));
    const std::size_t victim = sender_dies ? traffic.add_sender(true) : traffic.add_receiver();
    if (!traffic.start()) return;
    traffic.kill_at(victim, sender_dies ? victim : 0, random.between(1, options.messages / 2));
    if (sender_dies) {
      if (alone) traffic.add_sender();
    } else {
      traffic.add_receiver();
    }
    if (!traffic.finish()) return;
    if (!judge(context, traffic.history(), lossy_rules(claims, stage.options()),
               fmt::format("round {} of {}", round + 1, rounds))) {
      return;
    }
    std::uint32_t probes = 1;
    expect_newcomers_at_home(stage, nullptr, probes);
    if (!stage.end() || testing::Test::HasFailure()) return;
  }
}

/// One kill of a sweep; answers false when the sweep is over.
bool kill_at_stop(CaseContext& context, Command command, std::uint32_t stop) {
  const bool sender_dies = command.act == Command::send_message;
  Stage stage(context, options_for(context.channel().claims, 4, 512));
  if (!stage.ready()) return false;
  Actor* receiver = sender_dies ? &stage.add(Role::receiver) : nullptr;
  Actor* sender = sender_dies ? nullptr : &stage.add(Role::sender);
  Actor& victim = stage.add(sender_dies ? Role::sender : Role::receiver, Traced::yes);
  std::uint32_t probes = 1;
  if (!meet(sender_dies ? victim : *sender, {sender_dies ? receiver : &victim}, probes)) {
    return false;
  }
  if (!sender_dies) {
    EXPECT_THAT(sender->send_message(1, 64, kPatient), Succeeds());
  }
  command.armed = true;
  command.wait = kPatient;
  const Result<SystemCallKill> killed = stage.kill_traced(victim, command, stop);
  if (!killed) {
    context.error("the sweep failed: " + describe(killed.error()));
    return false;
  }
  const std::string where = fmt::format("killed {}", killed->place());
  SCOPED_TRACE(where);
  if (!killed->fired) {
    EXPECT_THAT(victim.finish(), Succeeds());
    victim.leave();
  }
  if (sender_dies) {
    expect_newcomers_at_home(stage, receiver, probes);
  } else {
    Actor& heir = stage.add(Role::receiver);
    if (meet(*sender, {&heir}, probes)) drain_lossy(heir);
  }
  const bool fine = stage.end() && judge(context, stage.history(),
                                         lossy_rules(stage.claims(), stage.options()), where);
  return killed->fired && fine && !testing::Test::HasFailure();
}

/// Kills a receiver asleep in its call, or a sender right behind it, while threads work for it.
void kill_around(CaseContext& context, Command command) {
  Stage stage(context, options_for(context.channel().claims, 4, 512));
  if (!stage.ready()) return;
  const bool sender_dies = command.act == Command::send_message;
  Actor& victim = stage.add(sender_dies ? Role::sender : Role::receiver);
  Actor& other = stage.add(sender_dies ? Role::receiver : Role::sender);
  std::uint32_t probes = 1;
  if (!meet(sender_dies ? victim : other, {sender_dies ? &other : &victim}, probes)) return;
  command.wait = kPatient;
  victim.begin(command);
  if (!sender_dies) {
    EXPECT_TRUE(victim.asleep());
  }
  victim.kill();
  if (sender_dies) {
    expect_newcomers_at_home(stage, &other, probes);
  } else {
    Actor& heir = stage.add(Role::receiver);
    if (meet(other, {&heir}, probes)) drain_lossy(heir);
  }
  if (stage.end()) {
    judge(context, stage.history(), lossy_rules(stage.claims(), stage.options()),
          "killed around the call");
  }
}

void sweep(CaseContext& context, const Command& command) {
  const std::uint32_t fired = Stops(context).visit(
      [&](std::uint32_t stop) { return kill_at_stop(context, command, stop); });
  if (testing::Test::HasFailure()) return;
  // Where threads of a library do the work, the call itself may make no system call.
  if (fired == 0) kill_around(context, command);
}

}  // namespace

// What was received before is not asked back, what was not yet is there for the heir where the
// claims keep it.
CHANNEL_CASE(crashes, ReceiverKilledBetweenCalls_HeirGetsWhatIsClaimed,
             .applies = lossy_receiver_may_die) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& victim = stage.add(Role::receiver);
  for (std::uint32_t id = 1; id <= 3; ++id) {
    EXPECT_THAT(sender.send_message(id, 64, kPatient), Succeeds());
  }
  EXPECT_THAT(victim.receive_message(kPatient), BringsMessage(1));
  victim.kill();
  Actor& heir = stage.add(Role::receiver);
  std::uint32_t probes = 1;
  if (!meet(sender, {&heir}, probes)) return;
  drain_lossy(heir);
  if (stage.end()) judge(context, stage.history(), lossy_rules(stage.claims(), stage.options()));
}

// Sent while nobody receives, after the only receiver died: the heir finds it, every message.
CHANNEL_CASE(crashes, SentWhileTheReceiverIsDead_HeirGetsEveryMessage, .applies = keeps_all) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& victim = stage.add(Role::receiver);
  EXPECT_THAT(sender.send_message(1, 64, kPatient), Succeeds());
  EXPECT_THAT(victim.receive_message(kPatient), BringsMessage(1));
  victim.kill();
  for (std::uint32_t id = 2; id <= 5; ++id) {
    EXPECT_THAT(sender.send_message(id, 64, kPatient), Succeeds());
  }
  Actor& heir = stage.add(Role::receiver);
  drain_lossy(heir);
  if (stage.end()) {
    judge(context, stage.history(), lossy_rules(stage.claims(), stage.options()),
          "messages 2 to 5 were sent while the receiver was dead");
  }
}

// The victim is a second sender beside one that stays.
CHANNEL_CASE(
    crashes, SenderOfALossyChannelKilledAtSystemCalls_NothingIsTornOrStuck,
    .applies =
        [](const ChannelClaims& claims) {
          return lossy_sender_may_die(claims) && claims.senders == Multiplicity::many;
        },
    .needs = {Need::ptrace}) {
  sweep(context, {.act = Command::send_message, .wait = {}, .id = 7777, .size = 512});
}

CHANNEL_CASE(crashes, ReceiverOfALossyChannelKilledAtSystemCalls_NothingIsTornOrStuck,
             .applies = lossy_receiver_may_die, .needs = {Need::ptrace}) {
  sweep(context, {.act = Command::receive_message});
}

CHANNEL_CASE(crashes, LossySenderKilledInMidTraffic_TheOthersGoOn,
             .applies = lossy_sender_may_die) {
  kill_in_mid_traffic(context, Role::sender);
}

// Where a sender is told that nobody receives, its sends fail in between, which is not asked here.
CHANNEL_CASE(
    crashes, LossyReceiverKilledInMidTraffic_HeirGoesOn,
    .applies = [](const ChannelClaims& claims) {
      return lossy_receiver_may_die(claims) && claims.receivers_gone != PeerLoss::error;
    }) {
  kill_in_mid_traffic(context, Role::receiver);
}

}  // namespace gauntlet::channel_suite
