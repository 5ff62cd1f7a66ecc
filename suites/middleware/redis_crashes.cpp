// What Redis keeps and gives back when a client or the server itself is killed.
#include <algorithm>

#include "middleware/redis_server.h"
#include "process/crew.h"

namespace gauntlet {
namespace {

/// A worker with a connection of its own that says `words`, and then sleeps until it is killed.
class DoomedClient {
 public:
  DoomedClient(CaseContext& context, RedisServer& server, std::vector<RedisLink::Words> commands,
               bool last_blocks)
      : context_(context) {
    const std::string path = server.broker().socket_path();
    const auto added = crew_.add([path, commands, last_blocks](Worker& worker) {
      auto link = RedisLink::connect(path);
      if (!worker.expect(link.has_value(), "connect failed")) return;
      for (std::size_t i = 0; i < commands.size(); ++i) {
        const bool blocks = last_blocks && i + 1 == commands.size();
        if (blocks) worker.expect(link->begin(commands[i]).has_value(), "begin failed");
        if (!blocks) worker.expect(link->command(commands[i]).has_value(), "a command failed");
      }
      worker.arrive(0);
      worker.await(1);
    });
    EXPECT_TRUE(added) << "no worker";
  }
  void await() { EXPECT_TRUE(crew_.await_arrival(0, 0, Deadline::after(kCallPatience))); }
  void kill() {
    context_.fault_planned();
    EXPECT_TRUE(crew_.kill(0));
    context_.join(crew_);
  }

