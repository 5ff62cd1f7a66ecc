// Any sequence of calls on one queue agrees with a list.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "cases/context.h"
#include "message_queues/posix_queue.h"
#include "message_queues/sysv_queue.h"
#include "support/call_outcome.h"
#include "support/property.h"

namespace gauntlet {
namespace {

struct Kept {
  long type;
  std::string text;
};

/// What msgrcv(2) says is received next, or the end of the list.
std::vector<Kept>::iterator next_of(std::vector<Kept>& kept, long wanted, bool except) {
  if (wanted == 0) return kept.begin();
  if (wanted < 0) {
    auto lowest = kept.end();
    for (auto at = kept.begin(); at != kept.end(); ++at) {
      if (at->type <= -wanted && (lowest == kept.end() || at->type < lowest->type)) lowest = at;
    }
    return lowest;
  }
  return std::find_if(kept.begin(), kept.end(),
                      [&](const Kept& one) { return (one.type == wanted) != except; });
}

// Types, no type, types up to one, and all but one, in any order of calls.
GAUNTLET_CASE(MessageQueuesProperties, MsgrcvOfAnyTypes_AgreesWithAListThatIsSearched,
              .clause = "POSIX.1-2024 msgrcv() DESCRIPTION (msgtyp); msgop(2) MSG_EXCEPT") {
  check_property(context, {.tests = context.amount(60, 600, 6000), .size = 40}, [&] {
    using Deed = std::tuple<bool, int, bool>;
    const auto deeds = *rc::gen::container<std::vector<Deed>>(
                            rc::gen::tuple(rc::gen::arbitrary<bool>(), rc::gen::inRange(-4, 5),
                                           rc::gen::arbitrary<bool>()))
                            .as("calls: sends, type, MSG_EXCEPT");
    const auto queue = SysvQueue::create();
    RC_ASSERT(queue.has_value());
    std::vector<Kept> kept;
    int number = 0;
    for (const auto& [sends, drawn, except] : deeds) {
      if (sends) {
        const Kept message{.type = std::abs(drawn) + 1, .text = std::to_string(++number)};
        RC_ASSERT(queue->send(message.type, message.text) == 0);
        kept.push_back(message);
        continue;
      }
      // MSG_EXCEPT: "with msgtyp greater than 0".
      const bool inverted = except && drawn > 0;
      const auto expected = next_of(kept, drawn, inverted);
      const std::string came = queue->take(drawn, inverted ? MSG_EXCEPT : 0);
      if (expected == kept.end()) {
        RC_ASSERT(came == "nothing: ENOMSG");
      } else {
        RC_ASSERT(came == expected->text);
        kept.erase(expected);
      }
      RC_ASSERT(queue->waiting() == static_cast<long>(kept.size()));
    }
  });
}

// mq_curmsgs counts what is there, and the errors of a queue that does not block say when it is
// full and when it is empty.
GAUNTLET_CASE(MessageQueuesProperties, MqSendsAndReceives_AgreeWithTheCountOfTheAttributes,
              .clause = "POSIX.1-2024 mq_getattr() mq_curmsgs; mq_send(), mq_receive() [EAGAIN]") {
  check_property(context, {.tests = context.amount(60, 600, 6000), .size = 40}, [&] {
    const auto sends = *rc::gen::container<std::vector<bool>>(rc::gen::arbitrary<bool>());
    const long capacity = *rc::gen::inRange(1, 6).as("mq_maxmsg");
    const auto queue = PosixQueue::create(context.scope(), {.messages = capacity, .bytes = 8});
    RC_ASSERT(queue.has_value());
    long inside = 0;
    for (const bool send : sends) {
      if (send) {
        const CallOutcome outcome = outcome_of(::mq_send(queue->get(), "m", 1, 0));
        RC_ASSERT(outcome.failed == (inside == capacity));
        if (outcome.failed) RC_ASSERT(outcome.error == EAGAIN);
        inside += outcome.failed ? 0 : 1;
      } else {
        RC_ASSERT(take(*queue) == (inside == 0 ? "nothing: EAGAIN" : "m"));
        inside -= inside == 0 ? 0 : 1;
      }
      RC_ASSERT(queue->waiting() == inside);
    }
  });
}

}  // namespace
}  // namespace gauntlet
