// Workers that call a semaphore one call at a time, as the body of a case commands: calls happen in
// the order of the test's lines, each in the process that it is meant for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/limits.h"
#include "cases/context.h"
#include "contracts/semaphore.h"
#include "process/crew.h"
#include "process/futex.h"
#include "process/shared.h"

namespace gauntlet {

/// What a call in a worker answered, as plain data.
struct Answer {
  bool arrived = false;  ///< false: the worker has not answered (it hangs, or is gone)
  bool ok = false;
  bool owner_died = false;
  std::int64_t value = 0;
  std::int64_t took_ns = 0;
  Error error;
};
void PrintTo(const Answer& answer, std::ostream* out);

/// A semaphore and some workers that have it open. The body never calls it itself.
class CommandedSemaphore {
 public:
  enum class Call : std::uint32_t { acquire, try_acquire, release, value, leave };
  static constexpr std::size_t kMostWorkers = 16;

  /// Makes the semaphore with `initial` units and forks `workers`. When that fails the verdict is
  /// told and ready() is false.
  CommandedSemaphore(CaseContext& context, std::int64_t initial, std::size_t workers);
  CommandedSemaphore(const CommandedSemaphore&) = delete;
  CommandedSemaphore& operator=(const CommandedSemaphore&) = delete;
  /// Lets all workers leave; one that does not is a hang of the case.
  ~CommandedSemaphore();

  bool ready() const { return ready_; }
  SemaphoreHost& host() { return *host_; }
  Crew& crew() { return crew_; }
  /// One more worker, for instance a newcomer after a death; answers its index.
  std::size_t add_worker();

  /// Begins a call and comes back at once.
  /// `times` calls follow one another without a pause; the answer is the first that failed, or the
  /// last.
  void begin(std::size_t worker, Call call, Deadline deadline = Deadline::immediate(),
             std::uint32_t times = 1);
  /// Waits until the call that was begun has answered. A worker that only sleeps, for longer than
  /// any claimed re-check, is stuck: all workers are killed, and there is no answer.
  Answer finish(std::size_t worker);
  /// Waits until one of `workers` has answered; takes it out of the list and answers it. Nobody,
  /// because all of them are stuck: kMostWorkers.
  std::size_t finish_any(std::vector<std::size_t>& workers, Answer& answer);
  /// True when the worker waits inside its call: it sleeps or, where the claims say so, spins. A
  /// failure of the case when it does not come to that.
  bool waits(std::size_t worker);

  Answer acquire(std::size_t worker, Deadline deadline = Deadline::after(kCallPatience));
  Answer try_acquire(std::size_t worker);
  Answer release(std::size_t worker, std::uint32_t times = 1);
  Answer value(std::size_t worker);

  /// Binds this worker to a CPU of its own and all others to another, where there are two.
  void separate(std::size_t worker);

  /// SIGKILL, counted as a planned fault that must fire.
  void kill(std::size_t worker);
  /// The worker ends by itself, whatever it holds.
  void leave(std::size_t worker);

 private:
  struct Slot {
    FutexWord asked{0};                      ///< number of the newest call
    std::atomic<std::uint32_t> answered{0};  ///< number of the newest answer
    Call call = Call::leave;
    std::uint32_t times = 1;
    Deadline deadline = Deadline::immediate();
    Answer answer;
  };
  struct Board {
    FutexWord news{0};  ///< counts answers of all
    Slot slots[kMostWorkers];
  };

  void obey(Worker& worker);
  bool has_answered(std::size_t worker) const;
  bool all_asleep(const std::vector<std::size_t>& workers);
  bool spins(std::size_t worker);

  CaseContext& context_;
  std::unique_ptr<SemaphoreHost> host_;
  Shared<Board> board_;
  Crew crew_;
  bool ready_ = false;
};

/// More than one unit where the subject has that many: enough to see counting.
std::int64_t sample_units(const SemaphoreClaims& claims);

}  // namespace gauntlet
