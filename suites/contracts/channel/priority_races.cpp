// Small programs of several processes that use priorities: what came out must be what a queue by
// priority could have done.
#include <algorithm>

#include "cases/case.h"
#include "contracts/channel/hunt.h"
#include "contracts/channel/priority.h"

namespace gauntlet::channel_suite {
namespace {

Shape with_priorities(const ChannelClaims& claims, Shape shape) {
  shape.senders = senders_for(claims, shape.message_size, shape.senders);
  shape.receivers = receivers_for(claims, shape.receivers);
  shape.priorities = priorities_for(claims);
  return shape;
}

}  // namespace

// A message that is being put in its place by one while another takes the head.
CHANNEL_CASE(races, SendersAndReceiversOfSeveralPriorities_AreExplainedByAPriorityQueue,
             .applies = has_priorities) {
  const ChannelClaims& claims = context.channel().claims;
  hunt(context,
       hunt_amount(context, {.batches = 3, .programs = 12}, {.batches = 48, .programs = 80}),
       [&](Random& random) {
         return with_priorities(claims, {.senders = random.between(1, 2),
                                         .receivers = random.between(1, 2),
                                         .capacity = random.between(2, 5),
                                         .most_calls = 5,
                                         .message_size = 64,
                                         .tries_in_ten = 2,
                                         .briefs_in_ten = 1});
       });
}

// Nobody receives while they send: the order in which all that comes out must be by priority.
CHANNEL_CASE(races, SendersOfSeveralPrioritiesThenADrain_ComesOutByPriority,
             .applies = has_priorities) {
  const ChannelClaims& claims = context.channel().claims;
  hunt(context,
       hunt_amount(context, {.batches = 3, .programs = 12}, {.batches = 48, .programs = 80}),
       [&](Random& random) {
         return with_priorities(claims, {.senders = random.between(2, 3),
                                         .receivers = 1,
                                         .capacity = random.between(4, 10),
                                         .most_calls = 8,
                                         .message_size = 64,
                                         .tries_in_ten = 0,
                                         .briefs_in_ten = 0,
                                         .drained_in_ten = 9});
       });
}

}  // namespace gauntlet::channel_suite
