// What the D-Bus specification promises of names, calls, errors and signals.
#include <gmock/gmock.h>

#include <memory>

#include "cases/context.h"
#include "middleware/patience.h"
#include "process/crew.h"
#include "subjects/middleware/support/brokers.h"
#include "subjects/middleware/support/dbus_link.h"

namespace gauntlet {
namespace {

constexpr const char* kName = "org.gauntlet.Test";
constexpr const char* kOwners =
    "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.gauntlet."
    "Test'";

/// A bus of its own; ready() is false when the context has been told why.
class Bus {
 public:
  explicit Bus(CaseContext& context, const std::string& limits = {}) {
    auto started = RunningBroker::start(dbus_daemon(limits), context.scope());
    if (!started) {
      context.not_created(started.error());
      return;
    }
    auto first = DbusLink::connect((*started)->socket_path());
    if (!first) {
      context.not_created(first.error());
      return;
    }
    broker_ = std::move(*started);
  }
  bool ready() const { return broker_ != nullptr; }
  RunningBroker& broker() { return *broker_; }
  DbusLink connect() {
    auto link = DbusLink::connect(broker_->socket_path());
    EXPECT_TRUE(link) << describe(link.error());
    return std::move(*link);
  }

 private:
  std::unique_ptr<RunningBroker> broker_;
};

MATCHER_P(Is, value, "is " + testing::PrintToString(value)) {
  if (!arg) {
    *result_listener << describe(arg.error());
    return false;
  }
  *result_listener << testing::PrintToString(*arg);
  return *arg == value;
}

/// The next signal of this name, or the next error, whatever else comes before it.
Result<DbusPacket> next_of(DbusLink& link, DbusPacket::Kind kind, std::string_view member = {}) {
  for (;;) {
    Result<DbusPacket> packet = link.next(patience());
    if (!packet || (packet->kind == kind && (member.empty() || packet->member == member))) {
      return packet;
    }
  }
}

/// NameOwnerChanged(name, old, new).
testing::AssertionResult tells_change(DbusLink& watcher, const std::string& from,
                                      const std::string& to) {
  const auto change = next_of(watcher, DbusPacket::signal, "NameOwnerChanged");
  if (!change) return testing::AssertionFailure() << describe(change.error());
  if (change->strings[0] == kName && change->strings[1] == from && change->strings[2] == to) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << change->strings[0] << " from '" << change->strings[1]
                                     << "' to '" << change->strings[2] << "'";
}

GAUNTLET_CASE(MiddlewareConformance, DbusRequestName_OwnerThenQueue,
              .clause = "D-Bus Specification, org.freedesktop.DBus.RequestName") {
  Bus bus(context);
  if (!bus.ready()) return;
  DbusLink first = bus.connect();
  DbusLink second = bus.connect();
  EXPECT_THAT(first.request_name(kName, 0), Is(kNamePrimaryOwner));
  EXPECT_THAT(first.request_name(kName, 0), Is(kNameAlreadyOwner));
  EXPECT_THAT(second.request_name(kName, 0), Is(kNameInQueue));
  EXPECT_THAT(second.owner_of(kName), Is(first.unique_name()));
}

GAUNTLET_CASE(MiddlewareConformance, DbusDoNotQueue_NameThatIsTakenAnswersExists,
              .clause = "D-Bus Specification, RequestName, DBUS_NAME_FLAG_DO_NOT_QUEUE") {
  Bus bus(context);
  if (!bus.ready()) return;
  DbusLink first = bus.connect();
  DbusLink second = bus.connect();
  ASSERT_THAT(first.request_name(kName, 0), Is(kNamePrimaryOwner));
  EXPECT_THAT(second.request_name(kName, kNameDoNotQueue), Is(kNameExists));
  ASSERT_TRUE(first.ask_bus("ReleaseName", kName));
  EXPECT_THAT(second.owner_of(kName), Is(std::string())) << "it was queued all the same";
}

// Replacement needs both: the owner allows it and the newcomer asks for it.
GAUNTLET_CASE(MiddlewareConformance, DbusReplaceExisting_OnlyWhereTheOwnerAllowsIt,
              .clause = "D-Bus Specification, RequestName, ALLOW_REPLACEMENT, REPLACE_EXISTING") {
  Bus bus(context);
  if (!bus.ready()) return;
  DbusLink first = bus.connect();
  DbusLink second = bus.connect();
  ASSERT_THAT(first.request_name(kName, 0), Is(kNamePrimaryOwner));
  EXPECT_THAT(second.request_name(kName, kNameReplaceExisting | kNameDoNotQueue), Is(kNameExists));
  ASSERT_THAT(first.request_name(kName, kNameAllowReplacement), Is(kNameAlreadyOwner));
  EXPECT_THAT(second.request_name(kName, 0), Is(kNameInQueue)) << "nobody asked to replace";
  EXPECT_THAT(second.request_name(kName, kNameReplaceExisting), Is(kNamePrimaryOwner));
  EXPECT_THAT(first.owner_of(kName), Is(second.unique_name()));
}

// The one that was replaced waits at the head of the queue and gets the name back.
GAUNTLET_CASE(MiddlewareConformance, DbusReplacedOwner_IsNextInTheQueue,
              .clause = "D-Bus Specification, RequestName (queue of owners)") {
  Bus bus(context);
  if (!bus.ready()) return;
  DbusLink first = bus.connect();
  DbusLink waiting = bus.connect();
  DbusLink second = bus.connect();
  ASSERT_THAT(first.request_name(kName, kNameAllowReplacement), Is(kNamePrimaryOwner));
  ASSERT_THAT(waiting.request_name(kName, 0), Is(kNameInQueue));
  ASSERT_THAT(second.request_name(kName, kNameReplaceExisting), Is(kNamePrimaryOwner));
  ASSERT_TRUE(second.ask_bus("ReleaseName", kName));
  EXPECT_THAT(waiting.owner_of(kName), Is(first.unique_name()));
}

GAUNTLET_CASE(MiddlewareConformance, DbusBadName_IsRefused,
              .clause = "D-Bus Specification, Bus names (valid names); RequestName") {
  Bus bus(context);
  if (!bus.ready()) return;
  DbusLink link = bus.connect();
  for (const char* name : {"nodot", ":1.77", "org.freedesktop.DBus", "org..empty", "org.1digit"}) {
    EXPECT_FALSE(link.request_name(name, 0)) << name << " was given";
  }
}

GAUNTLET_CASE(MiddlewareConformance, DbusCallOfAnUnknownName_IsServiceUnknown,
              .clause = "D-Bus Specification, Message Bus Starting Services; ServiceUnknown") {
  Bus bus(context);
  if (!bus.ready()) return;
  DbusLink link = bus.connect();
  const auto serial = link.call(kName, "Anything", {});
  ASSERT_TRUE(serial);
  const auto error = next_of(link, DbusPacket::error);
  ASSERT_TRUE(error) << describe(error.error());
  EXPECT_EQ(error->error_name, "org.freedesktop.DBus.Error.ServiceUnknown");
  EXPECT_EQ(error->reply_serial, *serial);
}

// A reply carries the serial of its call, and reaches only the caller.
GAUNTLET_CASE(MiddlewareConformance, DbusReplies_ReachTheirCallersOnly,
              .clause = "D-Bus Specification, Message Format, REPLY_SERIAL; Method calls") {
  Bus bus(context);
  if (!bus.ready()) return;
  DbusLink owner = bus.connect();
  DbusLink a = bus.connect();
  DbusLink b = bus.connect();
  ASSERT_THAT(owner.request_name(kName, 0), Is(kNamePrimaryOwner));
  const auto from_a = a.call(kName, "A", {});
  const auto from_b = b.call(kName, "B", {});
  ASSERT_TRUE(from_a && from_b);
  for (int i = 0; i < 2; ++i) {
    const auto call = next_of(owner, DbusPacket::method_call);
    ASSERT_TRUE(call);
    ASSERT_TRUE(owner.reply(*call));
  }
  const auto to_a = next_of(a, DbusPacket::method_return);
  const auto to_b = next_of(b, DbusPacket::method_return);
  ASSERT_TRUE(to_a && to_b);
  EXPECT_EQ(to_a->reply_serial, *from_a);
  EXPECT_EQ(to_b->reply_serial, *from_b);
}

// Broadcast signals reach those with a match rule and nobody else.
GAUNTLET_CASE(MiddlewareConformance, DbusSignal_ReachesOnlyThoseWhoseRulesMatch,
              .clause = "D-Bus Specification, Message Bus Message Routing, Match Rules") {
  Bus bus(context);
  if (!bus.ready()) return;
  DbusLink emitter = bus.connect();
  DbusLink all = bus.connect();
  DbusLink other = bus.connect();
  DbusLink none = bus.connect();
  ASSERT_TRUE(all.add_match("type='signal',interface='org.gauntlet.Channel'"));
  ASSERT_TRUE(other.add_match("type='signal',interface='org.gauntlet.Channel',member='Other'"));
  ASSERT_TRUE(emitter.emit("One", {}));
  ASSERT_TRUE(emitter.emit("Other", {}));
  ASSERT_TRUE(emitter.barrier());
  EXPECT_EQ(next_of(all, DbusPacket::signal, "One")->member, "One");
  EXPECT_EQ(next_of(all, DbusPacket::signal, "Other")->member, "Other");
  for (DbusLink* link : {&other, &none}) {
    ASSERT_TRUE(link->barrier());
    int came = 0;
    while (const auto packet = link->next(Deadline::immediate())) {
      if (packet->interface != "org.gauntlet.Channel") continue;
      ++came;
      EXPECT_EQ(packet->member, "Other");
    }
    EXPECT_EQ(came, link == &other ? 1 : 0);
  }
}

GAUNTLET_CASE(MiddlewareConformance, DbusBadMatchRule_IsRefused,
              .clause = "D-Bus Specification, org.freedesktop.DBus.AddMatch, MatchRuleInvalid") {
  Bus bus(context);
  if (!bus.ready()) return;
  DbusLink link = bus.connect();
  for (const char* rule : {"type='nothing'", "type='signal", "nokey='x'", "type='signal',,"}) {
    const auto answer = link.ask_bus("AddMatch", rule);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->error_name, "org.freedesktop.DBus.Error.MatchRuleInvalid") << rule;
  }
}

// The death of an owner: the next in the queue owns the name, and those who watch are told.
GAUNTLET_CASE(MiddlewareCrashes, DbusOwnerKilled_NextInTheQueueOwnsAndWatchersAreTold,
              .clause = "D-Bus Specification, NameOwnerChanged; RequestName (queue)") {
  Bus bus(context);
  if (!bus.ready()) return;
  DbusLink watcher = bus.connect();
  DbusLink heir = bus.connect();
  ASSERT_TRUE(watcher.add_match(kOwners));
  const std::string path = bus.broker().socket_path();
  Crew crew(1);
  ASSERT_TRUE(crew.add([path](Worker& worker) {
    auto link = DbusLink::connect(path);
    if (!worker.expect(link.has_value(), "connect failed")) return;
    worker.expect(link->request_name(kName, 0).has_value(), "RequestName failed");
    worker.arrive(0);
    worker.await(1);
  }));
  ASSERT_TRUE(crew.await_arrival(0, 0, patience()));
  const auto owner = heir.owner_of(kName);
  ASSERT_TRUE(owner);
  ASSERT_TRUE(tells_change(watcher, "", *owner));
  ASSERT_THAT(heir.request_name(kName, 0), Is(kNameInQueue));
  context.fault_planned();
  EXPECT_TRUE(crew.kill(0));
  context.join(crew);
  EXPECT_TRUE(tells_change(watcher, *owner, heir.unique_name()));
  EXPECT_THAT(watcher.owner_of(kName), Is(heir.unique_name()));
}

// A callee that dies with a call unanswered: its caller is told, and does not wait for good.
GAUNTLET_CASE(MiddlewareCrashes, DbusCalleeKilledBeforeItsReply_CallerGetsNoReply,
              .clause = "D-Bus Specification, Message Bus Message Routing; Error.NoReply") {
  Bus bus(context);
  if (!bus.ready()) return;
  DbusLink caller = bus.connect();
  const std::string path = bus.broker().socket_path();
  Crew crew(1);
  ASSERT_TRUE(crew.add([path](Worker& worker) {
    auto link = DbusLink::connect(path);
    if (!worker.expect(link.has_value(), "connect failed")) return;
    worker.expect(link->request_name(kName, 0).has_value(), "RequestName failed");
    worker.arrive(0);
    worker.expect(next_of(*link, DbusPacket::method_call).has_value(), "no call came");
    worker.arrive(1);
    worker.await(2);
  }));
  ASSERT_TRUE(crew.await_arrival(0, 0, patience()));
  const auto serial = caller.call(kName, "Never", {});
  ASSERT_TRUE(serial);
  ASSERT_TRUE(crew.await_arrival(0, 1, patience()));
  context.fault_planned();
  EXPECT_TRUE(crew.kill(0));
  context.join(crew);
  const auto error = next_of(caller, DbusPacket::error);
  ASSERT_TRUE(error) << describe(error.error());
  EXPECT_EQ(error->error_name, "org.freedesktop.DBus.Error.NoReply");
  EXPECT_EQ(error->reply_serial, *serial);
}

/// Calls the owner of the name, who does not read, until the bus refuses it for its limit.
testing::AssertionResult fill(DbusLink& caller) {
  constexpr int kMostCalls = 500;
  const std::vector<std::byte> bytes(16384);
  for (int sent = 0; sent < kMostCalls; ++sent) {
    if (!caller.call(kName, "More", bytes) || !caller.barrier()) {
      return testing::AssertionFailure() << "the caller's own connection broke";
    }
    while (const auto packet = caller.next(Deadline::immediate())) {
      if (packet->kind != DbusPacket::error) continue;
      if (packet->error_name == "org.freedesktop.DBus.Error.LimitsExceeded") {
        return testing::AssertionSuccess();
      }
      return testing::AssertionFailure() << packet->error_name;
    }
  }
  return testing::AssertionFailure() << "nothing refused after " << kMostCalls << " calls";
}

// Over its limit of unread bytes a connection is refused more, and the caller is told.
GAUNTLET_CASE(MiddlewareOverload, DbusCalleeNeverReads_CallerGetsLimitsExceeded,
              .clause = "dbus-daemon(1), max_outgoing_bytes; Error.LimitsExceeded") {
  Bus bus(context, "<limit name=\"max_outgoing_bytes\">65536</limit>");
  if (!bus.ready()) return;
  DbusLink owner = bus.connect();
  DbusLink caller = bus.connect();
  ASSERT_THAT(owner.request_name(kName, 0), Is(kNamePrimaryOwner));
  EXPECT_TRUE(fill(caller));
}

/// Whether a ping is answered before any that comes after it. Pings go on until one is answered.
testing::AssertionResult answered_in_turn(DbusLink& link, std::uint32_t ping) {
  constexpr std::chrono::milliseconds kBetweenPings{5};
  const Deadline given_up = patience();
  while (!given_up.expired()) {
    const auto packet = link.next(Deadline::after(kBetweenPings));
    if (!packet && packet.error().code == Code::timed_out) {
      if (!link.ping_bus()) return testing::AssertionFailure() << "the bus has gone";
      continue;
    }
    if (!packet) return testing::AssertionFailure() << describe(packet.error());
    if (packet->kind != DbusPacket::method_return) continue;
    if (packet->reply_serial == ping) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "a call of the bus got no answer, one after it did";
  }
  return testing::AssertionFailure() << "no call of the bus is answered";
}

// A call that expects a reply gets one, or an error: also the call of a connection that has left so
// much unread that nobody else may send to it.
GAUNTLET_CASE(MiddlewareOverload, DbusCallOfTheBusWithAFullQueue_IsAnswered,
              .clause = "D-Bus Specification, Message Types (METHOD_CALL, NO_REPLY_EXPECTED)") {
  Bus bus(context, "<limit name=\"max_outgoing_bytes\">65536</limit>");
  if (!bus.ready()) return;
  DbusLink owner = bus.connect();
  DbusLink caller = bus.connect();
  ASSERT_THAT(owner.request_name(kName, 0), Is(kNamePrimaryOwner));
  const auto before = owner.ping_bus();
  ASSERT_TRUE(before);
  ASSERT_TRUE(answered_in_turn(owner, *before)) << "with an empty queue";
  ASSERT_TRUE(fill(caller));
  const auto full = owner.ping_bus();
  ASSERT_TRUE(full);
  // The bus has handled it when it has answered a call that came later.
  ASSERT_TRUE(caller.barrier());
  ASSERT_TRUE(caller.barrier());
  EXPECT_TRUE(answered_in_turn(owner, *full));
}

// Connections ask for one name at the same time: one of them owns it.
GAUNTLET_CASE(MiddlewareRaces, DbusManyRequestOneName_OneOwnsIt,
              .clause = "D-Bus Specification, RequestName (primary owner)") {
  Bus bus(context);
  if (!bus.ready()) return;
  constexpr std::size_t kClients = 6;
  const std::string path = bus.broker().socket_path();
  struct Board {
    std::atomic<std::uint32_t> owners{0};
    std::atomic<std::uint32_t> refused{0};
  };
  const std::uint64_t rounds = context.amount(3, 30, 300);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const Shared<Board> board;
    const std::string name = std::string(kName) + ".r" + std::to_string(round);
    Crew crew(kClients);
    for (std::size_t i = 0; i < kClients; ++i) {
      ASSERT_TRUE(crew.add([&board, path, name](Worker& worker) {
        auto link = DbusLink::connect(path);
        if (!worker.expect(link.has_value(), "connect failed")) return;
        worker.await_start();
        const auto answer = link->request_name(name, kNameDoNotQueue);
        if (!worker.expect(answer.has_value(), "RequestName failed")) return;
        if (*answer == kNamePrimaryOwner) ++board->owners;
        if (*answer == kNameExists) ++board->refused;
        worker.arrive(0);
        worker.await(1);  // nobody leaves before all have asked
      }));
    }
    ASSERT_TRUE(crew.start(patience()));
    for (std::size_t i = 0; i < kClients; ++i) ASSERT_TRUE(crew.await_arrival(i, 0, patience()));
    crew.proceed_all(1);
    if (!context.join(crew)) return;
    EXPECT_EQ(board->owners, 1U);
    EXPECT_EQ(board->refused, kClients - 1);
  }
}

}  // namespace
}  // namespace gauntlet
