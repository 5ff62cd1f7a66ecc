// One traced process under one failure: its steps, its descriptors, and its end.
#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>

#include "base/limits.h"
#include "process/proc_files.h"
#include "process/shared.h"
#include "support/failing_calls.h"
#include "support/quiet.h"

namespace gauntlet {
namespace {

/// How long an operation under a failure may take until it is looked at. Those with a deadline have
/// answered long before.
constexpr std::chrono::seconds kTrialPatience{6};

/// Nobody sleeps so long in these trials who still has a deadline before it.
constexpr std::chrono::seconds kLongestSleep = kFailingCallLimit + std::chrono::seconds(1);

int open_descriptors_of_this_process() {
  int count = 0;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), ::closedir);
  while (directory && ::readdir(directory.get()) != nullptr) ++count;
  return count;
}

int shared_mappings_of_this_process() {
  constexpr std::size_t kMost = std::size_t{1} << 20;
  const std::string maps = read_text("/proc/self/maps", kMost);
  int count = 0;
  for (std::size_t at = 0; at < maps.size();) {
    const std::size_t end = std::min(maps.find('\n', at), maps.size());
    // "55d0-55d1 rw-s …": the letter before the second space.
    const std::size_t space = maps.find(' ', at);
    if (space + 4 < end && maps[space + 4] == 's') ++count;
    at = end + 1;
  }
  return count;
}

/// A library's own threads open and map what they like meanwhile.
bool has_one_thread() { return numeric_entries("/proc/self/task").size() == 1; }

struct Board {
  StepAnswer prepared;
  StepAnswer acted;
  StepAnswer again;
  int more_descriptors;
  int more_mappings;
  bool threw;
};

StepAnswer take(const FailureStep& step, Worker& worker) {
  StepAnswer answer;
  if (!step) return answer;
  const Result<std::int64_t> result = step(worker);
  answer.answered = true;
  answer.ok = result.has_value();
  if (result) {
    answer.value = *result;
  } else {
    answer.error = result.error();
  }
  return answer;
}

void do_steps(Worker& worker, const FailingCall& call, Board& board) {
  board.prepared = take(call.prepare, worker);
  if (call.prepare && !board.prepared.ok) {
    worker.arm();
    worker.disarm();
    return;
  }
  const int descriptors = open_descriptors_of_this_process();
  const int mappings = shared_mappings_of_this_process();
  worker.arm();
  const StepAnswer acted = take(call.act, worker);
  worker.disarm();
  board.acted = acted;
  board.again = take(call.again, worker);
  // What a failed call has kept for the next one is no leak.
  if (has_one_thread()) {
    board.more_descriptors = open_descriptors_of_this_process() - descriptors;
    board.more_mappings = shared_mappings_of_this_process() - mappings;
  }
}

}  // namespace

bool ends_by_itself(Process& process) {
  constexpr std::chrono::milliseconds kLook{50};
  const Deadline deadline = Deadline::after(kCallPatience);
  Deadline quiet = Deadline::after(kLongestSleep);
  while (!deadline.expired()) {
    if (process.wait(Deadline::after(kLook))) return true;
    const bool sleeps =
        process.await_asleep(Deadline::after(kLook)).has_value() && all_descendants_asleep();
    if (!sleeps) {
      quiet = Deadline::after(kLongestSleep);
    } else if (quiet.expired()) {
      return !process.running();
    }
  }
  return false;
}

void end_all(Crew& crew) {
  for (std::size_t worker = 0; worker < crew.size(); ++worker) {
    if (!ends_by_itself(crew.process(worker))) crew.kill(worker);
  }
}

std::optional<FailureSeen> try_failure(CaseContext& context, Crew& crew, const FailingCall& call,
                                       const std::optional<CallFailure>& failure) {
  const Shared<Board> board;
  const auto worker = crew.add_traced([&](Worker& self) {
    // A contract never throws: an exception is a crash of whoever calls it.
    try {
      do_steps(self, call, *board);
      if (call.cleanup) call.cleanup();
    } catch (...) {
      board->threw = true;
      self.disarm();
    }
  });
  if (!worker) {
    context.error("no worker: " + describe(worker.error()));
    return std::nullopt;
  }
  Process& process = crew.process(*worker);
  Result<CallFailureRun> run = run_with_failure(process, failure, Deadline::after(kTrialPatience));
  if (!run) {
    if (run.error() == Code::denied || run.error() == Code::unsupported) {
      context.not_created(run.error());
    } else {
      context.error("the trial failed: " + describe(run.error()));
    }
    return std::nullopt;
  }
  FailureSeen seen;
  seen.ended = ends_by_itself(process);
  if (seen.ended) {
    const Result<ExitStatus> end = process.wait(Deadline::immediate());
    seen.crashed = board->threw || (end && !end->clean());
  } else {
    crew.kill(*worker);
  }
  seen.run = std::move(*run);
  seen.prepared = board->prepared;
  seen.acted = board->acted;
  seen.again = board->again;
  seen.more_descriptors = board->more_descriptors;
  seen.more_mappings = board->more_mappings;
  return seen;
}

}  // namespace gauntlet
