// Contract Semaphore, races: processes started together, histories checked, wake-ups counted.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "base/limits.h"
#include "contracts/semaphore/opening.h"
#include "contracts/semaphore/program.h"
#include "history/lanes.h"
#include "process/shared.h"
#include "support/own_cpu.h"
#include "support/quiet.h"
#include "support/shrink.h"

namespace gauntlet {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint32_t kRunsPerCandidate = 20;
constexpr std::chrono::seconds kShrinking{4};

void report(CaseContext& context, const SemaphoreProgram& program, const SemaphoreViolation& first,
            std::uint64_t number, std::uint64_t of) {
  const auto attempt = [&](const SemaphoreProgram& candidate) {
    return run_program(context, candidate).violation;
  };
  const auto shrunk = shrink(program, first, smaller_programs, attempt, kRunsPerCandidate,
                             Deadline::after(kShrinking));
  const SemaphoreViolation& violation = shrunk.evidence;
  context.lanes(history::draw_lanes(violation.history, violation.verdict.culprits) +
                "units at the start: " + std::to_string(shrunk.program.initial) +
                "\nfound      program " + std::to_string(number) + " of " + std::to_string(of) +
                ", shrunk " + std::to_string(shrunk.times) + " times, " +
                std::to_string(kRunsPerCandidate) + " runs a candidate\n");
  ADD_FAILURE() << context.info().subject << ": " << violation.verdict.message;
}

// Fails when check and decrement are two steps, when a time-out takes a unit, when two get in: any
// run whose calls no order of a sequential counter (or mutex) explains.
SEMAPHORE_CASE(races, SeededPrograms_AreExplainedByASequentialSemaphore) {
  const std::uint64_t programs = context.amount(15, 1000, 20000);
  Random random = context.random();
  std::uint64_t undecided = 0;
  std::uint64_t i = 0;
  while (context.another(i, programs)) {
    ++i;
    const SemaphoreProgram program = generate_program(random, context.semaphore().claims);
    const SemaphoreRun run = run_program(context, program);
    if (!run.ran) return;
    if (run.violation) return report(context, program, *run.violation, i, programs);
    if (run.kind == history::Verdict::unknown) ++undecided;
  }
  context.measured("undecided_histories", static_cast<double>(undecided));
  EXPECT_LE(undecided, i / 20) << "too many histories over the budget of the search";
}

// A counter that only the holder touches loses no increment, and nobody is inside twice. Fails when
// the semaphore lets two in, or when memory written before a release is not seen after the
// acquire that follows (POSIX.1-2024 XBD 4.15.2 Memory Synchronization).
SEMAPHORE_CASE(races, PlainCounterInTheCriticalSection_LosesNoIncrement) {
  struct Guarded {
    volatile std::uint64_t plain = 0;
    std::atomic<std::uint64_t> rounds{0};
    std::atomic<std::uint32_t> inside{0};
    std::atomic<std::uint32_t> together{0};
  };
  constexpr std::size_t kWorkers = 4;
  const milliseconds load(context.amount(60, 2000, 60'000));
  const auto host = make_semaphore(context, 1);
  if (!host) return;
  Shared<Guarded> guarded;
  Crew crew;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      const auto semaphore = open_semaphore(worker, *host);
      if (!semaphore) return;
      take_own_cpu(worker.index());
      worker.await_start();
      const Deadline end = Deadline::after(load);
      while (!end.expired()) {
        if (!worker.expect(semaphore->acquire(Deadline::never()).has_value(), "acquire failed")) {
          return;
        }
        if (guarded->inside.fetch_add(1) != 0) guarded->together.fetch_add(1);
        guarded->plain = guarded->plain + 1;
        guarded->inside.fetch_sub(1);
        guarded->rounds.fetch_add(1);
        if (!worker.expect(semaphore->release().has_value(), "release failed")) return;
        worker.step();
      }
    }));
  }
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  if (!await_end_or_stuck(context, crew, "everyone sleeps and nobody holds it: lost wake-up")) {
    return;
  }
  EXPECT_EQ(guarded->together.load(), 0U) << "more than one process held the only unit";
  EXPECT_EQ(guarded->plain, guarded->rounds.load())
      << "increments were lost in the critical section";
}

// try_acquire under contention never hands out more units than there are. Fails when it checks
// first and decrements later.
SEMAPHORE_CASE(races, ManyTryAcquires_NeverMoreHoldersThanUnits) {
  struct Count {
    std::atomic<std::int64_t> holders{0};
    std::atomic<std::int64_t> most{0};
  };
  constexpr std::size_t kWorkers = 4;
  const std::int64_t units = std::min<std::int64_t>(2, context.semaphore().claims.largest_value);
  const milliseconds load(context.amount(25, 2000, 60'000));
  const auto host = make_semaphore(context, units);
  if (!host) return;
  Shared<Count> count;
  Crew crew;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      const auto semaphore = open_semaphore(worker, *host);
      if (!semaphore) return;
      take_own_cpu(worker.index());
      worker.await_start();
      const Deadline end = Deadline::after(load);
      while (!end.expired()) {
        if (!semaphore->try_acquire()) continue;
        const std::int64_t holders = count->holders.fetch_add(1) + 1;
        std::int64_t most = count->most.load();
        while (holders > most && !count->most.compare_exchange_weak(most, holders)) {
        }
        count->holders.fetch_sub(1);
        if (!worker.expect(semaphore->release().has_value(), "release failed")) return;
      }
    }));
  }
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  if (!context.join(crew, Deadline::after(2 * kCallPatience))) return;
  EXPECT_LE(count->most.load(), units) << "more holders than units";
  EXPECT_GE(count->most.load(), 1) << "nobody ever got a unit";
}

