// A process dies: between calls, asleep in one, at each of its system calls, or anywhere in
// mid-traffic. The others go on, nothing acknowledged is lost or doubled, nothing is torn, the room
// is what it was, and a newcomer is at home at once.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/claims.h"
#include "contracts/channel/judge.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/stage.h"
#include "contracts/channel/stops.h"
#include "contracts/channel/stranger.h"
#include "contracts/channel/traffic.h"
#include "faults/system_call_kill.h"

namespace gauntlet::channel_suite {
namespace {

bool sender_may_die(const ChannelClaims& claims) {
  return keeps_order(claims) && is_survived(claims.sender_death);
}
bool receiver_may_die(const ChannelClaims& claims) {
  // What a receiver of bytes takes with it may be a part of a message, after which no message of
  // the stream can be told from another.
  return keeps_order(claims) && is_survived(claims.receiver_death) && has_messages(claims);
}

/// Nobody is inside a call, so no claim about deaths is needed but that they do not end everything.
bool may_die_outside(const ChannelClaims& claims) {
  return keeps_order(claims) && claims.sender_death != DeathDamage::ends_channel &&
         claims.receiver_death != DeathDamage::ends_channel;
}

constexpr std::uint32_t kFillIds = 9000;

/// Receives until nothing is left; answers how many came.
std::uint32_t drain(Actor& receiver) {
  for (std::uint32_t count = 0; count < 10'000; ++count) {
    const Reply reply = receiver.receive_message(kAttempt);
    if (reply.ok) {
      EXPECT_FALSE(reply.passage.flawed()) << reply.passage.flaw.data();
      continue;
    }
    EXPECT_THAT(reply, FailsWith(Code::would_block));
    return count;
  }
  ADD_FAILURE() << "10000 messages came out, and no end";
  return 0;
}

/// Newcomers of both roles, in the places of others where there is one place only, do all that can
/// be done: drain, fill to the last slot where that is claimed, drain again. Everything goes into
/// the stage's history.
void expect_at_home(Stage& stage, std::string_view after) {
  SCOPED_TRACE(std::string(after));
  Actor& sender = stage.add_newcomer(Role::sender);
  Actor& receiver = stage.add_newcomer(Role::receiver);
  drain(receiver);
  if (stage.claims().exact_capacity) {
    std::uint32_t fit = 0;
    while (fit <= stage.options().capacity &&
           sender.send_message(kFillIds + fit, 64, kAttempt).ok) {
      ++fit;
    }
    EXPECT_EQ(fit, stage.options().capacity) << "messages that fit into the channel afterwards";
    EXPECT_EQ(drain(receiver), fit);
  } else {
    EXPECT_THAT(sender.send_message(kFillIds, 64, kPatient), Succeeds());
    EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(kFillIds));
  }
}

/// Asks the same of the claims as judge(), without the capacity, of which expect_at_home has
/// counted every slot: with it a history of some length needs a search.
history::FifoRules rules_without_capacity(const Stage& stage) {
  history::FifoRules rules = rules_for(stage.claims(), stage.options(), true);
  rules.capacity.reset();
  rules.full_is_exact = false;
  return rules;
}

bool judge_stage(Stage& stage, std::string_view circumstance) {
  return judge(stage.context(), stage.history(), rules_without_capacity(stage), circumstance);
}

/// What stands in the channel when the victim makes its call.
enum class Circumstance : std::uint8_t { empty, some, receiver_asleep, sender_asleep };

constexpr std::string_view word(Circumstance circumstance) {
  constexpr std::string_view kWords[] = {"the channel empty", "a message in the channel",
                                         "a receiver asleep",
                                         "a sender asleep before the full channel"};
  return kWords[static_cast<std::size_t>(circumstance)];
}

/// One kill of a sweep: sets the circumstance up, kills the victim at its `stop`-th system-call
/// stop in `command`, lets the others go on and judges. Answers false when the sweep is over.
class KillAtSystemCall {
 public:
  KillAtSystemCall(CaseContext& context, Circumstance circumstance, Command command)
      : context_(context), circumstance_(circumstance), command_(command) {
    command_.armed = true;
    command_.wait = kPatient;
  }

  bool run(std::uint32_t stop) {
    Stage stage(context_, options_for(context_.channel().claims, 4, 512));
    if (!stage.ready()) return false;
    Actor& sender = stage.add(Role::sender);
    Actor& receiver = stage.add(Role::receiver);
    // One has passed, so that a recovery that puts something back is seen.
    EXPECT_THAT(sender.send_message(1, 64, kPatient), Succeeds());
    EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(1));
    Actor* const sleeper = set_up(stage, sender, receiver);
    if (testing::Test::HasFailure()) return false;

