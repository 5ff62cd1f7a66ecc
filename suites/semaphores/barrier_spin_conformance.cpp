// What pthread barriers and spin locks promise between processes.
#include <gmock/gmock.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>

#include "base/limits.h"
#include "cases/context.h"
#include "semaphores/shared_locks.h"
#include "semaphores/sleepers.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

/// Children that have come to the barrier and answer 1 as its serial thread, otherwise 0.
Sleepers arrivals(CaseContext& context, const SharedBarrier& barrier, std::uint64_t count) {
  return sleepers(context, count, [&]() -> long {
    return ::pthread_barrier_wait(barrier.get()) == PTHREAD_BARRIER_SERIAL_THREAD ? 1 : 0;
  });
}

// All but the last sleep; the last one lets all go, and exactly one of them is told to be the one.
GAUNTLET_CASE(SemaphoresConformance, BarrierWait_LastArrives_AllGoAndOneIsTheSerialThread,
              .clause =
                  "POSIX.1-2024 pthread_barrier_wait() DESCRIPTION "
                  "(PTHREAD_BARRIER_SERIAL_THREAD)") {
  const auto barrier = make_barrier(4);
  if (!barrier) return context.not_created(barrier.error());
  for (int round = 0; round < 3; ++round) {
    const auto others = arrivals(context, *barrier, 3);
    const int answer = ::pthread_barrier_wait(barrier->get());
    EXPECT_THAT(answer, testing::AnyOf(0, PTHREAD_BARRIER_SERIAL_THREAD));
    long serial = answer == 0 ? 0 : 1;
    for (const auto& other : others) serial += other->finish().value;
    EXPECT_EQ(serial, 1) << "in round " << round;
  }
}

GAUNTLET_CASE(SemaphoresConformance, BarrierWait_CountOfOne_ReturnsTheSerialThreadAtOnce,
              .clause = "POSIX.1-2024 pthread_barrier_wait() DESCRIPTION") {
  const auto barrier = make_barrier(1);
  if (!barrier) return context.not_created(barrier.error());
  EXPECT_EQ(::pthread_barrier_wait(barrier->get()), PTHREAD_BARRIER_SERIAL_THREAD);
  EXPECT_EQ(::pthread_barrier_wait(barrier->get()), PTHREAD_BARRIER_SERIAL_THREAD);
}

