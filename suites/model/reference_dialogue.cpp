// The reference dialogue as scenarios of the model engine.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "model/reference_process.h"
#include "model/reference_scenarios.h"
#include "reference/dialogue.h"

namespace gauntlet::schedule {
namespace {

using history::Call;
using history::History;
using history::Op;
using history::Outcome;
using reference::Deadline;
using reference::Dialogue;
using reference::DialogueSide;
using reference::Status;

// In the history a call is a wait, serving a request is a receive of its number, and the reply to
// it is a set. What a call is told, and which one it is, is one number.
constexpr std::uint64_t kCalls = 10'000;
constexpr std::uint64_t told(std::uint64_t number, std::uint64_t reply) {
  return number * kCalls + reply;
}
std::uint64_t number_of(const Call& call) {
  return call.op == Op::wait ? call.value / kCalls : call.value;
}

constexpr std::uint64_t kOfTheHeir = 900;

/// Its number, as often as it has words: who sees half of one and half of another sees that.
using Message = std::array<std::uint64_t, 4>;

Message message_of(std::uint64_t number) {
  Message message{};
  message.fill(number);
  return message;
}

std::uint64_t number_in(Self& self, const Message& message, std::size_t bytes) {
  const auto end = message.begin() + static_cast<std::ptrdiff_t>(bytes / sizeof(std::uint64_t));
  self.expect(bytes > 0 && std::all_of(message.begin(), end,
                                       [&](std::uint64_t word) { return word == message.front(); }),
              "a message is torn");
  return message.front();
}

Outcome outcome_in_a_dialogue(Status status) {
  switch (status) {
    case Status::abandoned:
      return Outcome::peer_gone;
    case Status::withdrawn:
      return Outcome::refused;
    default:
      return outcome_of(status);
  }
}

void ask(Self& self, Dialogue& client, std::uint64_t number, Deadline deadline) {
  self.call(Op::wait, told(number, 0), [&] {
    const Message request = message_of(number);
    Message reply{};
    const auto replied =
        client.call(std::as_bytes(std::span(request)).first(client.largest_message()),
                    std::as_writable_bytes(std::span(reply)), deadline);
    const bool ok = replied.status == Status::ok;
    return Response{outcome_in_a_dialogue(replied.status),
                    told(number, ok ? number_in(self, reply, replied.size) : 0)};
  });
}

/// Replies with the request, if there was one.
void serve(Self& self, Dialogue& server, Deadline deadline, bool replies) {
  Message request{};
  const Response received = self.call(Op::receive, 0, [&] {
    const auto asked = server.receive(std::as_writable_bytes(std::span(request)), deadline);
    const bool ok = asked.status == Status::ok;
    return Response{outcome_in_a_dialogue(asked.status),
                    ok ? number_in(self, request, asked.size) : 0};
  });
  if (received.outcome != Outcome::ok || !replies) return;
  self.call(Op::set, received.value, [&] {
    const auto reply = std::as_bytes(std::span(request)).first(server.largest_message());
    return Response{outcome_in_a_dialogue(server.reply(reply)), received.value};
  });
}

void perform(Self& self, Dialogue& dialogue, char call, std::uint64_t number, Deadline deadline) {
  if (call == 'c') ask(self, dialogue, number, deadline);
  if (call == 't') ask(self, dialogue, number, reference::kDoNotWait);
  if (call == 'd') {
    ask(self, dialogue, number, reference::Clock::now() + std::chrono::milliseconds{1});
  }
  if (call == 's') serve(self, dialogue, deadline, true);
  if (call == 'p') serve(self, dialogue, reference::kDoNotWait, true);
  if (call == 'r') serve(self, dialogue, deadline, false);
  if (call == 'x') {
    self.call(Op::close, 0, [&] { return Response{outcome_of(dialogue.close()), 0}; });
  }
}

bool is_a_clients(std::string_view calls) {
  return calls.find_first_of("ctd") != std::string_view::npos;
}

DialogueSide side_of(std::string_view calls) {
  return is_a_clients(calls) ? DialogueSide::client : DialogueSide::server;
}

/// After a death, into the dead one's side, if it is that.
ProcessPlan heir_who(const std::string& calls) {
  return {.name = "heir",
          .body =
              [calls](Self& self) {
                auto heir = Dialogue::attach_descriptor(kRegionDescriptor, side_of(calls));
                self.expect(heir || heir.status() == Status::full_table, "the heir is refused");
                if (!heir) return;
                for (std::size_t at = 0; at < calls.size(); ++at) {
                  perform(self, *heir, calls[at], kOfTheHeir + at, just_until(true));
                }
              },
          .starts = Starts::after_a_death};
}

/// When all others are done, takes both sides, the dead ones' included, and finds nothing asked.
ProcessPlan who_looks_after_all() {
  return {.name = "drain",
          .body =
              [](Self& self) {
                auto server = attached<Dialogue>(self, DialogueSide::server);
                auto client = attached<Dialogue>(self, DialogueSide::client);
                Message room{};
                const auto asked =
                    server.try_receive(std::as_writable_bytes(std::span(room))).status;
                self.expect(asked == Status::would_block || asked == Status::closed,
                            "a request is left that nobody waits for");
                const auto replied =
                    client.call({}, std::as_writable_bytes(std::span(room)), reference::kDoNotWait);
                self.expect(replied.status == asked, "the word is not one to go on from");
              },
          .starts = Starts::at_the_end};
}

/// The one of this number; null if there is none.
const Call* find(const History& history, Op op, std::uint64_t number) {
  const auto found =
      std::find_if(history.calls.begin(), history.calls.end(),
                   [&](const Call& call) { return call.op == op && number_of(call) == number; });
  return found == history.calls.end() ? nullptr : &*found;
}

/// Both sides are told the same of a reply.
std::string check_reply(const Call& reply, const Call* asked) {
  if (reply.outcome == Outcome::error) return "a reply failed";
  if (asked == nullptr) return "a reply to a request that nobody made";
  if (asked->outcome == Outcome::peer_gone && reply.outcome == Outcome::refused) {
    return "a call was abandoned, and its server replies";
  }
  const bool has_it = asked->outcome == Outcome::ok;
  if (reply.outcome == Outcome::ok && !has_it && !never_returned(*asked)) {
    return "a reply was accepted that its call did not get";
  }
  if (has_it && reply.outcome != Outcome::ok && !never_returned(reply)) {
    return "a call got a reply that was refused";
  }
  if (has_it && reply.invoked_ns > asked->returned_ns) return "a call got a reply from later";
  return {};
}

/// Received from its asking on, until its call has its answer, and by one server only.
std::string check_received(const Call& received, const Call* asked, const History& history) {
  if (asked == nullptr) return "a request was received that nobody made";
  if (!never_returned(*asked) && received.invoked_ns > asked->returned_ns) {
    return "a request was received after its call had ended";
  }
  if (received.returned_ns < asked->invoked_ns) return "a request was received before it was made";
  for (const Call& other : history.calls) {
    if (other.op != Op::receive || other.outcome != Outcome::ok) continue;
    if (other.value == received.value && other.process != received.process) {
      return "a request was received by two servers";
    }
  }
  return {};
}

/// From the end of a receive of it to the begin of the reply that its call got, a request is there.
std::string check_empty(const Call& empty, const History& history) {
  for (const Call& received : history.calls) {
    if (received.op != Op::receive || received.outcome != Outcome::ok) continue;
    if (received.returned_ns > empty.invoked_ns) continue;
    const Call* asked = find(history, Op::wait, received.value);
    const Call* reply = find(history, Op::set, received.value);
    if (asked == nullptr || asked->outcome != Outcome::ok || reply == nullptr) continue;
    if (reply->invoked_ns > empty.returned_ns) return "nothing was asked while something was";
  }
  return {};
}

bool was_received(const Call& asked, const History& history) {
  return std::any_of(history.calls.begin(), history.calls.end(), [&](const Call& call) {
    return call.op == Op::receive && call.outcome == Outcome::ok && call.value == number_of(asked);
  });
}

std::string check_call(const Call& asked, const Ending& ending) {
  if (asked.outcome == Outcome::ok && asked.value != told(number_of(asked), number_of(asked))) {
    return "a call got the reply to another one";
  }
  if (asked.outcome == Outcome::ok && find(ending.history, Op::set, number_of(asked)) == nullptr) {
    return "a call got a reply that nobody made";
  }
  if (asked.outcome == Outcome::peer_gone && ending.deaths == 0 &&
      !was_received(asked, ending.history)) {
    return "a call was abandoned that nobody had received, and nobody had died";
  }
  return asked.outcome == Outcome::error ? "a call failed" : "";
}

std::string check(const Call& call, const Ending& ending) {
  const History& history = ending.history;
  const Call* asked = find(history, Op::wait, number_of(call));
  switch (call.op) {
    case Op::wait:
      return check_call(call, ending);
    case Op::set:
      return check_reply(call, asked);
    case Op::receive:
      if (call.outcome == Outcome::error) return "a receive failed";
      if (call.outcome == Outcome::ok) return check_received(call, asked, history);
      if (never_returned(call) || call.outcome == Outcome::end_of_stream) return {};
      return check_empty(call, history);
    default:
      return {};
  }
}

/// Everybody is told of the end from a close on, and nobody before one.
std::string check_end(const History& history) {
  for (const Call& told : history.calls) {
    const bool is_close = told.op == Op::close;
    if (!is_close && told.outcome != Outcome::end_of_stream) continue;
    const bool has_begun =
        std::any_of(history.calls.begin(), history.calls.end(), [&](const Call& call) {
          return call.op == Op::close && call.invoked_ns <= told.returned_ns;
        });
    if (!is_close && !has_begun) return "the end was told, and nobody had closed";
    if (never_returned(told)) continue;
    for (const Call& later : history.calls) {
      if (later.invoked_ns <= told.returned_ns || never_returned(later)) continue;
      if (later.op != Op::wait && later.op != Op::receive) continue;
      if (later.outcome != Outcome::end_of_stream) return "the end was told and then denied";
    }
  }
  return {};
}

std::string judge(const Ending& ending) {
  for (const Call& call : ending.history.calls) {
    std::string found = check(call, ending);
    if (!found.empty()) return found;
  }
  return check_end(ending.history);
}

}  // namespace

Scenario dialogue_calls(const DialogueScenario& plan) {
  Scenario scenario;
  scenario.name = "reference dialogue";
  scenario.region_bytes = kRegionBytes;
  scenario.create = [bytes = plan.bytes](Self& self) {
    self.expect(static_cast<bool>(Dialogue::create_anonymous({bytes}, DialogueSide::client)),
                "create failed");
  };
  const bool gives_up = plan.deaths > 0 || plan.somebody_gives_up;
  add_processes(
      scenario, plan.workload, plan.deaths, gives_up,
      [](Self& self, const std::string& calls) { return attached<Dialogue>(self, side_of(calls)); },
      perform);
  if (!plan.heir.empty()) scenario.processes.push_back(heir_who(plan.heir));
  scenario.processes.push_back(who_looks_after_all());
  scenario.time_outs_rescue_the_dead_only = !plan.somebody_gives_up;
  scenario.faults.time_outs = plan.time_outs;
  scenario.shortest_calls_suffice = true;
  scenario.judge = judge;
  return scenario;
}

}  // namespace gauntlet::schedule
