// Races that only one API of this method can have: readers with writers, and who makes a name.
#include <gmock/gmock.h>
#include <pthread.h>

#include <atomic>

#include "base/limits.h"
#include "cases/context.h"
#include "semaphores/posix_semaphore.h"
#include "semaphores/shared_locks.h"
#include "semaphores/sysv_set.h"
#include "support/child_call.h"
#include "support/own_cpu.h"
#include "support/quiet.h"

namespace gauntlet {
namespace {

/// Who is inside a reader-writer lock, and what was seen there.
struct Inside {
  std::atomic<int> readers{0};
  std::atomic<int> writers{0};
  std::atomic<std::uint64_t> shared{0};  ///< a reader met another reader
};

void read_inside(Worker& worker, Inside& inside) {
  if (inside.readers.fetch_add(1) > 0) inside.shared.fetch_add(1);
  worker.expect(inside.writers.load() == 0, "a reader is inside with a writer");
  inside.readers.fetch_sub(1);
}

void write_inside(Worker& worker, Inside& inside) {
  worker.expect(inside.writers.fetch_add(1) == 0, "two writers are inside");
  worker.expect(inside.readers.load() == 0, "a writer is inside with a reader");
  inside.writers.fetch_sub(1);
}

// Readers and writers come and go without a pause, each by waiting and by trying. Fails when the
// hand-over between a last reader and a writer, or a writer and the readers, has a gap; or when the
// wake-up of one of them is lost there, and all sleep.
GAUNTLET_CASE(SemaphoresRaces, RwlockReadersAndWriters_NeverInsideTogether,
              .clause = "POSIX.1-2024 pthread_rwlock_rdlock(), pthread_rwlock_wrlock()") {
  constexpr std::size_t kWorkers = 4;
  const std::uint64_t rounds = context.amount(8000, 100'000, 2'000'000);
  const auto lock = make_rwlock();
  if (!lock) return context.not_created(lock.error());
  const Shared<Inside> inside;
  Crew crew;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      Random random = context.random(worker.index());
      take_own_cpu(worker.index());
      worker.await_start();
      for (std::uint64_t round = 0; round < rounds; ++round) {
        const std::uint64_t draw = random.below(8);
        const bool writes = draw < 3;
        const auto call = draw == 0   ? ::pthread_rwlock_trywrlock
                          : writes    ? ::pthread_rwlock_wrlock
                          : draw == 3 ? ::pthread_rwlock_tryrdlock
                                      : ::pthread_rwlock_rdlock;
        const int answer = call(lock->get());
        if (!worker.expect(answer == 0 || (answer == EBUSY && (draw == 0 || draw == 3)),
                           "lock: " + errno_name(answer))) {
          return;
        }
        if (answer == 0) {
          writes ? write_inside(worker, *inside) : read_inside(worker, *inside);
          worker.expect(::pthread_rwlock_unlock(lock->get()) == 0, "unlock failed");
        }
        worker.step();
      }
    }));
  }
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  if (!await_end_or_stuck(context, crew, "everyone sleeps at the lock: lost wake-up")) return;
  context.measured("readers_met", static_cast<double>(inside->shared.load()));
}

// Many make the same name at once, exclusively: one succeeds and the others are told EEXIST. Fails
// when looking for the name and making it are two steps.
GAUNTLET_CASE(SemaphoresRaces, SemOpenExclusive_ManyAtOnce_ExactlyOneMakesIt,
              .clause = "POSIX.1-2024 sem_open() DESCRIPTION (O_EXCL, atomic)") {
  constexpr std::size_t kWorkers = 4;
  const std::uint64_t rounds = context.amount(30, 300, 5000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const SemaphoreName name(context.scope());
    const Shared<std::atomic<int>> made;
    Crew crew;
    for (std::size_t i = 0; i < kWorkers; ++i) {
      ASSERT_TRUE(crew.add([&](Worker& worker) {
        worker.await_start();
        const OpenSemaphore semaphore(::sem_open(name.text(), O_CREAT | O_EXCL, 0600, 1));
        const int error = errno;
        if (semaphore.valid()) made->fetch_add(1);
        worker.expect(semaphore.valid() || error == EEXIST, "sem_open: " + errno_name(error));
      }));
    }
    ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
    if (!context.join(crew)) return;
    ASSERT_EQ(made->load(), 1) << "in round " << round;
  }
}

