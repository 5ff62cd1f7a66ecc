// Barriers and reader-writer locks with one process stopped or killed at each instruction.
#include <gtest/gtest.h>

#include "semaphores/sweep_objects.h"
#include "support/instruction_sweep.h"

namespace gauntlet {
namespace {

using schedule::Scenario;
using schedule::Self;

// --- Barriers

constexpr unsigned kRounds = 2;

struct Round {
  pthread_barrier_t barrier;
  int arrived[kRounds];
};

void go_through(Self& self) {
  auto& round = self.at<Round>();
  for (unsigned each = 0; each < kRounds; ++each) {
    __atomic_fetch_add(&round.arrived[each], 1, __ATOMIC_SEQ_CST);
    const int answer = ::pthread_barrier_wait(&round.barrier);
    self.expect(answer == 0 || answer == PTHREAD_BARRIER_SERIAL_THREAD, "barrier_wait failed");
    self.expect(__atomic_load_n(&round.arrived[each], __ATOMIC_SEQ_CST) == 2,
                "let through before all were there");
  }
}

Scenario two_at_a_barrier() {
  Scenario scenario;
  scenario.name = "barrier";
  scenario.create = [](Self& self) {
    pthread_barrierattr_t attributes;
    ::pthread_barrierattr_init(&attributes);
    ::pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    self.expect(::pthread_barrier_init(&self.at<Round>().barrier, &attributes, 2) == 0,
                "no barrier");
  };
  scenario.processes = {mortal("first", go_through), mortal("second", go_through)};
  scenario.judge = all_is_said;
  return scenario;
}

// Used again at once: who is slow to leave the first round must neither be caught in the second nor
// let somebody through it.
GAUNTLET_CASE(SemaphoresRaces, Barrier_FirstHeldUpAtEachInstruction_BothPassEachRound,
              .clause = "POSIX.1-2024 pthread_barrier_wait()", .needs = {Need::ptrace}) {
  expect_preemption_sweep(context, two_at_a_barrier(), 0);
}
GAUNTLET_CASE(SemaphoresRaces, Barrier_SecondHeldUpAtEachInstruction_BothPassEachRound,
              .clause = "POSIX.1-2024 pthread_barrier_wait()", .needs = {Need::ptrace}) {
  expect_preemption_sweep(context, two_at_a_barrier(), 1);
}
GAUNTLET_CASE(SemaphoresRaces, Barrier_BothHeldUp_BothPassEachRound,
              .clause = "POSIX.1-2024 pthread_barrier_wait()", .needs = {Need::ptrace}) {
  expect_two_preemptions(context, two_at_a_barrier(), 0, 1);
}

// A barrier waits for a number, not for who is alive. Nobody passes because of a death.
GAUNTLET_CASE(SemaphoresCrashes, Barrier_OneKilledAtEachInstruction_OtherWaitsOrHasPassed,
              .clause = "POSIX.1-2024 pthread_barrier_wait() (nothing about deaths)",
              .needs = {Need::ptrace}) {
  expect_kill_sweep(context, two_at_a_barrier(), 1,
                    {{"stuck: first in futex", "the dead one never arrives"}});
}

// --- Reader-writer locks

struct Guarded {
  pthread_rwlock_t lock;
  int readers;
  int writers;
};

void write_once(Self& self) {
  auto& guarded = self.at<Guarded>();
  self.expect(::pthread_rwlock_wrlock(&guarded.lock) == 0, "wrlock failed");
  self.expect(++guarded.writers == 1 && guarded.readers == 0, "a writer is not alone");
  --guarded.writers;
  self.expect(::pthread_rwlock_unlock(&guarded.lock) == 0, "unlock failed");
}

void read_with(Self& self, bool trying) {
  auto& guarded = self.at<Guarded>();
  if (trying) {
    if (::pthread_rwlock_tryrdlock(&guarded.lock) != 0) return;
  } else {
    self.expect(::pthread_rwlock_rdlock(&guarded.lock) == 0, "rdlock failed");
  }
  __atomic_fetch_add(&guarded.readers, 1, __ATOMIC_SEQ_CST);
  self.expect(guarded.writers == 0, "a reader beside a writer");
  __atomic_fetch_sub(&guarded.readers, 1, __ATOMIC_SEQ_CST);
  self.expect(::pthread_rwlock_unlock(&guarded.lock) == 0, "unlock failed");
}
void read_once(Self& self) { read_with(self, false); }
void try_to_read(Self& self) { read_with(self, true); }

void try_to_write(Self& self) {
  auto& guarded = self.at<Guarded>();
  if (::pthread_rwlock_trywrlock(&guarded.lock) != 0) return;
  self.expect(++guarded.writers == 1 && guarded.readers == 0, "a writer is not alone");
  --guarded.writers;
  self.expect(::pthread_rwlock_unlock(&guarded.lock) == 0, "unlock failed");
}

Scenario guarded(std::vector<schedule::ProcessPlan> processes,
                 int kind = PTHREAD_RWLOCK_DEFAULT_NP) {
  Scenario scenario;
  scenario.name = kind == PTHREAD_RWLOCK_DEFAULT_NP ? "rwlock" : "rwlock, writers first";
  scenario.create = [kind](Self& self) {
    pthread_rwlockattr_t attributes;
    ::pthread_rwlockattr_init(&attributes);
    ::pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_rwlockattr_setkind_np(&attributes, kind);
    self.expect(::pthread_rwlock_init(&self.at<Guarded>().lock, &attributes) == 0, "no lock");
  };
  scenario.processes = std::move(processes);
  scenario.judge = all_is_said;
  return scenario;
}

GAUNTLET_CASE(SemaphoresRaces, Rwlock_WriterHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_rwlock_wrlock(), pthread_rwlock_unlock()",
              .needs = {Need::ptrace}) {
  expect_preemption_sweep(
      context,
      guarded({mortal("writer", write_once), process("reader", read_once),
               process("second writer", write_once), process("second reader", read_once)}),
      0);
}
GAUNTLET_CASE(SemaphoresRaces, Rwlock_ReaderHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_rwlock_rdlock(), pthread_rwlock_unlock()",
              .needs = {Need::ptrace}) {
  expect_preemption_sweep(context,
                          guarded({mortal("reader", read_once), process("writer", write_once),
                                   process("second reader", read_once)}),
                          0);
}
GAUNTLET_CASE(SemaphoresRaces, RwlockWritersFirst_ReaderHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "pthread_rwlockattr_setkind_np(3)", .needs = {Need::ptrace}) {
  expect_preemption_sweep(context,
                          guarded({mortal("reader", read_once), process("writer", write_once),
                                   process("second reader", read_once)},
                                  PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP),
                          0);
}

// A try that changes the phase of the lock has to wake those who came to sleep meanwhile: glibc
// before 2.30 did not (bug 23844).
GAUNTLET_CASE(SemaphoresRaces, Rwlock_TrierHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_rwlock_tryrdlock(), trywrlock(); glibc bug 23844",
              .needs = {Need::ptrace}) {
  const auto others = [](const char* name, Body tries) {
    return guarded({mortal(name, std::move(tries)), process("reader", read_once),
                    process("writer", write_once), process("second reader", read_once)});
  };
  expect_preemption_sweep(context, others("trying writer", try_to_write), 0);
  expect_preemption_sweep(context, others("trying reader", try_to_read), 0);
}

// Two are held up, the second while it tries.
GAUNTLET_CASE(SemaphoresRaces, Rwlock_WriterAndTrierHeldUp_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_rwlock_tryrdlock(); glibc bug 23844",
              .needs = {Need::ptrace}) {
  expect_two_preemptions(
      context,
      guarded({mortal("writer", write_once), process("trying", try_to_read),
               process("reader", read_once), process("second writer", write_once)}),
      0, 1);
}

const std::vector<Allowed>& lock_promises_nothing() {
  static const std::vector<Allowed> allowed = {
      {"stuck: other", "a reader-writer lock has no robustness: it stays locked"}};
  return allowed;
}

GAUNTLET_CASE(SemaphoresCrashes, Rwlock_WriterKilledAtEachInstruction_FreeOrLockedForGood,
              .clause = "POSIX.1-2024 pthread_rwlock_wrlock() (nothing about deaths)",
              .needs = {Need::ptrace}) {
  expect_kill_sweep(context, guarded({mortal("writer", write_once), process("other", read_once)}),
                    0, lock_promises_nothing());
}
GAUNTLET_CASE(SemaphoresCrashes, Rwlock_ReaderKilledAtEachInstruction_FreeOrLockedForGood,
              .clause = "POSIX.1-2024 pthread_rwlock_rdlock() (nothing about deaths)",
              .needs = {Need::ptrace}) {
  expect_kill_sweep(context, guarded({mortal("reader", read_once), process("other", write_once)}),
                    0, lock_promises_nothing());
}

}  // namespace
}  // namespace gauntlet
