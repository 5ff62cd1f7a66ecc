// The reference broadcast channel as scenarios of the model engine.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "history/monitor.h"
#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/broadcast.h"

namespace gauntlet::schedule {
namespace {

using history::Call;
using history::History;
using history::Op;
using history::Outcome;
using reference::Broadcast;
using reference::BroadcastClaim;
using reference::BroadcastReceived;
using reference::BroadcastSide;
using reference::Deadline;

/// Two words, so that a message of which only one is there can be told.
using Message = std::array<std::uint64_t, 2>;
constexpr Message message_of(std::uint64_t id) { return {id, ~id}; }

/// What came back from a receive: an id, and above it how many messages were missed before.
constexpr unsigned kMissedShift = 32;
std::uint64_t id_in(const Call& call) { return call.value & 0xffff'ffff; }
std::uint64_t missed_in(const Call& call) { return call.value >> kMissedShift; }

void send(Self& self, Broadcast& end, std::uint64_t id, Deadline deadline) {
  self.call(Op::send, id, [&] {
    const Message message = message_of(id);
    return Response{outcome_of(end.send(std::as_bytes(std::span(message)), deadline)), id};
  });
}

void receive(Self& self, Broadcast& end, Deadline deadline) {
  self.call(Op::receive, 0, [&] {
    Message message{};
    const BroadcastReceived got = end.receive(std::as_writable_bytes(std::span(message)), deadline);
    const bool whole = got.status != reference::Status::ok ||
                       (got.size == sizeof message && message == message_of(message.front()));
    self.expect(whole, "a message is torn");
    return Response{outcome_of(got.status), message.front() | got.missed << kMissedShift};
  });
}

/// Everybody's place is free or a dead one's: whoever takes them all finds every buffer, and a ring
/// that works.
void check_what_is_left(Self& self, const BroadcastScenario& plan) {
  std::vector<Broadcast> handles;
  for (std::uint32_t place = 0; place < plan.places; ++place) {
    handles.push_back(attached<Broadcast>(self, BroadcastSide::sender));
  }
  self.expect(handles.front().unaccounted_buffers() == 0, "a buffer is lost");
  handles.pop_back();
  Broadcast receiver = attached<Broadcast>(self, BroadcastSide::receiver);
  for (std::uint64_t id = 0; id < std::uint64_t{2} * plan.capacity; ++id) {
    const Message message = message_of(id);
    Message got{};
    self.expect(handles.back().try_send(std::as_bytes(std::span(message))) == reference::Status::ok,
                "the channel does not send any more");
    const BroadcastReceived received = receiver.try_receive(std::as_writable_bytes(std::span(got)));
    self.expect(received.status == reference::Status::ok && received.missed == 0 && got == message,
                "the channel does not deliver any more");
  }
}

bool is_dead(const History& history, std::uint32_t process) {
  return std::any_of(history.deaths.begin(), history.deaths.end(),
                     [&](const history::Death& death) { return death.process == process; });
}

bool may_be_published(const Call& call) {
  return call.op == Op::send && (call.outcome == Outcome::ok || call.outcome == Outcome::unknown);
}

/// Holds a history against one sequence of messages that all see. Every receiver of the workload
/// came before the first message, so that its counts tell positions; of a newcomer's nobody knows
/// where they begin.
class Judge {
 public:
  Judge(const History& history, const BroadcastScenario& plan) : history_(history), plan_(plan) {}

  std::string verdict() {
    for (const Call& call : history_.calls) {
      if (call.op == Op::receive && call.outcome == Outcome::ok) place_message(call);
    }
    for (const Call& call : history_.calls) {
      if (call.op == Op::receive && call.outcome != Outcome::ok && came_first(call)) {
        check_nothing_new(call);
      }
      if (call.op == Op::send && call.outcome == Outcome::ok) check_order(call);
      if (call.op == Op::send && call.outcome != Outcome::ok) check_held_back(call);
    }
    return found_;
  }

 private:
  void find(const std::string& what) {
    if (found_.empty()) found_ = what;
  }

  bool came_first(const Call& call) const { return call.process < plan_.workload.size(); }

  const Call* send_of(std::uint64_t id) const {
    for (const Call& call : history_.calls) {
      if (call.op == Op::send && call.value == id) return &call;
    }
    return nullptr;
  }

  void place_message(const Call& call) {
    const std::uint64_t id = id_in(call);
    const Call* sent = send_of(id);
    if (sent == nullptr || !may_be_published(*sent) || sent->invoked_ns > call.returned_ns) {
      return find("a message was received that nobody sent");
    }
    if (plan_.claim == BroadcastClaim::held_back && missed_in(call) != 0) {
      return find("a receiver missed messages that were held back for it");
    }
    if (!came_first(call)) return;
    const std::uint64_t position = next_[call.process] + missed_in(call);
    next_[call.process] = position + 1;
    const auto [at, is_new] = at_.emplace(position, id);
    if (!is_new && at->second != id) find("two receivers see two orders, or a wrong count");
    const auto [of, first] = position_of_.emplace(id, position);
    if (!first && of->second != position) find("two receivers see two orders, or a wrong count");
  }

  /// Would block, timed out: all that had been acknowledged before was received.
  void check_nothing_new(const Call& call) {
    if (never_returned(call)) return;
    std::uint64_t acknowledged = 0;
    for (const Call& other : history_.calls) {
      acknowledged += other.op == Op::send && other.outcome == Outcome::ok &&
                              other.returned_ns < call.invoked_ns
                          ? 1
                          : 0;
    }
    std::uint64_t received = 0;
    for (const Call& other : history_.calls) {
      if (other.process == call.process && other.op == Op::receive &&
          other.outcome == Outcome::ok && other.returned_ns <= call.invoked_ns) {
        received += missed_in(other) + 1;
      }
    }
    if (received < acknowledged) find("an acknowledged message is not there");
  }

  /// What was acknowledged before another send began comes before it.
  void check_order(const Call& call) {
    const auto mine = position_of_.find(call.value);
    for (const Call& later : history_.calls) {
      const auto other = position_of_.find(later.value);
      if (later.op == Op::send && call.returned_ns < later.invoked_ns &&
          mine != position_of_.end() && other != position_of_.end() &&
          other->second < mine->second) {
        find("messages come out in another order than they were sent in");
      }
    }
  }

  /// Only a living receiver that has a whole ring to take holds a sender back.
  void check_held_back(const Call& call) {
    if (never_returned(call)) return;
    if (plan_.claim == BroadcastClaim::lossy) return find("a sender was held back");
    std::uint64_t published = 0;
    for (const Call& other : history_.calls) {
      published += may_be_published(other) && other.invoked_ns < call.returned_ns ? 1 : 0;
    }
    if (plan_.newcomer) return;  // or one who has just come
    for (const std::uint32_t receiver : plan_.receivers()) {
      std::uint64_t taken = 0;
      for (const Call& other : history_.calls) {
        taken += other.process == receiver && other.op == Op::receive &&
                         other.outcome == Outcome::ok && other.returned_ns < call.invoked_ns
                     ? 1
                     : 0;
      }
      if (!is_dead(history_, receiver) && published >= taken + plan_.capacity) return;
    }
    find("a sender was held back by nobody who lives");
  }

  const History& history_;
  const BroadcastScenario& plan_;
  std::map<std::uint32_t, std::uint64_t> next_;  // by receiver
  std::map<std::uint64_t, std::uint64_t> at_;
  std::map<std::uint64_t, std::uint64_t> position_of_;
  std::string found_;
};

}  // namespace

std::vector<std::uint32_t> BroadcastScenario::receivers() const {
  std::vector<std::uint32_t> found;
  for (std::uint32_t process = 0; process < workload.size(); ++process) {
    if (workload[process].find_first_of("rt") != std::string::npos) found.push_back(process);
  }
  return found;
}

Scenario broadcast_calls(const BroadcastScenario& plan) {
  Scenario scenario;
  scenario.name = "reference broadcast";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [plan](Self& self) {
    Broadcast::Options options;
    options.capacity = plan.capacity;
    options.largest_message = sizeof(Message);
    options.claim = plan.claim;
    options.participants = plan.places;
    self.expect(static_cast<bool>(Broadcast::create_anonymous(options, BroadcastSide::sender)),
                "create failed");
  };
  const bool gives_up = plan.deaths > 0;
  scenario.shortest_calls_suffice = true;
  scenario.time_outs_rescue_the_dead_only = true;
  add_processes(
      scenario, plan.workload, plan.deaths, gives_up,
      [](Self& self, const std::string& calls) {
        return attached<Broadcast>(self, calls.find('s') != std::string::npos
                                             ? BroadcastSide::sender
                                             : BroadcastSide::receiver);
      },
      [](Self& self, Broadcast& end, char call, std::uint64_t id, Deadline deadline) {
        if (call == 's') send(self, end, id, deadline);
        if (call == 'r') receive(self, end, deadline);
        if (call == 't') receive(self, end, reference::kDoNotWait);
      });
  if (plan.heir) {
    constexpr std::uint64_t kOfTheHeir = 1000;
    scenario.processes.push_back({.name = "heir",
                                  .body =
                                      [](Self& self) {
                                        Broadcast end =
                                            attached<Broadcast>(self, BroadcastSide::sender);
                                        send(self, end, kOfTheHeir, just_until(true));
                                      },
                                  .starts = Starts::after_a_death});
  }
  if (plan.newcomer) {
    scenario.processes.push_back({.name = "newcomer", .body = [](Self& self) {
                                    Broadcast end =
                                        attached<Broadcast>(self, BroadcastSide::receiver);
                                    receive(self, end, reference::kDoNotWait);
                                    receive(self, end, reference::kDoNotWait);
                                  }});
  }
  scenario.processes.push_back({.name = "end",
                                .body = [plan](Self& self) { check_what_is_left(self, plan); },
                                .starts = Starts::at_the_end});
  scenario.judge = [plan](const Ending& ending) { return Judge(ending.history, plan).verdict(); };
  if (plan.claim == BroadcastClaim::held_back && !plan.heir && !plan.newcomer) {
    scenario.monitor = [plan] {
      return history::monitor_broadcast(plan.capacity, plan.receivers());
    };
  }
  return scenario;
}

}  // namespace gauntlet::schedule
