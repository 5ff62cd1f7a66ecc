// Contract Promise, properties: command sequences by several actors against a sequential model.
#include "support/property.h"
// GoogleTest and rapidcheck first; see property.h.

#include <optional>
#include <sstream>
#include <vector>

#include "contracts/promise/commanded.h"

namespace gauntlet {

/// One command of a sequence, as plain data, printed in a counterexample.
struct PromiseCommand {
  enum class Op : std::uint8_t { set, fail, try_wait, wait_shortly, wait };
  std::size_t actor = 0;  ///< counted among the setters, or among the waiters
  Op op = Op::try_wait;
  std::uint64_t number = 0;
};

void showValue(const PromiseCommand& command, std::ostream& out) {
  constexpr const char* kNames[] = {"set", "fail", "try_wait", "wait(1 ms)", "wait"};
  out << (command.op <= PromiseCommand::Op::fail ? "s" : "w") << command.actor << "."
      << kNames[static_cast<std::size_t>(command.op)] << " " << command.number;
}

}  // namespace gauntlet

namespace rc {

template <>
struct Arbitrary<gauntlet::PromiseCommand> {
  static Gen<gauntlet::PromiseCommand> arbitrary() {
    using Op = gauntlet::PromiseCommand::Op;
    return gen::build<gauntlet::PromiseCommand>(
        gen::set(&gauntlet::PromiseCommand::actor, gen::inRange<std::size_t>(0, 2)),
        gen::set(&gauntlet::PromiseCommand::op, gen::weightedElement<Op>({{2, Op::set},
                                                                          {1, Op::fail},
                                                                          {4, Op::try_wait},
                                                                          {1, Op::wait_shortly},
                                                                          {2, Op::wait}})),
        gen::set(&gauntlet::PromiseCommand::number, gen::inRange<std::uint64_t>(0, 200)));
  }
};

}  // namespace rc

namespace gauntlet {
namespace {

using Op = PromiseCommand::Op;

/// Settled or not, and which ends were used up.
class PromiseModel {
 public:
  explicit PromiseModel(const PromiseClaims& claims) : claims_(claims) {}

  /// What the call must answer: an error, or nothing for success. Undefined is not asked.
  struct Expected {
    bool asked = true;
    std::optional<Code> error = std::nullopt;
    Settlement told = {};
  };

  Expected settle(Settlement::Kind kind, std::uint64_t number) {
    if (kind == Settlement::failed && !claims_.can_fail) return {.error = Code::unsupported};
    if (settled_) return {.asked = claims_.refuses_second_set, .error = Code::settled};
    settled_ = Settlement{.kind = kind, .content = number};
    return {};
  }

  Expected wait(std::size_t waiter, Op op) {
    if (used_[waiter]) return {.error = Code::settled};
    if (!settled_) {
      if (op == Op::wait) return {.asked = false};
      return {.error = op == Op::try_wait ? Code::would_block : Code::timed_out};
    }
    used_[waiter] = !claims_.repeatable;
    return {.told = *settled_};
  }

