// The reference rendezvous as scenarios of the model engine.
#include <array>
#include <cstring>

#include "history/rendezvous.h"
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/rendezvous.h"

namespace gauntlet::schedule {
namespace {

using history::Op;
using history::Outcome;
using reference::Deadline;
using reference::Rendezvous;

void send(Self& self, std::uint64_t id, Deadline deadline) {
  auto rendezvous = attached<Rendezvous>(self);
  self.call(Op::send, id, [&] {
    std::array<std::byte, sizeof(id)> bytes{};
    std::memcpy(bytes.data(), &id, sizeof(id));
    return Response{outcome_of(rendezvous.send(bytes, deadline)), id};
  });
}

void receive(Self& self, std::uint32_t messages, Deadline deadline) {
  auto rendezvous = attached<Rendezvous>(self);
  for (std::uint32_t n = 0; n < messages; ++n) {
    const Response got = self.call(Op::receive, 0, [&] {
      std::array<std::byte, sizeof(std::uint64_t)> bytes{};
      const auto received = rendezvous.receive(bytes, deadline);
      std::uint64_t id = 0;
      std::memcpy(&id, bytes.data(), sizeof(id));
      return Response{outcome_of(received.status), id};
    });
    if (got.outcome != Outcome::ok) return;
  }
}

}  // namespace

Scenario rendezvous_of(std::uint32_t senders, std::uint32_t receivers, bool deaths) {
  Scenario scenario;
  scenario.name = "reference rendezvous";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [senders, receivers](Self& self) {
    Rendezvous::Options options;
    options.largest_message = sizeof(std::uint64_t);
    options.participants = senders + receivers;
    self.expect(static_cast<bool>(Rendezvous::create_anonymous(options)), "create failed");
  };
  for (std::uint32_t sender = 0; sender < senders; ++sender) {
    scenario.processes.push_back(
        {.name = "sender " + std::to_string(sender),
         .body = [=](Self& self) { send(self, 1 + sender, until(deaths)); },
         .may_die = deaths});
  }
  for (std::uint32_t receiver = 0; receiver < receivers; ++receiver) {
    scenario.processes.push_back(
        {.name = "receiver " + std::to_string(receiver),
         .body = [=](Self& self) { receive(self, senders / receivers, until(deaths)); },
         .may_die = deaths});
  }
  scenario.faults.deaths = deaths ? 1 : 0;
  scenario.time_outs_rescue_the_dead_only = true;
  scenario.judge = [](const Ending& ending) {
    return in_words(history::check_rendezvous(ending.history));
  };
  return scenario;
}

}  // namespace gauntlet::schedule
