// The broker between senders and receivers is killed and started again: what a send had accepted is
// looked for where it is claimed, nothing is invented or torn, and everybody finds back by himself.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/lossy.h"
#include "contracts/channel/matchers.h"
#include "process/futex.h"
#include "support/property.h"

namespace gauntlet::channel_suite {
namespace {

bool has_broker(const ChannelClaims& claims) {
  return claims.broker_death != BrokerDeath::no_broker && has_messages(claims);
}
bool keeps_accepted(const ChannelClaims& claims) {
  return claims.broker_death == BrokerDeath::keeps_accepted && has_messages(claims) &&
         claims.fanout == Fanout::compete;
}

/// SIGKILL, a planned fault, and a new start on the same data.
bool kill_and_restart(Stage& stage) {
  Broker* broker = stage.host().broker();
  if (broker == nullptr) {
    stage.context().error("a channel with claims about its broker has none");
    return false;
  }
  stage.context().fault_planned();
  if (broker->kill()) stage.context().fault_fired();
  const Status restarted = broker->restart();
  if (!restarted)
    ADD_FAILURE() << "the broker did not start again: " << describe(restarted.error());
  return restarted.has_value();
}

/// One call is allowed to find out that the connection is dead; the next connects anew.
Reply again(const std::function<Reply()>& call) {
  Reply reply = call();
  if (reply.answered && !reply.ok && reply.error == Code::peer_gone) reply = call();
  return reply;
}

/// One sender that goes on over the death of the broker, and what came of each message.
class Persistent {
 public:
  Persistent(Stage& stage, std::uint32_t messages) : stage_(stage), messages_(messages) {
    const Result<std::size_t> added = crew_.add([this](Worker& worker) { send_all(worker); });
    EXPECT_TRUE(added) << "no worker";
  }
  Crew& crew() { return crew_; }
  /// Says that the broker is about to die, or serves again: in between the sender waits.
  void tell(bool down) {
    board_->down.store(down ? 1 : 0, std::memory_order_release);
    futex_wake_all(board_->down);
  }
  /// True when send() had answered ok for this message.
  bool accepted(std::uint32_t id) const { return board_->accepted[id]; }
  std::uint32_t unknown() const { return board_->unknown; }

  static constexpr std::uint32_t kMost = 2000;

 private:
  struct Board {
    FutexWord down{0};
    bool accepted[kMost + 1];
    std::uint32_t unknown;
  };

  void send_all(Worker& worker) {
    const auto channel = stage_.host().open(Role::sender);
    if (!worker.expect(channel.has_value(), "open() of a sender failed")) return;
    std::vector<std::byte> bytes(64);
    worker.await_start();
    const Deadline patience = Deadline::after(kCallPatience);
    for (std::uint32_t id = 1; id <= messages_; ++id) {
      write_message(bytes, id);
      const Result<std::size_t> sent = (*channel)->send(bytes, Deadline::after(kCallPatience));
      if (sent) {
        board_->accepted[id] = true;
        worker.step();
        continue;
      }
      // Done or not: nobody can tell. It is not sent again, and the next one connects anew.
      ++board_->unknown;
      if (!worker.expect(sent.error() == Code::peer_gone && !patience.expired(),
                         fmt::format("send {} answered {}", id, describe(sent.error())))) {
        return;
      }
      while (board_->down.load(std::memory_order_acquire) != 0 && !patience.expired()) {
        futex_wait(board_->down, 1, std::chrono::milliseconds(50));
      }
    }
  }

