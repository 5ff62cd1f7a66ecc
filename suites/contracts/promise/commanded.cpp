// An actor's loop, and the body's side of commanded calls.
#include "contracts/promise/commanded.h"

#include <gtest/gtest.h>

#include "support/quiet.h"

namespace gauntlet {
namespace {

using Call = CommandedPromise::Call;

PromiseAnswer answer_of(const Status& status) {
  PromiseAnswer answer;
  answer.ok = status.has_value();
  if (!status) answer.error = status.error();
  return answer;
}

PromiseAnswer answer_of(const Result<Settlement>& settled) {
  PromiseAnswer answer;
  answer.ok = settled.has_value();
  if (settled) {
    answer.settlement = *settled;
  } else {
    answer.error = settled.error();
  }
  return answer;
}

PromiseAnswer perform(Actor& actor, std::unique_ptr<Promise>& mine, Call call, std::uint64_t number,
                      Deadline deadline) {
  PromiseAnswer answer;
  switch (call) {
    case Call::open_setter:
    case Call::open_waiter:
      mine = actor.open(call == Call::open_setter ? PromiseRole::setter : PromiseRole::waiter,
                        static_cast<std::size_t>(number));
      answer.ok = mine != nullptr;
      return answer;
    case Call::set:
      return answer_of(mine->set(number));
    case Call::fail:
      return answer_of(mine->fail(number));
    case Call::wait:
      return answer_of(mine->wait(deadline));
    case Call::drop:
    case Call::leave:
      mine.reset();
      answer.ok = true;
      return answer;
  }
  return answer;
}

}  // namespace

void PrintTo(const Settlement& settlement, std::ostream* out) {
  constexpr const char* kKinds[] = {"the value ", "the error ", "broken "};
  *out << kKinds[settlement.kind] << settlement.content;
}

void PrintTo(const PromiseAnswer& answer, std::ostream* out) {
  if (!answer.arrived) {
    *out << "no answer";
  } else if (!answer.ok) {
    *out << describe(answer.error);
  } else {
    *out << "ok, ";
    PrintTo(answer.settlement, out);
  }
}

CommandedPromise::CommandedPromise(CaseContext& context, std::size_t actors, std::size_t promises)
    : context_(context), actors_(context, promises) {
  if (actors > kMostActors) {
    context.error("more actors than the board has slots");
    return;
  }
  for (std::size_t i = 0; i < actors; ++i) actors_.add([this](Actor& actor) { obey(actor); });
  ready_ = actors_.launch();
}

CommandedPromise::~CommandedPromise() {
  if (!ready_) return;
  for (std::size_t actor = 0; actor < actors_.size(); ++actor) {
    if (process_of(actor).running()) begin(actor, Call::leave);
  }
  context_.join(actors_.crew());
}

Process& CommandedPromise::process_of(std::size_t actor) {
  return actors_.crew().process(actors_.worker_of(actor));
}

void CommandedPromise::obey(Actor& actor) {
  std::unique_ptr<Promise> mine;
  Slot& slot = board_->slots[actor.index()];
  Call call = Call::open_waiter;
  for (std::uint32_t number = 1; call != Call::leave; ++number) {
    while (slot.asked.load(std::memory_order_acquire) < number) futex_wait(slot.asked, number - 1);
    call = slot.call;
    const std::int64_t begun_ns = monotonic_ns();
    PromiseAnswer answer = perform(actor, mine, call, slot.number, slot.deadline);
    answer.took_ns = monotonic_ns() - begun_ns;
    answer.arrived = true;
    slot.answer = answer;
    slot.answered.store(number, std::memory_order_release);
    futex_wake_all(slot.answered);
  }
}

void CommandedPromise::begin(std::size_t actor, Call call, std::uint64_t number,
                             Deadline deadline) {
  Slot& slot = board_->slots[actor];
  slot.call = call;
  slot.number = number;
  slot.deadline = deadline;
  slot.asked.fetch_add(1, std::memory_order_release);
  futex_wake_all(slot.asked);
}

bool CommandedPromise::answered(std::size_t actor) const {
  const Slot& slot = board_->slots[actor];
  return slot.answered.load(std::memory_order_acquire) ==
         slot.asked.load(std::memory_order_relaxed);
}

PromiseAnswer CommandedPromise::finish(std::size_t actor) {
  constexpr std::chrono::milliseconds kLook{50};
  Slot& slot = board_->slots[actor];
  // Twice the patience of the call itself, so that its own time-out is heard first.
  const Deadline deadline = Deadline::after(2 * kCallPatience);
  Deadline quiet = Deadline::after(kQuiet);
  while (!deadline.expired()) {
    const std::uint32_t seen = slot.answered.load(std::memory_order_acquire);
    if (answered(actor)) return slot.answer;
    if (!process_of(actor).running()) break;
    futex_wait(slot.answered, seen, kLook);
    if (answered(actor)) continue;
    // A child that sets by its exit is none of the actors, and may be what is waited for.
    if (!process_of(actor).await_asleep(Deadline::after(kLook)) || !all_descendants_asleep()) {
      quiet = Deadline::after(kQuiet);
    } else if (quiet.expired() && !answered(actor)) {
      // Whoever else waits on it waits in vain, too.
      Crew& crew = actors_.crew();
      for (std::size_t worker = 0; worker < crew.size(); ++worker) crew.kill(worker);
      break;
    }
  }
  return answered(actor) ? slot.answer : PromiseAnswer{};
}

bool CommandedPromise::asleep(std::size_t actor) {
  const Status slept = process_of(actor).await_asleep(Deadline::after(kCallPatience));
  EXPECT_TRUE(slept.has_value()) << "actor " << actor
                                 << " was to sleep in its call: " << describe(slept.error());
  EXPECT_FALSE(answered(actor)) << "actor " << actor << " was to sleep in its call and answered";
  return slept.has_value() && !answered(actor);
}

PromiseAnswer CommandedPromise::ask(std::size_t actor, Call call, std::uint64_t number,
                                    Deadline deadline) {
  begin(actor, call, number, deadline);
  return finish(actor);
}

bool CommandedPromise::open(std::size_t actor, PromiseRole role, std::size_t promise) {
  const bool opened =
      ask(actor, role == PromiseRole::setter ? Call::open_setter : Call::open_waiter, promise).ok;
  EXPECT_TRUE(opened) << "actor " << actor << " has no end of the promise";
  return opened;
}

PromiseAnswer CommandedPromise::set(std::size_t actor, std::uint64_t value) {
  return ask(actor, Call::set, value);
}

PromiseAnswer CommandedPromise::fail(std::size_t actor, std::uint64_t error) {
  return ask(actor, Call::fail, error);
}

PromiseAnswer CommandedPromise::wait(std::size_t actor, Deadline deadline) {
  return ask(actor, Call::wait, 0, deadline);
}

void CommandedPromise::drop(std::size_t actor) {
  EXPECT_TRUE(ask(actor, Call::drop, 0).ok) << "the end of actor " << actor << " stays";
}

void CommandedPromise::die(std::size_t actor) {
  context_.fault_planned();
  if (!actors_.are_threads()) {
    EXPECT_TRUE(actors_.crew().kill(actor)) << "actor " << actor << " was gone before its death";
  } else if (ask(actor, Call::leave, 0).ok) {
    context_.fault_fired();
  } else {
    ADD_FAILURE() << "the thread of actor " << actor << " does not end";
  }
}

}  // namespace gauntlet
