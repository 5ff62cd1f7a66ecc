// What Redis promises of blocking pops, consumer groups, transactions, subscriptions and its log.
#include <fmt/format.h>

#include "middleware/patience.h"
#include "middleware/redis_server.h"

namespace gauntlet {
namespace {

// The client that has waited longest is served first.
GAUNTLET_CASE(MiddlewareConformance, RedisBlpop_LongestWaitingClientIsServedFirst,
              .clause = "redis.io/commands/blpop, Blocking behavior (multiple clients)") {
  RedisServer server(context);
  if (!server.ready()) return;
  std::vector<RedisLink> waiters;
  for (int i = 0; i < 3; ++i) {
    waiters.push_back(server.connect());
    ASSERT_TRUE(waiters.back().begin({"BLPOP", "list", "0"}));
    ASSERT_TRUE(server.await_blocked(i + 1));
  }
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(server.client().command({"RPUSH", "list", std::to_string(i)}));
    EXPECT_THAT(waiters[i].finish(patience()), Answers(fmt::format("[list, {}]", i)));
  }
}

// Several keys: the first that is not empty in the order given.
GAUNTLET_CASE(MiddlewareConformance, RedisBlpopOfSeveralKeys_FirstNonEmptyInOrderGiven,
              .clause = "redis.io/commands/blpop, Non-blocking behavior") {
  RedisServer server(context);
  if (!server.ready()) return;
  ASSERT_TRUE(server.client().command({"RPUSH", "b", "1"}));
  ASSERT_TRUE(server.client().command({"RPUSH", "c", "2"}));
  EXPECT_THAT(server.client().command({"BLPOP", "a", "b", "c", "0"}), Answers("[b, 1]"));
}

// A time-out is a null reply, and takes nothing.
GAUNTLET_CASE(MiddlewareConformance, RedisBlpopTimesOut_AnswersNilAndTakesNothing,
              .clause = "redis.io/commands/blpop, Return (null reply on timeout)") {
  RedisServer server(context);
  if (!server.ready()) return;
  EXPECT_THAT(server.client().command({"BLPOP", "list", "0.02"}), Answers("nil"));
  EXPECT_THAT(server.client().command({"RPUSH", "list", "x"}), Answers("1"));
  EXPECT_THAT(server.client().command({"LLEN", "list"}), Answers("1"));
}

// Elements pushed by one command are all there before a waiter is served.
GAUNTLET_CASE(MiddlewareConformance, RedisPushOfSeveral_WaiterIsServedAfterTheWholeCommand,
              .clause = "redis.io/commands/blpop, What key is served first (atomicity of LPUSH)") {
  RedisServer server(context);
  if (!server.ready()) return;
  RedisLink waiter = server.connect();
  ASSERT_TRUE(waiter.begin({"BLPOP", "list", "0"}));
  ASSERT_TRUE(server.await_blocked(1));
  ASSERT_TRUE(server.client().command({"LPUSH", "list", "a", "b", "c"}));
  EXPECT_THAT(waiter.finish(patience()), Answers("[list, c]"));
}

// LMOVE takes and puts in one step: the element is in one list or the other.
GAUNTLET_CASE(MiddlewareConformance, RedisLmove_ElementIsInOneListOrTheOther,
              .clause = "redis.io/commands/lmove, Pattern: Reliable queue") {
  RedisServer server(context);
  if (!server.ready()) return;
  RedisLink worker = server.connect();
  ASSERT_TRUE(server.client().command({"LPUSH", "queue", "job"}));
  EXPECT_THAT(worker.command({"LMOVE", "queue", "work", "RIGHT", "LEFT"}), Answers("job"));
  EXPECT_THAT(server.client().command({"LRANGE", "work", "0", "-1"}), Answers("[job]"));
  EXPECT_THAT(server.client().command({"LLEN", "queue"}), Answers("0"));
}

// Each entry goes to one consumer of the group.
GAUNTLET_CASE(MiddlewareConformance, RedisConsumerGroup_EachEntryGoesToOneConsumer,
              .clause = "redis.io/commands/xreadgroup, Consumer groups in 30 seconds") {
  RedisServer server(context);
  if (!server.ready()) return;
  RedisLink& client = server.client();
  ASSERT_TRUE(client.command({"XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"}));
  for (const char* id : {"1-1", "2-1", "3-1"})
    ASSERT_TRUE(client.command({"XADD", "s", id, "f", id}));
  const RedisLink::Words to_a{"XREADGROUP", "GROUP", "g", "a", "COUNT", "2", "STREAMS", "s", ">"};
  const RedisLink::Words to_b{"XREADGROUP", "GROUP", "g", "b", "COUNT", "2", "STREAMS", "s", ">"};
  EXPECT_THAT(client.command(to_a), Answers("[[s, [[1-1, [f, 1-1]], [2-1, [f, 2-1]]]]]"));
  EXPECT_THAT(client.command(to_b), Answers("[[s, [[3-1, [f, 3-1]]]]]"));
  EXPECT_THAT(client.command(to_a), Answers("nil"));
}

// What was delivered stays pending for its consumer until XACK, and only then is forgotten.
GAUNTLET_CASE(MiddlewareConformance, RedisXack_PendingUntilAcknowledged,
              .clause = "redis.io/commands/xreadgroup; redis.io/commands/xack") {
  RedisServer server(context);
  if (!server.ready()) return;
  RedisLink& client = server.client();
  ASSERT_TRUE(client.command({"XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"}));
  ASSERT_TRUE(client.command({"XADD", "s", "1-1", "f", "v"}));
  ASSERT_TRUE(client.command({"XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">"}));
  const RedisLink::Words again{"XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", "0"};
  EXPECT_THAT(client.command(again), Answers("[[s, [[1-1, [f, v]]]]]"));
  EXPECT_THAT(client.command({"XACK", "s", "g", "1-1"}), Answers("1"));
  EXPECT_THAT(client.command({"XACK", "s", "g", "1-1"}), Answers("0"));
  EXPECT_THAT(client.command(again), Answers("[[s, []]]"));
}

// IDs only grow: one that does not is refused.
GAUNTLET_CASE(MiddlewareConformance, RedisXaddWithAnOlderId_IsRefused,
              .clause = "redis.io/commands/xadd, Specifying a Stream ID as an argument") {
  RedisServer server(context);
  if (!server.ready()) return;
  ASSERT_TRUE(server.client().command({"XADD", "s", "5-1", "f", "v"}));
  EXPECT_THAT(server.client().command({"XADD", "s", "5-1", "f", "v"}), RefusedWith("ERR"));
  EXPECT_THAT(server.client().command({"XADD", "s", "4-9", "f", "v"}), RefusedWith("ERR"));
  EXPECT_THAT(server.client().command({"XADD", "s", "0-0", "f", "v"}), RefusedWith("ERR"));
}

// A group that is there is not made again.
GAUNTLET_CASE(MiddlewareConformance, RedisGroupTwice_IsBusygroup,
              .clause = "redis.io/commands/xgroup-create, BUSYGROUP") {
  RedisServer server(context);
  if (!server.ready()) return;
  ASSERT_TRUE(server.client().command({"XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"}));
  EXPECT_THAT(server.client().command({"XGROUP", "CREATE", "s", "g", "0"}),
              RefusedWith("BUSYGROUP"));
  EXPECT_THAT(server.client().command({"XREADGROUP", "GROUP", "x", "a", "STREAMS", "s", ">"}),
              RefusedWith("NOGROUP"));
}

// Commands between MULTI and EXEC are not interleaved with those of others, and none runs before.
GAUNTLET_CASE(MiddlewareConformance, RedisMulti_NothingRunsBeforeExecAndNobodyComesBetween,
              .clause = "redis.io/docs/interact/transactions, guarantees") {
  RedisServer server(context);
  if (!server.ready()) return;
  RedisLink other = server.connect();
  RedisLink& client = server.client();
  ASSERT_TRUE(client.command({"MULTI"}));
  EXPECT_THAT(client.command({"INCR", "n"}), Answers("QUEUED"));
  EXPECT_THAT(other.command({"GET", "n"}), Answers("nil"));
  EXPECT_THAT(client.command({"INCR", "n"}), Answers("QUEUED"));
  EXPECT_THAT(client.command({"EXEC"}), Answers("[1, 2]"));
}

// A watched key that somebody changed makes EXEC do nothing.
GAUNTLET_CASE(MiddlewareConformance, RedisWatchedKeyChanged_ExecDoesNothing,
              .clause = "redis.io/docs/interact/transactions, optimistic locking with WATCH") {
  RedisServer server(context);
  if (!server.ready()) return;
  RedisLink other = server.connect();
  RedisLink& client = server.client();
  ASSERT_TRUE(client.command({"WATCH", "n"}));
  ASSERT_TRUE(other.command({"SET", "n", "9"}));
  ASSERT_TRUE(client.command({"MULTI"}));
  ASSERT_TRUE(client.command({"SET", "n", "1"}));
  EXPECT_THAT(client.command({"EXEC"}), Answers("nil"));
  EXPECT_THAT(client.command({"GET", "n"}), Answers("9"));
}

// An error while queuing discards the whole transaction; one while running does not stop the rest.
GAUNTLET_CASE(MiddlewareConformance, RedisErrorsInMulti_QueuingAbortsRunningDoesNot,
              .clause = "redis.io/docs/interact/transactions, errors inside a transaction") {
  RedisServer server(context);
  if (!server.ready()) return;
  RedisLink& client = server.client();
  ASSERT_TRUE(client.command({"MULTI"}));
  ASSERT_TRUE(client.command({"SET", "a", "1"}));
  EXPECT_THAT(client.command({"NOSUCHCOMMAND"}), RefusedWith("ERR"));
  EXPECT_THAT(client.command({"EXEC"}), RefusedWith("EXECABORT"));
  EXPECT_THAT(client.command({"GET", "a"}), Answers("nil"));
  ASSERT_TRUE(client.command({"MULTI"}));
  ASSERT_TRUE(client.command({"LPUSH", "l", "x"}));
  ASSERT_TRUE(client.command({"INCR", "l"}));
  ASSERT_TRUE(client.command({"SET", "a", "1"}));
  const auto ran = client.command({"EXEC"});
  ASSERT_TRUE(ran && ran->elements.size() == 3);
  EXPECT_TRUE(ran->elements[1].is_error("WRONGTYPE")) << describe(*ran);
  EXPECT_THAT(client.command({"GET", "a"}), Answers("1"));
}

// Messages reach those who are subscribed, and are kept for nobody else.
GAUNTLET_CASE(MiddlewareConformance, RedisPublish_ReachesSubscribersAndIsNotKept,
              .clause = "redis.io/docs/interact/pubsub, delivery semantics (at most once)") {
  RedisServer server(context);
  if (!server.ready()) return;
  EXPECT_THAT(server.client().command({"PUBLISH", "c", "early"}), Answers("0"));
  RedisLink subscriber = server.connect();
  EXPECT_THAT(subscriber.command({"SUBSCRIBE", "c"}), Answers("[subscribe, c, 1]"));
  EXPECT_THAT(server.client().command({"PUBLISH", "c", "late"}), Answers("1"));
  EXPECT_THAT(subscriber.finish(patience()), Answers("[message, c, late]"));
}

// One message that matches a subscription and a pattern comes once for each.
GAUNTLET_CASE(MiddlewareConformance, RedisChannelAndPatternMatch_MessageComesForEach,
              .clause = "redis.io/docs/interact/pubsub, messages matching both") {
  RedisServer server(context);
  if (!server.ready()) return;
  RedisLink subscriber = server.connect();
  ASSERT_TRUE(subscriber.command({"SUBSCRIBE", "news"}));
  ASSERT_TRUE(subscriber.command({"PSUBSCRIBE", "n*"}));
  EXPECT_THAT(server.client().command({"PUBLISH", "news", "x"}), Answers("2"));
  EXPECT_THAT(subscriber.finish(patience()), Answers("[message, news, x]"));
  EXPECT_THAT(subscriber.finish(patience()), Answers("[pmessage, n*, news, x]"));
}

// A blocked client can be woken by another, with an error when that is asked for.
GAUNTLET_CASE(MiddlewareConformance, RedisClientUnblock_WakesWithTimeoutOrError,
              .clause = "redis.io/commands/client-unblock") {
  RedisServer server(context);
  if (!server.ready()) return;
  for (const char* how : {"TIMEOUT", "ERROR"}) {
    RedisLink waiter = server.connect();
    const auto id = waiter.command({"CLIENT", "ID"});
    ASSERT_TRUE(id);
    ASSERT_TRUE(waiter.begin({"BLPOP", "list", "0"}));
    ASSERT_TRUE(server.await_blocked(1));
    EXPECT_THAT(server.client().command({"CLIENT", "UNBLOCK", describe(*id), how}), Answers("1"));
    if (how[0] == 'T') {
      EXPECT_THAT(waiter.finish(patience()), Answers("nil"));
    } else {
      EXPECT_THAT(waiter.finish(patience()), RefusedWith("UNBLOCKED"));
    }
  }
}

// Without a replica WAIT answers 0 when its time is over.
GAUNTLET_CASE(MiddlewareConformance, RedisWaitWithoutReplicas_AnswersZero,
              .clause = "redis.io/commands/wait, Return") {
  RedisServer server(context);
  if (!server.ready()) return;
  ASSERT_TRUE(server.client().command({"SET", "k", "v"}));
  EXPECT_THAT(server.client().command({"WAIT", "0", "0"}), Answers("0"));
  EXPECT_THAT(server.client().command({"WAIT", "1", "20"}), Answers("0"));
}

// noeviction: writes are refused at the limit, reads and removals are not.
GAUNTLET_CASE(MiddlewareOverload, RedisMemoryLimit_WritesAreRefusedReadsAndRemovalsAreNot,
              .clause = "redis.conf, maxmemory-policy noeviction") {
  RedisServer server(context, {"--maxmemory", "4mb", "--maxmemory-policy", "noeviction"});
  if (!server.ready()) return;
  RedisLink& client = server.client();
  const std::string value(65536, 'x');
  int fit = 0;
  while (fit < 1000) {
    const auto reply = client.command({"RPUSH", "list", value});
    ASSERT_TRUE(reply);
    if (reply->is_error("OOM")) break;
    ++fit;
  }
  ASSERT_LT(fit, 1000) << "64 MB in a server of 4 MB";
  EXPECT_THAT(client.command({"LLEN", "list"}), Answers(std::to_string(fit)));
  EXPECT_THAT(client.command({"DEL", "list"}), Answers("1"));
  EXPECT_THAT(client.command({"RPUSH", "list", "x"}), Answers("1"));
}

// Over the limit of its output buffer a subscriber is cut off, so that the server does not grow.
GAUNTLET_CASE(MiddlewareOverload, RedisSubscriberNeverReads_IsCutOffAtItsBufferLimit,
              .clause = "redis.conf, client-output-buffer-limit pubsub") {
  RedisServer server(context, {"--client-output-buffer-limit", "pubsub 1mb 1mb 0"});
  if (!server.ready()) return;
  RedisLink subscriber = server.connect();
  ASSERT_TRUE(subscriber.command({"SUBSCRIBE", "c"}));
  const std::string value(65536, 'x');
  std::string reached = "1";
  int sent = 0;
  for (; sent < 2000 && reached == "1"; ++sent) {
    const auto reply = server.client().command({"PUBLISH", "c", value});
    ASSERT_TRUE(reply);
    reached = describe(*reply);
  }
  EXPECT_EQ(reached, "0") << "still connected after " << sent << " unread messages of 64 KiB";
}

}  // namespace
}  // namespace gauntlet