GAUNTLET_CASE(SemaphoresConformance, BarrierWait_InterruptedByAHandler_GoesOnWaiting,
              .clause = "POSIX.1-2024 pthread_barrier_wait() DESCRIPTION (signal handler)") {
  const auto barrier = make_barrier(2);
  if (!barrier) return context.not_created(barrier.error());
  const auto waiter = arrivals(context, *barrier, 1);
  ASSERT_TRUE(waiter[0]->signal_and_await_handler());
  ASSERT_TRUE(waiter[0]->is_asleep());
  ::pthread_barrier_wait(barrier->get());
  EXPECT_THAT(waiter[0]->finish(), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, BarrierInit_CountOfZero_ReturnsEinval,
              .clause = "POSIX.1-2024 pthread_barrier_init() ERRORS [EINVAL]") {
  const auto barrier = make_barrier(0);
  ASSERT_FALSE(barrier.has_value());
  EXPECT_EQ(barrier.error().system_errno, EINVAL) << describe(barrier.error());
}

GAUNTLET_CASE(SemaphoresConformance, BarrierattrInit_Fresh_HasTheDefaultsAndRefusesUnknownValues,
              .clause =
                  "POSIX.1-2024 pthread_barrierattr_getpshared() (default value), _setpshared() "
                  "ERRORS [EINVAL]") {
  pthread_barrierattr_t attributes;
  ASSERT_THAT(::pthread_barrierattr_init(&attributes), ReturnsErrno(0));
  EXPECT_THAT(::pthread_barrierattr_setpshared(&attributes, 4711), ReturnsErrno(EINVAL));
  int seen = -1;
  ASSERT_THAT(::pthread_barrierattr_getpshared(&attributes, &seen), ReturnsErrno(0));
  EXPECT_EQ(seen, PTHREAD_PROCESS_PRIVATE);
  ::pthread_barrierattr_destroy(&attributes);
}

// Destroyed as soon as a wait has returned, as a program may that has no other use for it: the
// destruction waits for those who are still on their way out.
GAUNTLET_CASE(SemaphoresConformance, BarrierDestroy_RightAfterItsLastWait_WaitsForTheOthers,
              .clause = "POSIX.1-2024 pthread_barrier_destroy(), pthread_barrier_wait()") {
  const std::uint64_t rounds = context.amount(20, 200, 5000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const auto barrier = make_barrier(2);
    if (!barrier) return context.not_created(barrier.error());
    ChildCall other(context, [&]() -> long {
      const int answer = ::pthread_barrier_wait(barrier->get());
      return answer == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : answer;
    });
    ::pthread_barrier_wait(barrier->get());
    ASSERT_THAT(::pthread_barrier_destroy(barrier->get()), ReturnsErrno(0));
    std::fill_n(reinterpret_cast<unsigned char*>(barrier->get()), sizeof(pthread_barrier_t), 0xff);
    ASSERT_THAT(other.finish(), ReturnsErrno(0)) << "in round " << round;
  }
}

// Nobody leaves a barrier before the last one of the same round has come, however fast some are.
// Fails when a fast one passes twice, or when a round lets one go that belongs to the next.
GAUNTLET_CASE(SemaphoresRaces, BarrierWait_ManyRoundsWithoutAPause_NobodyPassesEarly,
              .clause = "POSIX.1-2024 pthread_barrier_wait() DESCRIPTION") {
  constexpr std::size_t kWorkers = 4;
  const std::uint64_t rounds = context.amount(1000, 20'000, 500'000);
  struct Board {
    std::atomic<std::uint64_t> arrived{0};
    std::atomic<std::uint64_t> serial{0};
  };
  const auto barrier = make_barrier(kWorkers);
  if (!barrier) return context.not_created(barrier.error());
  const Shared<Board> board;
  Crew crew;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      for (std::uint64_t round = 1; round <= rounds; ++round) {
        board->arrived.fetch_add(1);
        const int answer = ::pthread_barrier_wait(barrier->get());
        if (answer == PTHREAD_BARRIER_SERIAL_THREAD) board->serial.fetch_add(1);
        if (!worker.expect(board->arrived.load() >= round * kWorkers, "passed before the last")) {
          return;
        }
      }
    }));
  }
  if (!context.join(crew, Deadline::after(2 * kCallPatience))) return;
  EXPECT_EQ(board->serial.load(), rounds) << "serial threads, one for each round";
}

GAUNTLET_CASE(SemaphoresConformance, SpinTrylock_Locked_ReturnsEbusy,
              .clause = "POSIX.1-2024 pthread_spin_trylock() ERRORS [EBUSY]") {
  const auto lock = make_spinlock();
  if (!lock) return context.not_created(lock.error());
  const auto try_elsewhere = [&] {
    ChildCall other(context, [&]() -> long {
      const int answer = ::pthread_spin_trylock(lock->get());
      if (answer == 0) ::pthread_spin_unlock(lock->get());
      return answer;
    });
    return other.finish();
  };
  EXPECT_THAT(try_elsewhere(), ReturnsErrno(0));
  ASSERT_THAT(::pthread_spin_lock(lock->get()), ReturnsErrno(0));
  EXPECT_THAT(try_elsewhere(), ReturnsErrno(EBUSY));
  EXPECT_THAT(::pthread_spin_trylock(lock->get()), ReturnsErrno(EBUSY)) << "by its owner";
  ASSERT_THAT(::pthread_spin_unlock(lock->get()), ReturnsErrno(0));
  EXPECT_THAT(try_elsewhere(), ReturnsErrno(0));
}

// The holder is killed: a spin lock knows no owner, and stays locked.
GAUNTLET_CASE(SemaphoresCrashes, SpinlockHolderKilled_StaysLocked,
              .clause = "POSIX.1-2024 pthread_spin_unlock() (only the owner releases it)") {
  const auto lock = make_spinlock();
  const auto never = make_barrier(2);
  if (!lock) return context.not_created(lock.error());
  if (!never) return context.not_created(never.error());
  ChildCall holder(context, [&]() -> long {
    ::pthread_spin_lock(lock->get());
    return ::pthread_barrier_wait(never->get());
  });
  ASSERT_TRUE(holder.is_asleep());
  EXPECT_TRUE(holder.kill());
  EXPECT_THAT(::pthread_spin_trylock(lock->get()), ReturnsErrno(EBUSY));
}

}  // namespace
}  // namespace gauntlet
