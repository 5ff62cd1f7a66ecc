// System V semaphores with one process stopped or killed at each instruction, asleep in semop()
// too.
#include <gtest/gtest.h>

#include "semaphores/sweep_objects.h"
#include "semaphores/sysv_set.h"
#include "support/instruction_sweep.h"

namespace gauntlet {
namespace {

using schedule::Scenario;
using schedule::Self;

void operate(Self& self, int id, short change, short flags) {
  sembuf operation{0, change, flags};
  self.expect(::semop(id, &operation, 1) == 0, "semop failed");
}

/// `value` before each execution; no undo of an earlier one is left then.
Body set_to(int id, int value) {
  return [=](Self& self) {
    SemctlArgument argument{};
    argument.value = value;
    self.expect(::semctl(id, 0, SETVAL, argument) == 0, "semctl failed");
  };
}

Scenario over(const SysvSet& set, const char* name, int value,
              std::vector<schedule::ProcessPlan> processes) {
  Scenario scenario;
  scenario.name = name;
  scenario.create = set_to(set.id(), value);
  scenario.processes = std::move(processes);
  scenario.judge = all_is_said;
  return scenario;
}

Scenario contend(const SysvSet& set, const char* name, short flags) {
  const auto take_and_give = [id = set.id(), flags](Self& self) {
    operate(self, id, -1, flags);
    operate(self, id, 1, flags);
  };
  return over(set, name, 1, {mortal("holder", take_and_give), process("other", take_and_give)});
}

// What it took comes back with its death, at each instruction and exactly once.
GAUNTLET_CASE(SemaphoresCrashes, SemopUndo_HolderKilledAtEachInstruction_UnitIsThereOnce,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (SEM_UNDO), _Exit()",
              .needs = {Need::ptrace}) {
  const auto set = SysvSet::create({1});
  if (!set) return context.not_created(set.error());
  Scenario scenario = contend(*set, "semop, SEM_UNDO", SEM_UNDO);
  scenario.processes.push_back(at_the_end("looker", [id = set->id()](Self& self) {
    self.expect(::semctl(id, 0, GETVAL) == 1, "not one unit");
  }));
  expect_kill_sweep(context, scenario, 0);
}

GAUNTLET_CASE(SemaphoresCrashes, SemopUndo_HolderKilledBeforeASleeper_SleeperGetsTheUnit,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (SEM_UNDO), _Exit()",
              .needs = {Need::ptrace}) {
  const auto set = SysvSet::create({1});
  if (!set) return context.not_created(set.error());
  expect_preemption_and_kill_sweep(context, contend(*set, "semop, SEM_UNDO", SEM_UNDO), 0);
}

GAUNTLET_CASE(SemaphoresCrashes, SemopPlain_HolderKilledAtEachInstruction_FreeOrTakenForGood,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (SEM_UNDO clear)",
              .needs = {Need::ptrace}) {
  const auto set = SysvSet::create({1});
  if (!set) return context.not_created(set.error());
  expect_kill_sweep(context, contend(*set, "semop", 0), 0,
                    {{"stuck: other in sem", "without SEM_UNDO the unit stays taken"}});
}

// Killed while it sleeps for a unit or was just given it: no unit is lost, thanks to the undo.
GAUNTLET_CASE(SemaphoresCrashes, SemopUndo_SleeperKilledAtEachInstruction_UnitIsNotLost,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (SEM_UNDO)", .needs = {Need::ptrace}) {
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  const auto take = [id = set->id()](Self& self) { operate(self, id, -1, SEM_UNDO); };
  const auto give = [id = set->id()](Self& self) { operate(self, id, 1, 0); };
  expect_kill_sweep(context,
                    over(*set, "semop, SEM_UNDO", 0,
                         {mortal("sleeper", take), process("giver", give), process("heir", take)}),
                    0);
}

GAUNTLET_CASE(SemaphoresRaces, Semop_GiverHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 semop()", .needs = {Need::ptrace}) {
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  const auto take = [id = set->id()](Self& self) { operate(self, id, -1, 0); };
  const auto give = [id = set->id()](Self& self) { operate(self, id, 1, 0); };
  expect_preemption_sweep(context,
                          over(*set, "semop", 0,
                               {process("sleeper", take), mortal("giver", give),
                                process("second", take), process("next", give)}),
                          1);
}

GAUNTLET_CASE(SemaphoresRaces, SemopUndo_HolderHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 semop() (SEM_UNDO)", .needs = {Need::ptrace}) {
  const auto set = SysvSet::create({1});
  if (!set) return context.not_created(set.error());
  expect_preemption_sweep(context, contend(*set, "semop, SEM_UNDO", SEM_UNDO), 0);
}

}  // namespace
}  // namespace gauntlet
