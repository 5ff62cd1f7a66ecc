// Calls with their invocation and response.
#include "contracts/semaphore/recorded.h"

#include "contracts/semaphore/opening.h"
#include "contracts/semaphore/program.h"

namespace gauntlet {

using history::Outcome;

history::Outcome to_outcome(const Error& error) {
  switch (error.code) {
    case Code::timed_out:
      return Outcome::timed_out;
    case Code::would_block:
      return Outcome::would_block;
    case Code::not_owner:
    case Code::overflow:
      return Outcome::refused;
    default:
      return Outcome::error;
  }
}

RecordedSemaphore::RecordedSemaphore(Worker& worker, SemaphoreHost& host, history::Lane lane)
    : worker_(worker), lane_(lane), semaphore_(open_semaphore(worker, host)) {}

bool RecordedSemaphore::respond_acquired(history::Token token, const Result<Acquired>& result) {
  if (result) {
    lane_.respond(token, *result == Acquired::owner_died ? Outcome::owner_died : Outcome::ok);
    return true;
  }
  const Outcome outcome = to_outcome(result.error());
  lane_.respond(token, outcome, 0, 0, result.error().system_errno);
  worker_.expect(outcome == Outcome::timed_out || outcome == Outcome::would_block,
                 "acquire: " + describe(result.error()));
  return false;
}

bool RecordedSemaphore::acquire(Deadline deadline) {
  const history::Token token = lane_.invoke(history::Op::acquire);
  return respond_acquired(token, semaphore_->acquire(deadline));
}

bool RecordedSemaphore::try_acquire() {
  const history::Token token = lane_.invoke(history::Op::try_acquire);
  return respond_acquired(token, semaphore_->try_acquire());
}

bool RecordedSemaphore::release() {
  const history::Token token = lane_.invoke(history::Op::release);
  const Status released = semaphore_->release();
  if (released) {
    lane_.respond(token, Outcome::ok);
    return true;
  }
  lane_.respond(token, to_outcome(released.error()), 0, 0, released.error().system_errno);
  worker_.expect(false, "release: " + describe(released.error()));
  return false;
}

void RecordedSemaphore::value() {
  const history::Token token = lane_.invoke(history::Op::value);
  const Result<std::int64_t> value = semaphore_->value();
  if (value) {
    lane_.respond(token, Outcome::ok, static_cast<std::uint64_t>(*value));
  } else {
    lane_.respond(token, Outcome::error, 0, 0, value.error().system_errno);
    worker_.expect(false, "value: " + describe(value.error()));
  }
}

}  // namespace gauntlet