/// Busy for a random time of about a sleep and a wake-up, so that what one process does next meets
/// every moment of what the other does.
void work(Random& random) {
  constexpr std::uint64_t kMostUs = 120;
  const Deadline end = Deadline::after(microseconds(random.below(kMostUs)));
  while (!end.expired()) {
  }
}

// Two processes hand a unit to and fro over two semaphores: releases meet a waiter that is just
// going to sleep. Fails when a wake-up is lost between the waiter's check and its sleep.
SEMAPHORE_CASE(
    races, PingPong_NoWakeUpIsLost, .applies = [](const SemaphoreClaims& claims) {
      return !claims.owner && claims.largest_value > 1;
    }) {
  const std::uint64_t rounds = context.amount(250, 10'000, 500'000);
  const auto ping = make_semaphore(context, 0);
  if (!ping) return;
  const auto pong = make_semaphore(context, 0);
  if (!pong) return;
  Crew crew;
  for (const bool first : {true, false}) {
    ASSERT_TRUE(crew.add([&, first](Worker& worker) {
      const auto mine = open_semaphore(worker, first ? *ping : *pong);
      const auto other = open_semaphore(worker, first ? *pong : *ping);
      if (!mine || !other) return;
      Random random = context.random(worker.index());
      take_own_cpu(worker.index());
      worker.await_start();
      for (std::uint64_t round = 0; round < rounds; ++round) {
        if (first && !worker.expect(other->release().has_value(), "release failed")) return;
        work(random);
        if (!worker.expect(mine->acquire(Deadline::never()).has_value(), "acquire failed")) return;
        work(random);
        if (!first && !worker.expect(other->release().has_value(), "release failed")) return;
        worker.step();
      }
    }));
  }
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  await_end_or_stuck(context, crew, "both sleep and a unit is free: lost wake-up");
}

// Waiters time out at the very moment when units are released. Fails when a unit goes to a waiter
// that has already given up, or to nobody: what was taken and what is left must be what was given.
SEMAPHORE_CASE(
    races, TimeOutsAgainstReleases_UnitsAreConserved, .applies = [](const SemaphoreClaims& claims) {
      return !claims.owner && claims.largest_value > 1 && claims.deadlines;
    }) {
  constexpr std::size_t kWaiters = 3;
  const std::uint64_t releases = context.amount(400, 10'000, 200'000);
  const auto host = make_semaphore(context, 0);
  if (!host) return;
  struct Sums {
    std::atomic<std::uint64_t> taken{0};
    std::uint64_t left = 0;
    std::atomic<bool> over{false};
  };
  Shared<Sums> sums;
  Crew crew;
  for (std::size_t i = 0; i < kWaiters; ++i) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      const auto semaphore = open_semaphore(worker, *host);
      if (!semaphore) return;
      Random random = context.random(worker.index() + 1);
      take_own_cpu(worker.index());
      worker.await_start();
      while (!sums->over.load()) {
        const auto acquired = semaphore->acquire(Deadline::after(microseconds(random.below(120))));
        if (acquired) sums->taken.fetch_add(1);
        if (!worker.expect(acquired || acquired.error() == Code::timed_out ||
                               acquired.error() == Code::would_block,
                           "acquire failed")) {
          return;
        }
      }
    }));
  }
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    const auto semaphore = open_semaphore(worker, *host);
    Random random = context.random();
    take_own_cpu(worker.index());
    worker.await_start();
    for (std::uint64_t i = 0; semaphore && i < releases; ++i) {
      if (!worker.expect(semaphore->release().has_value(), "release failed")) break;
      work(random);  // about as long as a waiter waits, so that releases and time-outs meet
    }
    sums->over.store(true);
  }));
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  if (!context.join(crew, Deadline::after(2 * kCallPatience))) return;
  Crew drain;
  ASSERT_TRUE(drain.add([&](Worker& worker) {
    const auto semaphore = open_semaphore(worker, *host);
    while (semaphore && sums->left < releases && semaphore->try_acquire()) ++sums->left;
  }));
  if (!context.join(drain)) return;
  EXPECT_EQ(sums->taken.load() + sums->left, releases)
      << sums->taken.load() << " units were taken and " << sums->left << " were left of "
      << releases << " released";
}

}  // namespace
}  // namespace gauntlet
