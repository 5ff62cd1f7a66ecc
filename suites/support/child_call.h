// One call made by a child process, for calls that sleep and calls that need another identity.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "base/unique_fd.h"
#include "cases/context.h"
#include "process/crew.h"
#include "process/shared.h"
#include "support/call_outcome.h"

namespace gauntlet {

/// What the child does when SIGUSR1 comes.
enum class OnSignal : std::uint8_t {
  interrupt,  ///< a handler without SA_RESTART
  restart,    ///< a handler with SA_RESTART
};

/// A child that makes one call and keeps its outcome. Used in the body of a case only; dropping it
/// kills the child. The call is a function that answers -1 (or null) and sets errno, or one that
/// answers an error number, as the pthread calls do.
class ChildCall {
 public:
  /// Forks, and calls at once. A failure to fork is an `error` of the case.
  template <class Call>
  ChildCall(CaseContext& context, Call call, OnSignal on_signal = OnSignal::interrupt)
      : ChildCall(context, on_signal,
                  std::function<CallOutcome()>([call] { return outcome_of(call()); })) {}

  /// True when the child really sleeps inside a system call, however long it takes to get there.
  testing::AssertionResult is_asleep();
  /// Sends SIGUSR1 and waits until its handler has run.
  testing::AssertionResult signal_and_await_handler();
  /// SIGKILL, and reaped: a fault that was planned and, when the child was alive, fired (answered).
  bool kill();
  pid_t pid();
  /// Waits for the call to return. A child that still sleeps at the deadline is a hang of the case,
  /// with its stack, and a call that never returned.
  CallOutcome finish();

 private:
  ChildCall(CaseContext& context, OnSignal on_signal, std::function<CallOutcome()> call);

  CaseContext& context_;
  Shared<CallOutcome> outcome_;
  UniqueFd handled_;  ///< readable when the handler has run
  Crew crew_{1};
  bool forked_ = false;
};

/// The outcome of `call` made by a child without any capability, still as the same user: what mode
/// bits and limits refuse to those that may not override them.
CallOutcome call_without_capabilities(CaseContext& context, const std::function<long()>& call);

/// The outcome of `call` made by a child that is an unprivileged user other than ours. Empty when
/// this process cannot become another user: the case was told not_run and the body returns.
std::optional<CallOutcome> call_as_stranger(CaseContext& context,
                                            const std::function<long()>& call);

}  // namespace gauntlet
