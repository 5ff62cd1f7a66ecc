// What MQTT promises when a client dies, and what mosquitto keeps when it ends itself.
#include "middleware/mqtt_server.h"
#include "middleware/patience.h"

namespace gauntlet {
namespace {

// The network connection ends without DISCONNECT: the will is published.
GAUNTLET_CASE(MiddlewareCrashes, MqttClientKilled_ItsWillIsPublished,
              .clause = "MQTT 3.1.1 [MQTT-3.1.2-8]") {
  MqttServer server(context);
  if (!server.ready()) return;
  MqttClient watcher = server.subscribed("will", 1);
  DoomedMqttClient doomed(
      context, server,
      {.client_id = "w",
       .clean = true,
       .will = MqttMessage{.topic = "will", .payload = "dead", .qos = 1, .retain = true}});
  EXPECT_TRUE(has_nothing(watcher));
  doomed.kill();
  const auto will = watcher.next(patience());
  ASSERT_THAT(will, BringsPayload("dead"));
  EXPECT_EQ(will->qos(), 1);
  MqttClient late = server.subscribed("will", 1);
  EXPECT_THAT(late.next(patience()), BringsPayload("dead")) << "[MQTT-3.1.2-17]: retained";
}

// A killed subscriber with a session to keep misses nothing of QoS 1 and 2. It could fail if the
// server ended the session together with the broken connection.
GAUNTLET_CASE(MiddlewareCrashes, MqttSubscriberKilled_SessionGetsWhatWasSentMeanwhile,
              .clause = "MQTT 3.1.1 [MQTT-3.1.2-5]; section 4.1") {
  MqttServer server(context);
  if (!server.ready()) return;
  const MqttSession session{.client_id = "s", .clean = false};
  DoomedMqttClient doomed(context, server, session, "t", 2);
  doomed.kill();
  MqttClient sender = server.connect();
  for (const char* text : {"a", "b", "c"}) {
    ASSERT_TRUE(sender.publish({.topic = "t", .payload = text, .qos = 2}));
  }
  MqttClient heir = server.connect(session);
  for (const char* text : {"a", "b", "c"}) EXPECT_THAT(heir.next(patience()), BringsPayload(text));
}

// A publisher that dies before PUBREL has not published; a QoS 2 message is never delivered twice.
GAUNTLET_CASE(MiddlewareCrashes, MqttPublisherGoneBeforePubrel_SessionCompletesOnce,
              .clause = "MQTT 3.1.1 4.3.3; [MQTT-4.4.0-1]") {
  MqttServer server(context);
  if (!server.ready()) return;
  MqttClient client = server.subscribed("t", 0);
  const MqttSession session{.client_id = "p", .clean = false};
  const MqttMessage message{.topic = "t", .payload = "once", .qos = 2};
  std::uint16_t id = 0;
  {
    MqttClient sender = server.connect(session);
    const auto begun = sender.begin_publish(message);
    ASSERT_TRUE(begun);
    id = *begun;
    ASSERT_TRUE(sender.await(MqttType::pubrec, id, patience()));
    context.fault_planned();
  }
  context.fault_fired();  // its connection has ended without DISCONNECT
  MqttClient back = server.connect(session);
  ASSERT_TRUE(back.session_present());
  ASSERT_TRUE(back.acknowledge(MqttType::pubrel, id));
  ASSERT_TRUE(back.await(MqttType::pubcomp, id, patience()));
  EXPECT_THAT(client.next(patience()), BringsPayload("once"));
  EXPECT_TRUE(has_nothing(client));
}

// SIGTERM saves the store: sessions, queued and retained messages are there after the next start.
GAUNTLET_CASE(MiddlewareCrashes, MosquittoStopped_StoreIsThereAfterTheNextStart,
              .clause = "mosquitto.conf(5), persistence; mosquitto(8), SIGTERM") {
  MqttServer server(context, "persistence true\n");
  if (!server.ready()) return;
  const MqttSession session{.client_id = "s", .clean = false};
  ASSERT_TRUE(server.subscribed("t", 1, session).disconnect());
  {
    MqttClient sender = server.connect();
    ASSERT_TRUE(sender.publish({.topic = "t", .payload = "queued", .qos = 1}));
    ASSERT_TRUE(sender.publish({.topic = "r", .payload = "kept", .qos = 1, .retain = true}));
  }
  context.fault_planned();
  const auto end = server.broker().stop();
  ASSERT_TRUE(end) << describe(end.error());
  context.fault_fired();
  EXPECT_TRUE(end->clean()) << describe(*end);
  ASSERT_TRUE(server.broker().restart());
  MqttClient back = server.connect(session);
  EXPECT_TRUE(back.session_present());
  EXPECT_THAT(back.next(patience()), BringsPayload("queued"));
  MqttClient late = server.subscribed("r", 1);
  EXPECT_THAT(late.next(patience()), BringsPayload("kept"));
}

// A server that does not answer is not dead: what was sent while it was stopped is delivered when
// it goes on.
GAUNTLET_CASE(MiddlewareCrashes, MosquittoFrozen_ConnectionsSurviveAndMessagesArrive,
              .clause = "MQTT 3.1.1 section 4.2 (ordered, lossless byte stream)") {
  MqttServer server(context);
  if (!server.ready()) return;
  MqttClient client = server.subscribed("t", 1);
  MqttClient sender = server.connect();
  context.fault_planned();
  ASSERT_TRUE(server.broker().freeze());
  context.fault_fired();
  const auto id = sender.begin_publish({.topic = "t", .payload = "m", .qos = 1});
  ASSERT_TRUE(id);
  EXPECT_FALSE(sender.await(MqttType::puback, *id, Deadline::after(kShortWait)));
  ASSERT_TRUE(server.broker().thaw());
  EXPECT_TRUE(sender.await(MqttType::puback, *id, patience()));
  EXPECT_THAT(client.next(patience()), BringsPayload("m"));
}

// Two clients fight for one identifier: at every moment at most one of them holds the session, and
// no message of QoS 1 is lost on the way between them.
GAUNTLET_CASE(MiddlewareRaces, MqttTakeOverAgainAndAgain_NoMessageIsLost,
              .clause = "MQTT 3.1.1 [MQTT-3.1.4-2], [MQTT-4.4.0-1]") {
  MqttServer server(context);
  if (!server.ready()) return;
  const MqttSession session{.client_id = "s", .clean = false};
  ASSERT_TRUE(server.subscribed("t", 1, session).disconnect());
  MqttClient sender = server.connect();
  const int rounds = static_cast<int>(context.amount(25, 300, 3000));
  std::vector<MqttClient> holders;
  holders.push_back(server.connect(session));
  for (int i = 0; i < rounds; ++i) {
    const auto id = sender.begin_publish({.topic = "t", .payload = std::to_string(i), .qos = 1});
    ASSERT_TRUE(id);
    holders.push_back(server.connect(session));  // while the message is on its way
    ASSERT_TRUE(sender.await(MqttType::puback, *id, patience()));
    const auto packet = holders.back().next(patience());
    ASSERT_THAT(packet, BringsPayload(std::to_string(i)));
    ASSERT_TRUE(holders.back().acknowledge(MqttType::puback, packet->id));
    holders.erase(holders.begin());
  }
}

}  // namespace
}  // namespace gauntlet
