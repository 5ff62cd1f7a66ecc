// Contract Notifier, conformance: what several notifications become that nobody has waited for.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "contracts/notifier/matchers.h"

namespace gauntlet {
namespace {

using notifying::BringsCount;
using notifying::BringsNothing;
using notifying::BringsOne;
using notifying::BringsPayload;
using notifying::FailsWith;
using notifying::IsFrom;
using notifying::Succeeds;

bool queues(const NotifierClaims& claims) { return claims.pending == Pending::queued; }
bool has_payload(const NotifierClaims& claims) { return claims.payload; }
bool blocks_when_full(const NotifierClaims& claims) {
  return claims.overflow == NotifyOverflow::block && claims.most_pending != 0;
}
bool refuses_when_full(const NotifierClaims& claims) {
  return claims.overflow == NotifyOverflow::refuse;
}

/// A few notifications, never more than can pend.
std::uint32_t some(const NotifierClaims& claims) {
  constexpr std::uint32_t kSome = 7;
  return claims.most_pending == 0
             ? kSome
             : static_cast<std::uint32_t>(std::min<std::uint64_t>(kSome, claims.most_pending));
}

// Queued: as many waits find one as there were notifications, and not one more.
NOTIFIER_CASE(conformance, QueuedNotifications_AreTakenOneByOneAndNoneIsMissing,
              .applies = queues) {
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  const std::uint32_t count = some(context.notifier().claims);
  ASSERT_THAT(notifier.notify(0, 0, Deadline::after(kCallPatience), count), Succeeds());
  for (std::uint32_t i = 1; i <= count; ++i) {
    ASSERT_THAT(notifier.wait(1, Deadline::immediate()), BringsOne())
        << "notification " << i << " of " << count;
  }
  EXPECT_THAT(notifier.wait_for_nothing(1), BringsNothing()) << "one was made up";
}

// Counted: one wait takes all, and says how many they were.
NOTIFIER_CASE(
    conformance, CountedNotifications_OneWaitTakesAllAndCountsThem,
    .applies = [](const NotifierClaims& claims) { return claims.pending == Pending::counted; }) {
  CommandedNotifier notifier(context, 2, 1);
  if (!notifier.ready()) return;
  for (const std::uint32_t count : {1U, 2U, 5U, 300U}) {
    ASSERT_THAT(notifier.notify(0, 0, Deadline::after(kCallPatience), count), Succeeds());
    ASSERT_THAT(notifier.notify(1), Succeeds());
    EXPECT_THAT(notifier.wait(2), BringsCount(count + 1));
    EXPECT_THAT(notifier.wait_for_nothing(2), BringsNothing());
  }
}

// Coalesced: one wait takes all of them, and the next finds nothing.
NOTIFIER_CASE(
    conformance, CoalescedNotifications_OneWaitTakesAll,
    .applies = [](const NotifierClaims& claims) { return claims.pending == Pending::coalesced; }) {
  CommandedNotifier notifier(context, 2, 1);
  if (!notifier.ready()) return;
  for (const std::uint32_t count : {1U, 2U, 50U}) {
    ASSERT_THAT(notifier.notify(0, 0, Deadline::after(kCallPatience), count), Succeeds());
    ASSERT_THAT(notifier.notify(1), Succeeds());
    EXPECT_THAT(notifier.wait(2), BringsOne());
    EXPECT_THAT(notifier.wait_for_nothing(2), BringsNothing());
  }
}

// A payload comes out as it went in: the ends of its range, and values from all over it.
NOTIFIER_CASE(conformance, Payload_ComesOutAsItWentIn, .applies = has_payload) {
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  const std::uint32_t largest = context.notifier().claims.largest_payload;
  Random random = context.random();
  std::vector<std::uint32_t> payloads{0, 1, largest, largest / 2, largest / 2 + 1};
  for (int i = 0; i < 10; ++i) {
    payloads.push_back(static_cast<std::uint32_t>(random.between(0, largest)));
  }
  for (const std::uint32_t payload : payloads) {
    ASSERT_THAT(notifier.notify(0, payload), Succeeds());
    EXPECT_THAT(notifier.wait(1), BringsPayload(payload));
  }
}

// Notifications come in the order in which they were made, whoever made them.
NOTIFIER_CASE(
    conformance, Order_IsThatOfTheNotifications, .applies = [](const NotifierClaims& claims) {
      return claims.order == NotifyOrder::fifo && claims.payload;
    }) {
  CommandedNotifier notifier(context, 2, 1);
  if (!notifier.ready()) return;
  const std::uint32_t largest = context.notifier().claims.largest_payload;
  Random random = context.random();
  std::vector<std::uint32_t> payloads;
  for (std::uint32_t i = 0; i < some(context.notifier().claims); ++i) {
    payloads.push_back(static_cast<std::uint32_t>(random.between(0, largest)));
    ASSERT_THAT(notifier.notify(i % 2, payloads.back()), Succeeds());
  }
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    EXPECT_THAT(notifier.wait(2), BringsPayload(payloads[i])) << "place " << i;
  }
}

// Of several pending payloads the lowest comes first, and equal ones in their order.
NOTIFIER_CASE(
    conformance, LowestPayload_ComesFirstAndEqualOnesInOrder,
    .applies = [](const NotifierClaims& claims) {
      return claims.order == NotifyOrder::lowest_first;
    }) {
  CommandedNotifier notifier(context, 2, 1);
  if (!notifier.ready()) return;
  struct Made {
    std::uint32_t payload;
    std::size_t by;
  };
  const std::uint32_t largest = context.notifier().claims.largest_payload;
  const std::uint32_t middle = largest / 2;
  std::vector<Made> made{{middle, 0}, {0, 1},      {largest, 1}, {middle, 1},
                         {0, 0},      {middle, 0}, {largest, 0}, {middle, 1}};
  for (const Made& each : made) ASSERT_THAT(notifier.notify(each.by, each.payload), Succeeds());
  std::stable_sort(made.begin(), made.end(),
                   [](const Made& a, const Made& b) { return a.payload < b.payload; });
  for (const Made& each : made) {
    const NotifierAnswer answer = notifier.wait(2);
    EXPECT_THAT(answer, BringsPayload(each.payload));
    if (context.notifier().claims.names_sender) {
      EXPECT_THAT(answer, IsFrom(notifier.pid(each.by))) << "among equal ones the order changed";
    }
  }
}

// As many notifications as waiters: all of them wake, even when they come in one burst.
NOTIFIER_CASE(
    conformance, AsManyNotificationsAsWaiters_AllWake, .applies = [](const NotifierClaims& claims) {
      return queues(claims) && claims.many_waiters && claims.audience == Audience::one;
    }) {
  constexpr std::size_t kWaiters = 4;
  CommandedNotifier notifier(context, 1, kWaiters);
  if (!notifier.ready()) return;
  for (int burst = 0; burst < 3; ++burst) {
    for (std::size_t waiter = 1; waiter <= kWaiters; ++waiter) notifier.begin_wait(waiter);
    for (std::size_t waiter = 1; waiter <= kWaiters; ++waiter) {
      ASSERT_TRUE(notifier.asleep(waiter));
    }
    ASSERT_THAT(notifier.notify(0, 0, Deadline::after(kCallPatience), kWaiters), Succeeds());
    for (std::size_t waiter = 1; waiter <= kWaiters; ++waiter) {
      ASSERT_THAT(notifier.finish(waiter), BringsOne()) << "waiter " << waiter << " was not woken";
    }
  }
  EXPECT_THAT(notifier.wait_for_nothing(1), BringsNothing());
}

// A full notifier that blocks: a try would block, a deadline passes, and a sleeping notify goes on
// when somebody waits. Nothing that was refused comes out.
NOTIFIER_CASE(conformance, NotifyPastTheMostPending_SleepsUntilAWait, .applies = blocks_when_full) {
  const auto most = static_cast<std::uint32_t>(context.notifier().claims.most_pending);
  CommandedNotifier notifier(context, 2, 1);
  if (!notifier.ready()) return;
  ASSERT_THAT(notifier.notify(0, 1, Deadline::immediate(), most), Succeeds())
      << "fewer than " << most << " can pend";
  EXPECT_THAT(notifier.notify(0, 2, Deadline::immediate()), FailsWith(Code::would_block));
  EXPECT_THAT(notifier.notify(0, 2, Deadline::after(kShortWait)), FailsWith(Code::timed_out));
  notifier.begin_notify(1, 3, Deadline::after(kCallPatience));
  ASSERT_TRUE(notifier.asleep(1));
  ASSERT_THAT(notifier.wait(2), BringsPayload(1U));
  EXPECT_THAT(notifier.finish(1), Succeeds()) << "there is room, and it sleeps on";
  for (std::uint32_t i = 1; i < most; ++i) {
    ASSERT_THAT(notifier.wait(2), BringsPayload(1U)) << "place " << i;
  }
  EXPECT_THAT(notifier.wait(2), BringsPayload(3U));
  EXPECT_THAT(notifier.wait_for_nothing(2), BringsNothing());
}

// A full notifier that refuses: at once, and without harm. What was accepted comes out, what was
// refused does not, and then there is room again.
NOTIFIER_CASE(conformance, NotifyPastTheLimit_IsRefusedAndAcceptedOnesComeOut,
              .applies = refuses_when_full) {
  constexpr std::uint32_t kRoom = 12;
  // Others of this user may give back what they hold meanwhile, so that more is accepted.
  constexpr std::uint32_t kMostTries = 200'000;
  CommandedNotifier notifier(context, 1, 1, kRoom);
  if (!notifier.ready()) return;
  std::uint32_t accepted = 0;
  NotifierAnswer answer = notifier.notify_when_there_is_room(0);
  for (; answer.ok && accepted < kMostTries; answer = notifier.notify(0)) ++accepted;
  if (accepted == 0) {
    return context.not_run("room under the limit: others of this user hold all of it",
                           "run when no other process of this user queues signals");
  }
  ASSERT_TRUE(answer.arrived);
  EXPECT_TRUE(answer.error == Code::exhausted || answer.error == Code::would_block)
      << describe(answer.error);
  for (std::uint32_t i = 1; i <= accepted; ++i) {
    ASSERT_THAT(notifier.wait(1, Deadline::immediate()), BringsOne())
        << "notification " << i << " of " << accepted << " accepted";
  }
  EXPECT_THAT(notifier.wait_for_nothing(1), BringsNothing()) << "a refused one came out";
  ASSERT_THAT(notifier.notify_when_there_is_room(0), Succeeds()) << "there is no room again";
  EXPECT_THAT(notifier.wait(1), BringsOne());
}

}  // namespace
}  // namespace gauntlet
