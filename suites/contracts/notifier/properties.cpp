// Contract Notifier, properties: command sequences in several processes against a sequential model.
#include "support/property.h"
// GoogleTest and rapidcheck first; see property.h.

#include <sstream>
#include <vector>

#include "contracts/notifier/commanded.h"
#include "contracts/notifier/model.h"

namespace gauntlet {

/// One command of a sequence, as plain data, printed in a counterexample.
struct NotifierCommand {
  enum class Op : std::uint8_t { notify, try_wait, wait_shortly };
  std::size_t worker = 0;     ///< which of the notifiers or of the waiters
  std::uint32_t payload = 0;  ///< of a notify; made smaller to what is claimed
  Op op = Op::notify;
};

void showValue(const NotifierCommand& command, std::ostream& out) {
  using Op = NotifierCommand::Op;
  if (command.op == Op::notify) {
    out << "n" << command.worker << ".notify(" << command.payload << ")";
  } else {
    out << "w" << command.worker << (command.op == Op::try_wait ? ".try" : ".wait(1 ms)");
  }
}

}  // namespace gauntlet

namespace rc {

template <>
struct Arbitrary<gauntlet::NotifierCommand> {
  static Gen<gauntlet::NotifierCommand> arbitrary() {
    using gauntlet::NotifierCommand;
    using Op = NotifierCommand::Op;
    return gen::build<NotifierCommand>(
        gen::set(&NotifierCommand::worker, gen::inRange<std::size_t>(0, 2)),
        gen::set(&NotifierCommand::payload, gen::inRange<std::uint32_t>(0, 100'000)),
        gen::set(
            &NotifierCommand::op,
            gen::weightedElement<Op>({{8, Op::notify}, {6, Op::try_wait}, {1, Op::wait_shortly}})));
  }
};

}  // namespace rc

namespace gauntlet {
namespace {

using Op = NotifierCommand::Op;
constexpr std::size_t kNotifiers = 2;
constexpr std::chrono::milliseconds kShortly{1};

bool testable(const NotifierClaims& claims) { return claims.remembered && claims.seen_at_once; }

bool same(const Notification& expected, const Notification& told) {
  return expected.count == told.count && expected.payload == told.payload &&
         expected.sender == told.sender;
}

std::string told(const NotifierAnswer& answer) {
  std::ostringstream text;
  PrintTo(answer, &text);
  return text.str();
}

/// A notifier with its model beside it.
struct Checked {
  CommandedNotifier& notifier;
  NotifierModel model;
  const NotifierClaims& claims;
  std::size_t waiters;

  /// What they disagree on, or "".
  std::string step(const NotifierCommand& command) {
    if (command.op == Op::notify) return notify(command);
    const std::size_t waiter = command.worker % waiters;
    return wait(waiter,
                command.op == Op::try_wait ? Deadline::immediate() : Deadline::after(kShortly));
  }

  std::string notify(const NotifierCommand& command) {
    const std::size_t worker = command.worker % kNotifiers;
    const std::uint32_t payload = claims.payload && claims.largest_payload < UINT32_MAX
                                      ? command.payload % (claims.largest_payload + 1)
                                      : command.payload;
    const bool accepted = model.notify(payload, notifier.pid(worker));
    const NotifierAnswer answer = notifier.notify(worker, payload, Deadline::immediate());
    if (answer.arrived && answer.ok == accepted) return "";
    return std::string("the model ") + (accepted ? "accepts" : "is full") + ", the subject says " +
           told(answer);
  }

  std::string wait(std::size_t waiter, Deadline deadline) {
    const std::optional<Notification> expected = model.wait(waiter);
    const NotifierAnswer answer = notifier.wait(kNotifiers + waiter, deadline);
    if (!expected) {
      const bool nothing =
          answer.arrived && !answer.ok &&
          answer.error == (deadline.is_immediate() ? Code::would_block : Code::timed_out);
      return nothing ? "" : "nothing pends in the model, the subject says " + told(answer);
    }
    if (answer.arrived && answer.ok && same(*expected, answer.notification)) return "";
    NotifierAnswer right{.arrived = true, .ok = true, .notification = *expected, .error = {}};
    return "the model says " + told(right) + ", the subject says " + told(answer);
  }
};

/// Runs the sequence on a fresh notifier, and drains it; the first disagreement, or "".
std::string run(CaseContext& context, const std::vector<NotifierCommand>& commands) {
  const NotifierClaims& claims = context.notifier().claims;
  const std::size_t waiters = claims.many_waiters ? 2 : 1;
  CommandedNotifier notifier(context, kNotifiers, waiters);
  if (!notifier.ready()) return "";
  Checked checked{notifier, NotifierModel(claims, waiters), claims, waiters};
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const std::string difference = checked.step(commands[i]);
    if (difference.empty()) continue;
    std::ostringstream text;
    text << "command " << i + 1 << " (";
    showValue(commands[i], text);
    text << "): " << difference;
    return text.str();
  }
  for (std::size_t waiter = 0; waiter < waiters; ++waiter) {
    for (std::size_t i = 0; i <= commands.size(); ++i) {
      const std::string difference = checked.wait(waiter, Deadline::immediate());
      if (!difference.empty()) return "draining at the end: " + difference;
    }
  }
  return "";
}

// Any sequence of commands, spread over processes and answered one at a time, does to the subject
// what it does to a queue, a counter or a flag; and at the end exactly what pends comes out.
NOTIFIER_CASE(properties, CommandSequences_AgreeWithTheModel, .applies = testable) {
  const PropertyAmount amount{.tests = context.amount(12, 200, 3000),
                              .size = context.amount(40, 80, 200)};
  check_property(context, amount, [&] {
    const auto commands = *rc::gen::arbitrary<std::vector<NotifierCommand>>();
    const std::string difference = run(context, commands);
    if (!difference.empty()) RC_FAIL(difference);
  });
}

// However often a wait times out in between, no notification comes or goes by it.
NOTIFIER_CASE(properties, TimeOutsInBetween_EatNothing) {
  const PropertyAmount amount{.tests = context.amount(6, 80, 1000),
                              .size = context.amount(20, 40, 100)};
  check_property(context, amount, [&] {
    const auto notify_now = *rc::gen::arbitrary<std::vector<bool>>();
    CommandedNotifier notifier(context, 1, 1);
    if (!notifier.ready()) return;
    for (std::size_t i = 0; i < notify_now.size() && i < 12; ++i) {
      if (notify_now[i]) {
        RC_ASSERT(notifier.notify(0).ok);
        const NotifierAnswer answer = notifier.wait(1);
        RC_ASSERT(answer.ok && answer.notification.count == 1);
      }
      const NotifierAnswer answer = notifier.wait(1, Deadline::after(kShortly));
      RC_ASSERT(answer.arrived && !answer.ok && answer.error == Code::timed_out);
    }
  });
}

}  // namespace
}  // namespace gauntlet
