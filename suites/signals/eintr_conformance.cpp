// The EINTR table: each blocking call of all methods is seen asleep, a signal comes, and it does
// what signal(7) says.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <string>
#include <vector>

#include "signals/blocking_calls.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

/// What comes while the call sleeps.
enum class Disturbance : std::uint8_t { handler, restarting_handler, stop };

Interrupted expected_of(const BlockingCall& call, Disturbance disturbance) {
  switch (disturbance) {
    case Disturbance::handler:
      return call.plain;
    case Disturbance::restarting_handler:
      return call.restart;
    case Disturbance::stop:
      return call.stopped;
  }
  return Interrupted::not_said;
}

/// "Interrupted_ReadFromPipeWithSaRestart_GoesOn".
std::string case_name(const BlockingCall& call, Disturbance disturbance) {
  const std::string outcome =
      expected_of(call, disturbance) == Interrupted::eintr ? "_FailsWithEintr" : "_GoesOn";
  switch (disturbance) {
    case Disturbance::handler:
      return "Interrupted_" + std::string(call.name) + outcome;
    case Disturbance::restarting_handler:
      return "Interrupted_" + std::string(call.name) + "WithSaRestart" + outcome;
    case Disturbance::stop:
      return "Stopped_" + std::string(call.name) + outcome;
  }
  return "";
}

/// "eintr read(pipe) SA_RESTART": where the report looks for the cell of the table.
std::string cell_name(const BlockingCall& call, Disturbance disturbance) {
  const std::string text(call.call);
  if (disturbance == Disturbance::handler) return "eintr " + text;
  if (disturbance == Disturbance::restarting_handler) return "eintr " + text + " SA_RESTART";
  return "eintr " + text + " SIGSTOP";
}

std::vector<BlockingCall> all_blocking_calls() {
  std::vector<BlockingCall> all;
  for (const auto calls : {descriptor_calls(), socket_calls(), readiness_calls(), queue_calls(),
                           lock_calls(), process_calls()}) {
    all.insert(all.end(), calls.begin(), calls.end());
  }
  return all;
}

/// SIGSTOP, seen to have stopped it, and SIGCONT: no handler runs.
testing::AssertionResult stop_and_continue(pid_t pid) {
  if (::kill(pid, SIGSTOP) != 0) return testing::AssertionFailure() << errno_name(errno);
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WEXITED | WNOWAIT) != 0 ||
      info.si_code != CLD_STOPPED) {
    return testing::AssertionFailure() << "the child did not stop";
  }
  if (::kill(pid, SIGCONT) != 0) return testing::AssertionFailure() << errno_name(errno);
  return testing::AssertionSuccess();
}

void run(CaseContext& context, const BlockingCall& row, Disturbance disturbance) {
  const Situation situation = row.prepare(context);
  if (!situation.call) return;
  const bool restart = disturbance == Disturbance::restarting_handler;
  ChildCall child(context, situation.call, restart ? OnSignal::restart : OnSignal::interrupt);
  ASSERT_TRUE(child.is_asleep());
  if (disturbance == Disturbance::stop) {
    ASSERT_TRUE(stop_and_continue(child.pid()));
  } else {
    ASSERT_TRUE(child.signal_and_await_handler());
  }
  const std::string cell = cell_name(row, disturbance);
  if (child.is_asleep()) {
    context.observed(cell, "goes on");
    ASSERT_EQ(expected_of(row, disturbance), Interrupted::goes_on)
        << row.call << " was to fail with EINTR, and sleeps on";
    if (!situation.complete) return;  // nothing but a signal ends it
    situation.complete();
    EXPECT_THAT(child.finish(), SyscallSucceeds());
    return;
  }
  const CallOutcome outcome = child.finish();
  context.observed(cell, outcome.failed ? errno_name(outcome.error) : "returns");
  if (expected_of(row, disturbance) == Interrupted::eintr) {
    EXPECT_THAT(outcome, SyscallFailsWithErrno(EINTR));
  } else {
    ADD_FAILURE() << row.call << " was to sleep on, and answered "
                  << testing::PrintToString(outcome);
  }
}

template <Disturbance kDisturbance>
void body(CaseContext& context) {
  for (const BlockingCall& row : all_blocking_calls()) {
    if (case_name(row, kDisturbance) == context.info().test) return run(context, row, kDisturbance);
  }
  context.error("no row of the table has the name of this case");
}

template <Disturbance kDisturbance>
void register_cases(const char* section) {
  for (const BlockingCall& row : all_blocking_calls()) {
    if (expected_of(row, kDisturbance) == Interrupted::not_said) continue;
    const std::string name = case_name(row, kDisturbance);
    const std::string clause = fmt::format("signal(7) {}: {}; {}", section, row.call, row.page);
    const CaseOptions options{.clause = clause.c_str()};
    RegisterCase("SignalsConformance", name.c_str(), options, &body<kDisturbance>, __FILE__,
                 __LINE__);
  }
}

const bool registered = [] {
  register_cases<Disturbance::handler>(
      "Interruption of system calls and library functions by signal handlers");
  register_cases<Disturbance::restarting_handler>(
      "Interruption of system calls and library functions by signal handlers");
  register_cases<Disturbance::stop>(
      "Interruption of system calls and library functions by stop signals");
  return true;
}();

}  // namespace
}  // namespace gauntlet
