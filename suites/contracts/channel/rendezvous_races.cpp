// Senders and receivers that arrive together by the hundred: everybody meets exactly one.
#include <algorithm>

#include "cases/case.h"
#include "contracts/channel/hunt.h"
#include "contracts/channel/rendezvous.h"

namespace gauntlet::channel_suite {
namespace {

/// Nothing is kept, so calls with patience may count on no room and a drained round has nothing.
Shape rendezvous_shape(const ChannelClaims& claims, Shape shape) {
  if (claims.senders == Multiplicity::one) shape.senders = 1;
  if (claims.receivers == Multiplicity::one) shape.receivers = 1;
  shape.capacity = 0;
  shape.drained_in_ten = 0;
  return shape;
}

}  // namespace

// Two senders may both take the one receiver for theirs, or two receivers the one message.
CHANNEL_CASE(races, RendezvousOfManyWithMany_PairsOneToOne, .applies = is_rendezvous) {
  const ChannelClaims& claims = context.channel().claims;
  hunt(context,
       hunt_amount(context, {.batches = 3, .programs = 12}, {.batches = 48, .programs = 80}),
       [&](Random& random) {
         return rendezvous_shape(claims, {.senders = random.between(1, 3),
                                          .receivers = random.between(1, 3),
                                          .most_calls = 6,
                                          .message_size = random.chance(0.5) ? 64U : 512U,
                                          .tries_in_ten = 0,
                                          .briefs_in_ten = 0});
       });
}

// The deadline passes while a receiver takes the message: then the send has to know that it was
// taken, or the receiver must not get it.
CHANNEL_CASE(races, RendezvousSendGivesUpDuringTheTransfer_ItIsReceivedOrTimedOutNeverBoth,
             .applies = can_give_up) {
  const ChannelClaims& claims = context.channel().claims;
  hunt(context,
       hunt_amount(context, {.batches = 4, .programs = 18}, {.batches = 64, .programs = 120}),
       [&](Random& random) {
         return rendezvous_shape(claims, {.senders = random.between(1, 2),
                                          .receivers = random.between(1, 2),
                                          .most_calls = 6,
                                          .message_size = 64,
                                          .tries_in_ten = 1,
                                          .briefs_in_ten = 19,
                                          .brief_ns = 60'000});
       });
}

// A copy that is not finished when the receiver goes on, or when the sender reuses its buffer.
CHANNEL_CASE(races, RendezvousOfLargeMessages_AreNeverTorn, .applies = is_rendezvous) {
  const ChannelClaims& claims = context.channel().claims;
  hunt(context,
       hunt_amount(context, {.batches = 2, .programs = 12}, {.batches = 32, .programs = 80}),
       [&](Random& random) {
         return rendezvous_shape(claims, {.senders = random.between(1, 2),
                                          .receivers = random.between(1, 2),
                                          .most_calls = 6,
                                          .message_size = 4096,
                                          .tries_in_ten = 0,
                                          .briefs_in_ten = 0});
       });
}

}  // namespace gauntlet::channel_suite