 private:
  CaseContext& context_;
  Crew crew_{1};
};

// A client that dies while it is blocked is no client any more: the element goes to the next. It
// could fail if the list of waiters kept the dead.
GAUNTLET_CASE(MiddlewareCrashes, RedisBlockedClientKilled_ElementGoesToTheNextWaiter,
              .clause = "redis.io/commands/blpop, Blocking behavior") {
  RedisServer server(context);
  if (!server.ready()) return;
  DoomedClient doomed(context, server, {{"BLPOP", "list", "0"}}, true);
  doomed.await();
  ASSERT_TRUE(server.await_blocked(1));
  RedisLink heir = server.connect();
  ASSERT_TRUE(heir.begin({"BLPOP", "list", "0"}));
  ASSERT_TRUE(server.await_blocked(2));
  doomed.kill();
  ASSERT_TRUE(server.await_blocked(1));
  ASSERT_TRUE(server.client().command({"RPUSH", "list", "x"}));
  EXPECT_THAT(heir.finish(Deadline::after(kCallPatience)), Answers("[list, x]"));
}

// Entries given to a consumer that dies stay pending under its name, and another may claim them.
GAUNTLET_CASE(MiddlewareCrashes, RedisConsumerKilled_ItsPendingEntriesCanBeClaimed,
              .clause = "redis.io/commands/xclaim; redis.io/commands/xautoclaim") {
  RedisServer server(context);
  if (!server.ready()) return;
  RedisLink& client = server.client();
  ASSERT_TRUE(client.command({"XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"}));
  ASSERT_TRUE(client.command({"XADD", "s", "1-1", "f", "v"}));
  DoomedClient doomed(context, server, {{"XREADGROUP", "GROUP", "g", "dead", "STREAMS", "s", ">"}},
                      false);
  doomed.await();
  doomed.kill();
  const RedisLink::Words read{"XREADGROUP", "GROUP", "g", "heir", "STREAMS", "s", ">"};
  EXPECT_THAT(client.command(read), Answers("nil")) << "given out again without being claimed";
  EXPECT_THAT(client.command({"XPENDING", "s", "g"}), Answers("[1, 1-1, 1-1, [[dead, 1]]]"));
  EXPECT_THAT(client.command({"XCLAIM", "s", "g", "heir", "0", "1-1"}), Answers("[[1-1, [f, v]]]"));
  EXPECT_THAT(client.command({"XPENDING", "s", "g"}), Answers("[1, 1-1, 1-1, [[heir, 1]]]"));
  EXPECT_THAT(client.command({"XACK", "s", "g", "1-1"}), Answers("1"));
}

// A client that dies between MULTI and EXEC leaves no trace of the commands it queued.
GAUNTLET_CASE(MiddlewareCrashes, RedisClientKilledBeforeExec_NothingOfItsTransactionRan,
              .clause = "redis.io/docs/interact/transactions, guarantees") {
  RedisServer server(context);
  if (!server.ready()) return;
  DoomedClient doomed(context, server, {{"MULTI"}, {"SET", "a", "1"}, {"SET", "b", "1"}}, false);
  doomed.await();
  doomed.kill();
  EXPECT_THAT(server.client().command({"MGET", "a", "b"}), Answers("[nil, nil]"));
}

// appendfsync always: every write that was answered is there after the server was killed.
GAUNTLET_CASE(MiddlewareCrashes, RedisKilledWithFsyncAlways_EveryAnsweredWriteIsThere,
              .clause = "redis.conf, appendfsync always") {
  RedisServer server(context, redis_durable());
  if (!server.ready()) return;
  const std::uint64_t writes = context.amount(50, 500, 5000);
  for (std::uint64_t i = 0; i < writes; ++i) {
    ASSERT_TRUE(server.client().command({"RPUSH", "list", std::to_string(i)}));
  }
  server.kill_and_restart();
  EXPECT_THAT(server.client().command({"LLEN", "list"}), Answers(std::to_string(writes)));
  EXPECT_THAT(server.client().command({"LINDEX", "list", "-1"}),
              Answers(std::to_string(writes - 1)));
}

// A transaction is written to the log in one piece: after a kill in the middle of many, each is
// there whole or not at all. It could fail if MULTI reached the disk without its EXEC.
GAUNTLET_CASE(MiddlewareCrashes, RedisKilledAmongTransactions_EachIsThereWholeOrNotAtAll,
              .clause = "redis.io/docs/interact/transactions, guarantees (append-only file)") {
  RedisServer server(context, redis_durable());
  if (!server.ready()) return;
  Crew crew(1);
  const std::string path = server.broker().socket_path();
  ASSERT_TRUE(crew.add([path](Worker& worker) {
    auto link = RedisLink::connect(path);
    if (!worker.expect(link.has_value(), "connect failed")) return;
    for (std::uint64_t i = 0; i < 100'000; ++i) {
      if (!link->command({"MULTI"}) || !link->command({"INCR", "a"}) ||
          !link->command({"INCR", "b"}) || !link->command({"EXEC"})) {
        return;  // the server is gone
      }
      worker.step();
    }
  }));
  const std::uint64_t steps = context.random().between(10, 100);
  ASSERT_TRUE(crew.await_progress(0, steps, Deadline::after(kCallPatience)));
  server.kill_and_restart();
  context.join(crew);
  const auto both = server.client().command({"MGET", "a", "b"});
  ASSERT_TRUE(both && both->elements.size() == 2);
  EXPECT_EQ(both->elements[0].string, both->elements[1].string) << "half a transaction";
  EXPECT_GE(std::stoull("0" + both->elements[0].string), crew.progress(0))
      << "an answered transaction is lost";
}

// Without a log nothing is promised after a kill, but the server starts again, empty.
GAUNTLET_CASE(MiddlewareCrashes, RedisKilledWithoutPersistence_StartsEmpty,
              .clause = "redis.io/docs/management/persistence, No persistence") {
  RedisServer server(context);
  if (!server.ready()) return;
  ASSERT_TRUE(server.client().command({"SET", "k", "v"}));
  server.kill_and_restart();
  EXPECT_THAT(server.client().command({"DBSIZE"}), Answers("0"));
}

// Many clients increment one key: commands are atomic, so none is lost.
GAUNTLET_CASE(MiddlewareRaces, RedisManyClientsIncrement_NoneIsLost,
              .clause = "redis.io/commands/incr (atomic); redis.io/docs, single-threaded nature") {
  RedisServer server(context);
  if (!server.ready()) return;
  constexpr std::size_t kClients = 4;
  const std::uint64_t each = context.amount(150, 2000, 20'000);
  const std::string path = server.broker().socket_path();
  Crew crew(kClients);
  for (std::size_t i = 0; i < kClients; ++i) {
    ASSERT_TRUE(crew.add([path, each](Worker& worker) {
      auto link = RedisLink::connect(path);
      if (!worker.expect(link.has_value(), "connect failed")) return;
      worker.await_start();
      for (std::uint64_t n = 0; n < each; ++n) {
        if (!worker.expect(link->command({"INCR", "n"}).has_value(), "INCR failed")) return;
      }
    }));
  }
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  if (!context.join(crew)) return;
  EXPECT_THAT(server.client().command({"GET", "n"}), Answers(std::to_string(kClients * each)));
}

}  // namespace
}  // namespace gauntlet
