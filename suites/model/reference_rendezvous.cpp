// The reference rendezvous as scenarios of the model engine.
#include <algorithm>

#include "history/monitor.h"
#include "history/rendezvous.h"
#include "model/reference_messages.h"
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/rendezvous.h"

namespace gauntlet::schedule {
namespace {

using history::Outcome;
using reference::Deadline;
using reference::Rendezvous;

Scenario rendezvous_scenario(std::uint32_t places) {
  Scenario scenario;
  scenario.name = "reference rendezvous";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [places](Self& self) {
    Rendezvous::Options options;
    options.largest_message = sizeof(std::uint64_t);
    options.participants = places;
    self.expect(static_cast<bool>(Rendezvous::create_anonymous(options)), "create failed");
  };
  scenario.shortest_calls_suffice = true;
  scenario.judge = [](const Ending& ending) {
    return in_words(history::check_rendezvous(ending.history));
  };
  scenario.monitor = [] { return history::monitor_rendezvous(); };
  return scenario;
}

}  // namespace

Scenario rendezvous_of(std::uint32_t senders, std::uint32_t receivers, bool deaths) {
  Scenario scenario = rendezvous_scenario(senders + receivers);
  scenario.time_outs_rescue_the_dead_only = true;
  for (std::uint32_t sender = 0; sender < senders; ++sender) {
    scenario.processes.push_back({.name = "sender " + std::to_string(sender),
                                  .body =
                                      [=](Self& self) {
                                        auto rendezvous = attached<Rendezvous>(self);
                                        send(self, rendezvous, 1 + sender, until(deaths));
                                      },
                                  .may_die = deaths});
  }
  for (std::uint32_t receiver = 0; receiver < receivers; ++receiver) {
    scenario.processes.push_back({.name = "receiver " + std::to_string(receiver),
                                  .body =
                                      [=](Self& self) {
                                        auto rendezvous = attached<Rendezvous>(self);
                                        for (std::uint32_t n = 0; n < senders / receivers; ++n) {
                                          if (receive(self, rendezvous, until(deaths)) !=
                                              Outcome::ok)
                                            return;
                                        }
                                      },
                                  .may_die = deaths});
  }
  scenario.faults.deaths = deaths ? 1 : 0;
  return scenario;
}

Scenario rendezvous_calls(const Workload& workload, std::uint32_t deaths) {
  std::ptrdiff_t more_sends = 0;
  for (const std::string& calls : workload) {
    more_sends += std::count(calls.begin(), calls.end(), 's');
    more_sends -= std::count(calls.begin(), calls.end(), 'r');
  }
  Scenario scenario = rendezvous_scenario(static_cast<std::uint32_t>(workload.size()));
  scenario.time_outs_rescue_the_dead_only = more_sends == 0;
  add_processes(
      scenario, workload, deaths, deaths > 0 || more_sends != 0,
      [](Self& self, const std::string& /*calls*/) { return attached<Rendezvous>(self); },
      [](Self& self, Rendezvous& rendezvous, char call, std::uint64_t id, Deadline deadline) {
        if (call == 's') send(self, rendezvous, id, deadline);
        if (call == 'r') receive(self, rendezvous, deadline);
      });
  return scenario;
}

Scenario rendezvous_offer_that_is_taken_back() {
  Scenario scenario = rendezvous_scenario(2);
  const auto attach = [](Self& self, const std::string& /*calls*/) {
    return attached<Rendezvous>(self);
  };
  add_processes(
      scenario, {"ss", "r"}, 0, true, attach,
      [](Self& self, Rendezvous& rendezvous, char call, std::uint64_t id, Deadline deadline) {
        // The first time of the sender is over as soon as it sleeps.
        const bool first = id % 100 == 0;
        const Deadline soon = reference::Clock::now() + std::chrono::milliseconds{1};
        if (call == 's') send(self, rendezvous, id, first ? soon : deadline);
        if (call == 'r') receive(self, rendezvous, deadline);
      });
  scenario.faults.time_outs = 1;
  return scenario;
}

}  // namespace gauntlet::schedule
