// Contract Semaphore, conformance: each claim and each error, one call at a time.
#include <gtest/gtest.h>

#include <chrono>

#include "contracts/registry.h"
#include "contracts/semaphore/claims.h"
#include "contracts/semaphore/matchers.h"
#include "process/entry.h"

namespace gauntlet {
namespace {

using Call = CommandedSemaphore::Call;
using std::chrono::nanoseconds;

/// Takes one unit in each of `units` workers, so that an owner never takes twice.
void take_all(CommandedSemaphore& semaphore, std::int64_t units) {
  for (std::int64_t unit = 0; unit < units; ++unit) {
    ASSERT_THAT(semaphore.try_acquire(static_cast<std::size_t>(unit)), Succeeds())
        << "unit " << unit + 1 << " of " << units;
  }
}

// As many units as it was made with can be taken, and not one more.
SEMAPHORE_CASE(conformance, InitialUnits_AreTakenAndNotOneMore) {
  const std::int64_t units = sample_units(context.semaphore().claims);
  const auto last = static_cast<std::size_t>(units);
  CommandedSemaphore semaphore(context, units, last + 1);
  if (!semaphore.ready()) return;
  ASSERT_NO_FATAL_FAILURE(take_all(semaphore, units));
  EXPECT_THAT(semaphore.try_acquire(last), FailsWith(Code::would_block));
}

// A semaphore may be made without a unit: the first acquire waits for the first release.
SEMAPHORE_CASE(conformance, NoInitialUnit_TryFailsUntilTheFirstRelease, .applies = counts) {
  CommandedSemaphore semaphore(context, 0, 2);
  if (!semaphore.ready()) return;
  EXPECT_THAT(semaphore.try_acquire(0), FailsWith(Code::would_block));
  EXPECT_THAT(semaphore.release(1), Succeeds());
  EXPECT_THAT(semaphore.try_acquire(0), Succeeds());
}

// A unit that was given back can be taken by another process.
SEMAPHORE_CASE(conformance, ReleasedUnit_CanBeTakenByAnotherProcess) {
  CommandedSemaphore semaphore(context, 1, 2);
  if (!semaphore.ready()) return;
  for (int round = 0; round < 3; ++round) {
    EXPECT_THAT(semaphore.try_acquire(0), SucceedsPlainly());
    EXPECT_THAT(semaphore.try_acquire(1), FailsWith(Code::would_block));
    EXPECT_THAT(semaphore.release(0), Succeeds());
    EXPECT_THAT(semaphore.try_acquire(1), SucceedsPlainly());
    EXPECT_THAT(semaphore.release(1), Succeeds());
  }
}

// acquire(deadline) gives up at the deadline, not before.
SEMAPHORE_CASE(
    conformance, AcquireOfATakenUnit_TimesOutNotEarly,
    .applies = [](const SemaphoreClaims& claims) { return claims.deadlines; }) {
  CommandedSemaphore semaphore(context, 1, 2);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  const Answer answer = semaphore.acquire(1, Deadline::after(kShortWait));
  EXPECT_THAT(answer, FailsWith(Code::timed_out));
  // The deadline was set before the worker's clock started, by the time the command took.
  const Answer again = semaphore.acquire(1, Deadline::after(5 * kShortWait));
  EXPECT_THAT(again, FailsWith(Code::timed_out));
  EXPECT_GE(nanoseconds(again.took_ns), 5 * kShortWait / 2);
}

// A time-out takes nothing and breaks nothing: exactly one unit is there after one release.
SEMAPHORE_CASE(
    conformance, AcquireTimedOut_TakesNothing,
    .applies = [](const SemaphoreClaims& claims) { return claims.deadlines; }) {
  CommandedSemaphore semaphore(context, 1, 3);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  for (int round = 0; round < 3; ++round) {
    ASSERT_THAT(semaphore.acquire(1, Deadline::after(kShortWait)), FailsWith(Code::timed_out));
  }
  ASSERT_THAT(semaphore.release(0), Succeeds());
  EXPECT_THAT(semaphore.try_acquire(1), Succeeds()) << "a time-out took the unit with it";
  EXPECT_THAT(semaphore.try_acquire(2), FailsWith(Code::would_block)) << "a unit was made up";
}

// A deadline in the past is a try: it takes what is there and never sleeps.
SEMAPHORE_CASE(
    conformance, DeadlineInThePast_IsATry,
    .applies = [](const SemaphoreClaims& claims) { return claims.deadlines; }) {
  CommandedSemaphore semaphore(context, 1, 2);
  if (!semaphore.ready()) return;
  EXPECT_THAT(semaphore.acquire(0, Deadline::immediate()), Succeeds());
  EXPECT_THAT(semaphore.acquire(1, Deadline::immediate()), FailsWith(Code::would_block));
  EXPECT_THAT(semaphore.acquire(1, Deadline::after(nanoseconds(-1))), FailsWith(Code::timed_out));
}

// An acquire without a unit waits, and the release of another process wakes it.
SEMAPHORE_CASE(conformance, AcquireOfATakenUnit_WaitsUntilAnotherReleases) {
  CommandedSemaphore semaphore(context, 1, 2);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  semaphore.begin(1, Call::acquire, Deadline::after(kCallPatience));
  ASSERT_TRUE(semaphore.waits(1));
  ASSERT_THAT(semaphore.release(0), Succeeds());
  EXPECT_THAT(semaphore.finish(1), SucceedsPlainly());
}

// One release lets one of several waiters go, and the others sleep on; in the end all had a turn.
SEMAPHORE_CASE(conformance, OneRelease_LetsOneOfThreeWaitersGo) {
  CommandedSemaphore semaphore(context, 1, 5);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  std::vector<std::size_t> waiting{1, 2, 3};
  for (const std::size_t waiter : waiting) {
    semaphore.begin(waiter, Call::acquire, Deadline::after(kCallPatience));
    ASSERT_TRUE(semaphore.waits(waiter));
  }
  std::size_t holder = 0;
  while (!waiting.empty()) {
    ASSERT_THAT(semaphore.release(holder), Succeeds());
    Answer answer;
    holder = semaphore.finish_any(waiting, answer);
    ASSERT_THAT(answer, SucceedsPlainly()) << waiting.size() << " still wait for a released unit";
    for (const std::size_t waiter : waiting) ASSERT_TRUE(semaphore.waits(waiter));
    EXPECT_THAT(semaphore.try_acquire(4), FailsWith(Code::would_block))
        << "the unit is with waiter " << holder;
  }
}

// As many releases as waiters: all of them wake, even when the releases come in one burst before
// the first waiter has run.
SEMAPHORE_CASE(conformance, AsManyReleasesAsWaiters_AllWake, .applies = counts) {
  constexpr std::size_t kWaiters = 4;
  constexpr int kBursts = 5;
  CommandedSemaphore semaphore(context, 0, kWaiters + 1);
  if (!semaphore.ready()) return;
  // On a CPU of its own the burst is over before a waiter that was woken on another has run.
  semaphore.separate(kWaiters);
  for (int burst = 0; burst < kBursts; ++burst) {
    for (std::size_t waiter = 0; waiter < kWaiters; ++waiter) {
      semaphore.begin(waiter, Call::acquire, Deadline::after(kCallPatience));
    }
    for (std::size_t waiter = 0; waiter < kWaiters; ++waiter) ASSERT_TRUE(semaphore.waits(waiter));
    ASSERT_THAT(semaphore.release(kWaiters, kWaiters), Succeeds());
    for (std::size_t waiter = 0; waiter < kWaiters; ++waiter) {
      ASSERT_THAT(semaphore.finish(waiter), Succeeds()) << "waiter " << waiter << " was not woken";
    }
  }
  EXPECT_THAT(semaphore.try_acquire(kWaiters), FailsWith(Code::would_block));
}

// value() follows every acquire and release.
SEMAPHORE_CASE(
    conformance, Value_FollowsAcquireAndRelease,
    .applies = [](const SemaphoreClaims& claims) { return claims.readable; }) {
  const std::int64_t units = sample_units(context.semaphore().claims);
  CommandedSemaphore semaphore(context, units, static_cast<std::size_t>(units) + 1);
  if (!semaphore.ready()) return;
  const auto reader = static_cast<std::size_t>(units);
  EXPECT_THAT(semaphore.value(reader), HasValue(units));
  for (std::int64_t taken = 1; taken <= units; ++taken) {
    ASSERT_THAT(semaphore.acquire(static_cast<std::size_t>(taken - 1)), Succeeds());
    EXPECT_THAT(semaphore.value(reader), HasValue(units - taken));
  }
  for (std::int64_t given = 1; given <= units; ++given) {
    ASSERT_THAT(semaphore.release(static_cast<std::size_t>(given - 1)), Succeeds());
    EXPECT_THAT(semaphore.value(reader), HasValue(given));
  }
}

// Where no value is claimed, asking for it says so instead of making one up.
SEMAPHORE_CASE(
    conformance, ValueNotClaimed_IsUnsupported,
    .applies = [](const SemaphoreClaims& claims) { return !claims.readable; }) {
  CommandedSemaphore semaphore(context, 1, 1);
  if (!semaphore.ready()) return;
  EXPECT_THAT(semaphore.value(0), FailsWith(Code::unsupported));
}

// A release past the largest value is refused and changes nothing.
SEMAPHORE_CASE(
    conformance, ReleasePastTheLargestValue_IsRefused,
    .applies = [](const SemaphoreClaims& claims) { return claims.overflow_refused; }) {
  const std::int64_t largest = context.semaphore().claims.largest_value;
  CommandedSemaphore semaphore(context, largest, 1);
  if (!semaphore.ready()) return;
  EXPECT_THAT(semaphore.release(0), FailsWith(Code::overflow));
  if (context.semaphore().claims.readable) {
    EXPECT_THAT(semaphore.value(0), HasValue(largest)) << "a refused release changed the value";
  }
  EXPECT_THAT(semaphore.try_acquire(0), Succeeds());
  EXPECT_THAT(semaphore.release(0), Succeeds());
  EXPECT_THAT(semaphore.release(0), FailsWith(Code::overflow));
}

// More units than the largest value cannot be asked for.
SEMAPHORE_CASE(conformance, InitialPastTheLargestValue_IsRefused, .applies = counts) {
  SemaphoreOptions options;
  options.initial = context.semaphore().claims.largest_value + 1;
  options.scope = context.scope();
  const auto made = context.semaphore().create(options);
  ASSERT_FALSE(made.has_value()) << "made with one unit more than it can hold";
  if (made.error() == Code::not_installed) return context.not_created(made.error());
  EXPECT_TRUE(made.error() == Code::invalid || made.error() == Code::overflow)
      << describe(made.error());
}

// Who does not hold it cannot give it back.
SEMAPHORE_CASE(
    conformance, ReleaseByAnotherThanTheOwner_IsRefused,
    .applies = [](const SemaphoreClaims& claims) { return claims.release_checks_owner; }) {
  CommandedSemaphore semaphore(context, 1, 3);
  if (!semaphore.ready()) return;
  EXPECT_THAT(semaphore.release(1), FailsWith(Code::not_owner)) << "nobody holds it";
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  EXPECT_THAT(semaphore.release(1), FailsWith(Code::not_owner)) << "worker 0 holds it";
  EXPECT_THAT(semaphore.try_acquire(2), FailsWith(Code::would_block))
      << "a refused release gave the unit away";
  EXPECT_THAT(semaphore.release(0), Succeeds());
}

// Without an owner, whoever likes may give back: a semaphore is not a mutex.
SEMAPHORE_CASE(conformance, ReleaseByAnotherThanTheAcquirer_GivesTheUnitBack, .applies = counts) {
  CommandedSemaphore semaphore(context, 1, 2);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  EXPECT_THAT(semaphore.release(1), Succeeds());
  EXPECT_THAT(semaphore.try_acquire(1), Succeeds());
}

// The owner's second acquire answers an error at once and does not sleep on itself.
SEMAPHORE_CASE(
    conformance, SecondAcquireByTheOwner_IsRefused, .applies = [](const SemaphoreClaims& claims) {
      return claims.owner && claims.relock == Relock::refused;
    }) {
  CommandedSemaphore semaphore(context, 1, 2);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  const Answer answer = semaphore.acquire(0);
  EXPECT_THAT(answer, Fails());
  EXPECT_NE(answer.error.code, Code::timed_out) << "it slept instead of refusing";
  EXPECT_THAT(semaphore.release(0), Succeeds()) << "the refused acquire must not count";
  EXPECT_THAT(semaphore.try_acquire(1), Succeeds());
}

// Where it is to wait, the owner's second acquire waits like any other's: it sleeps to its
// deadline.
SEMAPHORE_CASE(
    conformance, SecondAcquireByTheOwnerWithoutARefusal_TimesOut,
    .applies = [](const SemaphoreClaims& claims) {
      return claims.owner && claims.relock == Relock::waits && claims.deadlines;
    }) {
  CommandedSemaphore semaphore(context, 1, 1);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  EXPECT_THAT(semaphore.acquire(0, Deadline::after(kShortWait)), FailsWith(Code::timed_out));
  EXPECT_THAT(semaphore.release(0), Succeeds());
}

// A try by the owner itself fails at once, too.
SEMAPHORE_CASE(
    conformance, TryByTheOwner_WouldBlock, .applies = [](const SemaphoreClaims& claims) {
      return claims.owner && (claims.relock == Relock::waits || claims.relock == Relock::refused);
    }) {
  CommandedSemaphore semaphore(context, 1, 1);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.try_acquire(0), Succeeds());
  EXPECT_THAT(semaphore.try_acquire(0), Fails());
  EXPECT_THAT(semaphore.release(0), Succeeds());
}

// An owner that ends by itself while holding: what its end does is what a death does.
SEMAPHORE_CASE(conformance, HolderEndsWhileHolding_UnitGoesWhereTheClaimSays) {
  CommandedSemaphore semaphore(context, 1, 2);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  semaphore.leave(0);
  ASSERT_TRUE(semaphore.crew().process(0).wait(Deadline::after(kCallPatience)).has_value());
  switch (context.semaphore().claims.owner_death) {
    case OwnerDeath::nothing:
      EXPECT_THAT(semaphore.try_acquire(1), FailsWith(Code::would_block));
      break;
    case OwnerDeath::units_returned:
      EXPECT_THAT(semaphore.acquire(1), SucceedsPlainly());
      break;
    case OwnerDeath::reported:
      EXPECT_THAT(semaphore.acquire(1), ReportsOwnerDied());
      EXPECT_THAT(semaphore.release(1), Succeeds());
      EXPECT_THAT(semaphore.acquire(1), SucceedsPlainly()) << "it was made consistent";
      break;
  }
}

// What a stranger reports: 0 when it took one unit and gave it back.
int stranger(std::span<const std::string> arguments) {
  const SemaphoreSubject* subject = registered_subjects().semaphore(arguments[0]);
  if (subject == nullptr) return 10;
  const auto semaphore = subject->attach(arguments[1]);
  if (!semaphore) return 11;
  if (!(*semaphore)->acquire(Deadline::after(kCallPatience))) return 12;
  if (!(*semaphore)->release()) return 13;
  return 0;
}
const RegisterWorkerEntry kStranger("semaphore_stranger", stranger);

// A process that shares nothing with the others but the name takes part like them.
SEMAPHORE_CASE(
    conformance, StrangerByExec_AttachesByNameAndTakesPart,
    .applies = [](const SemaphoreClaims& claims) { return claims.reach == Reach::named; }) {
  CommandedSemaphore semaphore(context, 1, 1);
  if (!semaphore.ready()) return;
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  const std::string arguments[] = {context.semaphore().name, semaphore.host().address()};
  Result<Process> process = Process::exec("semaphore_stranger", arguments);
  ASSERT_TRUE(process.has_value()) << describe(process.error());
  ASSERT_TRUE(process->await_asleep(Deadline::after(kCallPatience)).has_value())
      << "the stranger does not wait for the unit";
  ASSERT_THAT(semaphore.release(0), Succeeds());
  const Result<ExitStatus> status = process->wait(Deadline::after(kCallPatience));
  ASSERT_TRUE(status.has_value()) << describe(status.error());
  EXPECT_TRUE(status->clean()) << describe(*status)
                               << " (11 attach, 12 acquire, 13 release failed)";
  EXPECT_THAT(semaphore.try_acquire(0), Succeeds());
}

// A name that nobody made cannot be attached to.
SEMAPHORE_CASE(
    conformance, AttachAfterTheHostIsGone_Fails,
    .applies = [](const SemaphoreClaims& claims) { return claims.reach == Reach::named; }) {
  std::string address;
  {
    CommandedSemaphore semaphore(context, 1, 1);
    if (!semaphore.ready()) return;
    address = semaphore.host().address();
  }
  const auto attached = context.semaphore().attach(address);
  EXPECT_FALSE(attached.has_value()) << "attached to " << address << ", which was removed";
}

}  // namespace
}  // namespace gauntlet
