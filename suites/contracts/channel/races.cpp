// Small programs of two to eight processes, started together by the hundred: what came out must be
// what a queue with the claims of the subject could have done.
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/claims.h"
#include "contracts/channel/hunt.h"
#include "contracts/channel/judge.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/stage.h"

namespace gauntlet::channel_suite {
namespace {

/// `shape` with as many senders and receivers as the claims allow.
Shape allowed(const ChannelClaims& claims, Shape shape) {
  shape.senders = senders_for(claims, shape.message_size, shape.senders);
  shape.receivers = receivers_for(claims, shape.receivers);
  if (receivers_for(claims, 2) < 2 || senders_for(claims, shape.message_size, 2) < 2) {
    shape.mixed = 0;
  }
  return shape;
}

}  // namespace

// Any mixture: calls that insist, calls with brief deadlines and tries, by two to eight processes.
CHANNEL_CASE(races, AnyProgramOfTwoToEightProcesses_IsExplainedByAQueue, .applies = keeps_order) {
  const ChannelClaims& claims = context.channel().claims;
  hunt(context,
       hunt_amount(context, {.batches = 4, .programs = 12}, {.batches = 64, .programs = 80}),
       [&](Random& random) {
         Shape shape;
         // More processes than cores interleave only where one is preempted, so two are drawn most.
         const std::uint64_t processes = random.chance(0.5) ? 2 : random.between(3, 8);
         shape.senders = random.between(1, processes - 1);
         shape.receivers = processes - shape.senders;
         if (random.chance(0.3)) {
           shape.mixed = processes;
           shape.senders = shape.receivers = 0;
         }
         shape.capacity = random.between(1, 4);
         shape.most_calls = processes > 4 ? 3 : 6;
         shape.message_size = random.chance(0.5) ? 64 : 512;
         Shape fitting = allowed(claims, shape);
         if (fitting.mixed == 0) {
           fitting.senders =
               senders_for(claims, fitting.message_size, std::max<std::size_t>(fitting.senders, 1));
           fitting.receivers = std::max<std::size_t>(fitting.receivers, 1);
         }
         return fitting;
       });
}

// One slot: every send waits for a receive, so that every wake-up counts, and two senders that
// both find it free overwrite each other.
CHANNEL_CASE(races, SmallestCapacityContended_NobodyIsForgottenAndNothingOverwritten,
             .applies = keeps_order) {
  const ChannelClaims& claims = context.channel().claims;
  hunt(context,
       hunt_amount(context, {.batches = 3, .programs = 12}, {.batches = 48, .programs = 80}),
       [&](Random& random) {
         return allowed(claims, {.senders = random.between(1, 3),
                                 .receivers = random.between(1, 3),
                                 .capacity = 1,
                                 .most_calls = 8,
                                 .message_size = 64,
                                 .tries_in_ten = 0,
                                 .briefs_in_ten = 0});
       });
}

// Where senders share a position that is not claimed in one step, messages vanish or change places.
CHANNEL_CASE(
    races, ManySendersOneReceiver_NothingLostDoubledOrReordered,
    .applies = [](const ChannelClaims& claims) {
      return keeps_order(claims) && many_senders(claims);
    }) {
  const ChannelClaims& claims = context.channel().claims;
  // Long runs of sends that need not wait for room: what two senders do at once is most of it.
  hunt(context,
       hunt_amount(context, {.batches = 5, .programs = 12}, {.batches = 80, .programs = 80}),
       [&](Random& random) {
         return allowed(claims, {.senders = random.chance(0.7) ? 2 : random.between(3, 7),
                                 .receivers = 1,
                                 .capacity = random.between(2, 10),
                                 .most_calls = random.between(6, 16),
                                 .message_size = random.chance(0.5) ? 1024U : 256U,
                                 .tries_in_ten = 2,
                                 .briefs_in_ten = 0,
                                 .drained_in_ten = 6});
       });
}

CHANNEL_CASE(
    races, OneSenderManyReceivers_EachMessageComesOutOnce,
    .applies = [](const ChannelClaims& claims) {
      return keeps_order(claims) && many_receivers(claims);
    }) {
  const ChannelClaims& claims = context.channel().claims;
  hunt(context,
       hunt_amount(context, {.batches = 8, .programs = 20}, {.batches = 64, .programs = 80}),
       [&](Random& random) {
         return allowed(claims, {.senders = 1,
                                 .receivers = random.chance(0.6) ? 2 : random.between(3, 7),
                                 .capacity = random.between(1, 8),
                                 .most_calls = 8,
                                 .message_size = 256,
                                 .tries_in_ten = 3,
                                 .briefs_in_ten = 0});
       });
}

// A deadline that passes while the message arrives: the call must either bring it or leave it.
CHANNEL_CASE(races, DeadlinesThatPassDuringTheTransfer_EatNothing, .applies = keeps_order) {
  const ChannelClaims& claims = context.channel().claims;
  hunt(context,
       hunt_amount(context, {.batches = 4, .programs = 15}, {.batches = 64, .programs = 100}),
       [&](Random& random) {
         return allowed(claims, {.senders = random.between(1, 2),
                                 .receivers = random.between(1, 2),
                                 .capacity = random.between(1, 3),
                                 .most_calls = 5,
                                 .message_size = 64,
                                 .tries_in_ten = 0,
                                 .briefs_in_ten = 10,
                                 .brief_ns = 150'000});
       });
}

// The larger the message, the longer the copy during which a slot may be given away.
CHANNEL_CASE(races, LargeMessagesThroughFewSlots_AreNeverTorn, .applies = keeps_order) {
  const ChannelClaims& claims = context.channel().claims;
  hunt(context,
       hunt_amount(context, {.batches = 4, .programs = 12}, {.batches = 64, .programs = 80}),
       [&](Random& random) {
         const std::size_t size = claims.atomic_bytes > 0 ? claims.atomic_bytes : 4096;
         return allowed(claims, {.senders = random.between(1, 2),
                                 .receivers = random.between(1, 2),
                                 .capacity = random.between(1, 2),
                                 .most_calls = 8,
                                 .message_size = size,
                                 .tries_in_ten = 1,
                                 .briefs_in_ten = 0});
       });
}

// The end may be seen only when everything has come out, however late the last message came.
CHANNEL_CASE(
    races, LastSenderSendsAndLeavesWhileOthersReceive_TheEndComesLast,
    .applies = [](const ChannelClaims& claims) {
      return claims.senders_gone == PeerLoss::end_of_stream && keeps_order(claims);
    }) {
  Random random = context.random();
  const std::uint64_t rounds = context.amount(6, 120, 1200);
  for (std::uint64_t round = 0; context.another(round, rounds); ++round) {
    const ChannelOptions asked = options_for(context.channel().claims);
    ChannelOptions options = asked;
    options.scope = context.scope();
    Result<std::unique_ptr<ChannelHost>> host = context.channel().create(options);
    if (!host) return context.not_created(host.error());
    const std::size_t senders = senders_for(context.channel().claims, 64, random.between(1, 2));
    const std::size_t receivers = receivers_for(context.channel().claims, random.between(1, 2));
    const std::uint32_t messages = static_cast<std::uint32_t>(random.between(0, 6));
    const history::Recorder recorder = history::Recorder::create(senders + receivers, 64);
    Crew crew(senders + receivers);
    for (std::size_t lane = 0; lane < senders + receivers; ++lane) {
      const bool sends = lane < senders;
      const Result<std::size_t> added = crew.add([&, lane, sends](Worker& worker) {
        const auto channel = (*host)->open(sends ? Role::sender : Role::receiver);
        if (!worker.expect(channel.has_value(), "open() in a new process failed")) return;
        MessageLink link(**channel, context.channel().claims.framing, recorder.lane(lane), 4096);
        worker.await_start();
        for (std::uint32_t i = 1; sends && i <= messages; ++i) {
          const auto id = static_cast<std::uint32_t>(lane * 100 + i);
          const Passage passage = link.send(id, 64, Deadline::after(kCallPatience));
          worker.expect(passage.outcome == history::Outcome::ok, "a send failed");
        }
        for (std::uint32_t i = 0; !sends && i <= senders * messages; ++i) {
          const Passage passage = link.receive(Deadline::after(kCallPatience));
          worker.expect(!passage.flawed(), passage.flaw.data());
          if (passage.outcome == history::Outcome::ok) continue;
          worker.expect(passage.outcome == history::Outcome::end_of_stream,
                        "a receive answered " + describe(passage.error) + ", not end_of_stream");
          return;
        }
      });
      if (!added) return context.error("no worker: " + describe(added.error()));
    }
    (*host)->let_go();
    if (!crew.start(Deadline::after(kCallPatience))) return context.error("workers did not start");
    if (!context.join(crew)) return;
    if (!judge(context, recorder.collect(), rules_for(context.channel().claims, options, true))) {
      return;
    }
  }
}

}  // namespace gauntlet::channel_suite
