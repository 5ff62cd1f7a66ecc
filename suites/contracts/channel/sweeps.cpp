// Contract Channel, races and crashes: one process held up, or killed, at each instruction of send
// and receive. The others run until they are quiet, so that each point has one outcome.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contracts/channel/claims.h"
#include "contracts/channel/judge.h"
#include "contracts/channel/link.h"
#include "contracts/channel/stage.h"
#include "history/rendezvous.h"
#include "support/subject_sweep.h"

namespace gauntlet::channel_suite {
namespace {

using history::Op;
using history::Outcome;
using schedule::Ending;
using schedule::Response;
using schedule::Scenario;
using schedule::Self;
using schedule::Starts;
using ChannelScenario = SubjectScenario<ChannelHost, Channel>;

constexpr std::chrono::seconds kSweepDeadline{120};
/// Each says which message it is. Under what any pipe or socket takes in one piece.
using Message = std::array<std::uint32_t, 16>;
constexpr std::size_t kMessageBytes = sizeof(Message);
/// Tries of who takes what is left: more than any scenario sends.
constexpr int kMostTries = 6;

bool steps(const ChannelClaims& claims) {
  return can_be_stepped(claims.stepping) && claims.fanout == Fanout::compete;
}
bool fills(const ChannelClaims& claims) {
  return steps(claims) && claims.exact_capacity && blocks_when_full(claims);
}

Response response_of(const Error& error) { return {.outcome = outcome_of(error.code)}; }

Response send_whole(Channel& channel, std::uint32_t id) {
  Message message;
  message.fill(id);
  const auto bytes = std::as_bytes(std::span(message));
  for (std::size_t sent = 0; sent < bytes.size();) {
    const Result<std::size_t> more = channel.send(bytes.subspan(sent), Deadline::never());
    if (!more) return response_of(more.error());
    sent += *more;
  }
  return {.outcome = Outcome::ok, .value = id};
}

/// A stream may hand over a message in parts.
Response receive_whole(Self& self, Channel& channel, Framing framing, Deadline deadline) {
  Message message{};
  const auto bytes = std::as_writable_bytes(std::span(message));
  std::size_t have = 0;
  do {
    const Result<std::size_t> more =
        channel.receive(bytes.subspan(have), have == 0 ? deadline : Deadline::never());
    if (!more) return response_of(more.error());
    have += *more;
  } while (framing == Framing::bytes && have < bytes.size());
  bool whole = have == bytes.size();
  for (const std::uint32_t word : message) whole = whole && word == message[0];
  self.expect(whole, "a message is torn");
  return {.outcome = Outcome::ok, .value = message[0]};
}

ChannelScenario::Act sends(std::uint32_t first, std::uint32_t last) {
  return [first, last](Self& self, Channel& channel) {
    for (std::uint32_t id = first; id <= last; ++id) {
      const Response told = self.call(Op::send, id, [&] { return send_whole(channel, id); });
      self.expect(told.outcome == Outcome::ok, "send failed");
    }
  };
}

ChannelScenario::Act receives(Framing framing, int count) {
  return [framing, count](Self& self, Channel& channel) {
    for (int each = 0; each < count; ++each) {
      const Response told = self.call(
          Op::receive, 0, [&] { return receive_whole(self, channel, framing, Deadline::never()); });
      self.expect(told.outcome == Outcome::ok, "receive failed");
    }
  };
}

/// What is left, in the history: each try, up to the one that finds nothing.
ChannelScenario::Act takes_what_is_left(Framing framing) {
  return [framing](Self& self, Channel& channel) {
    for (int tries = 0; tries < kMostTries; ++tries) {
      const Response told = self.call(Op::receive, 0, [&] {
        return receive_whole(self, channel, framing, Deadline::immediate());
      });
      if (told.outcome != Outcome::ok) break;
    }
  };
}

/// Scenarios of the case's subject.
struct Subject {
  explicit Subject(CaseContext& context, std::size_t capacity = 4)
      : claims(context.channel().claims),
        options(options_for(claims, capacity, kMessageBytes)),
        scenario(context.channel().name, claims.stepping,
                 [this_options = scoped(context, options), create = context.channel().create] {
                   return create(this_options);
                 }) {}

  static ChannelOptions scoped(const CaseContext& context, ChannelOptions options) {
    options.scope = context.scope();
    return options;
  }

  void add(const char* name, Role role, ChannelScenario::Act act, Starts starts = Starts::at_once) {
    scenario.add(
        name, [role](ChannelHost& host) { return host.open(role); }, std::move(act), starts);
  }

  Scenario finish() {
    add("last", Role::receiver, takes_what_is_left(claims.framing), Starts::at_the_end);
    if (claims.synchronous) {
      return scenario.judged_by(
          [loses = claims.receiver_death != DeathDamage::none](const Ending& ending) {
            return said(check_rendezvous(ending.history, {.receiver_death_may_lose = loses}));
          });
    }
    history::FifoRules rules = rules_for(claims, options, true);
    rules.receiver_death_may_lose = claims.receiver_death != DeathDamage::none;
    return scenario.judged_by(
        [rules](const Ending& ending) { return said(check(ending.history, rules)); });
  }

  static std::string said(const history::Verdict& verdict) {
    return verdict.kind == history::Verdict::valid ? std::string() : verdict.message;
  }

