// Contract Promise, conformance: who comes late, who goes, and strangers.
#include <gtest/gtest.h>

#include "contracts/promise/claims.h"
#include "contracts/promise/matchers.h"
#include "contracts/registry.h"
#include "process/entry.h"

namespace gauntlet {
namespace {

bool kept(const PromiseClaims& claims) { return claims.kept_for_latecomers; }
bool named(const PromiseClaims& claims) { return claims.reach == Reach::named; }

// Who comes after it was set is told at once.
PROMISE_CASE(conformance, LatecomerAfterTheSet_IsTold, .applies = kept) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return;
  ASSERT_THAT(promise.set(0, 1), Succeeds());
  if (!promise.open(1, PromiseRole::waiter)) return;
  EXPECT_THAT(promise.try_wait(1), IsTold(1));
}

// Also when the setter has gone since.
PROMISE_CASE(conformance, LatecomerAfterTheSetterHasGone_IsTold, .applies = kept) {
  CommandedPromise promise(context, 2);
  if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return;
  ASSERT_THAT(promise.set(0, 2), Succeeds());
  promise.drop(0);
  if (!promise.open(1, PromiseRole::waiter)) return;
  EXPECT_THAT(promise.wait(1), IsTold(2));
}

// A setter that goes after its set breaks nothing: those who sleep and those who come are told.
PROMISE_CASE(conformance, SetterGoesAfterItsSet_NothingIsBroken) {
  const std::size_t waiters = waiters_for(context.promise().claims, 3);
  CommandedPromise promise(context, waiters + 1);
  if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return;
  for (std::size_t waiter = 1; waiter <= waiters; ++waiter) {
    if (!promise.open(waiter, PromiseRole::waiter)) return;
    promise.begin_wait(waiter);
    ASSERT_TRUE(promise.asleep(waiter));
  }
  ASSERT_THAT(promise.set(0, 3), Succeeds());
  promise.drop(0);
  for (std::size_t waiter = 1; waiter <= waiters; ++waiter) {
    EXPECT_THAT(promise.finish(waiter), IsTold(3));
  }
}

// A setter that goes without a word: waiters learn of it, or wait on, as is claimed.
PROMISE_CASE(conformance, SetterGoesWithoutAWord_WaitersLearnWhatIsClaimed) {
  const PromiseClaims& claims = context.promise().claims;
  const std::size_t waiters = waiters_for(claims, 3);
  CommandedPromise promise(context, waiters + 1);
  if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return;
  for (std::size_t waiter = 1; waiter <= waiters; ++waiter) {
    if (!promise.open(waiter, PromiseRole::waiter)) return;
  }
  if (claims.setter_death == SetterDeath::nothing) {
    promise.drop(0);
    EXPECT_THAT(promise.try_wait(1), FailsWith(Code::would_block));
    EXPECT_THAT(promise.wait(1, Deadline::after(kShortWait)), FailsWith(Code::timed_out));
    return;
  }
  for (std::size_t waiter = 1; waiter <= waiters; ++waiter) {
    promise.begin_wait(waiter);
    ASSERT_TRUE(promise.asleep(waiter));
  }
  promise.drop(0);
  for (std::size_t waiter = 1; waiter <= waiters; ++waiter) {
    ASSERT_THAT(promise.finish(waiter), IsToldBroken()) << "waiter " << waiter;
  }
  if (claims.repeatable) {
    EXPECT_THAT(promise.wait(1), IsToldBroken());
  }
}

// Of several setters the last one's going breaks it, not the first one's.
PROMISE_CASE(conformance, OneOfTwoSettersGoes_TheOtherCanStillSet, .applies = many_setters) {
  CommandedPromise promise(context, 3);
  if (!promise.ready()) return;
  for (const std::size_t setter : {0U, 1U}) {
    if (!promise.open(setter, PromiseRole::setter)) return;
  }
  if (!promise.open(2, PromiseRole::waiter)) return;
  promise.drop(0);
  EXPECT_THAT(promise.try_wait(2), FailsWith(Code::would_block));
  EXPECT_THAT(promise.wait(2, Deadline::after(kShortWait)), FailsWith(Code::timed_out));
  ASSERT_THAT(promise.set(1, 4), Succeeds());
  EXPECT_THAT(promise.wait(2), IsTold(4));
}

// A waiter that goes, told or not, takes nothing from the others.
PROMISE_CASE(
    conformance, WaiterGoes_OthersAreTold,
    .applies = [](const PromiseClaims& claims) { return claims.many_waiters; }) {
  CommandedPromise promise(context, 4);
  if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return;
  for (const std::size_t waiter : {1U, 2U, 3U}) {
    if (!promise.open(waiter, PromiseRole::waiter)) return;
  }
  promise.drop(1);
  ASSERT_THAT(promise.set(0, 5), Succeeds());
  EXPECT_THAT(promise.wait(2), IsTold(5));
  promise.drop(2);
  EXPECT_THAT(promise.wait(3), IsTold(5));
}

// What a stranger reports: 0 when it did its part.
int stranger(std::span<const std::string> arguments) {
  if (arguments.size() != 3) return 10;
  const PromiseSubject* subject = registered_subjects().promise(arguments[0]);
  if (subject == nullptr || subject->attach == nullptr) return 10;
  const bool sets = arguments[2] == "set";
  const auto promise =
      subject->attach(arguments[1], sets ? PromiseRole::setter : PromiseRole::waiter);
  if (!promise) return 11;
  if (sets) return (*promise)->set(6) ? 0 : 12;
  const auto told = (*promise)->wait(Deadline::after(kCallPatience));
  if (!told) return 13;
  return *told == Settlement{Settlement::value, 6} ? 0 : 14;
}
const RegisterWorkerEntry kStranger("promise_stranger", stranger);

Result<Process> start_stranger(CaseContext& context, CommandedPromise& promise, const char* does) {
  const std::string arguments[] = {context.promise().name, promise.actors().host().address(), does};
  return Process::exec("promise_stranger", arguments);
}

void expect_clean_end(Result<Process>& process) {
  const Result<ExitStatus> status = process->wait(Deadline::after(kCallPatience));
  ASSERT_TRUE(status.has_value()) << describe(status.error());
  EXPECT_TRUE(status->clean()) << describe(*status)
                               << " (11 attach, 12 set, 13 wait failed, 14 told another thing)";
}

// A process that shares nothing with the others but the name sets, and those who wait are told.
PROMISE_CASE(conformance, StrangerByExec_Sets, .applies = named) {
  CommandedPromise promise(context, 1);
  if (!promise.ready() || !promise.open(0, PromiseRole::waiter)) return;
  promise.begin_wait(0);
  ASSERT_TRUE(promise.asleep(0));
  Result<Process> process = start_stranger(context, promise, "set");
  ASSERT_TRUE(process.has_value()) << describe(process.error());
  EXPECT_THAT(promise.finish(0), IsTold(6));
  expect_clean_end(process);
}

// It waits like them, too.
PROMISE_CASE(conformance, StrangerByExec_WaitsAndIsTold, .applies = named) {
  CommandedPromise promise(context, 1);
  if (!promise.ready() || !promise.open(0, PromiseRole::setter)) return;
  Result<Process> process = start_stranger(context, promise, "wait");
  ASSERT_TRUE(process.has_value()) << describe(process.error());
  ASSERT_TRUE(process->await_asleep(Deadline::after(kCallPatience)).has_value())
      << "the stranger does not wait";
  ASSERT_THAT(promise.set(0, 6), Succeeds());
  expect_clean_end(process);
}

// A name that is gone cannot be attached to.
PROMISE_CASE(conformance, AttachAfterTheHostIsGone_Fails, .applies = named) {
  std::string address;
  {
    PromiseOptions options;
    options.scope = context.scope();
    const auto host = context.promise().create(options);
    if (!host) return context.not_created(host.error());
    address = (*host)->address();
  }
  const auto attached = context.promise().attach(address, PromiseRole::waiter);
  EXPECT_FALSE(attached.has_value()) << "attached to " << address << ", which was removed";
}

}  // namespace
}  // namespace gauntlet
