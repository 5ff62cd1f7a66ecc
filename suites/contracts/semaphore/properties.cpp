// Contract Semaphore, properties: command sequences in several processes against a sequential
// model.
#include "support/property.h"
// GoogleTest and rapidcheck first; see property.h.

#include <chrono>
#include <sstream>
#include <vector>

#include "contracts/semaphore/commanded.h"
#include "contracts/semaphore/model.h"

namespace gauntlet {

/// One command of a sequence, as plain data, printed in a counterexample.
struct SemaphoreCommand {
  enum class Op : std::uint8_t { try_acquire, acquire_shortly, release, value };
  std::size_t worker = 0;
  Op op = Op::value;
};

void showValue(const SemaphoreCommand& command, std::ostream& out) {
  constexpr const char* kNames[] = {"try_acquire", "acquire(1 ms)", "release", "value"};
  out << "p" << command.worker << "." << kNames[static_cast<std::size_t>(command.op)];
}

}  // namespace gauntlet

namespace rc {

template <>
struct Arbitrary<gauntlet::SemaphoreCommand> {
  static Gen<gauntlet::SemaphoreCommand> arbitrary() {
    using Op = gauntlet::SemaphoreCommand::Op;
    return gen::build<gauntlet::SemaphoreCommand>(
        gen::set(&gauntlet::SemaphoreCommand::worker, gen::inRange<std::size_t>(0, 3)),
        gen::set(&gauntlet::SemaphoreCommand::op,
                 gen::weightedElement<Op>({{6, Op::try_acquire},
                                           {1, Op::acquire_shortly},
                                           {6, Op::release},
                                           {2, Op::value}})));
  }
};

}  // namespace rc

