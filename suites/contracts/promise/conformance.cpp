// Contract Promise, conformance: setting and waiting, one call at a time.
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "contracts/promise/matchers.h"

namespace gauntlet {
namespace {

using std::chrono::nanoseconds;

bool many_waiters(const PromiseClaims& claims) { return claims.many_waiters; }
bool repeatable(const PromiseClaims& claims) { return claims.repeatable; }
bool used_once(const PromiseClaims& claims) { return !claims.repeatable; }
bool can_fail(const PromiseClaims& claims) { return claims.can_fail; }
bool cannot_fail(const PromiseClaims& claims) { return !claims.can_fail; }
bool refuses(const PromiseClaims& claims) { return claims.refuses_second_set; }
bool refuses_among_many(const PromiseClaims& claims) {
  return claims.many_setters && claims.refuses_second_set;
}
bool narrow(const PromiseClaims& claims) { return claims.largest_value < UINT64_MAX; }

/// Actor 0 sets, all others wait.
bool open_all(CommandedPromise& promise) {
  if (!promise.open(0, PromiseRole::setter)) return false;
  for (std::size_t actor = 1; actor < promise.actors().size(); ++actor) {
    if (!promise.open(actor, PromiseRole::waiter)) return false;
  }
  return true;
}

// What was set is what the waiter is told.
PROMISE_CASE(conformance, ValueSet_WaiterIsToldIt) {
  const std::uint64_t value = sample_value(context.promise().claims, 0x0123'4567'89ab'cdefU);
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  EXPECT_THAT(promise.set(0, value), Succeeds());
  EXPECT_THAT(promise.wait(1), IsTold(value));
}

// A failure reaches the waiter as a failure, with its error.
PROMISE_CASE(conformance, Failed_WaiterIsToldTheError, .applies = can_fail) {
  const std::uint64_t error = sample_error(context.promise().claims, 0xfedc'ba98'7654'3210U);
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  EXPECT_THAT(promise.fail(0, error), Succeeds());
  EXPECT_THAT(promise.wait(1), IsToldTheError(error));
}

// Where no failure can be told, fail() says so and settles nothing.
PROMISE_CASE(conformance, FailNotClaimed_IsUnsupported, .applies = cannot_fail) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  EXPECT_THAT(promise.fail(0, 1), FailsWith(Code::unsupported));
  EXPECT_THAT(promise.try_wait(1), FailsWith(Code::would_block));
  EXPECT_THAT(promise.set(0, 1), Succeeds());
  EXPECT_THAT(promise.wait(1), IsTold(1));
}

// Nothing was set: a try comes back at once and says so.
PROMISE_CASE(conformance, TryBeforeTheSet_WouldBlock) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  for (int time = 0; time < 3; ++time) {
    EXPECT_THAT(promise.try_wait(1), FailsWith(Code::would_block));
  }
  EXPECT_THAT(promise.set(0, 1), Succeeds());
  EXPECT_THAT(promise.try_wait(1), IsTold(1)) << "set() has answered";
}

// wait(deadline) gives up at the deadline, not before.
PROMISE_CASE(conformance, WaitBeforeTheSet_TimesOutNotEarly) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  EXPECT_THAT(promise.wait(1, Deadline::after(kShortWait)), FailsWith(Code::timed_out));
  // The deadline is set before the actor's clock starts, by the time the command takes.
  const PromiseAnswer answer = promise.wait(1, Deadline::after(5 * kShortWait));
  EXPECT_THAT(answer, FailsWith(Code::timed_out));
  EXPECT_GE(nanoseconds(answer.took_ns), 5 * kShortWait / 2);
}

// A time-out uses nothing up: who comes again is told.
PROMISE_CASE(conformance, WaitTimedOut_NextWaitIsTold) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  for (int time = 0; time < 3; ++time) {
    ASSERT_THAT(promise.wait(1, Deadline::after(kShortWait)), FailsWith(Code::timed_out));
  }
  EXPECT_THAT(promise.set(0, 3), Succeeds());
  EXPECT_THAT(promise.wait(1), IsTold(3));
}

// A deadline in the past is a try: it is told what is there, and never sleeps.
PROMISE_CASE(conformance, DeadlineInThePast_IsATry) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  const Deadline past = Deadline::after(nanoseconds(-1));
  EXPECT_THAT(promise.wait(1, past), FailsWith(Code::timed_out));
  EXPECT_THAT(promise.set(0, 4), Succeeds());
  EXPECT_THAT(promise.wait(1, past), IsTold(4));
}