    Actor& victim = stage.add(command_.act == Command::send_message ? Role::sender : Role::receiver,
                              Traced::yes);
    const Result<SystemCallKill> killed = stage.kill_traced(victim, command_, stop);
    if (!killed) {
      context_.error("the sweep failed: " + describe(killed.error()));
      return false;
    }
    const std::string where =
        fmt::format("killed {} with {}", killed->place(), word(circumstance_));
    SCOPED_TRACE(where);
    if (!killed->fired) {
      EXPECT_THAT(victim.finish(), Succeeds());
    }
    go_on(sender, receiver, sleeper);
    expect_at_home(stage, where);
    const bool fine = stage.end() && judge_stage(stage, where);
    return killed->fired && fine && !testing::Test::HasFailure();
  }

 private:
  /// Answers who sleeps, if the circumstance has one.
  Actor* set_up(const Stage& stage, Actor& sender, Actor& receiver) const {
    switch (circumstance_) {
      case Circumstance::empty:
        return nullptr;
      case Circumstance::some:
        EXPECT_THAT(sender.send_message(2, 64, kPatient), Succeeds());
        return nullptr;
      case Circumstance::receiver_asleep:
        receiver.begin({.act = Command::receive_message, .wait = kPatient});
        EXPECT_TRUE(receiver.asleep());
        return &receiver;
      case Circumstance::sender_asleep: {
        const std::size_t size = stage.options().message_size;
        for (std::uint32_t id = 2; id < 10'000; ++id) {
          if (!sender.send_message(id, size, kAttempt).ok) break;
        }
        std::uint32_t sleeping = 10'001;
        EXPECT_TRUE(begin_send_that_sleeps(stage, sender, sleeping, size, kPatient));
        return &sender;
      }
    }
    return nullptr;
  }

  /// The survivors send and receive, and whoever slept must come back.
  static void go_on(Actor& sender, Actor& receiver, Actor* sleeper) {
    if (sleeper == &receiver) {
      EXPECT_THAT(sender.send_message(10'002, 128, kPatient), Succeeds());
      EXPECT_THAT(receiver.finish(), Succeeds()) << "the receiver that slept";
    } else if (sleeper == &sender) {
      // Each receive makes room; the sleeper needs it at last when the channel is empty.
      for (int turn = 0; turn < 10'000 && !sender.done(); ++turn) {
        if (!receiver.receive_message(kAttempt).ok) break;
      }
      EXPECT_THAT(sender.finish(), Succeeds()) << "the sender that slept";
    } else {
      EXPECT_THAT(sender.send_message(10'002, 128, kPatient), Succeeds());
    }
    EXPECT_THAT(receiver.receive_message(kAttempt),
                testing::AnyOf(Succeeds(), FailsWith(Code::would_block)));
  }

  CaseContext& context_;
  Circumstance circumstance_;
  Command command_;
};

void sweep(CaseContext& context, const Command& command,
           std::initializer_list<Circumstance> circumstances) {
  if (Stage probe(context); !probe.ready()) return;
  Stops stops(context);
  std::uint32_t fired = 0;
  for (const Circumstance circumstance : circumstances) {
    fired += stops.visit([&](std::uint32_t stop) {
      return KillAtSystemCall(context, circumstance, command).run(stop);
    });
    if (testing::Test::HasFailure()) return;
  }
  if (fired == 0) context.error("the call made no system call, so nobody was killed in one");
}

/// Traffic in which one is killed at a random point, and a newcomer takes its place.
void kill_in_mid_traffic(CaseContext& context, Role victim_role) {
  const ChannelClaims& claims = context.channel().claims;
  const std::uint64_t rounds = context.amount(3, 40, 400);
  for (std::uint64_t round = 0; context.another(round, rounds); ++round) {
    Random random = context.random(round + 1);
    Stage stage(context, options_for(claims, random.between(1, 8), 1024));
    if (!stage.ready()) return;
    TrafficOptions options;
    options.message_size = random.chance(0.5) ? stage.options().message_size : 64;
    options.messages = static_cast<std::uint32_t>(context.amount(40, 150, 150));
    const bool sender_dies = victim_role == Role::sender;
    options.senders = senders_for(claims, options.message_size, random.between(1, 2));
    options.receivers = receivers_for(claims, random.between(1, 2));
    // Where messages would be mixed, the victim is the only one who sends; its heir comes later.
    const bool alone = sender_dies && senders_for(claims, options.message_size, 2) == 1;
    if (alone) options.senders = 0;
    Traffic traffic(stage, options, random.fork(7));
    const std::size_t victim = sender_dies ? traffic.add_sender(true) : traffic.add_receiver();
    if (!traffic.start()) return;
    // Sender 0 says how far the traffic is when a receiver dies.
    traffic.kill_at(victim, sender_dies ? victim : 0, random.between(1, options.messages));
    if (sender_dies) {
      traffic.add_sender();
    } else {
      traffic.add_receiver();
    }
    if (!traffic.finish()) return;
    if (!judge(context, traffic.history(), rules_without_capacity(stage),
               fmt::format("round {} of {}", round + 1, rounds))) {
      return;
    }
    expect_at_home(stage, "after a kill in mid-traffic");
    if (round + 1 == rounds && claims.reach == Reach::named) {
      stage.vacate(Role::sender);
      expect_stranger(context, stage.host().address(), "send", 42);
      drain(stage.add_newcomer(Role::receiver));
    }
    if (!stage.end() || testing::Test::HasFailure()) return;
  }
}

}  // namespace

CHANNEL_CASE(crashes, SenderKilledBetweenCalls_HarmsNobody, .applies = may_die_outside) {
  Stage stage(context);
  if (!stage.ready()) return;
  const bool alone = stage.claims().senders == Multiplicity::one;
  Actor& victim = stage.add(Role::sender);
  Actor* survivor = alone ? nullptr : &stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  EXPECT_THAT(victim.send_message(1, 64, kPatient), Succeeds());
  victim.kill();
  if (alone) survivor = &stage.add(Role::sender);
  EXPECT_THAT(survivor->send_message(2, 64, kPatient), Succeeds());
  if (stage.claims().messages_outlive_sender) {
    EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(1));
  }
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(2));
  expect_at_home(stage, "after a sender was killed between its calls");
  if (stage.end()) judge_stage(stage, "a sender was killed between its calls");
}

CHANNEL_CASE(crashes, ReceiverKilledBetweenCalls_HarmsNobody, .applies = may_die_outside) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& victim = stage.add(Role::receiver);
  EXPECT_THAT(sender.send_message(1, 64, kPatient), Succeeds());
  EXPECT_THAT(sender.send_message(2, 64, kPatient), Succeeds());
  EXPECT_THAT(victim.receive_message(kPatient), BringsMessage(1));
  victim.kill();
  Actor& heir = stage.add(Role::receiver);
  EXPECT_THAT(heir.receive_message(kPatient), BringsMessage(2));
  expect_at_home(stage, "after a receiver was killed between its calls");
  if (stage.end()) judge_stage(stage, "a receiver was killed between its calls");
}

