// Quiet is seen: everyone asleep, nothing moving.
#include "support/quiet.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "process/proc_files.h"
#include "process/watch.h"

namespace gauntlet {
namespace {

constexpr std::chrono::milliseconds kLook{100};

std::vector<std::size_t> running_workers(Crew& crew) {
  std::vector<std::size_t> running;
  for (std::size_t worker = 0; worker < crew.size(); ++worker) {
    if (crew.process(worker).running()) running.push_back(worker);
  }
  return running;
}

std::vector<std::uint64_t> progress_of(const Crew& crew) {
  std::vector<std::uint64_t> progress;
  for (std::size_t worker = 0; worker < crew.size(); ++worker) {
    progress.push_back(crew.progress(worker));
  }
  return progress;
}

bool all_asleep(Crew& crew, const std::vector<std::size_t>& workers) {
  for (const std::size_t worker : workers) {
    if (!crew.process(worker).await_asleep(Deadline::after(kLook))) return false;
  }
  return all_descendants_asleep();
}

}  // namespace

bool all_descendants_asleep() {
  for (const pid_t pid : process_tree(::getpid())) {
    if (pid == ::getpid()) continue;
    const std::string threads = "/proc/" + std::to_string(pid) + "/task";
    for (const pid_t thread : numeric_entries(threads)) {
      const auto stat = read_stat(threads + "/" + std::to_string(thread));
      // Those are the states that go on by themselves (proc_pid_stat(5)).
      if (stat && (stat->state == 'R' || stat->state == 'D')) return false;
    }
  }
  return true;
}

bool await_end_or_stuck(CaseContext& context, Crew& crew, std::string_view meaning) {
  // Never reached by a subject that is stuck, which is seen, nor by one that works: only by one
  // that runs for ever.
  const Deadline deadline = context.patience();
  std::vector<std::uint64_t> progress = progress_of(crew);
  std::optional<Deadline> quiet;
  while (!deadline.expired()) {
    const std::vector<std::size_t> running = running_workers(crew);
    if (running.empty()) return context.join(crew);
    static_cast<void>(crew.process(running.front()).wait(Deadline::after(kLook)));
    const std::vector<std::uint64_t> now = progress_of(crew);
    if (now != progress || !all_asleep(crew, running)) {
      progress = now;
      quiet.reset();
    } else if (!quiet) {
      quiet = Deadline::after(kQuiet);
    } else if (quiet->expired() && running == running_workers(crew)) {
      std::string states;
      for (const std::size_t worker : running) {
        states += describe(look_at(crew.process(worker).pid(), false));
      }
      ADD_FAILURE_AT(context.info().file.c_str(), context.info().line)
          << context.info().subject << ": " << meaning << "\n"
          << states;
      return false;
    }
  }
  return context.join(crew, Deadline::immediate());
}

}  // namespace gauntlet