// A waiter sleeps until the set, and the set wakes it; without a deadline as well as with one.
PROMISE_CASE(conformance, WaitBeforeTheSet_SleepsUntilTheSet) {
  for (const Deadline deadline : {Deadline::after(kCallPatience), Deadline::never()}) {
    CommandedPromise promise(context, 2);
    if (!promise.ready() || !open_all(promise)) return;
    promise.begin_wait(1, deadline);
    ASSERT_TRUE(promise.asleep(1));
    ASSERT_THAT(promise.set(0, 5), Succeeds());
    EXPECT_THAT(promise.finish(1), IsTold(5)) << "the waiter was not woken";
  }
}

// A failure wakes like a value.
PROMISE_CASE(conformance, WaitBeforeTheFailure_SleepsUntilTheFailure, .applies = can_fail) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  promise.begin_wait(1);
  ASSERT_TRUE(promise.asleep(1));
  ASSERT_THAT(promise.fail(0, 6), Succeeds());
  EXPECT_THAT(promise.finish(1), IsToldTheError(6)) << "the waiter was not woken";
}

// One set wakes all who sleep, and tells all of them the same.
PROMISE_CASE(conformance, OneSet_WakesAllWaiters, .applies = many_waiters) {
  constexpr std::size_t kWaiters = 4;
  CommandedPromise promise(context, kWaiters + 1);
  if (!promise.ready() || !open_all(promise)) return;
  for (std::size_t waiter = 1; waiter <= kWaiters; ++waiter) {
    promise.begin_wait(waiter);
    ASSERT_TRUE(promise.asleep(waiter));
  }
  ASSERT_THAT(promise.set(0, 7), Succeeds());
  for (std::size_t waiter = 1; waiter <= kWaiters; ++waiter) {
    ASSERT_THAT(promise.finish(waiter), IsTold(7)) << "waiter " << waiter << " was not woken";
  }
}

// An end may wait again, and is told the same again, slept or not.
PROMISE_CASE(conformance, WaitAgain_IsToldTheSame, .applies = repeatable) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  promise.begin_wait(1);
  ASSERT_TRUE(promise.asleep(1));
  ASSERT_THAT(promise.set(0, 8), Succeeds());
  EXPECT_THAT(promise.finish(1), IsTold(8));
  for (int time = 0; time < 3; ++time) {
    EXPECT_THAT(promise.wait(1), IsTold(8));
    EXPECT_THAT(promise.try_wait(1), IsTold(8));
  }
}

// An end that was told once is used up where it says so, and refuses instead of sleeping.
PROMISE_CASE(conformance, WaitAgainWhereUsedUp_IsRefused, .applies = used_once) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  ASSERT_THAT(promise.set(0, 9), Succeeds());
  ASSERT_THAT(promise.wait(1), IsTold(9));
  EXPECT_THAT(promise.wait(1), FailsWith(Code::settled));
  EXPECT_THAT(promise.try_wait(1), FailsWith(Code::settled));
}

// It is settled once: every further set or failure is refused, and what was set stays.
PROMISE_CASE(conformance, SecondSet_IsRefusedAndChangesNothing, .applies = refuses) {
  const PromiseClaims& claims = context.promise().claims;
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  ASSERT_THAT(promise.set(0, 10), Succeeds());
  EXPECT_THAT(promise.set(0, 11), FailsWith(Code::settled));
  EXPECT_THAT(promise.set(0, 10), FailsWith(Code::settled)) << "though it is the same value";
  if (claims.can_fail) {
    EXPECT_THAT(promise.fail(0, 12), FailsWith(Code::settled));
  }
  EXPECT_THAT(promise.wait(1), IsTold(10));
}

// A failure settles it as well as a value.
PROMISE_CASE(
    conformance, SetAfterAFailure_IsRefusedAndChangesNothing,
    .applies = [](const PromiseClaims& claims) { return refuses(claims) && can_fail(claims); }) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  ASSERT_THAT(promise.fail(0, 13), Succeeds());
  EXPECT_THAT(promise.set(0, 14), FailsWith(Code::settled));
  EXPECT_THAT(promise.fail(0, 15), FailsWith(Code::settled));
  EXPECT_THAT(promise.wait(1), IsToldTheError(13));
}

