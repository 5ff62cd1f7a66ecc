// Every receiver of a broadcast gets every message that is sent while it is there, in the order of
// its sender, and nobody suffers from another's slowness or death.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/lossy.h"
#include "contracts/channel/matchers.h"
#include "support/property.h"

namespace gauntlet::channel_suite {
namespace {

bool broadcast_receiver_may_die(const ChannelClaims& claims) {
  return is_broadcast(claims) && claims.receiver_death != DeathDamage::unclaimed;
}
bool broadcast_sender_may_die(const ChannelClaims& claims) {
  return is_broadcast(claims) && claims.sender_death != DeathDamage::unclaimed;
}

/// One sender, several receivers who have met it.
class Audience {
 public:
  Audience(CaseContext& context, std::size_t receivers)
      : stage_(context, options_for(context.channel().claims, 64, 1024)) {
    if (!stage_.ready()) return;
    sender_ = &stage_.add(Role::sender);
    for (std::size_t i = 0; i < receivers; ++i) receivers_.push_back(&stage_.add(Role::receiver));
    met_ = meet(*sender_, receivers_, probes_);
  }
  bool ready() const { return met_; }
  Stage& stage() { return stage_; }
  Actor& sender() { return *sender_; }
  Actor& receiver(std::size_t number) { return *receivers_[number]; }
  std::uint32_t& probes() { return probes_; }
  const std::vector<Actor*>& receivers() const { return receivers_; }

  /// Sends one and has those of `getters` receive it.
  void pass(std::uint32_t id, std::size_t size, const std::vector<Actor*>& getters) {
    EXPECT_THAT(sender_->send_message(id, size, kPatient), Succeeds());
    for (Actor* getter : getters) EXPECT_THAT(getter->receive_message(kPatient), BringsMessage(id));
  }

