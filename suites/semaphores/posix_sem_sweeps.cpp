// POSIX semaphores with one process stopped or killed at each instruction of wait, post and open.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <semaphore.h>
#include <sys/stat.h>

#include <atomic>
#include <cstring>

#include "semaphores/posix_semaphore.h"
#include "semaphores/sweep_objects.h"
#include "support/instruction_sweep.h"

namespace gauntlet {
namespace {

using schedule::Ending;
using schedule::Fate;
using schedule::Scenario;
using schedule::Self;

Body with_value(unsigned value) {
  return [value](Self& self) {
    self.expect(::sem_init(&self.at<sem_t>(), 1, value) == 0, "no semaphore");
  };
}
void wait(Self& self) { self.expect(::sem_wait(&self.at<sem_t>()) == 0, "sem_wait failed"); }
void post(Self& self) { self.expect(::sem_post(&self.at<sem_t>()) == 0, "sem_post failed"); }
void wait_and_post(Self& self) {
  wait(self);
  post(self);
}

Scenario scenario_of(const char* name, unsigned value,
                     std::vector<schedule::ProcessPlan> processes) {
  Scenario scenario;
  scenario.name = name;
  scenario.create = with_value(value);
  scenario.processes = std::move(processes);
  scenario.judge = all_is_said;
  return scenario;
}

// A semaphore has no owner: what the dead one took is gone, and only that.
GAUNTLET_CASE(SemaphoresCrashes, SemT_HolderKilledAtEachInstruction_FreeOrTakenForGood,
              .clause = "POSIX.1-2024 XBD Semaphore (no owner); sem_overview(7)",
              .needs = {Need::ptrace}) {
  expect_kill_sweep(
      context,
      scenario_of("sem_t", 1, {mortal("holder", wait_and_post), process("other", wait_and_post)}),
      0, {{"stuck: other in futex", "a semaphore has no owner: the unit stays taken"}});
}

// Killed in sem_post(), the semaphore works on: the next post comes through to the sleeper.
GAUNTLET_CASE(SemaphoresCrashes, SemT_PosterKilledAtEachInstruction_NextPostWakesTheSleeper,
              .clause = "POSIX.1-2024 sem_post()", .needs = {Need::ptrace}) {
  expect_kill_sweep(
      context,
      scenario_of("sem_t", 0,
                  {process("sleeper", wait), mortal("poster", post), at_the_end("next", post)}),
      1);
}

// Killed in sem_wait(), asleep or just woken: it takes at most the one unit with it, and a later
// waiter gets a later unit. It could fail if a dead waiter stayed in a line that posts serve.
GAUNTLET_CASE(SemaphoresCrashes, SemT_SleeperKilledAtEachInstruction_LaterPostsReachLaterWaiters,
              .clause = "POSIX.1-2024 sem_wait(), sem_post()", .needs = {Need::ptrace}) {
  expect_kill_sweep(context,
                    scenario_of("sem_t", 0,
                                {mortal("sleeper", wait), process("poster", post),
                                 at_the_end("next", post), at_the_end("heir", wait)}),
                    0);
}

GAUNTLET_CASE(SemaphoresRaces, SemT_PosterHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 sem_post()", .needs = {Need::ptrace}) {
  expect_preemption_sweep(context,
                          scenario_of("sem_t", 0,
                                      {process("sleeper", wait), mortal("poster", post),
                                       process("second", wait), process("next", post)}),
                          1);
}

GAUNTLET_CASE(SemaphoresRaces, SemT_WaiterHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "POSIX.1-2024 sem_wait(), sem_post()", .needs = {Need::ptrace}) {
  expect_preemption_sweep(context,
                          scenario_of("sem_t", 0,
                                      {mortal("sleeper", wait), process("poster", post),
                                       process("second", wait), process("next", post)}),
                          0);
}

// POSIX lets the waiter whose sem_wait() returned destroy the semaphore and use its memory for
// something else, while the poster is still inside sem_post(): glibc before 2.21 (bug 12674) then
// still touched it.
GAUNTLET_CASE(SemaphoresRaces, SemT_PosterHeldUpWhileItsMemoryIsUsedAnew_NothingIsWrittenToIt,
              .clause = "POSIX.1-2024 sem_destroy() RATIONALE; glibc bug 12674",
              .needs = {Need::ptrace}) {
  constexpr unsigned char kCanary = 0xa5;
  Scenario scenario =
      scenario_of("sem_t, destroyed by its waiter", 0,
                  {process("sleeper",
                           [](Self& self) {
                             wait(self);
                             ::sem_destroy(&self.at<sem_t>());
                             std::memset(static_cast<void*>(self.region()), kCanary, sizeof(sem_t));
                           }),
                   mortal("poster", post)});
  scenario.judge = [](const Ending& ending) -> std::string {
    for (std::size_t at = 0; at < sizeof(sem_t); ++at) {
      if (std::to_integer<unsigned char>(ending.region[at]) != kCanary) {
        return "the memory was written to";
      }
    }
    return {};
  };
  expect_preemption_sweep(context, scenario, 1);
}

/// Names in /dev/shm that sem_open() uses before it links the right one.
int unfinished_semaphores(bool remove) {
  struct Close {
    void operator()(DIR* open) const { ::closedir(open); }
  };
  const std::unique_ptr<DIR, Close> directory(::opendir("/dev/shm"));
  int count = 0;
  while (directory) {
    const dirent* const entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    // "sem." and six characters of mkstemp(3)'s kind.
    if (std::strncmp(entry->d_name, "sem.", 4) != 0 || std::strlen(entry->d_name) != 10) continue;
    ++count;
    if (remove) ::unlinkat(::dirfd(directory.get()), entry->d_name, 0);
  }
  return count;
}

// Killed in sem_open(O_CREAT), the name does not exist or names a whole semaphore: the next one who
// opens it is never stuck and never sees another value. glibc makes it under another name first,
// which stays behind: nobody promises otherwise. That name is drawn at random, and so the walk is
// not the same each time.
GAUNTLET_CASE(SemaphoresCrashes, SemOpen_CreatorKilledAtEachInstruction_NoneOrAWholeOne,
              .clause = "POSIX.1-2024 sem_open()", .needs = {Need::ptrace, Need::private_mount},
              .deadline = std::chrono::seconds(120)) {
  const SemaphoreName name(context.scope());
  const std::string text = name.text();
  const auto open_it = [text](Self& self) {
    sem_t* const semaphore = ::sem_open(text.c_str(), O_CREAT, 0600, 1);
    self.expect(semaphore != SEM_FAILED, "sem_open failed");
    if (semaphore != SEM_FAILED) ::sem_close(semaphore);
  };
  Scenario scenario;
  scenario.name = "sem_open";
  scenario.create = [text](Self&) {
    ::sem_unlink(text.c_str());
    unfinished_semaphores(true);
  };
  scenario.processes = {mortal("creator", open_it), process("other", open_it),
                        at_the_end("user", [text](Self& self) {
                          sem_t* const semaphore = ::sem_open(text.c_str(), 0);
                          self.expect(semaphore != SEM_FAILED, "it was not made");
                          if (semaphore == SEM_FAILED) return;
                          int value = 0;
                          ::sem_getvalue(semaphore, &value);
                          self.expect(value == 1, "another value");
                          self.expect(::sem_wait(semaphore) == 0, "sem_wait failed");
                        })};
  scenario.judge = [](const Ending&) -> std::string {
    return unfinished_semaphores(false) > 0 ? "a nameless semaphore is left" : "";
  };
  expect_kill_sweep(context, scenario, 0,
                    {{"a nameless semaphore is left", "made under a temporary name first"}},
                    {.smoke = 4, .full = 300, .repeatable = false});
  unfinished_semaphores(true);
}

}  // namespace
}  // namespace gauntlet
