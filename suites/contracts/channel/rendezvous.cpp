// Judging and trying a rendezvous.
#include "contracts/channel/rendezvous.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "contracts/channel/matchers.h"
#include "history/lanes.h"
#include "history/rendezvous.h"

namespace gauntlet::channel_suite {

bool judge_rendezvous(CaseContext& context, const history::History& history,
                      std::string_view circumstance) {
  const ChannelClaims& claims = context.channel().claims;
  const history::Verdict verdict = history::check_rendezvous(
      history, {.receiver_death_may_lose = claims.receiver_death != DeathDamage::none});
  if (verdict.kind == history::Verdict::valid) return true;
  const std::string where = circumstance.empty() ? "" : fmt::format(" ({})", circumstance);
  if (verdict.kind == history::Verdict::unknown) {
    context.error("a history could not be decided" + where + ": " + verdict.message);
    return false;
  }
  ADD_FAILURE() << context.channel().name << ": " << verdict.message << where;
  context.lanes(history::draw_lanes(history, verdict.culprits));
  return false;
}

bool offer(Actor& sender, std::uint32_t id, std::size_t size) {
  sender.begin({.act = Command::send_message, .wait = kPatient, .id = id, .size = size});
  const bool asleep = sender.asleep();
  EXPECT_TRUE(asleep) << "the send of message " << id << " does not wait for a receiver";
  return asleep;
}

bool ask(Actor& receiver) {
  receiver.begin({.act = Command::receive_message, .wait = kPatient});
  const bool asleep = receiver.asleep();
  EXPECT_TRUE(asleep) << "a receive without a sender does not sleep";
  return asleep;
}

void expect_newcomers_meet(Stage& stage, std::uint32_t id) {
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block))
      << "somebody left a message";
  const Transfer passed = transfer_message(sender, id, 64, receiver);
  EXPECT_THAT(passed.sent, Succeeds()) << "newcomers";
  EXPECT_THAT(passed.received, BringsMessage(id)) << "newcomers";
}

}  // namespace gauntlet::channel_suite
