// Workers that notify and wait one call at a time, as the body of a case commands: calls happen in
// the order of the test's lines, each in the process that it is meant for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <vector>

#include "base/limits.h"
#include "cases/context.h"
#include "contracts/notifier.h"
#include "process/crew.h"
#include "process/futex.h"
#include "process/shared.h"

namespace gauntlet {

/// What a call in a worker answered, as plain data.
struct NotifierAnswer {
  bool arrived = false;  ///< false: the worker has not answered (it hangs, or is gone)
  bool ok = false;
  Notification notification;  ///< of a wait
  std::int64_t took_ns = 0;
  Error error;
};
void PrintTo(const NotifierAnswer& answer, std::ostream* out);

/// A notifier, and workers that have an end of it open. The body never calls it itself.
class CommandedNotifier {
 public:
  static constexpr std::size_t kMostWorkers = 24;

  /// Makes the subject and forks the workers, notifiers first (0 … notifiers - 1), then waiters.
  /// All have opened their end when this returns. When that fails the verdict is told and ready()
  /// is false.
  CommandedNotifier(CaseContext& context, std::size_t notifiers, std::size_t waiters,
                    std::uint64_t most_pending = 0);
  CommandedNotifier(const CommandedNotifier&) = delete;
  CommandedNotifier& operator=(const CommandedNotifier&) = delete;
  /// Lets all workers leave; one that does not is a hang of the case.
  ~CommandedNotifier();

  bool ready() const { return ready_; }
  NotifierHost& host() { return *host_; }
  Crew& crew() { return crew_; }
  pid_t pid(std::size_t worker) { return crew_.process(worker).pid(); }
  /// One more worker, for instance a newcomer after a death; its end is open when this returns.
  std::size_t add(NotifierRole role);

  /// `times` calls without a pause; the answer is the first that failed, or the last.
  NotifierAnswer notify(std::size_t worker, std::uint32_t payload = 0,
                        Deadline deadline = Deadline::after(kCallPatience),
                        std::uint32_t times = 1);
  /// Notifies again while it is refused: others of the same user may share the limit and hold its
  /// room for a moment. The answer is the last.
  NotifierAnswer notify_when_there_is_room(std::size_t worker);
  NotifierAnswer wait(std::size_t worker, Deadline deadline = Deadline::after(kCallPatience));
  NotifierAnswer try_wait(std::size_t worker) { return wait(worker, Deadline::immediate()); }
  /// A wait that finds nothing: a try, and where what was notified comes a moment later a wait.
  NotifierAnswer wait_for_nothing(std::size_t worker);
  NotifierAnswer close(std::size_t worker);

  /// The same in two halves, for calls that sleep.
  void begin_notify(std::size_t worker, std::uint32_t payload, Deadline deadline);
  void begin_wait(std::size_t worker, Deadline deadline = Deadline::after(kCallPatience));
  NotifierAnswer finish(std::size_t worker);
  /// Waits until one of `workers` has answered; takes it out of the list and answers it. Nobody:
  /// kMostWorkers.
  std::size_t finish_any(std::vector<std::size_t>& workers, NotifierAnswer& answer);
  /// True when the worker sleeps inside its call; a failure of the case when it does not come to
  /// that.
  bool asleep(std::size_t worker);

  /// SIGKILL, counted as a planned fault that must fire.
  void kill(std::size_t worker);
  /// The worker ends by itself, and has ended when this returns.
  void leave(std::size_t worker);

 private:
  enum class Call : std::uint32_t { notify, wait, close, leave };
  struct Slot {
    FutexWord asked{0};                      ///< number of the newest call
    std::atomic<std::uint32_t> answered{0};  ///< number of the newest answer
    Call call = Call::leave;
    std::uint32_t payload = 0;
    std::uint32_t times = 1;
    Deadline deadline = Deadline::immediate();
    NotifierAnswer answer;
  };
  struct Board {
    FutexWord news{0};  ///< counts answers of all
    Slot slots[kMostWorkers];
  };

  void obey(Worker& worker, NotifierRole role);
  static NotifierAnswer perform(Notifier& notifier, const Slot& slot);
  void begin(std::size_t worker, Call call, Deadline deadline);
  bool has_answered(std::size_t worker) const;

  CaseContext& context_;
  std::unique_ptr<NotifierHost> host_;
  Shared<Board> board_;
  Crew crew_;
  bool ready_ = false;
};

}  // namespace gauntlet