namespace gauntlet {
namespace {

using Op = SemaphoreCommand::Op;
constexpr std::size_t kWorkers = 3;
constexpr std::chrono::milliseconds kShortly{1};

bool agrees(Expected expected, const Answer& answer) {
  if (!answer.arrived) return false;
  switch (expected) {
    case Expected::ok:
      return answer.ok && !answer.owner_died;
    case Expected::would_block:
      return !answer.ok && answer.error == Code::would_block;
    case Expected::timed_out:
      return !answer.ok && answer.error == Code::timed_out;
    case Expected::not_owner:
      return !answer.ok && answer.error == Code::not_owner;
    case Expected::overflow:
      return !answer.ok && answer.error == Code::overflow;
    case Expected::refused:
      return !answer.ok;
    case Expected::undefined:
      return true;
  }
  return false;
}

std::string_view word(Expected expected) {
  constexpr std::string_view kWords[] = {"ok",       "would_block", "timed_out", "not_owner",
                                         "overflow", "a refusal",   "anything"};
  return kWords[static_cast<std::size_t>(expected)];
}

/// Runs one command on model and subject; what they disagree on, or "".
std::string step(const SemaphoreClaims& claims, CommandedSemaphore& semaphore,
                 SemaphoreModel& model, const SemaphoreCommand& command) {
  std::ostringstream difference;
  if (command.op == Op::value) {
    if (!claims.readable) return "";
    const Answer answer = semaphore.value(command.worker);
    if (answer.ok && answer.value == model.value()) return "";
    difference << "value of the model: " << model.value() << ", of the subject: ";
    PrintTo(answer, &difference);
    return difference.str();
  }
  Expected expected = Expected::undefined;
  Answer answer;
  if (command.op == Op::try_acquire) {
    expected = model.try_acquire(command.worker);
    if (expected == Expected::undefined) return "";
    answer = semaphore.try_acquire(command.worker);
  } else if (command.op == Op::release) {
    expected = model.release(command.worker);
    if (expected == Expected::undefined) return "";
    answer = semaphore.release(command.worker);
  } else {
    expected = model.acquire_shortly(command.worker);
    if (expected == Expected::undefined) return "";
    answer = semaphore.acquire(
        command.worker, Deadline::after(expected == Expected::ok ? Deadline::Duration(kCallPatience)
                                                                 : Deadline::Duration(kShortly)));
  }
  if (agrees(expected, answer)) return "";
  difference << "the model says " << word(expected) << ", the subject says ";
  PrintTo(answer, &difference);
  return difference.str();
}

/// Runs the whole sequence on a fresh semaphore; the first disagreement, or "".
std::string run(CaseContext& context, std::int64_t initial,
                const std::vector<SemaphoreCommand>& commands) {
  const SemaphoreClaims& claims = context.semaphore().claims;
  CommandedSemaphore semaphore(context, initial, kWorkers);
  if (!semaphore.ready()) return "";
  SemaphoreModel model(claims, initial);
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const std::string difference = step(claims, semaphore, model, commands[i]);
    if (difference.empty()) continue;
    std::ostringstream text;
    text << "command " << i + 1 << " (";
    showValue(commands[i], text);
    text << "): " << difference;
    return text.str();
  }
  return "";
}

PropertyAmount amount(const CaseContext& context) {
  return {.tests = context.amount(8, 300, 3000), .size = context.amount(40, 80, 200)};
}

// Any sequence of commands, spread over three processes and answered one at a time, does to the
// subject what it does to a counter with an owner.
SEMAPHORE_CASE(properties, CommandSequences_AgreeWithTheModel) {
  const std::int64_t units = sample_units(context.semaphore().claims);
  check_property(context, amount(context), [&] {
    const std::int64_t initial =
        context.semaphore().claims.owner ? 1 : *rc::gen::inRange<std::int64_t>(0, units + 1);
    const auto commands = *rc::gen::arbitrary<std::vector<SemaphoreCommand>>();
    const std::string difference = run(context, initial, commands);
    if (!difference.empty()) RC_FAIL(difference);
  });
}

// Whatever was done before: when all that was taken is given back, exactly the units of the start
// can be taken again, and not one more.
SEMAPHORE_CASE(properties, AfterAnySequence_GivingAllBackRestoresTheUnits) {
  const SemaphoreClaims& claims = context.semaphore().claims;
  const std::int64_t units = sample_units(claims);
  check_property(context, amount(context), [&] {
    const auto commands = *rc::gen::arbitrary<std::vector<SemaphoreCommand>>();
    CommandedSemaphore semaphore(context, units, static_cast<std::size_t>(units) + 1);
    if (!semaphore.ready()) return;
    const auto workers = static_cast<std::size_t>(units) + 1;
    std::vector<int> held(workers, 0);
    for (const SemaphoreCommand& command : commands) {
      const std::size_t worker = command.worker % workers;
      if (command.op == Op::release) {
        if (held[worker] == 0) continue;
        RC_ASSERT(semaphore.release(worker).ok);
        --held[worker];
      } else if (!claims.owner || held[worker] == 0) {
        if (semaphore.try_acquire(worker).ok) ++held[worker];
      }
    }
    for (std::size_t worker = 0; worker < workers; ++worker) {
      for (; held[worker] > 0; --held[worker]) RC_ASSERT(semaphore.release(worker).ok);
    }
    for (std::size_t worker = 0; worker + 1 < workers; ++worker) {
      RC_ASSERT(semaphore.try_acquire(worker).ok);
    }
    RC_ASSERT(!semaphore.try_acquire(workers - 1).ok);
  });
}

// However often an acquire times out in between, no unit comes or goes by it.
SEMAPHORE_CASE(
    properties, TimeOutsInBetween_ConserveTheUnit,
    .applies = [](const SemaphoreClaims& claims) { return claims.deadlines; }) {
  PropertyAmount few = amount(context);
  few.tests = context.amount(6, 100, 1000);
  check_property(context, few, [&] {
    const auto waits =
        *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, kWorkers));
    CommandedSemaphore semaphore(context, 1, kWorkers);
    if (!semaphore.ready()) return;
    RC_ASSERT(semaphore.try_acquire(0).ok);
    for (std::size_t i = 0; i < waits.size() && i < 12; ++i) {
      const Answer answer = semaphore.acquire(waits[i], Deadline::after(kShortly));
      RC_ASSERT(answer.arrived && !answer.ok && answer.error == Code::timed_out);
    }
    RC_ASSERT(semaphore.release(0).ok);
    RC_ASSERT(semaphore.try_acquire(1).ok);
    RC_ASSERT(!semaphore.try_acquire(2).ok);
  });
}

}  // namespace
}  // namespace gauntlet
