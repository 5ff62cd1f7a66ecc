// Generates, runs and checks programs on a semaphore.
#include "contracts/semaphore/program.h"

#include <gtest/gtest.h>

#include <chrono>
#include <utility>

#include "contracts/semaphore/opening.h"
#include "contracts/semaphore/recorded.h"
#include "history/mutex.h"
#include "history/recorder.h"
#include "history/semaphore.h"
#include "process/crew.h"
#include "process/shared.h"

namespace gauntlet {
namespace {

using history::Op;
using std::chrono::microseconds;

constexpr std::size_t kMostSteps = 6;

/// A program is small: what takes longer to decide is left undecided, and counted.
constexpr history::SearchLimits kSearch{.steps = 200'000, .memory_bytes = 64 * 1024 * 1024};

SemaphoreStep generate_step(Random& random, const SemaphoreClaims& claims) {
  const std::uint64_t draw = random.below(claims.readable ? 10 : 9);
  if (draw < 3) return {.op = Op::try_acquire};
  if (draw < 5 && (claims.deadlines || claims.owner)) {
    return {.op = Op::acquire, .patience_us = static_cast<std::uint32_t>(random.below(2000))};
  }
  if (draw < 9) return {.op = Op::release};
  return {.op = Op::value};
}

/// One process's part. A mutex is released only by who holds it, and given back at the end.
void perform(RecordedSemaphore& semaphore, const SemaphoreClaims& claims,
             const std::vector<SemaphoreStep>& steps) {
  bool held = false;
  for (const SemaphoreStep& step : steps) {
    switch (step.op) {
      case Op::try_acquire:
        if (!(claims.owner && held)) held = semaphore.try_acquire() || held;
        break;
      case Op::acquire:
        if (!(claims.owner && held)) {
          held = semaphore.acquire(Deadline::after(microseconds(step.patience_us))) || held;
        }
        break;
      case Op::release:
        if (held || !claims.owner) {
          semaphore.release();
          held = false;
        }
        break;
      default:
        semaphore.value();
    }
  }
  if (claims.owner && held) semaphore.release();
}

}  // namespace

SemaphoreProgram generate_program(Random& random, const SemaphoreClaims& claims) {
  SemaphoreProgram program;
  program.initial = claims.owner ? 1 : static_cast<std::int64_t>(random.below(3));
  program.processes.resize(random.between(2, 8));
  for (auto& steps : program.processes) {
    const std::uint64_t count = random.between(1, kMostSteps);
    for (std::uint64_t i = 0; i < count; ++i) steps.push_back(generate_step(random, claims));
  }
  return program;
}

std::vector<SemaphoreProgram> smaller_programs(const SemaphoreProgram& program) {
  std::vector<SemaphoreProgram> candidates;
  for (std::size_t process = 0; program.processes.size() > 2 && process < program.processes.size();
       ++process) {
    candidates.push_back(program);
    auto& processes = candidates.back().processes;
    processes.erase(processes.begin() + static_cast<std::ptrdiff_t>(process));
  }
  for (std::size_t process = 0; process < program.processes.size(); ++process) {
    const std::size_t steps = program.processes[process].size();
    for (std::size_t step = 0; steps > 1 && step < steps; ++step) {
      candidates.push_back(program);
      auto& shorter = candidates.back().processes[process];
      shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(step));
    }
  }
  return candidates;
}

history::Verdict check_history(const SemaphoreClaims& claims, std::int64_t initial,
                               const history::History& history,
                               std::optional<std::uint64_t> final_value) {
  if (claims.owner) {
    history::MutexRules rules;
    rules.owner_died_report = claims.owner_death == OwnerDeath::reported;
    rules.search = kSearch;
    rules.released_by_death = claims.owner_death == OwnerDeath::units_returned;
    return history::check_mutex(history, rules);
  }
  history::SemaphoreRules rules;
  rules.units_of_dead_returned = claims.owner_death == OwnerDeath::units_returned;
  rules.final_value = final_value;
  rules.search = kSearch;
  return history::check_semaphore(history, static_cast<std::uint64_t>(initial), rules);
}

SemaphoreRun run_program(CaseContext& context, const SemaphoreProgram& program) {
  SemaphoreRun run;
  const SemaphoreSubject& subject = context.semaphore();
  const auto host = make_semaphore(context, program.initial);
  if (!host) return run;
  const history::Recorder recorder =
      history::Recorder::create(program.processes.size(), kMostSteps + 2);
  Shared<std::int64_t> final_value;
  *final_value = -1;
  Crew crew;
  for (const auto& steps : program.processes) {
    const auto added = crew.add([&](Worker& worker) {
      RecordedSemaphore semaphore(worker, *host, recorder.lane(worker.index()));
      if (!semaphore.ready()) return;
      worker.await_start();
      perform(semaphore, subject.claims, steps);
    });
    if (!added) {
      context.error("no worker: " + describe(added.error()));
      return run;
    }
  }
  static_cast<void>(crew.start(Deadline::after(kCallPatience)));
  if (!context.join(crew)) return run;
  if (subject.claims.readable && !subject.claims.owner) {
    Crew reader;
    static_cast<void>(reader.add([&](Worker& worker) {
      const auto semaphore = open_semaphore(worker, *host);
      if (!semaphore) return;
      const auto value = semaphore->value();
      if (worker.expect(value.has_value(), "value failed")) *final_value = *value;
    }));
    if (!context.join(reader)) return run;
  }
  run.ran = true;
  const history::History history = recorder.collect();
  const auto last = *final_value < 0
                        ? std::nullopt
                        : std::optional<std::uint64_t>(static_cast<std::uint64_t>(*final_value));
  history::Verdict verdict = check_history(subject.claims, program.initial, history, last);
  run.kind = verdict.kind;
  if (verdict.kind == history::Verdict::violation) {
    run.violation = SemaphoreViolation{history, std::move(verdict)};
  }
  return run;
}

}  // namespace gauntlet
