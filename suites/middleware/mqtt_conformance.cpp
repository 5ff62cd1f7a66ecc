// What MQTT 3.1.1 promises of sessions, retained messages, filters, quality of service and order.
#include <fmt/format.h>

#include "middleware/mqtt_server.h"
#include "middleware/patience.h"

namespace gauntlet {
namespace {

// A retained message is given to those who subscribe later, marked as retained; to those who were
// there it comes unmarked.
GAUNTLET_CASE(MiddlewareConformance, MqttRetained_NewSubscriberGetsTheLastOne,
              .clause = "MQTT 3.1.1 [MQTT-3.3.1-5], [MQTT-3.3.1-8], [MQTT-3.3.1-9]") {
  MqttServer server(context);
  if (!server.ready()) return;
  MqttClient early = server.subscribed("t", 0);
  MqttClient sender = server.connect();
  ASSERT_TRUE(sender.publish({.topic = "t", .payload = "old", .qos = 1, .retain = true}));
  ASSERT_TRUE(sender.publish({.topic = "t", .payload = "new", .qos = 1, .retain = true}));
  MqttClient late = server.subscribed("t", 0);
  ASSERT_TRUE(late.ping());
  const auto kept = late.next(Deadline::immediate());
  ASSERT_THAT(kept, BringsPayload("new"));
  EXPECT_TRUE(kept->retain());
  EXPECT_TRUE(has_nothing(late));
  const auto live = early.next(patience());
  ASSERT_THAT(live, BringsPayload("old"));
  EXPECT_FALSE(live->retain());
}

// A retained message without payload removes the one that was kept.
GAUNTLET_CASE(MiddlewareConformance, MqttEmptyRetained_RemovesTheKeptOne,
              .clause = "MQTT 3.1.1 [MQTT-3.3.1-10], [MQTT-3.3.1-11]") {
  MqttServer server(context);
  if (!server.ready()) return;
  MqttClient sender = server.connect();
  ASSERT_TRUE(sender.publish({.topic = "t", .payload = "x", .qos = 1, .retain = true}));
  ASSERT_TRUE(sender.publish({.topic = "t", .payload = "", .qos = 1, .retain = true}));
  MqttClient late = server.subscribed("t", 0);
  EXPECT_TRUE(has_nothing(late));
}

// Without the flag nothing is kept, and what was kept stays.
GAUNTLET_CASE(MiddlewareConformance, MqttNotRetained_LeavesTheKeptOne,
              .clause = "MQTT 3.1.1 [MQTT-3.3.1-12]") {
  MqttServer server(context);
  if (!server.ready()) return;
  MqttClient sender = server.connect();
  ASSERT_TRUE(sender.publish({.topic = "t", .payload = "kept", .qos = 1, .retain = true}));
  ASSERT_TRUE(sender.publish({.topic = "t", .payload = "gone", .qos = 1}));
  MqttClient late = server.subscribed("t", 0);
  EXPECT_THAT(late.next(patience()), BringsPayload("kept"));
  EXPECT_TRUE(has_nothing(late));
}

// Messages of QoS 1 and 2 that match a session's subscriptions wait for its client.
GAUNTLET_CASE(MiddlewareConformance, MqttPersistentSession_KeepsMessagesWhileOffline,
              .clause = "MQTT 3.1.1 [MQTT-3.1.2-4], [MQTT-3.1.2-5]; section 4.1") {
  MqttServer server(context);
  if (!server.ready()) return;
  const MqttSession session{.client_id = "s", .clean = false};
  ASSERT_TRUE(server.subscribed("t", 2, session).disconnect());
  MqttClient sender = server.connect();
  ASSERT_TRUE(sender.publish({.topic = "t", .payload = "one", .qos = 1}));
  ASSERT_TRUE(sender.publish({.topic = "t", .payload = "two", .qos = 2}));
  MqttClient back = server.connect(session);
  EXPECT_TRUE(back.session_present()) << "[MQTT-3.2.2-2]";
  EXPECT_THAT(back.next(patience()), BringsPayload("one"));
  EXPECT_THAT(back.next(patience()), BringsPayload("two"));
}

// CleanSession 1: the earlier session is gone, with its subscriptions and messages.
GAUNTLET_CASE(MiddlewareConformance, MqttCleanSession_DiscardsTheEarlierOne,
              .clause = "MQTT 3.1.1 [MQTT-3.1.2-6], [MQTT-3.2.2-1]") {
  MqttServer server(context);
  if (!server.ready()) return;
  ASSERT_TRUE(server.subscribed("t", 1, {.client_id = "s", .clean = false}).disconnect());
  MqttClient sender = server.connect();
  ASSERT_TRUE(sender.publish({.topic = "t", .payload = "lost", .qos = 1}));
  MqttClient clean = server.connect({.client_id = "s", .clean = true});
  EXPECT_FALSE(clean.session_present());
  ASSERT_TRUE(sender.publish({.topic = "t", .payload = "lost too", .qos = 1}));
  EXPECT_TRUE(has_nothing(clean));
}

// A second client with the same identifier takes over, and the server disconnects the first.
GAUNTLET_CASE(MiddlewareConformance, MqttSameClientId_FirstClientIsDisconnected,
              .clause = "MQTT 3.1.1 [MQTT-3.1.4-2]") {
  MqttServer server(context);
  if (!server.ready()) return;
  MqttClient first = server.subscribed("t", 1, {.client_id = "s", .clean = false});
  MqttClient second = server.connect({.client_id = "s", .clean = false});
  EXPECT_TRUE(second.session_present());
  const auto end = first.next(patience());
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, Code::peer_gone);
  MqttClient sender = server.connect();
  ASSERT_TRUE(sender.publish({.topic = "t", .payload = "x", .qos = 1}));
  EXPECT_THAT(second.next(patience()), BringsPayload("x"));
}

struct Filter {
  const char* filter;
  const char* topic;
  bool matches;
};

// The wildcards: # for any number of levels, the parent too; + for one level, an empty one too;
// neither at the first level for topics that begin with $.
GAUNTLET_CASE(MiddlewareConformance, MqttWildcards_MatchWhatTheStandardSays,
              .clause = "MQTT 3.1.1 4.7.1, [MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.2-1]") {
  MqttServer server(context);
  if (!server.ready()) return;
  const Filter filters[] = {
      {"sport/tennis/player1/#", "sport/tennis/player1", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
      {"sport/#", "sport", true},
      {"#", "a/b/c", true},
      {"sport/tennis/+", "sport/tennis/player1", true},
      {"sport/tennis/+", "sport/tennis/player1/ranking", false},
      {"sport/+", "sport", false},
      {"sport/+", "sport/", true},
      {"+/+", "/finance", true},
      {"/+", "/finance", true},
      {"+", "/finance", false},
      {"#", "$x/monitor", false},
      {"+/monitor", "$x/monitor", false},
      {"$x/#", "$x/monitor", true},
      {"ACCOUNTS", "Accounts", false},
  };
  for (const Filter& each : filters) {
    MqttClient client = server.subscribed(each.filter, 1);
    ASSERT_TRUE(server.connect().publish({.topic = each.topic, .payload = "m", .qos = 1}));
    ASSERT_TRUE(client.ping());
    EXPECT_EQ(client.next(Deadline::immediate()).has_value(), each.matches)
        << "filter " << each.filter << ", topic " << each.topic;
  }
}

// The QoS of a delivery is the lower of the message's and the subscription's.
GAUNTLET_CASE(MiddlewareConformance, MqttDeliveredQos_IsTheLowerOfTheTwo,
              .clause = "MQTT 3.1.1 [MQTT-3.8.4-6]") {
  MqttServer server(context);
  if (!server.ready()) return;
  MqttClient sender = server.connect();
  for (int subscribed = 0; subscribed <= 2; ++subscribed) {
    for (int sent = 0; sent <= 2; ++sent) {
      MqttClient client = server.subscribed("t", subscribed);
      ASSERT_TRUE(sender.publish({.topic = "t", .payload = "m", .qos = sent}));
      const auto packet = client.next(patience());
      ASSERT_THAT(packet, BringsPayload("m"));
      EXPECT_EQ(packet->qos(), std::min(subscribed, sent));
    }
  }
}

// The order of one publisher on one topic is kept, for each QoS.
GAUNTLET_CASE(MiddlewareConformance, MqttOrderedTopic_KeepsThePublishersOrder,
              .clause = "MQTT 3.1.1 [MQTT-4.6.0-6]") {
  MqttServer server(context);
  if (!server.ready()) return;
  MqttClient sender = server.connect();
  for (int qos = 0; qos <= 2; ++qos) {
    MqttClient client = server.subscribed("t", qos);
    for (int i = 0; i < 15; ++i) {
      ASSERT_TRUE(sender.publish({.topic = "t", .payload = std::to_string(i), .qos = qos}));
    }
    for (int i = 0; i < 15; ++i) {
      ASSERT_THAT(client.next(patience()), BringsPayload(std::to_string(i)));
    }
  }
}

// QoS 2: the packet identifier sent again before PUBREL is the same message.
GAUNTLET_CASE(MiddlewareConformance, MqttQos2SentAgainBeforePubrel_IsDeliveredOnce,
              .clause = "MQTT 3.1.1 [MQTT-4.3.3-2]") {
  MqttServer server(context);
  if (!server.ready()) return;
  MqttClient client = server.subscribed("t", 0);
  MqttClient sender = server.connect();
  const MqttMessage message{.topic = "t", .payload = "once", .qos = 2};
  const auto id = sender.begin_publish(message);
  ASSERT_TRUE(id);
  ASSERT_TRUE(sender.await(MqttType::pubrec, *id, patience()));
  ASSERT_TRUE(sender.begin_publish(message, true, *id));
  ASSERT_TRUE(sender.await(MqttType::pubrec, *id, patience()));
  ASSERT_TRUE(sender.acknowledge(MqttType::pubrel, *id));
  ASSERT_TRUE(sender.await(MqttType::pubcomp, *id, patience()));
  EXPECT_THAT(client.next(patience()), BringsPayload("once"));
  EXPECT_TRUE(has_nothing(client));
}

// What was not acknowledged is sent again to the session's next connection, marked as such.
GAUNTLET_CASE(MiddlewareConformance, MqttUnacknowledged_IsSentAgainWithDup,
              .clause = "MQTT 3.1.1 [MQTT-4.4.0-1], [MQTT-3.3.1-1]") {
  MqttServer server(context);
  if (!server.ready()) return;
  const MqttSession session{.client_id = "s", .clean = false};
  MqttClient sender = server.connect();
  {
    MqttClient client = server.subscribed("t", 1, session);
    ASSERT_TRUE(sender.publish({.topic = "t", .payload = "m", .qos = 1}));
    const auto first = client.next(patience());
    ASSERT_THAT(first, BringsPayload("m"));
    EXPECT_FALSE(first->dup());
  }
  MqttClient back = server.connect(session);
  const auto second = back.next(patience());
  ASSERT_THAT(second, BringsPayload("m"));
  EXPECT_TRUE(second->dup());
  ASSERT_TRUE(back.acknowledge(MqttType::puback, second->id));
  ASSERT_TRUE(back.disconnect());
  MqttClient last = server.connect(session);
  EXPECT_TRUE(has_nothing(last)) << "acknowledged, and sent again";
}

// QoS 2, reconnected after PUBREC: PUBREL is sent again, the message is not.
GAUNTLET_CASE(MiddlewareConformance, MqttQos2ReconnectAfterPubrec_NoSecondPublish,
              .clause = "MQTT 3.1.1 4.3.3; [MQTT-4.4.0-1]") {
  MqttServer server(context);
  if (!server.ready()) return;
  const MqttSession session{.client_id = "s", .clean = false};
  MqttClient sender = server.connect();
  std::uint16_t id = 0;
  {
    MqttClient client = server.subscribed("t", 2, session);
    ASSERT_TRUE(sender.publish({.topic = "t", .payload = "m", .qos = 2}));
    const auto first = client.next(patience());
    ASSERT_THAT(first, BringsPayload("m"));
    id = first->id;
    ASSERT_TRUE(client.acknowledge(MqttType::pubrec, id));
    ASSERT_TRUE(client.await(MqttType::pubrel, id, patience()));
  }
  MqttClient back = server.connect(session);
  const auto packet = back.next(patience());
  ASSERT_TRUE(packet) << describe(packet.error());
  EXPECT_EQ(static_cast<int>(packet->type), static_cast<int>(MqttType::pubrel));
  EXPECT_EQ(packet->id, id);
  ASSERT_TRUE(back.acknowledge(MqttType::pubcomp, id));
  EXPECT_TRUE(has_nothing(back));
}

// A clean end has no will.
GAUNTLET_CASE(MiddlewareConformance, MqttDisconnect_WillIsNotPublished,
              .clause = "MQTT 3.1.1 [MQTT-3.14.4-3], [MQTT-3.1.2-10]") {
  MqttServer server(context);
  if (!server.ready()) return;
  MqttClient watcher = server.subscribed("will", 1);
  MqttClient client = server.connect(
      {.client_id = "w", .clean = true, .will = MqttMessage{.topic = "will", .payload = "dead"}});
  ASSERT_TRUE(client.disconnect());
  // The same name again: the server has handled the end of the first.
  ASSERT_TRUE(server.connect({.client_id = "w"}).disconnect());
  EXPECT_TRUE(has_nothing(watcher));
}

GAUNTLET_CASE(MiddlewareConformance, MqttUnsubscribed_NothingNewComes,
              .clause = "MQTT 3.1.1 [MQTT-3.10.4-2], [MQTT-3.10.4-4]") {
  MqttServer server(context);
  if (!server.ready()) return;
  MqttClient client = server.subscribed("t", 1);
  ASSERT_TRUE(client.unsubscribe("t"));
  ASSERT_TRUE(client.unsubscribe("never/subscribed"));
  ASSERT_TRUE(server.connect().publish({.topic = "t", .payload = "m", .qos = 1}));
  EXPECT_TRUE(has_nothing(client));
}

// A second CONNECT, a packet with reserved flags or QoS 3 break the protocol: the connection ends.
GAUNTLET_CASE(
    MiddlewareConformance, MqttProtocolViolations_EndTheConnection,
    .clause = "MQTT 3.1.1 [MQTT-3.1.0-2], [MQTT-3.3.1-4], [MQTT-2.2.2-2], [MQTT-3.8.3-3]") {
  MqttServer server(context);
  if (!server.ready()) return;
  const std::string_view violations[] = {
      {"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", 14},  // a second CONNECT
      {"\x36\x06\x00\x01t\x00\x01m", 8},                     // PUBLISH with QoS 3
      {"\x80\x06\x00\x01\x00\x01t\x00", 8},                  // SUBSCRIBE with flags 0000
      {"\x82\x02\x00\x01", 4},                               // SUBSCRIBE without a filter
  };
  for (const std::string_view violation : violations) {
    MqttClient client = server.connect();
    ASSERT_TRUE(client.send_raw(violation));
    const auto end = client.next(patience());
    ASSERT_FALSE(end) << "packet type " << static_cast<int>(end->type) << " came";
    EXPECT_EQ(end.error().code, Code::peer_gone) << describe(end.error());
  }
}

// An empty client identifier with a session to keep is refused with 0x02.
GAUNTLET_CASE(MiddlewareConformance, MqttEmptyIdWithoutCleanSession_IsRefusedWithTwo,
              .clause = "MQTT 3.1.1 [MQTT-3.1.3-8]") {
  MqttServer server(context);
  if (!server.ready()) return;
  const auto client =
      MqttClient::connect(server.broker().socket_path(), {.client_id = "", .clean = false});
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, Code::denied);
  EXPECT_EQ(client.error().system_errno, 2);
}

}  // namespace
}  // namespace gauntlet