// Before and after each system call of one send: a lock that is held, a slot that is claimed and a
// wake-up that is due all lie between two of them.
CHANNEL_CASE(
    crashes, SenderKilledAtEachSystemCall_NothingIsTornLostOrStuck,
    .applies =
        [](const ChannelClaims& claims) {
          return sender_may_die(claims) && senders_for(claims, 512, 2) == 2;
        },
    .needs = {Need::ptrace}) {
  sweep(context, {.act = Command::send_message, .wait = {}, .id = 7777, .size = 512},
        {Circumstance::empty, Circumstance::some, Circumstance::receiver_asleep});
}

CHANNEL_CASE(
    crashes, ReceiverKilledAtEachSystemCall_NothingIsTornDoubledOrStuck,
    .applies =
        [](const ChannelClaims& claims) {
          return receiver_may_die(claims) && many_receivers(claims) && blocks_when_full(claims);
        },
    .needs = {Need::ptrace}) {
  sweep(context, {.act = Command::receive_message},
        {Circumstance::some, Circumstance::sender_asleep});
}

// A sleeper that dies must not take the wake-up, the message or the room with it.
CHANNEL_CASE(
    crashes, ReceiverKilledAsleep_TheNextMessageGoesToAnother,
    .applies = [](const ChannelClaims& claims) {
      return receiver_may_die(claims) && many_receivers(claims);
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& victim = stage.add(Role::receiver);
  Actor& survivor = stage.add(Role::receiver);
  for (Actor* receiver : {&victim, &survivor}) {
    receiver->begin({.act = Command::receive_message, .wait = kPatient});
    ASSERT_TRUE(receiver->asleep());
  }
  victim.kill();
  EXPECT_THAT(sender.send_message(1, 64, kPatient), Succeeds());
  EXPECT_THAT(survivor.finish(), BringsMessage(1));
  expect_at_home(stage, "after a receiver was killed in its sleep");
  if (stage.end()) judge_stage(stage, "a receiver was killed in its sleep");
}

CHANNEL_CASE(
    crashes, SenderKilledAsleep_TheRoomIsThereForOthers,
    .applies = [](const ChannelClaims& claims) {
      return sender_may_die(claims) && blocks_when_full(claims) && senders_for(claims, 512, 2) == 2;
    }) {
  Stage stage(context, options_for(context.channel().claims, 2, 512));
  if (!stage.ready()) return;
  Actor& survivor = stage.add(Role::sender);
  Actor& victim = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  for (std::uint32_t id = 1; id < 10'000; ++id) {
    if (!survivor.send_message(id, 512, kAttempt).ok) break;
  }
  std::uint32_t sleeping = 20'000;
  ASSERT_TRUE(begin_send_that_sleeps(stage, victim, sleeping, 512, kPatient));
  victim.kill();
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(1));
  expect_at_home(stage, "after a sender was killed in its sleep");
  if (stage.end()) judge_stage(stage, "a sender was killed in its sleep");
}

