// The reference channel as scenarios of the model engine.
#include <array>
#include <cstring>

#include "history/fifo_channel.h"
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/channel.h"

namespace gauntlet::schedule {
namespace {

using history::Op;
using history::Outcome;
using reference::Channel;
using reference::Deadline;

void send(Self& self, Channel& channel, std::uint64_t id, Deadline deadline) {
  self.call(Op::send, id, [&] {
    std::array<std::byte, sizeof(id)> bytes{};
    std::memcpy(bytes.data(), &id, sizeof(id));
    return Response{outcome_of(channel.send(bytes, deadline)), id};
  });
}

Outcome receive(Self& self, Channel& channel, Deadline deadline) {
  return self
      .call(Op::receive, 0,
            [&] {
              std::array<std::byte, sizeof(std::uint64_t)> bytes{};
              const auto received = channel.receive(bytes, deadline);
              std::uint64_t id = 0;
              std::memcpy(&id, bytes.data(), sizeof(id));
              return Response{outcome_of(received.status), id};
            })
      .outcome;
}

/// Takes what is left, when all others are done.
ProcessPlan drain() {
  return {.name = "drain",
          .body =
              [](Self& self) {
                auto channel = attached<Channel>(self);
                while (receive(self, channel, reference::kDoNotWait) == Outcome::ok) {
                }
              },
          .starts = Starts::at_the_end};
}

Scenario channel_scenario(std::uint32_t capacity) {
  Scenario scenario;
  scenario.name = "reference channel";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [capacity](Self& self) {
    Channel::Options options;
    options.capacity = capacity;
    options.largest_message = sizeof(std::uint64_t);
    options.participants = 5;
    self.expect(static_cast<bool>(Channel::create_anonymous(options)), "create failed");
  };
  scenario.time_outs_rescue_the_dead_only = true;
  scenario.judge = [capacity](const Ending& ending) {
    history::FifoRules rules;
    rules.capacity = capacity;
    rules.drained = true;
    return in_words(history::check_fifo_channel(ending.history, rules));
  };
  return scenario;
}

}  // namespace

Scenario channel_of(std::uint32_t capacity, std::uint32_t senders, std::uint32_t messages,
                    bool deaths) {
  Scenario scenario = channel_scenario(capacity);
  for (std::uint32_t sender = 0; sender < senders; ++sender) {
    scenario.processes.push_back({.name = "sender " + std::to_string(sender),
                                  .body =
                                      [=](Self& self) {
                                        auto channel = attached<Channel>(self);
                                        for (std::uint32_t n = 0; n < messages; ++n) {
                                          send(self, channel, 1 + sender * 100 + n, until(deaths));
                                        }
                                      },
                                  .may_die = deaths});
  }
  scenario.processes.push_back({.name = "receiver",
                                .body =
                                    [=](Self& self) {
                                      auto channel = attached<Channel>(self);
                                      for (std::uint32_t n = 0; n < senders * messages; ++n) {
                                        if (receive(self, channel, until(deaths)) != Outcome::ok)
                                          return;
                                      }
                                    },
                                .may_die = deaths});
  scenario.processes.push_back(drain());
  scenario.faults.deaths = deaths ? 1 : 0;
  return scenario;
}

Scenario channel_calls(std::uint32_t capacity, const Workload& workload, std::uint32_t deaths) {
  Scenario scenario = channel_scenario(capacity);
  add_processes(
      scenario, workload, deaths, deaths > 0,
      [](Self& self, const std::string& /*calls*/) { return attached<Channel>(self); },
      [](Self& self, Channel& channel, char call, std::uint64_t id, Deadline deadline) {
        if (call == 's') send(self, channel, id, deadline);
        if (call == 'r') receive(self, channel, deadline);
      });
  scenario.processes.push_back(drain());
  return scenario;
}

}  // namespace gauntlet::schedule
