// A Redis server of one case, and clients of it.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "cases/context.h"
#include "subjects/middleware/support/brokers.h"
#include "subjects/middleware/support/redis_link.h"

namespace gauntlet {

/// ready() is false when the context has been told why.
class RedisServer {
 public:
  explicit RedisServer(CaseContext& context, std::vector<std::string> settings = {})
      : context_(context) {
    auto started = RunningBroker::start(redis_server(std::move(settings)), context.scope());
    if (!started) {
      context.not_created(started.error());
      return;
    }
    auto first = RedisLink::connect((*started)->socket_path());
    if (!first) {
      context.not_created(first.error());
      return;
    }
    broker_ = std::move(*started);
    first_.emplace(std::move(*first));
  }
  bool ready() const { return broker_ != nullptr; }
  RunningBroker& broker() { return *broker_; }
  RedisLink& client() { return *first_; }
  RedisLink connect() {
    auto link = RedisLink::connect(broker_->socket_path());
    EXPECT_TRUE(link) << describe(link.error());
    return std::move(*link);
  }
  /// SIGKILL, a planned fault, a new start, and a new first client.
  void kill_and_restart() {
    context_.fault_planned();
    if (broker_->kill()) context_.fault_fired();
    const Status restarted = broker_->restart();
    ASSERT_TRUE(restarted) << describe(restarted.error());
    first_.emplace(connect());
  }
  /// Waits until so many clients sleep in blocking commands.
  testing::AssertionResult await_blocked(int clients) {
    const std::string wanted = "blocked_clients:" + std::to_string(clients) + "\r\n";
    const Deadline patience = Deadline::after(kCallPatience);
    while (!patience.expired()) {
      const auto info = client().command({"INFO", "clients"});
      if (!info) return testing::AssertionFailure() << describe(info.error());
      if (info->string.find(wanted) != std::string::npos) return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << "never " << clients << " blocked clients";
  }

 private:
  CaseContext& context_;
  std::unique_ptr<RunningBroker> broker_;
  std::optional<RedisLink> first_;
};

MATCHER_P(Answers, text, std::string("answers ") + text) {
  if (!arg) {
    *result_listener << describe(arg.error());
    return false;
  }
  *result_listener << describe(*arg);
  return describe(*arg) == text;
}
MATCHER_P(RefusedWith, prefix, std::string("is refused with ") + prefix) {
  if (arg) *result_listener << describe(*arg);
  return arg && arg->is_error(prefix);
}

}  // namespace gauntlet
