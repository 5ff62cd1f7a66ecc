// One side of a rendezvous dies: before the other comes, while both meet, or in mid-traffic. The
// others meet as before, and nobody meets the dead.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/rendezvous.h"
#include "contracts/channel/stops.h"
#include "contracts/channel/traffic.h"
#include "faults/system_call_kill.h"

namespace gauntlet::channel_suite {
namespace {

bool rendezvous_sender_may_die(const ChannelClaims& claims) {
  return is_rendezvous(claims) && is_survived(claims.sender_death) &&
         claims.senders == Multiplicity::many;
}
bool rendezvous_receiver_may_die(const ChannelClaims& claims) {
  return is_rendezvous(claims) && is_survived(claims.receiver_death) &&
         claims.receivers == Multiplicity::many;
}

constexpr std::uint32_t kNewcomersId = 9000;

/// A receiver that was asked to receive may have got, or be about to get, what the dead one left;
/// in any case it gets what another sends.
void expect_served(Stage& stage, Actor& receiver, std::uint32_t id) {
  Actor& feeder = stage.add(Role::sender);
  feeder.begin({.act = Command::send_message, .wait = kPatient, .id = id, .size = 64});
  const Reply reply = receiver.finish();
  EXPECT_THAT(reply, Succeeds()) << "the receiver that survived";
  EXPECT_FALSE(reply.passage.flawed()) << reply.passage.flaw.data();
  if (reply.passage.id != id) {
    EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(id));
  }
  EXPECT_THAT(feeder.finish(), Succeeds());
}

/// One kill of a sweep over the system calls of one side, with the other side asleep or not there.
/// Answers false when the sweep is over.
class KillOneSide {
 public:
  KillOneSide(CaseContext& context, bool sender_dies, bool met)
      : context_(context), sender_dies_(sender_dies), met_(met) {}

  bool run(std::uint32_t stop) {
    Stage stage(context_);
    if (!stage.ready()) return false;
    Actor& partner = stage.add(sender_dies_ ? Role::receiver : Role::sender);
    if (met_ && !(sender_dies_ ? ask(partner) : offer(partner, 1))) return false;
    Actor& victim = stage.add(sender_dies_ ? Role::sender : Role::receiver, Traced::yes);
    const Result<SystemCallKill> killed = stage.kill_traced(victim, command(), stop);
    if (!killed) {
      context_.error("the sweep failed: " + describe(killed.error()));
      return false;
    }
    const std::string where = fmt::format("killed {} with {}", killed->place(),
                                          met_ ? "a partner asleep" : "nobody there");
    SCOPED_TRACE(where);
    if (!killed->fired) end_unkilled(victim);
    if (met_) go_on(stage, partner);
    expect_newcomers_meet(stage, kNewcomersId);
    const bool fine = stage.end() && judge_rendezvous(context_, stage.history(), where);
    return killed->fired && fine && !testing::Test::HasFailure();
  }

 private:
  Command command() const {
    // Alone, it has to give up by itself, or the sweep would wait in its sleep.
    const Wait wait = met_ ? kPatient : at_most(kShortWait);
    if (sender_dies_) {
      return {.act = Command::send_message, .wait = wait, .id = 7777, .size = 64, .armed = true};
    }
    return {.act = Command::receive_message, .wait = wait, .armed = true};
  }

  void end_unkilled(Actor& victim) const {
    if (met_) {
      EXPECT_THAT(victim.finish(), Succeeds());
    } else {
      EXPECT_THAT(victim.finish(), FailsWith(Code::timed_out));
    }
  }

