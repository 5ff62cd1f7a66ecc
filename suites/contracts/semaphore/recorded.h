// A worker's semaphore whose calls are recorded in its lane of the history.
#pragma once

#include <memory>

#include "base/limits.h"
#include "contracts/semaphore.h"
#include "history/recorder.h"
#include "process/crew.h"

namespace gauntlet {

/// Lives in a worker. Answers are true when a unit was taken or given; an error that no claim
/// explains is recorded as such and is a failure of the worker.
class RecordedSemaphore {
 public:
  RecordedSemaphore(Worker& worker, SemaphoreHost& host, history::Lane lane);

  bool ready() const { return semaphore_ != nullptr; }
  bool acquire(Deadline deadline = Deadline::after(kCallPatience));
  bool try_acquire();
  bool release();
  void value();

 private:
  bool respond_acquired(history::Token token, const Result<Acquired>& result);

  Worker& worker_;
  history::Lane lane_;
  std::unique_ptr<Semaphore> semaphore_;
};

}  // namespace gauntlet
