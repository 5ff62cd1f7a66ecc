// Meeting, draining and judging on channels that may lose.
#include "contracts/channel/lossy.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "base/limits.h"
#include "contracts/channel/matchers.h"

namespace gauntlet::channel_suite {

history::FifoRules lossy_rules(const ChannelClaims& claims, const ChannelOptions& options) {
  const bool keeps =
      claims.delivery == Delivery::at_least_once && claims.overflow != Overflow::drop;
  history::FifoRules rules = rules_for(claims, options, keeps);
  rules.capacity.reset();
  rules.full_is_exact = false;
  rules.empty_is_exact = false;
  rules.timeouts_are_exact = false;
  rules.receiver_death_may_lose = claims.receiver_death != DeathDamage::none;
  return rules;
}

history::History seen_by(const history::History& history, std::uint32_t receiver) {
  history::History seen = history;
  std::erase_if(seen.calls, [&](const history::Call& call) {
    return call.op != history::Op::send && call.process != receiver;
  });
  return seen;
}

bool receive_up_to(Actor& receiver, std::uint32_t id) {
  for (int turn = 0; turn < 10'000; ++turn) {
    const Reply reply = receiver.receive_message(kPatient);
    EXPECT_THAT(reply, Succeeds()) << "before message " << id;
    if (!reply.ok) return false;
    EXPECT_FALSE(reply.passage.flawed()) << reply.passage.flaw.data();
    if (reply.passage.id == id) return true;
  }
  ADD_FAILURE() << "10000 messages, and " << id << " not among them";
  return false;
}

bool meet(Actor& sender, const std::vector<Actor*>& receivers, std::uint32_t& first) {
  std::vector<Actor*> waiting = receivers;
  const Deadline patience = Deadline::after(kCallPatience);
  const std::uint32_t earliest = kProbeIds + first;
  const auto has_met = [earliest](Actor* receiver) {
    // What came before, and what a dead broker left in a buffer, is no sign of a meeting.
    for (int turn = 0; turn < 100; ++turn) {
      const Reply reply = receiver->receive_message(at_most(std::chrono::milliseconds(2)));
      if (!reply.ok) return false;
      if (reply.passage.id >= earliest) return true;
    }
    return false;
  };
  std::uint32_t last = 0;
  while (!waiting.empty()) {
    if (patience.expired()) {
      ADD_FAILURE() << waiting.size() << " receivers never got a message";
      return false;
    }
    last = kProbeIds + first++;
    static_cast<void>(sender.send_message(last, 64, at_most(kLull)));
    std::erase_if(waiting, has_met);
  }
  // All are there now: this one reaches everybody, behind whatever is under way.
  last = kProbeIds + first++;
  EXPECT_THAT(sender.send_message(last, 64, kPatient), Succeeds());
  return std::all_of(receivers.begin(), receivers.end(),
                     [&](Actor* receiver) { return receive_up_to(*receiver, last); });
}

std::uint32_t drain_lossy(Actor& receiver) {
  for (std::uint32_t count = 0; count < 100'000; ++count) {
    const Reply reply = receiver.receive_message(at_most(kLull));
    if (!reply.ok) {
      EXPECT_THAT(reply, FailsWith(Code::timed_out));
      return count;
    }
    EXPECT_FALSE(reply.passage.flawed()) << reply.passage.flaw.data();
  }
  ADD_FAILURE() << "100000 messages came out, and no end";
  return 0;
}

}  // namespace gauntlet::channel_suite