  void go_on(Stage& stage, Actor& partner) const {
    if (sender_dies_) return expect_served(stage, partner, 10'001);
    // The dead receiver has taken the message, or somebody else must be able to.
    Actor& survivor = stage.add(Role::receiver);
    survivor.begin({.act = Command::receive_message, .wait = kPatient});
    EXPECT_THAT(partner.finish(), Succeeds()) << "the sender that slept";
    expect_served(stage, survivor, 10'002);
  }

  CaseContext& context_;
  bool sender_dies_;
  bool met_;
};

void sweep(CaseContext& context, bool sender_dies) {
  if (Stage probe(context); !probe.ready()) return;
  Stops stops(context);
  std::uint32_t fired = 0;
  for (const bool met : {true, false}) {
    // Who cannot give up sleeps for ever when nobody is there.
    if (!met && sender_dies && !context.channel().claims.sends_can_be_given_up) continue;
    fired += stops.visit(
        [&](std::uint32_t stop) { return KillOneSide(context, sender_dies, met).run(stop); });
    if (testing::Test::HasFailure()) return;
  }
  if (fired == 0) context.error("the call made no system call, so nobody was killed in one");
}

void kill_in_mid_traffic(CaseContext& context, Role victim_role) {
  const std::uint64_t rounds = context.amount(4, 40, 400);
  for (std::uint64_t round = 0; context.another(round, rounds); ++round) {
    Random random = context.random(round + 1);
    Stage stage(context);
    if (!stage.ready()) return;
    TrafficOptions options;
    options.message_size = random.chance(0.5) ? stage.options().message_size : 64;
    options.messages = static_cast<std::uint32_t>(context.amount(40, 150, 150));
    options.senders = context.channel().claims.senders == Multiplicity::one ? 1 : 2;
    options.receivers = context.channel().claims.receivers == Multiplicity::one ? 1 : 2;
    Traffic traffic(stage, options, random.fork(7));
    const bool sender_dies = victim_role == Role::sender;
    const std::size_t victim = sender_dies ? traffic.add_sender(true) : traffic.add_receiver();
    if (!traffic.start()) return;
    traffic.kill_at(victim, sender_dies ? victim : 0, random.between(1, options.messages));
    if (sender_dies) {
      traffic.add_sender();
    } else {
      traffic.add_receiver();
    }
    if (!traffic.finish()) return;
    if (!judge_rendezvous(context, traffic.history(),
                          fmt::format("round {} of {}", round + 1, rounds))) {
      return;
    }
    expect_newcomers_meet(stage, kNewcomersId);
    if (!stage.end() || testing::Test::HasFailure()) return;
  }
}

}  // namespace

// What a dead sender offered must not be left in the way of others, nor come out in part.
CHANNEL_CASE(crashes, RendezvousSenderKilledAsleep_ItsOfferHarmsNobody,
             .applies = rendezvous_sender_may_die) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& victim = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  ASSERT_TRUE(offer(victim, 1));
  victim.kill();
  const Reply reply = receiver.receive_message(kAttempt);
  context.observed("offer_of_a_dead_sender", reply.ok ? "is taken" : "is gone");
  if (stage.claims().messages_outlive_sender) {
    EXPECT_THAT(reply, testing::AnyOf(BringsMessage(1), FailsWith(Code::would_block)));
  } else {
    EXPECT_THAT(reply, FailsWith(Code::would_block)) << "the sender is dead";
  }
  expect_newcomers_meet(stage, kNewcomersId);
  if (stage.end()) judge_rendezvous(context, stage.history(), "a sender was killed in its sleep");
}

// A send must not end for the sake of a receiver that is dead: nobody would have the message.
CHANNEL_CASE(crashes, RendezvousReceiverKilledAsleep_TheNextSendMeetsAnother,
             .applies = rendezvous_receiver_may_die) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& victim = stage.add(Role::receiver);
  Actor& survivor = stage.add(Role::receiver);
  Actor& sender = stage.add(Role::sender);
  ASSERT_TRUE(ask(victim));
  victim.kill();
  ASSERT_TRUE(offer(sender, 1)) << "the only receiver that waits is dead";
  EXPECT_THAT(survivor.receive_message(kPatient), BringsMessage(1));
  EXPECT_THAT(sender.finish(), Succeeds());
  expect_newcomers_meet(stage, kNewcomersId);
  if (stage.end()) judge_rendezvous(context, stage.history(), "a receiver was killed in its sleep");
}

// Before and after each system call: between two of them the message is copied and not yet
// answered for, or a lock is held.
CHANNEL_CASE(crashes, RendezvousSenderKilledAtEachSystemCall_TheOthersMeet,
             .applies = rendezvous_sender_may_die, .needs = {Need::ptrace}) {
  sweep(context, true);
}

CHANNEL_CASE(crashes, RendezvousReceiverKilledAtEachSystemCall_TheOthersMeet,
             .applies = rendezvous_receiver_may_die, .needs = {Need::ptrace}) {
  sweep(context, false);
}

CHANNEL_CASE(crashes, RendezvousSenderKilledInMidTraffic_TheOthersLoseNothing,
             .applies = rendezvous_sender_may_die) {
  kill_in_mid_traffic(context, Role::sender);
}

CHANNEL_CASE(crashes, RendezvousReceiverKilledInMidTraffic_TheOthersLoseAtMostItsMessage,
             .applies = rendezvous_receiver_may_die) {
  kill_in_mid_traffic(context, Role::receiver);
}

}  // namespace gauntlet::channel_suite
