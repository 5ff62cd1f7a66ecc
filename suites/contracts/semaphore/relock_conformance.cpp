// Contract Semaphore, conformance: an owner that acquires what it owns already, and a holder that
// others of higher priority wait for.
#include <gtest/gtest.h>
#include <sched.h>

#include <array>
#include <optional>
#include <string>

#include "contracts/semaphore/matchers.h"
#include "contracts/semaphore/scheduling.h"

namespace gauntlet {
namespace {

using Call = CommandedSemaphore::Call;

bool relocks(const SemaphoreClaims& claims, Relock how) {
  return claims.owner && claims.relock == how;
}

/// The owner acquires in each way there is; answers how often that was.
int acquire_in_each_way(CommandedSemaphore& semaphore) {
  EXPECT_THAT(semaphore.acquire(0), SucceedsPlainly());
  EXPECT_THAT(semaphore.acquire(0), SucceedsPlainly()) << "the owner again, with a deadline";
  EXPECT_THAT(semaphore.acquire(0, Deadline::never()), SucceedsPlainly()) << "without one";
  EXPECT_THAT(semaphore.try_acquire(0), SucceedsPlainly()) << "by a try";
  constexpr int kTimes = 4;
  return kTimes;
}

// Acquired several times by its owner, whichever way, it is free after as many releases and not
// before.
SEMAPHORE_CASE(
    conformance, SecondAcquireByTheOwner_IsCounted,
    .applies = [](const SemaphoreClaims& claims) { return relocks(claims, Relock::counted); }) {
  CommandedSemaphore semaphore(context, 1, 2);
  if (!semaphore.ready()) return;
  for (int left = acquire_in_each_way(semaphore); left > 0; --left) {
    EXPECT_THAT(semaphore.try_acquire(1), FailsWith(Code::would_block)) << left << " releases owed";
    ASSERT_THAT(semaphore.release(0), Succeeds());
  }
  EXPECT_THAT(semaphore.try_acquire(1), SucceedsPlainly());
}

// Acquired several times by its owner it is held once: the first release frees it.
SEMAPHORE_CASE(
    conformance, SecondAcquireByTheOwner_ChangesNothing,
    .applies = [](const SemaphoreClaims& claims) { return relocks(claims, Relock::once); }) {
  CommandedSemaphore semaphore(context, 1, 2);
  if (!semaphore.ready()) return;
  acquire_in_each_way(semaphore);
  EXPECT_THAT(semaphore.try_acquire(1), FailsWith(Code::would_block));
  ASSERT_THAT(semaphore.release(0), Succeeds());
  EXPECT_THAT(semaphore.try_acquire(1), SucceedsPlainly());
}

// While a real-time process waits, who holds it runs at that process's priority, and falls back
// when it has released. Fails when the waiter is not known to the holder's scheduler: then anybody
// between the two keeps the waiter waiting (unbounded priority inversion).
SEMAPHORE_CASE(
    conformance, HolderWhileAHigherOneWaits_RunsAtItsPriority,
    .applies = [](const SemaphoreClaims& claims) { return claims.priority_inheritance; }) {
  CommandedSemaphore semaphore(context, 1, 2);
  if (!semaphore.ready()) return;
  const pid_t holder = semaphore.crew().process(0).pid();
  const int above = ::sched_get_priority_min(SCHED_FIFO) + 1;
  if (!make_real_time(context, semaphore.crew().process(1).pid(), above)) return;
  const auto ordinary = effective_priority(holder);
  ASSERT_TRUE(ordinary.has_value());
  ASSERT_THAT(semaphore.acquire(0), Succeeds());
  EXPECT_EQ(effective_priority(holder), ordinary) << "nobody waits yet";
  semaphore.begin(1, Call::acquire, Deadline::after(kCallPatience));
  ASSERT_TRUE(semaphore.waits(1));
  EXPECT_EQ(effective_priority(holder), effective_priority(semaphore.crew().process(1).pid()))
      << "the holder does not run at the priority of who waits for it";
  ASSERT_THAT(semaphore.release(0), Succeeds());
  EXPECT_THAT(semaphore.finish(1), SucceedsPlainly());
  EXPECT_EQ(effective_priority(holder), ordinary) << "it kept what it had inherited";
}

}  // namespace
}  // namespace gauntlet