 private:
  const PromiseClaims& claims_;
  std::optional<Settlement> settled_;
  bool used_[2] = {};
};

/// Two setters and two waiters, where there may be two.
struct Cast {
  std::size_t setters;
  std::size_t waiters;
  explicit Cast(const PromiseClaims& claims)
      : setters(setters_for(claims, 2)), waiters(waiters_for(claims, 2)) {}
};

/// Runs one command on model and subject; what they disagree on, or "".
std::string step(const PromiseClaims& claims, const Cast& cast, CommandedPromise& promise,
                 PromiseModel& model, const PromiseCommand& command) {
  PromiseModel::Expected expected;
  PromiseAnswer answer;
  if (command.op == Op::set || command.op == Op::fail) {
    const bool sets = command.op == Op::set;
    const std::uint64_t number =
        sets ? sample_value(claims, command.number) : sample_error(claims, command.number);
    expected = model.settle(sets ? Settlement::value : Settlement::failed, number);
    if (!expected.asked) return "";
    const std::size_t setter = command.actor % cast.setters;
    answer = sets ? promise.set(setter, number) : promise.fail(setter, number);
  } else {
    const std::size_t waiter = command.actor % cast.waiters;
    expected = model.wait(waiter, command.op);
    if (!expected.asked) return "";
    const bool told = !expected.error;
    const Deadline shortly = Deadline::after(std::chrono::milliseconds(1));
    answer = promise.wait(cast.setters + waiter, command.op == Op::try_wait ? Deadline::immediate()
                                                 : told ? Deadline::after(kCallPatience)
                                                        : shortly);
  }
  const bool agrees =
      answer.arrived && (expected.error ? !answer.ok && answer.error.code == *expected.error
                                        : answer.ok && answer.settlement == expected.told);
  if (agrees) return "";
  std::ostringstream difference;
  difference << "the model says ";
  if (expected.error) {
    difference << code_name(*expected.error);
  } else {
    difference << "ok, ";
    PrintTo(expected.told, &difference);
  }
  difference << ", the subject says ";
  PrintTo(answer, &difference);
  return difference.str();
}

bool open_cast(const Cast& cast, CommandedPromise& promise, std::size_t number) {
  for (std::size_t actor = 0; actor < cast.setters + cast.waiters; ++actor) {
    const PromiseRole role = actor < cast.setters ? PromiseRole::setter : PromiseRole::waiter;
    if (!promise.open(actor, role, number)) return false;
  }
  return true;
}

// Any sequence of calls, spread over setters and waiters and answered one at a time, does to the
// subject what it does to a variable that is assigned once.
PROMISE_CASE(properties, CommandSequences_AgreeWithTheModel) {
  const PromiseClaims& claims = context.promise().claims;
  const Cast cast(claims);
  const PropertyAmount amount{.tests = context.amount(20, 300, 3000),
                              .size = context.amount(30, 80, 200)};
  check_property(context, amount, [&] {
    const auto commands = *rc::gen::arbitrary<std::vector<PromiseCommand>>();
    CommandedPromise promise(context, cast.setters + cast.waiters);
    if (!promise.ready() || !open_cast(cast, promise, 0)) return;
    PromiseModel model(claims);
    for (std::size_t i = 0; i < commands.size(); ++i) {
      const std::string difference = step(claims, cast, promise, model, commands[i]);
      if (difference.empty()) continue;
      std::ostringstream text;
      text << "command " << i + 1 << " (";
      showValue(commands[i], text);
      text << "): " << difference;
      RC_FAIL(text.str());
    }
  });
}

// Whatever is set, on any of several promises and in any order: each waiter is told what was set on
// its own, and nothing of the others.
PROMISE_CASE(properties, SettledInAnyOrder_EachIsToldItsOwn) {
  const PromiseClaims& claims = context.promise().claims;
  constexpr std::size_t kMostAtOnce = 6;
  const PropertyAmount amount{.tests = context.amount(10, 150, 1500), .size = 50};
  check_property(context, amount, [&] {
    const auto drawn = *rc::gen::container<std::vector<std::uint64_t>>(
        kMostAtOnce, rc::gen::arbitrary<std::uint64_t>());
    const auto first = *rc::gen::inRange<std::size_t>(0, kMostAtOnce);
    CommandedPromise promise(context, 2 * kMostAtOnce, kMostAtOnce);
    if (!promise.ready()) return;
    for (std::size_t i = 0; i < kMostAtOnce; ++i) {
      RC_ASSERT(promise.open(i, PromiseRole::setter, i));
      RC_ASSERT(promise.open(kMostAtOnce + i, PromiseRole::waiter, i));
    }
    for (std::size_t i = 0; i < kMostAtOnce; ++i) {
      const std::size_t at = (first + i) % kMostAtOnce;
      RC_ASSERT(promise.set(at, sample_value(claims, drawn[at])).ok);
    }
    for (std::size_t i = 0; i < kMostAtOnce; ++i) {
      const PromiseAnswer answer = promise.wait(kMostAtOnce + i);
      RC_ASSERT(answer.ok);
      RC_ASSERT(answer.settlement.content == sample_value(claims, drawn[i]));
    }
  });
}

}  // namespace
}  // namespace gauntlet
