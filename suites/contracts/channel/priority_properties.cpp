// Any sequence of sends and receives with priorities agrees with a list that is searched.
#include <fmt/format.h>

#include <tuple>
#include <vector>

#include "cases/case.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/priority.h"
#include "support/property.h"

namespace gauntlet::channel_suite {

CHANNEL_CASE(properties, AnySequenceOfPriorities_AgreesWithAPriorityQueue,
             .applies = has_priorities) {
  const ChannelClaims& claims = context.channel().claims;
  const std::uint32_t priorities = priorities_for(claims);
  check_property(
      context, {.tests = few_if_costly(claims, context.amount(20, 200, 2000)), .size = 40}, [&] {
        // Of each three calls two send, so that several messages wait: 0 receives.
        const auto calls = *rc::gen::container<std::vector<std::tuple<int, int>>>(
                                rc::gen::tuple(rc::gen::inRange(0, 3),
                                               rc::gen::inRange(0, static_cast<int>(priorities))))
                                .as("calls: 0 receives, or sends with a priority");
        Stage stage(context, options_for(claims, 6, 256), priorities);
        if (!stage.ready()) return;
        Actor& sender = stage.add(Role::sender);
        Actor& receiver = stage.add(Role::receiver);
        PriorityModel model(priorities);
        std::uint32_t n = 0;
        const auto receive_next = [&] {
          const std::uint32_t next = model.take();
          const Reply reply = receiver.receive_message(kAttempt);
          if (!testing::Matches(BringsMessage(next))(reply)) {
            RC_FAIL(fmt::format(
                "message {} of priority {} is next, and receive answered {}, message "
                "{}",
                next, priority_of(next, priorities), describe(reply), reply.passage.id));
          }
        };
        for (const auto& [kind, priority] : calls) {
          if (kind == 0 && model.empty()) {
            RC_ASSERT(
                testing::Matches(FailsWith(Code::would_block))(receiver.receive_message(kAttempt)));
          } else if (kind == 0) {
            receive_next();
          } else if (model.size() < stage.options().capacity) {
            const std::uint32_t id = id_of(++n, static_cast<std::uint32_t>(priority), priorities);
            RC_ASSERT(sender.send_message(id, 64, kAttempt).ok);
            model.put(id);
          }
        }
        while (!model.empty()) receive_next();
      });
}

}  // namespace gauntlet::channel_suite
