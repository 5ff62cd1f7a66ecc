// Those who act on the promises of a case: a process each, or, where the subject reaches no
// further, threads of one process. The same case runs for both.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "cases/context.h"
#include "contracts/promise.h"
#include "process/crew.h"
#include "process/futex.h"
#include "process/shared.h"

namespace gauntlet {

/// What one of them sees.
class Actor {
 public:
  std::size_t index() const { return index_; }
  /// An end of the `promise`-th promise; null when it cannot be opened, which is a failure.
  std::unique_ptr<Promise> open(PromiseRole role, std::size_t promise = 0);
  /// Sleeps until Actors::go, so that all begin together.
  void await_start();
  void step() { worker_.step(); }
  bool expect(bool holds, std::string_view message, SourceLine where = SourceLine::current()) {
    return worker_.expect(holds, message, where);
  }

 private:
  friend class Actors;
  Actor(std::size_t index, Worker& worker, class Actors& all)
      : index_(index), worker_(worker), all_(all) {}
  std::size_t index_;
  Worker& worker_;
  class Actors& all_;
};

/// All actors of a case. The body of a case never has an end itself.
class Actors {
 public:
  using Body = std::function<void(Actor&)>;

  /// So many promises will be made by launch().
  explicit Actors(CaseContext& context, std::size_t promises = 1)
      : context_(context), promises_(promises) {}
  Actors(const Actors&) = delete;
  Actors& operator=(const Actors&) = delete;

  /// Before launch().
  void add(Body body) { bodies_.push_back(std::move(body)); }
  /// Makes the promises and starts all. False: it was not possible, which has been told.
  bool launch();
  /// Waits until all have come to await_start, and lets them go. False as above.
  bool go();
  /// launch(), go(), and the end of all; `meaning` is what it means when all that are left sleep.
  bool run(std::string_view meaning);

  std::size_t size() const { return bodies_.size(); }
  bool are_threads() const { return context_.promise().claims.reach == Reach::threads; }
  /// The worker in which an actor lives.
  std::size_t worker_of(std::size_t actor) const { return are_threads() ? 0 : actor; }
  Crew& crew() { return crew_; }
  /// Processes only.
  PromiseHost& host(std::size_t promise = 0) { return *hosts_[promise]; }

 private:
  friend class Actor;
  struct Board {
    FutexWord ready{0};    ///< actors that came to await_start
    FutexWord started{0};  ///< 1: go
    FutexWord made{0};     ///< 1: the promises are there, 2: they are not, see error
    Error error;
  };
  Status make_promises();
  void live_as_threads(Worker& worker);
  bool add_worker(const Crew::Body& body);

  CaseContext& context_;
  std::size_t promises_;
  std::vector<Body> bodies_;
  std::vector<std::unique_ptr<PromiseHost>> hosts_;
  Shared<Board> board_;
  Crew crew_;
};

}  // namespace gauntlet