  const ChannelClaims& claims;
  ChannelOptions options;
  ChannelScenario scenario;
};

bool possible(CaseContext& context, std::size_t capacity = 4) {
  ChannelOptions options = options_for(context.channel().claims, capacity, kMessageBytes);
  options.scope = context.scope();
  const auto host = context.channel().create(options);
  if (!host) context.not_created(host.error());
  return host.has_value();
}

/// Two messages, by two senders and to two receivers where the channel has so many. A receiver that
/// comes first sleeps.
Scenario passing(CaseContext& context, bool sender_first) {
  Subject subject(context);
  const ChannelClaims& claims = subject.claims;
  const bool two_receivers = receivers_for(claims, 2) == 2;
  const bool two_senders = senders_for(claims, kMessageBytes, 2) == 2;
  const auto add_sender = [&] {
    subject.add("sender", Role::sender, sends(1, two_senders ? 1 : 2));
  };
  if (sender_first) add_sender();
  subject.add("receiver", Role::receiver, receives(claims.framing, two_receivers ? 1 : 2));
  if (!sender_first) add_sender();
  if (two_receivers) {
    subject.add("second receiver", Role::receiver, receives(claims.framing, 1));
  }
  if (two_senders) subject.add("second sender", Role::sender, sends(2, 2));
  return subject.finish();
}

/// A sender that has to wait for room, and who makes it: another receiver, and another sender that
/// wants it too, where the channel has so many.
Scenario filling(CaseContext& context) {
  Subject subject(context, 1);
  const ChannelClaims& claims = subject.claims;
  const bool two_senders = claims.senders == Multiplicity::many;
  const bool two_receivers = claims.receivers == Multiplicity::many;
  const auto room = static_cast<std::uint32_t>(subject.options.capacity);
  subject.add("sender", Role::sender, sends(1, two_senders ? room + 1 : room + 2));
  subject.add("receiver", Role::receiver, receives(claims.framing, two_receivers ? 1 : 2));
  if (two_senders) subject.add("second sender", Role::sender, sends(room + 2, room + 2));
  if (two_receivers) subject.add("second receiver", Role::receiver, receives(claims.framing, 1));
  return subject.finish();
}

/// A receiver that sleeps, a sender, and, should one of them die, an heir of each that needs one.
/// Nobody may wait on: there is a message for everybody, whatever the dead have taken along.
Scenario passing_with_heirs(CaseContext& context, bool receiver_dies) {
  Subject subject(context);
  const Framing framing = subject.claims.framing;
  // Where there is one place for a sender, the one that lives keeps it.
  const bool sends_on = receiver_dies && subject.claims.senders == Multiplicity::one;
  subject.add("receiver", Role::receiver, receives(framing, 1));
  subject.add("sender", Role::sender, sends(1, sends_on ? 2 : 1));
  if (receiver_dies) {
    subject.add("heir", Role::receiver, receives(framing, 1), Starts::after_a_death);
  }
  if (!sends_on) subject.add("next", Role::sender, sends(2, 2), Starts::after_a_death);
  return subject.finish();
}

// Held up anywhere in send or receive, for as long as all others can go on: nothing is lost or
// doubled, the order is the claimed one, and nobody sleeps beside a message. Fails wherever two
// steps should have been one; which instruction lies between them the table says.
CHANNEL_CASE(races, PreemptedAtEachInstruction_NothingIsLostAndNobodyIsForgotten, .applies = steps,
             .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context)) return;
  const auto hold_up = [&](const Scenario& scenario, std::size_t victim) {
    expect_preemption_sweep(context, scenario, victim, {}, amount_for_subject());
  };
  run_sweeps(context, {[&] { hold_up(passing(context, false), 0); },
                       [&] { hold_up(passing(context, false), 1); },
                       [&] { hold_up(passing(context, true), 0); }});
}

// The same at a full channel: who waits for room gets it.
CHANNEL_CASE(races, PreemptedAtEachInstructionWhenFull_NobodyWaitsBesideRoom, .applies = fills,
             .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context, 1)) return;
  const auto hold_up = [&](std::size_t victim) {
    expect_preemption_sweep(context, filling(context), victim, {}, amount_for_subject());
  };
  run_sweeps(context, {[&] { hold_up(0); }, [&] { hold_up(1); }});
}

std::vector<Allowed> allowed_of(DeathDamage damage) {
  if (damage != DeathDamage::unclaimed) return {};
  const char* const reason = "nothing is promised of a death inside a call";
  return {{"stuck:", reason, false}, {"message ", reason, false}};
}

// Killed anywhere in send or receive: the message is there whole or not at all, the others go on,
// and who takes the place of the dead can. Fails where a call leaves something half done that only
// it knew of.
CHANNEL_CASE(crashes, KilledAtEachInstruction_WholeMessagesAndOthersGoOnAsClaimed, .applies = steps,
             .needs = {Need::ptrace}, .deadline = kSweepDeadline) {
  if (!possible(context)) return;
  const ChannelClaims& claims = context.channel().claims;
  const auto kill = [&](bool receiver_dies, DeathDamage damage) {
    expect_kill_sweep(context, passing_with_heirs(context, receiver_dies), receiver_dies ? 0 : 1,
                      allowed_of(damage), amount_for_subject());
  };
  run_sweeps(context, {[&] { kill(true, claims.receiver_death); },
                       [&] { kill(false, claims.sender_death); }});
}

}  // namespace
}  // namespace gauntlet::channel_suite
