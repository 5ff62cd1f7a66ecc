// The reference priority channel as scenarios of the model engine.
#include <array>
#include <cstring>
#include <string>

#include "history/fifo_channel.h"
#include "model/reference_messages.h"
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/priority_channel.h"

namespace gauntlet::schedule {
namespace {

using history::Call;
using history::History;
using history::Op;
using history::Outcome;
using reference::Deadline;
using reference::PriorityChannel;

constexpr std::uint32_t kPriorities = 2;
constexpr std::uint32_t kLow = 0;
constexpr std::uint32_t kHigh = 1;
constexpr std::uint64_t kOfTheHeir = 900;

/// A message's id tells its priority.
constexpr std::uint64_t id_of(std::uint64_t number, std::uint32_t priority) {
  return number * kPriorities + priority;
}
std::uint64_t priority_in(std::uint64_t id) { return id % kPriorities; }

/// With a call of the usual form.
struct WithPriority {
  PriorityChannel& channel;
  std::uint32_t priority;

  reference::Status send(std::span<const std::byte> message, Deadline deadline) {
    return channel.send(priority, message, deadline);
  }
};

void perform(Self& self, PriorityChannel& channel, char call, std::uint64_t number,
             Deadline deadline) {
  if (call == 'l' || call == 'h') {
    const std::uint32_t priority = call == 'h' ? kHigh : kLow;
    WithPriority sender{channel, priority};
    send(self, sender, id_of(number, priority), deadline);
  }
  if (call == 'r') receive(self, channel, deadline);
  if (call == 't') receive(self, channel, reference::kDoNotWait);
  if (call == 'c') {
    self.call(Op::close, 0, [&] { return Response{outcome_of(channel.close()), 0}; });
  }
}

/// Who is told of the end (a close that returned among them) is told so when it is the end for all.
std::string check_end(const History& history) {
  for (const Call& told : history.calls) {
    const bool is_told = told.outcome == Outcome::end_of_stream ||
                         (told.op == Op::close && told.outcome == Outcome::ok);
    if (!is_told) continue;
    for (const Call& later : history.calls) {
      if (later.invoked_ns <= told.returned_ns) continue;
      if (later.op == Op::send && later.outcome == Outcome::ok) {
        return "a message was accepted after somebody was told of the end";
      }
      const bool waits =
          later.outcome == Outcome::would_block || later.outcome == Outcome::timed_out;
      if (later.op == Op::receive && waits) return "the end was told and then denied";
    }
  }
  return {};
}

}  // namespace

Scenario priority_calls(const PriorityScenario& plan) {
  const auto places = static_cast<std::uint32_t>(plan.workload.size());
  Scenario scenario;
  scenario.name = "reference priority channel";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [capacity = plan.capacity, places](Self& self) {
    PriorityChannel::Options options;
    options.priorities = kPriorities;
    options.capacity = capacity;
    options.largest_message = sizeof(std::uint64_t);
    options.participants = places;
    self.expect(static_cast<bool>(PriorityChannel::create_anonymous(options)), "create failed");
  };
  add_processes(
      scenario, plan.workload, plan.deaths, plan.deaths > 0,
      [](Self& self, const std::string& /*calls*/) { return attached<PriorityChannel>(self); },
      perform);
  if (plan.heir) {
    scenario.processes.push_back(
        {.name = "heir",
         .body =
             [](Self& self) {
               auto heir = PriorityChannel::attach_descriptor(kRegionDescriptor);
               if (heir) perform(self, *heir, 'h', kOfTheHeir, reference::kDoNotWait);
               self.expect(heir || heir.status() == reference::Status::full_table,
                           "the heir is refused");
             },
         .starts = Starts::after_a_death,
         .may_die = plan.deaths > 1});
  }
  scenario.processes.push_back(drain_of_all_places<PriorityChannel>(places, kPriorities));
  scenario.time_outs_rescue_the_dead_only = true;
  scenario.shortest_calls_suffice = true;
  scenario.judge = [capacity = plan.capacity](const Ending& ending) -> std::string {
    history::FifoRules rules;
    rules.order = history::Order::priority;
    rules.priority = priority_in;
    rules.capacity_of_each = capacity;
    rules.drained = true;
    std::string found = in_words(history::check_fifo_channel(ending.history, rules));
    return found.empty() ? check_end(ending.history) : found;
  };
  return scenario;
}

}  // namespace gauntlet::schedule
