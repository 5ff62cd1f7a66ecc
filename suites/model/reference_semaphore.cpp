// The reference semaphore as scenarios of the model engine.
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/semaphore.h"

namespace gauntlet::schedule {
namespace {

using history::Op;
using history::Outcome;
using reference::Semaphore;
using reference::Status;

Response answer(Status status) {
  switch (status) {
    case Status::ok:
      return {Outcome::ok, 0};
    case Status::would_block:
      return {Outcome::would_block, 0};
    case Status::timed_out:
      return {Outcome::timed_out, 0};
    default:
      return {Outcome::error, static_cast<std::uint64_t>(status)};
  }
}

void acquire_and_release(Self& self) {
  auto semaphore = Semaphore::attach_descriptor(kRegionDescriptor);
  self.expect(static_cast<bool>(semaphore), "attach failed");
  const Response got = self.call(Op::acquire, 1, [&] { return answer(semaphore->acquire()); });
  self.expect(got.outcome == Outcome::ok, "an acquire without a deadline came back empty");
  self.call(Op::release, 1, [&] { return answer(semaphore->release()); });
}

}  // namespace

Scenario semaphore_of_one(bool returned_on_death, std::size_t processes) {
  Scenario scenario;
  scenario.name = "reference semaphore of one unit";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [returned_on_death](Self& self) {
    Semaphore::Options options;
    options.initial_value = 1;
    options.largest_value = 1;
    options.participants = 4;
    options.units_returned_on_death = returned_on_death;
    self.expect(static_cast<bool>(Semaphore::create_anonymous(options)), "create failed");
  };
  for (std::size_t i = 0; i < processes; ++i) {
    scenario.processes.push_back(
        {.name = "process " + std::to_string(i), .body = acquire_and_release});
  }
  return scenario;
}

}  // namespace gauntlet::schedule
