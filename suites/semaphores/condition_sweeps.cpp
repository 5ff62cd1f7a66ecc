// Condition variables with one process stopped or killed at each instruction of wait and signal.
#include <gtest/gtest.h>

#include "semaphores/sweep_objects.h"
#include "support/instruction_sweep.h"

namespace gauntlet {
namespace {

using schedule::Scenario;
using schedule::Self;

/// Units under a mutex and a condition: the textbook's counting semaphore.
struct Units {
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  int count;
};

void take(Self& self) {
  auto& units = self.at<Units>();
  self.expect(lock_shared(units.mutex), "lock failed");
  while (units.count == 0) {
    const int answer = ::pthread_cond_wait(&units.condition, &units.mutex);
    if (answer == EOWNERDEAD) ::pthread_mutex_consistent(&units.mutex);
  }
  --units.count;
  ::pthread_mutex_unlock(&units.mutex);
}

void give(Self& self) {
  auto& units = self.at<Units>();
  self.expect(lock_shared(units.mutex), "lock failed");
  ++units.count;
  ::pthread_cond_signal(&units.condition);
  ::pthread_mutex_unlock(&units.mutex);
}

void give_to_all(Self& self) {
  auto& units = self.at<Units>();
  self.expect(lock_shared(units.mutex), "lock failed");
  units.count += 2;
  ::pthread_cond_broadcast(&units.condition);
  ::pthread_mutex_unlock(&units.mutex);
}

Scenario units(const char* name, std::vector<schedule::ProcessPlan> processes) {
  Scenario scenario;
  scenario.name = name;
  scenario.create = [](Self& self) {
    auto& made = self.at<Units>();
    const MutexShape robust{.robustness = PTHREAD_MUTEX_ROBUST};
    self.expect(make_shared_mutex(made.mutex, robust) == 0, "no mutex");
    self.expect(make_shared_condition(made.condition) == 0, "no condition");
  };
  scenario.processes = std::move(processes);
  scenario.judge = all_is_said;
  return scenario;
}

const std::vector<Allowed>& condition_promises_nothing() {
  static const std::vector<Allowed> allowed = {
      {"stuck:", "a condition variable has no robustness: who died inside left it as it was",
       false}};
  return allowed;
}

GAUNTLET_CASE(SemaphoresRaces, Condition_WaiterHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_cond_signal()", .needs = {Need::ptrace}) {
  expect_preemption_sweep(context,
                          units("condition", {mortal("waiter", take), process("giver", give),
                                              process("second", take), process("next", give)}),
                          0);
}

GAUNTLET_CASE(SemaphoresRaces, Condition_SignallerHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_cond_signal()", .needs = {Need::ptrace}) {
  expect_preemption_sweep(context,
                          units("condition", {process("waiter", take), mortal("giver", give),
                                              process("second", take), process("next", give)}),
                          1);
}

GAUNTLET_CASE(SemaphoresRaces, Condition_BroadcasterHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_cond_broadcast()", .needs = {Need::ptrace}) {
  expect_preemption_sweep(context,
                          units("condition", {process("waiter", take), process("second", take),
                                              mortal("giver", give_to_all), process("third", take),
                                              process("next", give)}),
                          2);
}

// A waiter that has taken its signal, and is held up before it looks whether its group was closed
// meanwhile, later gives a signal back that it never stole. Another waiter wakes by it, finds
// nothing, and sleeps again; the group still counts it, and the next real signal goes to nobody.
// glibc from 2.25 to 2.40 (bug 25847).
GAUNTLET_CASE(SemaphoresRaces, Condition_WaiterHeldUpWhileItsGroupIsReused_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_cond_signal(); glibc bug 25847",
              .needs = {Need::ptrace}, .deadline = std::chrono::seconds(180)) {
  const auto give_one_take_two = [](Self& self) {
    give(self);
    take(self);
    take(self);
  };
  const auto give_two = [](Self& self) {
    give(self);
    give(self);
  };
  // The first unit is the victim's, but it is held up: somebody else takes it. So one sleeps in a
  // second group, is served, and two in a third, which has the place of the first again.
  expect_preemption_sweep(
      context,
      units("condition, groups reused",
            {mortal("waiter", take), process("third", give_one_take_two), process("giver", give),
             process("fourth", take), process("fifth", take), process("giver again", give),
             at_the_end("last giver", give_two)}),
      0, {}, {.smoke = 1000, .only_in = "pthread_cond_wait", .after_sleep = true});
}

GAUNTLET_CASE(SemaphoresRaces, Condition_WaiterAndSignallerHeldUp_NobodyIsForgotten,
              .clause = "POSIX.1-2024 pthread_cond_signal()", .needs = {Need::ptrace}) {
  expect_two_preemptions(context,
                         units("condition", {mortal("waiter", take), process("giver", give),
                                             process("second", take), process("next", give)}),
                         0, 1);
}

/// A condition without a predicate: only what the signal itself promises.
struct Bare {
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  bool earlier_waits;  ///< set under the mutex that the wait then lets go
  bool owed;           ///< a signal was given while the earlier one was blocked
  bool earlier_done;
};

Scenario earlier_and_later() {
  const auto lock = [](Self& self) -> Bare& {
    ::pthread_mutex_lock(&self.at<Bare>().mutex);
    return self.at<Bare>();
  };
  Scenario scenario;
  scenario.name = "condition, without a predicate";
  scenario.create = [](Self& self) {
    self.expect(make_shared_mutex(self.at<Bare>().mutex, {}) == 0, "no mutex");
    self.expect(make_shared_condition(self.at<Bare>().condition) == 0, "no condition");
  };
  const auto earlier = [lock](Self& self) {
    Bare& bare = lock(self);
    bare.earlier_waits = true;
    ::pthread_cond_wait(&bare.condition, &bare.mutex);
    bare.earlier_done = true;
    ::pthread_mutex_unlock(&bare.mutex);
  };
  const auto signal = [lock](Self& self) {
    Bare& bare = lock(self);
    bare.owed = bare.earlier_waits;
    ::pthread_cond_signal(&bare.condition);
    ::pthread_mutex_unlock(&bare.mutex);
  };
  const auto later = [lock](Self& self) {
    Bare& bare = lock(self);
    ::pthread_cond_wait(&bare.condition, &bare.mutex);
    ::pthread_mutex_unlock(&bare.mutex);
  };
  const auto close = [lock](Self& self) {
    Bare& bare = lock(self);
    self.expect(!bare.owed || bare.earlier_done, "the later waiter took the signal");
    ::pthread_cond_broadcast(&bare.condition);
    ::pthread_mutex_unlock(&bare.mutex);
  };
  scenario.processes = {mortal("earlier", earlier), process("signaller", signal),
                        process("later", later), at_the_end("closing", close)};
  scenario.judge = all_is_said;
  return scenario;
}

// A signal that comes while one waits goes to it, not to one who comes later (bug 13165).
GAUNTLET_CASE(SemaphoresRaces, Condition_LaterWaiterComes_SignalStaysWithTheEarlier,
              .clause = "POSIX.1-2024 pthread_cond_signal() (blocked at the time); glibc bug 13165",
              .needs = {Need::ptrace}) {
  expect_preemption_sweep(context, earlier_and_later(), 0);
}

GAUNTLET_CASE(SemaphoresCrashes, Condition_SignallerKilledAtEachInstruction_WhoIsStuckIsTold,
              .clause = "POSIX.1-2024 pthread_cond_signal() (nothing about deaths)",
              .needs = {Need::ptrace}) {
  expect_kill_sweep(context,
                    units("condition", {process("waiter", take), mortal("giver", give),
                                        at_the_end("next", give_to_all)}),
                    1, condition_promises_nothing());
}

GAUNTLET_CASE(SemaphoresCrashes, Condition_WaiterKilledAtEachInstruction_WhoIsStuckIsTold,
              .clause = "POSIX.1-2024 pthread_cond_wait() (nothing about deaths)",
              .needs = {Need::ptrace}) {
  expect_kill_sweep(context,
                    units("condition", {mortal("waiter", take), process("giver", give),
                                        at_the_end("next", give_to_all), at_the_end("heir", take)}),
                    0, condition_promises_nothing());
}

}  // namespace
}  // namespace gauntlet