// Many make or open the same name at once: all get one semaphore, with the units of one making.
// Fails when a later one initialises again what an earlier one has already used.
GAUNTLET_CASE(SemaphoresRaces, SemOpenCreate_ManyAtOnce_AllShareOneSemaphore,
              .clause = "POSIX.1-2024 sem_open() DESCRIPTION (O_CREAT, the value is not changed)") {
  constexpr unsigned kWorkers = 4;
  const std::uint64_t rounds = context.amount(30, 300, 5000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const SemaphoreName name(context.scope());
    Crew crew;
    for (unsigned i = 0; i < kWorkers; ++i) {
      ASSERT_TRUE(crew.add([&](Worker& worker) {
        worker.await_start();
        const OpenSemaphore semaphore(::sem_open(name.text(), O_CREAT, 0600, kWorkers));
        if (!worker.expect(semaphore.valid(), "sem_open: " + errno_name(errno))) return;
        worker.expect(::sem_trywait(semaphore.get()) == 0, "its unit was not there");
      }));
    }
    ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
    if (!context.join(crew)) return;
    const OpenSemaphore semaphore(::sem_open(name.text(), 0));
    ASSERT_TRUE(semaphore.valid()) << errno_name(errno);
    ASSERT_EQ(semaphore.value(), 0) << "in round " << round;
  }
}

// Processes take two semaphores at once in opposite orders of the array. Fails when the operations
// of one semop are not one step: then each has one and waits for the other, for ever.
GAUNTLET_CASE(SemaphoresRaces, SemopOfTwo_InOppositeOrders_NeitherDeadlocksNorTakesOne,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (performed atomically); semop(2)") {
  const std::uint64_t rounds = context.amount(2000, 40'000, 1'000'000);
  const auto set = SysvSet::create({1, 1});
  if (!set) return context.not_created(set.error());
  Crew crew;
  for (const unsigned short first : {0, 1, 0, 1}) {
    ASSERT_TRUE(crew.add([&, first](Worker& worker) {
      const auto second = static_cast<unsigned short>(1 - first);
      take_own_cpu(worker.index());
      worker.await_start();
      for (std::uint64_t round = 0; round < rounds; ++round) {
        if (!worker.expect(set->operate({{first, -1, 0}, {second, -1, 0}}) == 0, "take")) return;
        worker.expect(set->value(0) == 0 && set->value(1) == 0, "only one of the two was taken");
        if (!worker.expect(set->operate({{second, 1, 0}, {first, 1, 0}}) == 0, "give")) return;
        worker.step();
      }
    }));
  }
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  await_end_or_stuck(context, crew, "everyone sleeps in semop and both are free, or one of each");
}

// An undo that covers several semaphores and several calls: all of it is undone, each by its sum.
GAUNTLET_CASE(SemaphoresCrashes, SemopUndo_SeveralSemaphoresAndCalls_AreUndoneByTheirSums,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (semadj of each semaphore)") {
  const auto set = SysvSet::create({5, 5, 0});
  if (!set) return context.not_created(set.error());
  ChildCall holder(context, [&]() -> long {
    if (set->operate({{0, -2, SEM_UNDO}, {1, 3, SEM_UNDO}}) != 0) return -1;
    if (set->operate({{0, -1, SEM_UNDO}, {1, -1, 0}}) != 0) return -1;
    return set->operate({{2, -1, SEM_UNDO}});  // sleeps
  });
  ASSERT_TRUE(holder.is_asleep());
  ASSERT_EQ(set->value(0), 2);
  ASSERT_EQ(set->value(1), 7);
  EXPECT_TRUE(holder.kill());
  EXPECT_EQ(set->value(0), 5) << "-2 and -1 undone";
  EXPECT_EQ(set->value(1), 4) << "+3 undone, the -1 without SEM_UNDO not";
  EXPECT_EQ(set->value(2), 0) << "what it only waited for";
}

}  // namespace
}  // namespace gauntlet
