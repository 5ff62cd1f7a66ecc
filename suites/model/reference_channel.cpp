// The reference channel as scenarios of the model engine.
#include <cstring>
#include <utility>

#include "history/fifo_channel.h"
#include "history/monitor.h"
#include "model/reference_messages.h"
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/channel.h"

namespace gauntlet::schedule {
namespace {

using history::Op;
using history::Outcome;
using reference::Channel;
using reference::Deadline;

constexpr std::uint32_t kPlaces = 5;

void send_in_place(Self& self, Channel& channel, std::uint64_t id, Deadline deadline) {
  self.call(Op::send, id, [&] {
    auto loan = channel.loan(sizeof(id));
    if (!loan) return Response{outcome_of(loan.status()), id};
    std::memcpy(loan->bytes().data(), &id, sizeof(id));
    return Response{outcome_of(channel.send(std::move(*loan), deadline)), id};
  });
}

std::uint64_t id_in(const Channel::Borrowed& message) {
  std::uint64_t id = 0;
  std::memcpy(&id, message.bytes().data(), message.size());
  return id;
}

/// `kept` is the message before: it was borrowed until this one came, while others went on, and is
/// given back now.
Outcome borrow(Self& self, Channel& channel, Channel::Borrowed& kept, Deadline deadline) {
  const std::uint64_t before = kept ? id_in(kept) : 0;
  Channel::Borrowed next;
  const Outcome outcome = self.call(Op::receive, 0,
                                    [&] {
                                      auto borrowed = channel.borrow(deadline);
                                      if (!borrowed)
                                        return Response{outcome_of(borrowed.status()), 0};
                                      next = std::move(*borrowed);
                                      return Response{Outcome::ok, id_in(next)};
                                    })
                              .outcome;
  self.expect(!kept || id_in(kept) == before, "a borrowed message changed");
  kept = std::move(next);
  return outcome;
}

std::string judge(const Ending& ending, std::uint64_t capacity) {
  history::FifoRules rules;
  rules.capacity = capacity;
  rules.drained = true;
  return in_words(history::check_fifo_channel(ending.history, rules));
}

Scenario channel_scenario(std::uint32_t capacity) {
  Scenario scenario;
  scenario.name = "reference channel";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [capacity](Self& self) {
    Channel::Options options;
    options.capacity = capacity;
    options.largest_message = sizeof(std::uint64_t);
    options.participants = kPlaces;
    self.expect(static_cast<bool>(Channel::create_anonymous(options)), "create failed");
  };
  scenario.shortest_calls_suffice = true;
  scenario.time_outs_rescue_the_dead_only = true;
  scenario.judge = [capacity](const Ending& ending) { return judge(ending, capacity); };
  scenario.monitor = [capacity] { return history::monitor_channel(capacity); };
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
  scenario.processes.push_back(drain_of_all_places<Channel>(kPlaces));
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
  scenario.processes.push_back(drain_of_all_places<Channel>(kPlaces));
  return scenario;
}

Scenario channel_in_place(std::uint32_t senders, std::uint32_t messages, bool deaths) {
  constexpr std::uint32_t kCapacity = 1;
  constexpr std::uint64_t kHeirs = 900;
  Scenario scenario;
  scenario.name = "reference channel, in place";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [senders](Self& self) {
    Channel::Options options;
    options.capacity = kCapacity;
    options.largest_message = sizeof(std::uint64_t);
    // No place is left over: who comes after a death finds the dead one's.
    options.participants = senders + 1;
    options.buffers_each = 2;
    self.expect(static_cast<bool>(Channel::create_anonymous(options)), "create failed");
  };
  for (std::uint32_t sender = 0; sender < senders; ++sender) {
    scenario.processes.push_back({.name = "lender " + std::to_string(sender),
                                  .body =
                                      [=](Self& self) {
                                        Channel channel = attached<Channel>(self);
                                        for (std::uint32_t n = 0; n < messages; ++n) {
                                          send_in_place(self, channel, 1 + sender * 100 + n,
                                                        until(deaths));
                                        }
                                      },
                                  .may_die = deaths});
  }
  scenario.processes.push_back({.name = "borrower",
                                .body =
                                    [=](Self& self) {
                                      Channel channel = attached<Channel>(self);
                                      Channel::Borrowed kept;
                                      for (std::uint32_t n = 0; n < senders * messages; ++n) {
                                        if (borrow(self, channel, kept, until(deaths)) !=
                                            Outcome::ok)
                                          return;
                                      }
                                    },
                                .may_die = deaths});
  if (deaths) {
    scenario.processes.push_back({.name = "heir",
                                  .body =
                                      [](Self& self) {
                                        Channel channel = attached<Channel>(self);
                                        send_in_place(self, channel, kHeirs, until(true));
                                      },
                                  .starts = Starts::after_a_death});
  }
  scenario.processes.push_back({.name = "drain",
                                .body =
                                    [=](Self& self) {
                                      Channel channel = attached<Channel>(self);
                                      Channel::Borrowed kept;
                                      while (borrow(self, channel, kept, reference::kDoNotWait) ==
                                             Outcome::ok) {
                                      }
                                    },
                                .starts = Starts::at_the_end});
  scenario.faults.deaths = deaths ? 1 : 0;
  scenario.time_outs_rescue_the_dead_only = true;
  scenario.judge = [](const Ending& ending) { return judge(ending, kCapacity); };
  return scenario;
}

}  // namespace gauntlet::schedule