 private:
  Stage stage_;
  Actor* sender_ = nullptr;
  std::vector<Actor*> receivers_;
  std::uint32_t probes_ = 1;
  bool met_ = false;
};

void judge_each(Stage& stage, const std::vector<Actor*>& receivers, std::string_view after) {
  const history::History all = stage.history();
  for (const Actor* receiver : receivers) {
    judge(stage.context(), seen_by(all, static_cast<std::uint32_t>(receiver->index())),
          lossy_rules(stage.claims(), stage.options()), after);
  }
}

}  // namespace

CHANNEL_CASE(conformance, SeveralReceivers_EachGetsEveryMessageInOrder, .applies = is_broadcast) {
  Audience audience(context, 3);
  if (!audience.ready()) return;
  for (std::uint32_t id = 1; id <= 20; ++id) {
    EXPECT_THAT(audience.sender().send_message(id, 16 + 7 * id, kPatient), Succeeds());
  }
  for (Actor* receiver : audience.receivers()) {
    for (std::uint32_t id = 1; id <= 20; ++id) {
      EXPECT_THAT(receiver->receive_message(kPatient), BringsMessage(id));
    }
    EXPECT_THAT(receiver->receive_message(kAttempt), FailsWith(Code::would_block));
  }
}

CHANNEL_CASE(conformance, NobodyReceives_SenderGoesOn, .applies = is_broadcast) {
  Stage stage(context);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  for (std::uint32_t id = 1; id <= 100; ++id) {
    EXPECT_THAT(sender.send_message(id, 1024, kPatient), Succeeds());
  }
}

CHANNEL_CASE(conformance, LateReceiver_GetsWhatIsSentFromThenOn, .applies = is_broadcast) {
  Audience audience(context, 1);
  if (!audience.ready()) return;
  for (std::uint32_t id = 1; id <= 5; ++id) audience.pass(id, 64, audience.receivers());
  Actor& late = audience.stage().add(Role::receiver);
  if (!meet(audience.sender(), {&late, &audience.receiver(0)}, audience.probes())) return;
  for (std::uint32_t id = 6; id <= 10; ++id) {
    audience.pass(id, 64, {&audience.receiver(0), &late});
  }
}

CHANNEL_CASE(conformance, ReceiverLeaves_TheOthersStillGetEverything, .applies = is_broadcast) {
  Audience audience(context, 3);
  if (!audience.ready()) return;
  audience.pass(1, 64, audience.receivers());
  audience.receiver(0).leave();
  EXPECT_THAT(audience.receiver(1).close(), Succeeds());
  for (std::uint32_t id = 2; id <= 20; ++id) audience.pass(id, 64, {&audience.receiver(2)});
}

// Any order of sends, joins and leaves: whoever is there gets exactly what was sent meanwhile.
CHANNEL_CASE(properties, AnyComingsAndGoings_EachGetsWhatIsSentMeanwhile, .applies = is_broadcast) {
  check_property(context, {.tests = context.amount(5, 50, 500), .size = 20}, [&] {
    enum : int { kJoins, kLeaves, kSends };
    const auto deeds = *rc::gen::container<std::vector<int>>(
                            rc::gen::weightedElement<int>({{1, kJoins}, {1, kLeaves}, {4, kSends}}))
                            .as("0 joins, 1 leaves, 2 sends");
    Audience audience(context, 1);
    if (!audience.ready()) return;
    std::vector<Actor*> there = audience.receivers();
    std::uint32_t id = 0;
    for (const int deed : deeds) {
      if (deed == kJoins && audience.receivers().size() + there.size() < 8) {
        there.push_back(&audience.stage().add(Role::receiver));
        RC_ASSERT(meet(audience.sender(), there, audience.probes()));
      } else if (deed == kLeaves && there.size() > 1) {
        there.front()->leave();
        there.erase(there.begin());
      } else if (deed == kSends) {
        RC_ASSERT(audience.sender().send_message(++id, 64, kPatient).ok);
        for (Actor* receiver : there) {
          const Reply reply = receiver->receive_message(kPatient);
          RC_ASSERT(reply.ok);
          RC_ASSERT(reply.passage.id == id);
        }
      }
    }
  });
}

// Every receiver reads while the sender sends: what one of them does to a shared message or queue
// shows at another.
CHANNEL_CASE(races, ReceiversReadWhileTheSenderSends_EachSeesAStreamInOrder,
             .applies = is_broadcast) {
  Audience audience(context, 3);
  if (!audience.ready()) return;
  const auto messages = static_cast<std::uint32_t>(context.amount(120, 400, 400));
  std::vector<std::uint32_t> seen(3, 0);
  for (std::uint32_t id = 1; id <= messages; ++id) {
    for (Actor* receiver : audience.receivers()) {
      receiver->begin({.act = Command::receive_message, .wait = kPatient});
    }
    EXPECT_THAT(audience.sender().send_message(id, 64 + id, kPatient), Succeeds());
    for (Actor* receiver : audience.receivers()) {
      ASSERT_THAT(receiver->finish(), BringsMessage(id));
    }
  }
  judge_each(audience.stage(), audience.receivers(), "all read while it was sent");
}

CHANNEL_CASE(crashes, ReceiverOfABroadcastKilledAnywhere_TheOthersGetEverything,
             .applies = broadcast_receiver_may_die) {
  Audience audience(context, 3);
  if (!audience.ready()) return;
  Actor& between = audience.receiver(0);
  Actor& inside = audience.receiver(1);
  Actor& witness = audience.receiver(2);
  audience.pass(1, 64, {&between, &inside, &witness});
  between.kill();
  audience.pass(2, 64, {&inside, &witness});
  inside.begin({.act = Command::receive_message, .wait = kEndless});
  ASSERT_TRUE(inside.asleep());
  inside.kill();
  for (std::uint32_t id = 3; id <= 30; ++id) audience.pass(id, 512, {&witness});
  Actor& newcomer = audience.stage().add(Role::receiver);
  if (!meet(audience.sender(), {&newcomer, &witness}, audience.probes())) return;
  audience.pass(31, 64, {&newcomer, &witness});
  if (audience.stage().end()) {
    judge_each(audience.stage(), audience.receivers(), "two receivers were killed");
  }
}

// What of the last messages arrives is not claimed; that it arrives at each whole and in order is.
CHANNEL_CASE(crashes, SenderOfABroadcastKilledInMidSend_ReceiversSeeAPrefixAndANewSender,
             .applies = broadcast_sender_may_die) {
  const std::uint64_t rounds = context.amount(3, 20, 100);
  for (std::uint64_t round = 0; context.another(round, rounds); ++round) {
    Audience audience(context, 2);
    if (!audience.ready()) return;
    const auto before = static_cast<std::uint32_t>(context.random(round).between(1, 15));
    for (std::uint32_t id = 1; id <= before; ++id) {
      EXPECT_THAT(audience.sender().send_message(id, 900, kPatient), Succeeds());
    }
    audience.sender().begin(
        {.act = Command::send_message, .wait = kPatient, .id = before + 1, .size = 900});
    audience.sender().kill();
    for (Actor* receiver : audience.receivers()) {
      std::uint32_t last = 0;
      for (std::uint32_t turn = 0; turn <= before + 1; ++turn) {
        const Reply reply = receiver->receive_message(at_most(kLull));
        if (!reply.ok) break;
        EXPECT_FALSE(reply.passage.flawed()) << reply.passage.flaw.data();
        EXPECT_EQ(reply.passage.id, last + 1) << "not the next of the dead sender's";
        last = reply.passage.id;
      }
      EXPECT_LE(last, before + 1);
    }
    Actor& heir = audience.stage().add(Role::sender);
    if (!meet(heir, audience.receivers(), audience.probes())) return;
    if (!audience.stage().end() || testing::Test::HasFailure()) return;
  }
}

// One receiver never reads. Its queue fills, and what happens to it is its own affair: the sender
// is not stopped and the other gets all.
CHANNEL_CASE(overload, OneReceiverNeverReads_TheOtherGetsEverything, .applies = is_broadcast) {
  Audience audience(context, 2);
  if (!audience.ready()) return;
  Actor& reader = audience.receiver(0);
  Actor& sleeper = audience.receiver(1);
  const auto messages = static_cast<std::uint32_t>(context.amount(200, 230, 230));
  for (std::uint32_t id = 1; id <= messages; ++id) audience.pass(id, 1024, {&reader});
  // Far more than the sleeper can hold; these are not recorded.
  const std::vector<std::byte> bytes = pattern(1024, 7);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_THAT(audience.sender().send(bytes, kPatient), Succeeds()) << "send " << i;
    ASSERT_THAT(reader.receive(1024, kPatient), Brings(bytes)) << "message " << i;
  }
  sleeper.leave();
  audience.pass(messages + 1, 64, {&reader});
}

}  // namespace gauntlet::channel_suite