  Stage& stage_;
  std::uint32_t messages_;
  Shared<Board> board_;
  Crew crew_{1};
};

/// Everything that is there, in the order it comes; fails on torn and invented messages.
std::vector<std::uint32_t> take_all(Actor& receiver, std::uint32_t most) {
  std::vector<std::uint32_t> came;
  for (std::uint32_t turn = 0; turn <= 2 * most; ++turn) {
    const Reply reply = again([&] { return receiver.receive_message(kAttempt); });
    if (!reply.ok) {
      EXPECT_THAT(reply, FailsWith(Code::would_block));
      return came;
    }
    EXPECT_FALSE(reply.passage.flawed()) << reply.passage.flaw.data();
    EXPECT_LE(reply.passage.id, most) << "a message that nobody sent";
    came.push_back(reply.passage.id);
  }
  ADD_FAILURE() << "more than twice the messages that were sent came out";
  return came;
}

void kill_broker_in_mid_traffic(CaseContext& context, std::uint64_t kills) {
  Stage stage(context, options_for(context.channel().claims, 8, 1024));
  if (!stage.ready()) return;
  Persistent sender(stage, static_cast<std::uint32_t>(context.amount(150, 600, 600)));
  if (!sender.crew().start(Deadline::after(kCallPatience))) {
    return context.error("the sender did not start");
  }
  Random random = context.random();
  std::uint64_t step = 0;
  for (std::uint64_t kill = 0; kill < kills; ++kill) {
    step += random.between(5, 100 / kills);
    const Status reached = sender.crew().await_progress(0, step, Deadline::after(kCallPatience));
    EXPECT_TRUE(reached) << "after " << sender.crew().progress(0) << " messages";
    if (!reached) break;
    sender.tell(true);
    const bool restarted = kill_and_restart(stage);
    sender.tell(false);
    if (!restarted) break;
  }
  if (!context.join(sender.crew())) return;
  Actor& receiver = stage.add(Role::receiver);
  const std::vector<std::uint32_t> came = take_all(receiver, Persistent::kMost);
  std::vector<std::uint32_t> times(Persistent::kMost + 1, 0);
  std::uint32_t last = 0;
  for (const std::uint32_t id : came) {
    if (id > Persistent::kMost) return;
    ++times[id];
    EXPECT_GT(id, last) << "message " << id << " came after message " << last;
    last = id;
  }
  for (std::uint32_t id = 1; id <= Persistent::kMost; ++id) {
    if (sender.accepted(id)) {
      EXPECT_GE(times[id], 1U) << "message " << id << " was accepted and is lost";
    }
    if (stage.claims().delivery == Delivery::exactly_once) {
      EXPECT_LE(times[id], 1U) << "message " << id << " came twice";
    }
  }
  context.observed("sends_without_an_answer", std::to_string(sender.unknown()));
}

}  // namespace

// The simplest death: nothing is under way. Where the claims keep what was accepted, all of it is
// there, in order; elsewhere the channel at least works again.
CHANNEL_CASE(crashes, BrokerKilledAtRest_WhatWasAcceptedIsWhereTheClaimSays,
             .applies = has_broker) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& receiver = stage.add(Role::receiver);
  Actor& sender = stage.add(Role::sender);
  for (std::uint32_t id = 1; id <= 10; ++id) {
    EXPECT_THAT(sender.send_message(id, 64 + id, kPatient), Succeeds());
  }
  if (!kill_and_restart(stage)) return;
  if (keeps_accepted(stage.claims())) {
    for (std::uint32_t id = 1; id <= 10; ++id) {
      const Reply reply = again([&] { return receiver.receive_message(kPatient); });
      ASSERT_THAT(reply, BringsMessage(id)) << "message " << id << " was accepted and is lost";
    }
  }
  std::uint32_t probes = 1;
  meet(sender, {&receiver}, probes);
}

// A receiver that sleeps is told of the death, or sleeps on; a call after that finds the new
// broker.
CHANNEL_CASE(crashes, BrokerKilledWhileAReceiverSleeps_TheNextMessageReachesIt,
             .applies = has_broker) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& receiver = stage.add(Role::receiver);
  Actor& sender = stage.add(Role::sender);
  receiver.begin({.act = Command::receive_message, .wait = kEndless});
  ASSERT_TRUE(receiver.asleep());
  if (!kill_and_restart(stage)) return;
  const Reply reply = receiver.finish();
  EXPECT_THAT(reply, FailsWith(Code::peer_gone)) << "the connection of a sleeping receiver died";
  std::uint32_t probes = 1;
  meet(sender, {&receiver}, probes);
}

// The log is written while the broker dies: a message that was acknowledged a moment before it
// reached the disk would be missing.
CHANNEL_CASE(crashes, BrokerKilledInMidTraffic_EveryAcceptedMessageIsFound,
             .applies = keeps_accepted) {
  kill_broker_in_mid_traffic(context, 1);
}

CHANNEL_CASE(overload, BrokerKilledAgainAndAgain_EveryAcceptedMessageIsFound,
             .applies = keeps_accepted) {
  kill_broker_in_mid_traffic(context, context.amount(3, 10, 10));
}

// Any sequence of sends, receives and deaths of the broker agrees with a queue that forgets
// nothing.
CHANNEL_CASE(properties, AnySequenceWithDeathsOfTheBroker_ForgetsNothing,
             .applies = keeps_accepted) {
  check_property(context, {.tests = context.amount(4, 40, 200), .size = 12}, [&] {
    enum : int { kSends, kReceives, kDies };
    const auto deeds =
        *rc::gen::container<std::vector<int>>(
             rc::gen::weightedElement<int>({{4, kSends}, {3, kReceives}, {1, kDies}}))
             .as("0 sends, 1 receives, 2 the broker dies");
    Stage stage(context);
    if (!stage.ready()) return;
    Actor& sender = stage.add(Role::sender);
    Actor& receiver = stage.add(Role::receiver);
    std::uint32_t sent = 0;
    std::uint32_t came = 0;
    const auto receive_next = [&](bool after_death) {
      const Reply reply = again([&] { return receiver.receive_message(kPatient); });
      RC_ASSERT(reply.ok);
      // What was received and not yet acknowledged may come again after a death.
      const bool may_repeat =
          after_death && context.channel().claims.delivery == Delivery::at_least_once;
      if (may_repeat && reply.passage.id == came) return false;
      RC_ASSERT(reply.passage.id == came + 1);
      ++came;
      return true;
    };
    bool died = false;
    for (const int deed : deeds) {
      if (deed == kSends) {
        const std::uint32_t id = ++sent;
        Reply reply = sender.send_message(id, 64, kPatient);
        // The old connection is dead, and nothing was sent over it to the new broker.
        if (!reply.ok && died) reply = sender.send_message(id, 64, kPatient);
        RC_ASSERT(reply.ok);
      } else if (deed == kReceives && came < sent) {
        if (!receive_next(died)) receive_next(false);
      } else if (deed == kDies) {
        RC_ASSERT(kill_and_restart(stage));
        died = true;
      }
    }
    while (came < sent) receive_next(died);
  });
}

}  // namespace gauntlet::channel_suite
