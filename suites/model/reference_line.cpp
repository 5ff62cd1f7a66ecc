// The reference line as scenarios of the model engine.
#include <optional>
#include <utility>
#include <vector>

#include "history/fifo_channel.h"
#include "model/reference_messages.h"
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/line.h"

namespace gauntlet::schedule {
namespace {

using history::Op;
using history::Outcome;
using reference::Line;
using reference::LineSide;

constexpr std::uint64_t kOfTheHeir = 100;

void drain(Self& self) {
  Line line = attached<Line>(self, LineSide::receiver);
  while (receive(self, line, reference::kDoNotWait) == Outcome::ok) {
  }
}

/// The side; nothing where an heir may have been faster.
std::optional<Line> side_of(Self& self, LineSide side, const LineScenario& plan) {
  auto line = Line::attach_descriptor(kRegionDescriptor, side);
  if (line) return std::move(*line);
  self.expect(plan.heir == side && line.status() == reference::Status::full_table, "attach failed");
  return std::nullopt;
}

/// Whose place is free, or was a dead one's; nothing where its holder lives.
void inherit(Self& self, LineSide side) {
  auto line = Line::attach_descriptor(kRegionDescriptor, side);
  if (!line) {
    self.expect(line.status() == reference::Status::full_table, "the heir is refused");
  } else if (side == LineSide::sender) {
    send(self, *line, kOfTheHeir, until(true));
  } else {
    receive(self, *line, reference::kDoNotWait);
  }
}

Scenario made(const LineScenario& plan) {
  Scenario scenario;
  scenario.name = "reference line";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [plan](Self& self) {
    Line::Options options;
    options.capacity = plan.capacity;
    options.largest_message = plan.largest_message;
    options.membarrier = plan.membarrier;
    self.expect(static_cast<bool>(Line::create_anonymous(options, LineSide::sender)),
                "create failed");
  };
  scenario.faults.deaths = plan.deaths ? 1 : 0;
  scenario.time_outs_rescue_the_dead_only = true;
  return scenario;
}

}  // namespace

Scenario line_of(const LineScenario& plan) {
  Scenario scenario = made(plan);
  scenario.processes.push_back({.name = "sender",
                                .body =
                                    [plan](Self& self) {
                                      auto line = side_of(self, LineSide::sender, plan);
                                      if (!line) return;
                                      for (std::uint32_t n = 1; n <= plan.messages; ++n) {
                                        send(self, *line, n, until(plan.deaths));
                                      }
                                    },
                                .may_die = plan.deaths});
  scenario.processes.push_back({.name = "receiver",
                                .body =
                                    [plan](Self& self) {
                                      auto line = side_of(self, LineSide::receiver, plan);
                                      if (!line) return;
                                      for (std::uint32_t n = 0; n < plan.messages; ++n) {
                                        if (receive(self, *line, until(plan.deaths)) != Outcome::ok)
                                          return;
                                      }
                                    },
                                .may_die = plan.deaths});
  if (plan.heir) {
    const LineSide side = *plan.heir;
    scenario.processes.push_back({.name = "heir",
                                  .body = [side](Self& self) { inherit(self, side); },
                                  .starts = Starts::after_a_death});
  }
  scenario.processes.push_back({.name = "drain", .body = drain, .starts = Starts::at_the_end});
  scenario.judge = [capacity = plan.capacity](const Ending& ending) {
    history::FifoRules rules;
    rules.capacity = capacity;
    rules.drained = true;
    // A store that is still on its way is not seen by who only looks (line.h).
    rules.empty_is_exact = false;
    rules.full_is_exact = false;
    return in_words(history::check_fifo_channel(ending.history, rules));
  };
  return scenario;
}

Scenario line_closed_in_traffic(const LineScenario& plan) {
  Scenario scenario = made(plan);
  scenario.processes.push_back({.name = "sender", .body = [plan](Self& self) {
                                  Line line = attached<Line>(self, LineSide::sender);
                                  for (std::uint32_t n = 1; n <= plan.messages; ++n) {
                                    if (send(self, line, n, reference::kForever) != Outcome::ok)
                                      return;
                                  }
                                }});
  scenario.processes.push_back(
      {.name = "receiver", .body = [](Self& self) {
         Line line = attached<Line>(self, LineSide::receiver);
         self.expect(line.close() == reference::Status::ok, "close failed");
         Outcome outcome = Outcome::ok;
         while (outcome == Outcome::ok) outcome = receive(self, line, reference::kForever);
         self.expect(outcome == Outcome::end_of_stream, "the end is not told");
       }});
  scenario.processes.push_back({.name = "drain", .body = drain, .starts = Starts::at_the_end});
  scenario.judge = [](const Ending& ending) -> std::string {
    std::vector<std::uint64_t> sent;
    std::vector<std::uint64_t> received;
    for (const history::Call& call : ending.history.calls) {
      if (call.outcome != Outcome::ok) continue;
      (call.op == Op::send ? sent : received).push_back(call.value);
    }
    return sent == received ? "" : "what was acknowledged is not what came out";
  };
  return scenario;
}

}  // namespace gauntlet::schedule
