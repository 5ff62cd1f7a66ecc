// A mosquitto server of one case, and clients of it.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>

#include "base/limits.h"
#include "cases/context.h"
#include "process/crew.h"
#include "subjects/middleware/support/brokers.h"
#include "subjects/middleware/support/mqtt_client.h"

namespace gauntlet {

/// ready() is false when the context has been told why.
class MqttServer {
 public:
  explicit MqttServer(CaseContext& context, const std::string& settings = {}) {
    auto started = RunningBroker::start(mosquitto(settings), context.scope());
    if (!started) {
      context.not_created(started.error());
      return;
    }
    broker_ = std::move(*started);
  }
  bool ready() const { return broker_ != nullptr; }
  RunningBroker& broker() { return *broker_; }
  MqttClient connect(const MqttSession& session = {}) {
    auto client = MqttClient::connect(broker_->socket_path(), session);
    EXPECT_TRUE(client) << describe(client.error());
    return std::move(*client);
  }
  /// A client with this subscription.
  MqttClient subscribed(std::string_view filter, int qos, const MqttSession& session = {}) {
    MqttClient client = connect(session);
    const auto granted = client.subscribe(filter, qos);
    EXPECT_TRUE(granted && *granted == qos) << "SUBSCRIBE was not granted";
    return client;
  }

 private:
  std::unique_ptr<RunningBroker> broker_;
};

/// The next packet is a PUBLISH with this payload.
MATCHER_P(BringsPayload, payload, std::string("brings ") + payload) {
  if (!arg) {
    *result_listener << describe(arg.error());
    return false;
  }
  *result_listener << "type " << static_cast<int>(arg->type) << " '" << arg->payload << "'";
  return arg->type == MqttType::publish && arg->payload == payload;
}

/// Nothing is there, after the server has said so.
inline testing::AssertionResult has_nothing(MqttClient& client) {
  if (const Status asked = client.ping(); !asked) {
    return testing::AssertionFailure() << describe(asked.error());
  }
  const auto packet = client.next(Deadline::immediate());
  if (packet) return testing::AssertionFailure() << "'" << packet->payload << "' came";
  return testing::AssertionSuccess();
}

/// A client in a worker of its own: connects and says that it is there, until it is killed.
class DoomedMqttClient {
 public:
  DoomedMqttClient(CaseContext& context, MqttServer& server, const MqttSession& session,
                   std::string filter = {}, int qos = 0)
      : context_(context) {
    const std::string path = server.broker().socket_path();
    const auto added = crew_.add([=](Worker& worker) {
      auto client = MqttClient::connect(path, session);
      if (!worker.expect(client.has_value(), "connect failed")) return;
      if (!filter.empty()) {
        worker.expect(client->subscribe(filter, qos).has_value(), "subscribe failed");
      }
      worker.arrive(0);
      worker.await(1);
    });
    EXPECT_TRUE(added) << "no worker";
    EXPECT_TRUE(crew_.await_arrival(0, 0, Deadline::after(kCallPatience)));
  }
  void kill() {
    context_.fault_planned();
    EXPECT_TRUE(crew_.kill(0));
    context_.join(crew_);
  }

 private:
  CaseContext& context_;
  Crew crew_{1};
};

}  // namespace gauntlet
