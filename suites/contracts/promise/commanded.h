// Actors that call a promise one call at a time, as the body of a case commands: calls happen in
// the order of the test's lines, each by the actor that it is meant for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>

#include "base/limits.h"
#include "contracts/promise/actors.h"

namespace gauntlet {

/// What an actor's call answered, as plain data.
struct PromiseAnswer {
  bool arrived = false;  ///< false: no answer (it hangs, or is gone)
  bool ok = false;
  Settlement settlement;  ///< of a wait that was ok
  std::int64_t took_ns = 0;
  Error error;
};
void PrintTo(const PromiseAnswer& answer, std::ostream* out);
void PrintTo(const Settlement& settlement, std::ostream* out);

class CommandedPromise {
 public:
  enum class Call : std::uint32_t { open_setter, open_waiter, set, fail, wait, drop, leave };
  static constexpr std::size_t kMostActors = 64;

  /// Makes `promises` and starts `actors`, who have no ends yet. When that fails the verdict is
  /// told and ready() is false.
  CommandedPromise(CaseContext& context, std::size_t actors, std::size_t promises = 1);
  CommandedPromise(const CommandedPromise&) = delete;
  CommandedPromise& operator=(const CommandedPromise&) = delete;
  /// Lets all leave; one that does not is a hang of the case.
  ~CommandedPromise();

  bool ready() const { return ready_; }
  Actors& actors() { return actors_; }

  /// Begins a call and comes back at once. `number` is the value, the error, or the promise to
  /// open.
  void begin(std::size_t actor, Call call, std::uint64_t number = 0,
             Deadline deadline = Deadline::immediate());
  /// The answer of the call that was begun, which must come now: one who only sleeps, for longer
  /// than any claimed re-check, is stuck, all are killed, and there is no answer.
  PromiseAnswer finish(std::size_t actor);
  /// True when the actor sleeps inside its call; a failure of the case when it does not come to
  /// that.
  bool asleep(std::size_t actor);

  /// Opens an end, as every actor does once before its calls; a failure of the case when not.
  bool open(std::size_t actor, PromiseRole role, std::size_t promise = 0);
  PromiseAnswer set(std::size_t actor, std::uint64_t value);
  PromiseAnswer fail(std::size_t actor, std::uint64_t error);
  PromiseAnswer wait(std::size_t actor, Deadline deadline = Deadline::after(kCallPatience));
  PromiseAnswer try_wait(std::size_t actor) { return wait(actor, Deadline::immediate()); }
  void begin_wait(std::size_t actor, Deadline deadline = Deadline::after(kCallPatience)) {
    begin(actor, Call::wait, 0, deadline);
  }
  /// Its end is destroyed, as by one who is done.
  void drop(std::size_t actor);

  /// The actor dies outside of any call, without a word: SIGKILL for a process; the end of a thread
  /// and of its end of the promise. Counted as a planned fault that must fire.
  void die(std::size_t actor);

 private:
  struct Slot {
    FutexWord asked{0};     ///< number of the newest call
    FutexWord answered{0};  ///< number of the newest answer
    Call call = Call::leave;
    std::uint64_t number = 0;
    Deadline deadline = Deadline::immediate();
    PromiseAnswer answer;
  };
  struct Board {
    Slot slots[kMostActors];
  };

  void obey(Actor& actor);
  PromiseAnswer ask(std::size_t actor, Call call, std::uint64_t number,
                    Deadline deadline = Deadline::immediate());
  bool answered(std::size_t actor) const;
  Process& process_of(std::size_t actor);

  CaseContext& context_;
  Shared<Board> board_;
  Actors actors_;
  bool ready_ = false;
};

/// Several where the claims allow several, otherwise one.
inline std::size_t waiters_for(const PromiseClaims& claims, std::size_t several) {
  return claims.many_waiters ? several : 1;
}
inline std::size_t setters_for(const PromiseClaims& claims, std::size_t several) {
  return claims.many_setters ? several : 1;
}
/// `number` where the subject has values (errors) as wide, otherwise its low part.
inline std::uint64_t sample_value(const PromiseClaims& claims, std::uint64_t number) {
  return claims.largest_value == UINT64_MAX ? number : number % (claims.largest_value + 1);
}
inline std::uint64_t sample_error(const PromiseClaims& claims, std::uint64_t number) {
  return claims.largest_error == UINT64_MAX ? number : number % (claims.largest_error + 1);
}

}  // namespace gauntlet
