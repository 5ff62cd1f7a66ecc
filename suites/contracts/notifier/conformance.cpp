// Contract Notifier, conformance: that a notification comes, when, and to whom.
#include <gtest/gtest.h>

#include <chrono>

#include "contracts/notifier/matchers.h"

namespace gauntlet {
namespace {

using notifying::BringsNothing;
using notifying::BringsOne;
using notifying::FailsWith;
using notifying::IsFrom;
using notifying::Succeeds;
using std::chrono::nanoseconds;

bool remembers(const NotifierClaims& claims) { return claims.remembered; }
bool has_many_waiters(const NotifierClaims& claims) { return claims.many_waiters; }
bool one_of_many(const NotifierClaims& claims) {
  return claims.many_waiters && claims.audience == Audience::one;
}

// What was notified before anybody waits is there for the wait that comes.
NOTIFIER_CASE(conformance, NotifyThenWait_TheWaitDoesNotSleepInVain, .applies = remembers) {
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  for (int round = 0; round < 3; ++round) {
    ASSERT_THAT(notifier.notify(0), Succeeds());
    EXPECT_THAT(notifier.wait(1), BringsOne());
    EXPECT_THAT(notifier.wait_for_nothing(1), BringsNothing()) << "it came twice";
  }
}

// A try that begins when notify() has returned finds what was notified.
NOTIFIER_CASE(
    conformance, NotifyThenTry_TheTryFindsIt, .applies = [](const NotifierClaims& claims) {
      return claims.remembered && claims.seen_at_once;
    }) {
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  for (int round = 0; round < 5; ++round) {
    ASSERT_THAT(notifier.notify(0), Succeeds());
    EXPECT_THAT(notifier.try_wait(1), BringsOne());
  }
}

// A wait without a notification sleeps, and the notification of another process ends it.
NOTIFIER_CASE(conformance, Wait_SleepsUntilAnotherProcessNotifies) {
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  for (const Deadline deadline : {Deadline::after(kCallPatience), Deadline::never()}) {
    notifier.begin_wait(1, deadline);
    ASSERT_TRUE(notifier.asleep(1));
    ASSERT_THAT(notifier.notify(0), Succeeds());
    EXPECT_THAT(notifier.finish(1), BringsOne());
  }
}

// A try never sleeps and says that nothing is there.
NOTIFIER_CASE(conformance, TryWithoutANotification_WouldBlock) {
  CommandedNotifier notifier(context, 0, 1);
  if (!notifier.ready()) return;
  EXPECT_THAT(notifier.try_wait(0), FailsWith(Code::would_block));
  EXPECT_THAT(notifier.try_wait(0), FailsWith(Code::would_block));
}

// wait(deadline) gives up at the deadline, not before.
NOTIFIER_CASE(conformance, WaitWithoutANotification_TimesOutNotEarly) {
  CommandedNotifier notifier(context, 0, 1);
  if (!notifier.ready()) return;
  const auto patience = 4 * kShortWait;
  const std::int64_t begun_ns = monotonic_ns();
  EXPECT_THAT(notifier.wait(0, Deadline::after(patience)), FailsWith(Code::timed_out));
  EXPECT_GE(nanoseconds(monotonic_ns() - begun_ns), patience - kEarlyWakeTolerance);
}

// A deadline in the past is a try: it takes what is there and never sleeps.
NOTIFIER_CASE(
    conformance, DeadlineInThePast_IsATry, .applies = [](const NotifierClaims& claims) {
      return claims.remembered && claims.seen_at_once;
    }) {
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  EXPECT_THAT(notifier.wait(1, Deadline::after(nanoseconds(-1))), FailsWith(Code::timed_out));
  ASSERT_THAT(notifier.notify(0), Succeeds());
  EXPECT_THAT(notifier.wait(1, Deadline::after(nanoseconds(-1))), BringsOne());
}

// A time-out takes nothing with it and breaks nothing: the next notification comes, once.
NOTIFIER_CASE(conformance, WaitTimedOut_EatsNothing) {
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  for (int round = 0; round < 3; ++round) {
    ASSERT_THAT(notifier.wait(1, Deadline::after(kShortWait / 4)), FailsWith(Code::timed_out));
  }
  ASSERT_THAT(notifier.notify(0), Succeeds());
  EXPECT_THAT(notifier.wait(1), BringsOne()) << "a time-out took the notification with it";
  EXPECT_THAT(notifier.wait_for_nothing(1), BringsNothing());
}

// What a notifier has said stays said when it ends.
NOTIFIER_CASE(conformance, NotifierLeaves_WhatItNotifiedStays, .applies = remembers) {
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  const pid_t sender = notifier.pid(0);
  ASSERT_THAT(notifier.notify(0), Succeeds());
  notifier.leave(0);
  const NotifierAnswer answer = notifier.wait(1);
  EXPECT_THAT(answer, BringsOne());
  if (context.notifier().claims.names_sender) {
    EXPECT_THAT(answer, IsFrom(sender));
  }
}

// Whoever notifies is heard, one after another.
NOTIFIER_CASE(conformance, ThreeNotifiers_EachIsHeard) {
  constexpr std::size_t kNotifiers = 3;
  CommandedNotifier notifier(context, kNotifiers, 1);
  if (!notifier.ready()) return;
  for (std::size_t each = 0; each < kNotifiers; ++each) {
    notifier.begin_wait(kNotifiers);
    ASSERT_TRUE(notifier.asleep(kNotifiers));
    ASSERT_THAT(notifier.notify(each), Succeeds());
    EXPECT_THAT(notifier.finish(kNotifiers), BringsOne()) << "notifier " << each;
  }
}

// The process that notified is named, whichever it is.
NOTIFIER_CASE(
    conformance, Sender_IsTheProcessThatNotified,
    .applies = [](const NotifierClaims& claims) { return claims.names_sender; }) {
  constexpr std::size_t kNotifiers = 3;
  CommandedNotifier notifier(context, kNotifiers, 1);
  if (!notifier.ready()) return;
  for (const std::size_t each : {2U, 0U, 1U, 0U}) {
    ASSERT_THAT(notifier.notify(each), Succeeds());
    EXPECT_THAT(notifier.wait(kNotifiers), IsFrom(notifier.pid(each)));
  }
}

// Who has closed its end is told so at every later call, and the others go on.
NOTIFIER_CASE(conformance, CallsAfterClose_FailWithClosed) {
  CommandedNotifier notifier(context, 2, 1);
  if (!notifier.ready()) return;
  EXPECT_THAT(notifier.close(0), Succeeds());
  EXPECT_THAT(notifier.close(0), FailsWith(Code::closed));
  EXPECT_THAT(notifier.notify(0), FailsWith(Code::closed));
  ASSERT_THAT(notifier.notify(1), Succeeds()) << "the end of another was closed, too";
  EXPECT_THAT(notifier.wait(2), BringsOne());
  EXPECT_THAT(notifier.close(2), Succeeds());
  EXPECT_THAT(notifier.wait(2, Deadline::immediate()), FailsWith(Code::closed));
  EXPECT_THAT(notifier.close(2), FailsWith(Code::closed));
}

// The waiter ends in peace. A notification towards nobody is told or kept, as claimed, and a waiter
// that comes later is told of what is notified from then on.
NOTIFIER_CASE(conformance, WaiterLeaves_NotifyIsToldOrKeptAndANewcomerIsReached) {
  const NotifierClaims& claims = context.notifier().claims;
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  notifier.leave(1);
  const NotifierAnswer towards_nobody = notifier.notify(0);
  if (claims.dead_waiter_is_told) {
    EXPECT_THAT(towards_nobody, FailsWith(Code::peer_gone));
  } else {
    EXPECT_THAT(towards_nobody, Succeeds());
  }
  const std::size_t newcomer = notifier.add(NotifierRole::waiter);
  if (!notifier.ready()) return;
  if (claims.waiter_death == WaiterDeath::kept) {
    EXPECT_THAT(notifier.wait(newcomer), BringsOne()) << "what was notified towards nobody";
  }
  EXPECT_THAT(notifier.wait_for_nothing(newcomer), BringsNothing());
  ASSERT_THAT(notifier.notify(0), Succeeds());
  EXPECT_THAT(notifier.wait(newcomer), BringsOne());
}

// One notification ends the wait of one of several, and the others sleep on until their own comes.
NOTIFIER_CASE(conformance, OneNotification_EndsOneOfThreeWaits, .applies = one_of_many) {
  CommandedNotifier notifier(context, 1, 4);
  if (!notifier.ready()) return;
  std::vector<std::size_t> waiting{1, 2, 3};
  for (const std::size_t waiter : waiting) {
    notifier.begin_wait(waiter);
    ASSERT_TRUE(notifier.asleep(waiter));
  }
  while (!waiting.empty()) {
    ASSERT_THAT(notifier.notify(0), Succeeds());
    NotifierAnswer answer;
    notifier.finish_any(waiting, answer);
    ASSERT_THAT(answer, BringsOne()) << waiting.size() << " still wait";
    for (const std::size_t waiter : waiting) ASSERT_TRUE(notifier.asleep(waiter));
    EXPECT_THAT(notifier.wait_for_nothing(4), BringsNothing()) << "it was made up";
  }
}

// One notification reaches every waiter, whether it sleeps or looks later, and each once.
NOTIFIER_CASE(
    conformance, OneNotification_ReachesAllWaiters,
    .applies = [](const NotifierClaims& claims) { return claims.audience == Audience::all; }) {
  constexpr std::size_t kWaiters = 3;
  CommandedNotifier notifier(context, 1, kWaiters);
  if (!notifier.ready()) return;
  for (const std::size_t asleep : {1U, 2U}) {
    notifier.begin_wait(asleep);
    ASSERT_TRUE(notifier.asleep(asleep));
  }
  ASSERT_THAT(notifier.notify(0), Succeeds());
  EXPECT_THAT(notifier.finish(1), BringsOne());
  EXPECT_THAT(notifier.finish(2), BringsOne());
  EXPECT_THAT(notifier.wait(3), BringsOne()) << "the waiter that did not sleep";
  for (std::size_t waiter = 1; waiter <= kWaiters; ++waiter) {
    EXPECT_THAT(notifier.wait_for_nothing(waiter), BringsNothing()) << "waiter " << waiter;
  }
}

// Where all are reached, one waiter that takes its own leaves those of the others alone.
NOTIFIER_CASE(conformance, SeveralWaiters_WaitOneByOne, .applies = has_many_waiters) {
  constexpr std::size_t kWaiters = 3;
  CommandedNotifier notifier(context, 1, kWaiters);
  if (!notifier.ready()) return;
  const bool all = context.notifier().claims.audience == Audience::all;
  for (std::size_t waiter = 1; waiter <= kWaiters; ++waiter) {
    if (waiter == 1 || !all) {
      ASSERT_THAT(notifier.notify(0), Succeeds());
    }
    EXPECT_THAT(notifier.wait(waiter), BringsOne()) << "waiter " << waiter;
  }
  for (std::size_t waiter = 1; waiter <= kWaiters; ++waiter) {
    EXPECT_THAT(notifier.wait_for_nothing(waiter), BringsNothing()) << "waiter " << waiter;
  }
}

}  // namespace
}  // namespace gauntlet
