// Calls with their invocation and response.
#include "contracts/promise/recorded.h"

#include <gtest/gtest.h>

#include "history/lanes.h"

namespace gauntlet {

using history::Op;
using history::Outcome;

RecordedPromise::RecordedPromise(Actor& actor, PromiseRole role, std::size_t promise,
                                 history::Lane lane)
    : actor_(actor), lane_(lane), promise_(actor.open(role, promise)) {}

bool RecordedPromise::respond(history::Token token, const Status& status, const char* call) {
  if (status) {
    lane_.respond(token, Outcome::ok);
    return true;
  }
  const bool refused = status.error() == Code::settled;
  lane_.respond(token, refused ? Outcome::refused : Outcome::error, 0, 0,
                status.error().system_errno);
  actor_.expect(refused, call + (": " + describe(status.error())));
  return false;
}

bool RecordedPromise::set(std::uint64_t value) {
  const history::Token token = lane_.invoke(Op::set, value);
  return respond(token, promise_->set(value), "set");
}

bool RecordedPromise::fail(std::uint64_t error) {
  const history::Token token = lane_.invoke(Op::fail, error);
  return respond(token, promise_->fail(error), "fail");
}

std::optional<Settlement> RecordedPromise::wait(Deadline deadline) {
  const history::Token token = lane_.invoke(Op::wait);
  const Result<Settlement> told = promise_->wait(deadline);
  if (told) {
    constexpr Outcome kOutcomes[] = {Outcome::ok, Outcome::failed, Outcome::broken};
    lane_.respond(token, kOutcomes[told->kind], told->content);
    return *told;
  }
  const Error& error = told.error();
  const Outcome outcome = error == Code::timed_out     ? Outcome::timed_out
                          : error == Code::would_block ? Outcome::would_block
                                                       : Outcome::error;
  lane_.respond(token, outcome, 0, 0, error.system_errno);
  actor_.expect(outcome != Outcome::error, "wait: " + describe(error));
  return std::nullopt;
}

void RecordedPromise::drop() {
  const history::Token token = lane_.invoke(Op::close);
  promise_.reset();
  lane_.respond(token, Outcome::ok);
}

bool expect_explained(CaseContext& context, const history::History& history,
                      const history::PromiseRules& rules) {
  const history::Verdict verdict = history::check_promise(history, rules);
  if (verdict.kind == history::Verdict::violation) {
    context.lanes(history::draw_lanes(history, verdict.culprits));
    ADD_FAILURE() << context.info().subject << ": " << verdict.message;
  } else if (verdict.kind == history::Verdict::unknown) {
    context.error("a history could not be decided: " + verdict.message);
  }
  return verdict.kind == history::Verdict::valid;
}

}  // namespace gauntlet