CHANNEL_CASE(
    crashes, LastSenderKilled_ReceiverGetsTheRestThenTheEnd,
    .applies = [](const ChannelClaims& claims) {
      return keeps_order(claims) && claims.senders_gone == PeerLoss::end_of_stream;
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& receiver = stage.add(Role::receiver);
  Actor& victim = stage.add(Role::sender);
  stage.host().let_go();
  EXPECT_THAT(victim.send_message(1, 64, kPatient), Succeeds());
  EXPECT_THAT(victim.send_message(2, 64, kPatient), Succeeds());
  victim.kill();
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(1));
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(2));
  EXPECT_THAT(receiver.receive_message(kPatient), FailsWith(Code::end_of_stream));
}

CHANNEL_CASE(
    crashes, LastReceiverKilled_SleepingSenderIsTold, .applies = [](const ChannelClaims& claims) {
      return blocks_when_full(claims) && claims.receivers_gone == PeerLoss::error;
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& victim = stage.add(Role::receiver);
  Actor& sender = stage.add(Role::sender);
  stage.host().let_go();
  for (std::uint32_t id = 1; id < 10'000; ++id) {
    if (!sender.send_message(id, 1024, kAttempt).ok) break;
  }
  std::uint32_t last = 20'000;
  ASSERT_TRUE(begin_send_that_sleeps(stage, sender, last, 1024, kPatient));
  victim.kill();
  Reply told = sender.finish();
  // Where the system chose the capacity, room may have come just before the death did.
  constexpr int kMostFound = 1000;
  for (int found = 0; told.ok && !stage.claims().exact_capacity && found < kMostFound; ++found) {
    told = sender.send_message(++last, 1024, kPatient);
  }
  EXPECT_THAT(told, FailsWith(Code::peer_gone));
}

CHANNEL_CASE(crashes, SenderKilledInMidTraffic_TheOthersLoseNothingAndGoOn,
             .applies = sender_may_die) {
  kill_in_mid_traffic(context, Role::sender);
}

CHANNEL_CASE(
    crashes, ReceiverKilledInMidTraffic_TheOthersLoseAtMostItsMessage,
    .applies = [](const ChannelClaims& claims) {
      return receiver_may_die(claims) && many_receivers(claims);
    }) {
  kill_in_mid_traffic(context, Role::receiver);
}

// Those who wait would wait for ever, for nobody is left to serve them.
CHANNEL_CASE(
    crashes, SenderKilledWhereADeathEndsTheChannel_SleepingReceiverIsTold,
    .applies = [](const ChannelClaims& claims) {
      return claims.sender_death == DeathDamage::ends_channel;
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& victim = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const Transfer passed = transfer_message(victim, 1, 64, receiver);
  EXPECT_THAT(passed.sent, Succeeds());
  EXPECT_THAT(passed.received, BringsMessage(1));
  receiver.begin({.act = Command::receive_message, .wait = kPatient});
  ASSERT_TRUE(receiver.asleep());
  victim.kill();
  EXPECT_THAT(receiver.finish(), FailsWith(Code::closed));
}

CHANNEL_CASE(
    crashes, ReceiverKilledWhereADeathEndsTheChannel_SenderIsTold,
    .applies = [](const ChannelClaims& claims) {
      return claims.receiver_death == DeathDamage::ends_channel;
    }) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& victim = stage.add(Role::receiver);
  victim.kill();
  // What was under way when the news came may still be accepted where messages are kept.
  Reply reply;
  for (std::uint32_t id = 1; id <= 10'000; ++id) {
    reply = sender.send_message(id, 64, kPatient);
    if (!reply.ok) break;
  }
  EXPECT_THAT(reply, FailsWith(Code::closed));
}

}  // namespace gauntlet::channel_suite