// Another setter is refused like the first one.
PROMISE_CASE(conformance, SetByAnotherAfterTheFirst_IsRefusedAndChangesNothing,
             .applies = refuses_among_many) {
  CommandedPromise promise(context, 3);
  if (!promise.ready()) return;
  for (const std::size_t setter : {0U, 1U}) {
    if (!promise.open(setter, PromiseRole::setter)) return;
  }
  if (!promise.open(2, PromiseRole::waiter)) return;
  ASSERT_THAT(promise.set(1, 16), Succeeds());
  EXPECT_THAT(promise.set(0, 17), FailsWith(Code::settled));
  EXPECT_THAT(promise.wait(2), IsTold(16));
  EXPECT_THAT(promise.set(1, 18), FailsWith(Code::settled));
}

// Values from one end of the range to the other arrive whole.
PROMISE_CASE(conformance, ExtremeValues_ArriveWhole) {
  const std::uint64_t largest = context.promise().claims.largest_value;
  Random random = context.random();
  std::vector<std::uint64_t> values{0, 1, largest / 2, largest / 2 + 1, largest - 1, largest};
  for (int i = 0; i < 4; ++i)
    values.push_back(sample_value(context.promise().claims, random.next()));
  CommandedPromise promise(context, 2, values.size());
  if (!promise.ready()) return;
  for (std::size_t number = 0; number < values.size(); ++number) {
    if (!promise.open(0, PromiseRole::setter, number)) return;
    if (!promise.open(1, PromiseRole::waiter, number)) return;
    ASSERT_THAT(promise.set(0, values[number]), Succeeds());
    EXPECT_THAT(promise.wait(1), IsTold(values[number]));
  }
}

// Errors as well; and an error of 0 is an error.
PROMISE_CASE(conformance, ExtremeErrors_ArriveWhole, .applies = can_fail) {
  const std::uint64_t largest = context.promise().claims.largest_error;
  const std::vector<std::uint64_t> errors{0, 1, largest / 2 + 1, largest};
  CommandedPromise promise(context, 2, errors.size());
  if (!promise.ready()) return;
  for (std::size_t number = 0; number < errors.size(); ++number) {
    if (!promise.open(0, PromiseRole::setter, number)) return;
    if (!promise.open(1, PromiseRole::waiter, number)) return;
    ASSERT_THAT(promise.fail(0, errors[number]), Succeeds());
    EXPECT_THAT(promise.wait(1), IsToldTheError(errors[number]));
  }
}

// A value wider than claimed is refused, never cut, and settles nothing.
PROMISE_CASE(conformance, ValueWiderThanClaimed_IsRefused, .applies = narrow) {
  const std::uint64_t largest = context.promise().claims.largest_value;
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  EXPECT_THAT(promise.set(0, largest + 1), FailsWith(Code::overflow));
  EXPECT_THAT(promise.set(0, UINT64_MAX), FailsWith(Code::overflow));
  EXPECT_THAT(promise.try_wait(1), FailsWith(Code::would_block));
  EXPECT_THAT(promise.set(0, largest), Succeeds());
  EXPECT_THAT(promise.wait(1), IsTold(largest));
}

// An end that only waits cannot settle it.
PROMISE_CASE(conformance, SetByAWaiter_IsUnsupported) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !open_all(promise)) return;
  EXPECT_THAT(promise.set(1, 1), FailsWith(Code::unsupported));
  EXPECT_THAT(promise.fail(1, 1), FailsWith(Code::unsupported));
  EXPECT_THAT(promise.try_wait(1), FailsWith(Code::would_block));
  EXPECT_THAT(promise.set(0, 2), Succeeds());
  EXPECT_THAT(promise.wait(1), IsTold(2));
}

// Two promises are two: settling one tells nothing to those who wait for the other.
PROMISE_CASE(conformance, TwoPromises_AreSettledApart) {
  CommandedPromise promise(context, 4, 2);
  if (!promise.ready()) return;
  for (const std::size_t number : {0U, 1U}) {
    if (!promise.open(number, PromiseRole::setter, number)) return;
    if (!promise.open(2 + number, PromiseRole::waiter, number)) return;
  }
  promise.begin_wait(3);
  ASSERT_TRUE(promise.asleep(3));
  ASSERT_THAT(promise.set(0, 20), Succeeds());
  EXPECT_THAT(promise.wait(2), IsTold(20));
  EXPECT_TRUE(promise.asleep(3)) << "it was woken by another promise";
  ASSERT_THAT(promise.set(1, 21), Succeeds());
  EXPECT_THAT(promise.finish(3), IsTold(21));
}

}  // namespace
}  // namespace gauntlet
