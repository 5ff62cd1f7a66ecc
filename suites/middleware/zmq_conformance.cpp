// What ZeroMQ promises of its socket types: lockstep, exclusivity, filters, parts, and what happens
// at the high-water mark.
#include "middleware/zmq_peers.h"
#include "support/scratch_directory.h"

namespace gauntlet {
namespace {

#if GAUNTLET_HAS_ZEROMQ

constexpr const char* kHere = "inproc://here";

GAUNTLET_CASE(MiddlewareConformance, ZmqReq_SecondSendWithoutReceiveIsEfsm,
              .clause = "zmq_socket(3), ZMQ_REQ; zmq_send(3) ERRORS EFSM") {
  in_zmq_worker(context, [](Worker& worker) {
    ZmqPeer peer;
    void* rep = peer.socket(ZMQ_REP);
    void* req = peer.socket(ZMQ_REQ);
    ::zmq_bind(rep, kHere);
    ::zmq_connect(req, kHere);
    worker.expect(ZmqPeer::send(req, "1"), "the first request was not sent");
    worker.expect(::zmq_send(req, "2", 1, ZMQ_DONTWAIT) == -1 && ::zmq_errno() == EFSM,
                  "a second request without a reply is not EFSM");
    worker.expect(ZmqPeer::receive(rep) == "1", "REP got another request");
    worker.expect(ZmqPeer::send(rep, "r"), "REP could not reply");
    worker.expect(ZmqPeer::receive(req) == "r", "REQ got another reply");
    worker.expect(ZmqPeer::send(req, "2"), "after the reply the next request is not sent");
  });
}

GAUNTLET_CASE(MiddlewareConformance, ZmqRep_SendWithoutARequestIsEfsm,
              .clause = "zmq_socket(3), ZMQ_REP; zmq_send(3) ERRORS EFSM") {
  in_zmq_worker(context, [](Worker& worker) {
    ZmqPeer peer;
    void* rep = peer.socket(ZMQ_REP);
    void* req = peer.socket(ZMQ_REQ);
    worker.expect(::zmq_send(rep, "x", 1, ZMQ_DONTWAIT) == -1 && ::zmq_errno() == EFSM,
                  "a reply without a request is not EFSM");
    worker.expect(::zmq_recv(req, nullptr, 0, ZMQ_DONTWAIT) == -1 && ::zmq_errno() == EFSM,
                  "receiving on REQ without a request is not EFSM");
  });
}

GAUNTLET_CASE(MiddlewareConformance, ZmqOneWaySockets_OtherDirectionIsEnotsup,
              .clause = "zmq_socket(3), ZMQ_PUSH, ZMQ_PULL, ZMQ_PUB, ZMQ_SUB; ENOTSUP") {
  in_zmq_worker(context, [](Worker& worker) {
    ZmqPeer peer;
    for (const int type : {ZMQ_PUSH, ZMQ_PUB}) {
      worker.expect(
          ::zmq_recv(peer.socket(type), nullptr, 0, ZMQ_DONTWAIT) == -1 && ::zmq_errno() == ENOTSUP,
          "receiving on a socket that sends is not ENOTSUP");
    }
    for (const int type : {ZMQ_PULL, ZMQ_SUB}) {
      worker.expect(
          ::zmq_send(peer.socket(type), "x", 1, ZMQ_DONTWAIT) == -1 && ::zmq_errno() == ENOTSUP,
          "sending on a socket that receives is not ENOTSUP");
    }
  });
}

// Filters match by prefix; the empty one all; without one nothing comes.
GAUNTLET_CASE(MiddlewareConformance, ZmqSub_GetsWhatItsPrefixesMatch,
              .clause = "zmq_setsockopt(3), ZMQ_SUBSCRIBE, ZMQ_UNSUBSCRIBE; RFC 29/PUBSUB") {
  in_zmq_worker(context, [](Worker& worker) {
    ZmqPeer peer;
    void* pub = peer.socket(ZMQ_XPUB);  // as PUB, and tells of subscriptions
    void* sub = peer.socket(ZMQ_SUB);
    ::zmq_bind(pub, kHere);
    ::zmq_connect(sub, kHere);
    ::zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "ab", 2);
    worker.expect(ZmqPeer::receive(pub) == "\1ab", "the subscription did not arrive");
    for (const char* text : {"a", "ab", "abc", "b", "xab"}) ZmqPeer::send(pub, text);
    worker.expect(ZmqPeer::receive(sub) == "ab", "not the message that equals the prefix");
    worker.expect(ZmqPeer::receive(sub) == "abc", "not the message behind the prefix");
    ::zmq_setsockopt(sub, ZMQ_UNSUBSCRIBE, "ab", 2);
    worker.expect(ZmqPeer::receive(pub) == std::string("\0ab", 3), "the end did not arrive");
    ZmqPeer::send(pub, "abc");
    worker.expect(::zmq_recv(sub, nullptr, 0, ZMQ_DONTWAIT) == -1 && ::zmq_errno() == EAGAIN,
                  "a message without a subscription came");
  });
}

// What is published before the subscription arrived is not kept for the subscriber.
GAUNTLET_CASE(MiddlewareConformance, ZmqSlowJoiner_MissesWhatWasSentBefore,
              .clause = "RFC 29/PUBSUB; zmq_socket(3), ZMQ_PUB") {
  in_zmq_worker(context, [](Worker& worker) {
    ZmqPeer peer;
    void* pub = peer.socket(ZMQ_XPUB);
    void* sub = peer.socket(ZMQ_SUB);
    ::zmq_bind(pub, kHere);
    worker.expect(ZmqPeer::send(pub, "early"), "PUB does not send without subscribers");
    ::zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "", 0);
    ::zmq_connect(sub, kHere);
    worker.expect(ZmqPeer::receive(pub) == std::string("\1", 1), "no subscription arrived");
    ZmqPeer::send(pub, "late");
    worker.expect(ZmqPeer::receive(sub) == "late", "the first message is not the late one");
  });
}

// A message of several parts comes whole: all parts, in order, ZMQ_RCVMORE on all but the last.
GAUNTLET_CASE(MiddlewareConformance, ZmqMultipart_ComesWholeInOrder,
              .clause = "zmq_send(3), Multi-part messages; zmq_getsockopt(3), ZMQ_RCVMORE") {
  in_zmq_worker(context, [](Worker& worker) {
    ZmqPeer peer;
    void* pull = peer.socket(ZMQ_PULL);
    void* push = peer.socket(ZMQ_PUSH);
    ::zmq_bind(pull, kHere);
    ::zmq_connect(push, kHere);
    worker.expect(ZmqPeer::send(push, "a", ZMQ_SNDMORE) && ZmqPeer::send(push, "b", ZMQ_SNDMORE),
                  "a part was not taken");
    worker.expect(::zmq_recv(pull, nullptr, 0, ZMQ_DONTWAIT) == -1 && ::zmq_errno() == EAGAIN,
                  "parts came before the last was sent");
    ZmqPeer::send(push, "c");
    for (const char* part : {"a", "b", "c"}) {
      worker.expect(ZmqPeer::receive(pull) == part, "another part");
      int more = -1;
      std::size_t size = sizeof more;
      ::zmq_getsockopt(pull, ZMQ_RCVMORE, &more, &size);
      worker.expect(more == (part[0] == 'c' ? 0 : 1), "ZMQ_RCVMORE is wrong");
    }
  });
}

// zmq_recv cuts what does not fit and answers the size of the whole.
GAUNTLET_CASE(MiddlewareConformance, ZmqRecvShortBuffer_CutsAndAnswersTheWholeSize,
              .clause = "zmq_recv(3) DESCRIPTION, RETURN VALUE (truncation)") {
  in_zmq_worker(context, [](Worker& worker) {
    ZmqPeer peer;
    void* a = peer.socket(ZMQ_PAIR);
    void* b = peer.socket(ZMQ_PAIR);
    ::zmq_bind(a, kHere);
    ::zmq_connect(b, kHere);
    ZmqPeer::send(a, "12345678");
    char four[4] = {};
    worker.expect(::zmq_recv(b, four, 4, 0) == 8, "the answer is not the whole size");
    worker.expect(std::string_view(four, 4) == "1234", "not the first four bytes");
  });
}

// At the high-water mark PUSH and PAIR block: EAGAIN to a try, and to a send with a time-out.
GAUNTLET_CASE(
    MiddlewareConformance, ZmqHighWaterMark_PushAndPairBlock,
    .clause = "zmq_socket(3), Action in mute state: Block; zmq_setsockopt(3), ZMQ_SNDHWM") {
  in_zmq_worker(context, [](Worker& worker) {
    for (const auto& [sends, receives] : {std::pair(ZMQ_PUSH, ZMQ_PULL), {ZMQ_PAIR, ZMQ_PAIR}}) {
      ZmqPeer peer;
      void* receiver = peer.socket(receives);
      void* sender = peer.socket(sends);
      ZmqPeer::set(receiver, ZMQ_RCVHWM, 3);
      ZmqPeer::set(sender, ZMQ_SNDHWM, 2);
      ::zmq_bind(receiver, kHere);
      ::zmq_connect(sender, kHere);
      int fit = 0;
      while (fit < 1000 && ZmqPeer::send(sender, "x", ZMQ_DONTWAIT)) ++fit;
      // inproc(7): the marks of both ends add up.
      worker.expect(fit == 5, "fit before the high-water mark: " + std::to_string(fit));
      worker.expect(::zmq_errno() == EAGAIN, "full is not EAGAIN");
      ZmqPeer::set(sender, ZMQ_SNDTIMEO, 20);
      const std::int64_t from = monotonic_ns();
      worker.expect(!ZmqPeer::send(sender, "x") && ::zmq_errno() == EAGAIN, "no time-out");
      worker.expect(monotonic_ns() - from >= 18'000'000, "ZMQ_SNDTIMEO was kept too early");
    }
  });
}

// At the high-water mark PUB drops for the subscriber that is full, and never blocks.
GAUNTLET_CASE(MiddlewareOverload, ZmqPubAtTheHighWaterMark_DropsAndDoesNotBlock,
              .clause = "zmq_socket(3), ZMQ_PUB, Action in mute state: Drop") {
  in_zmq_worker(context, [](Worker& worker) {
    ZmqPeer peer;
    void* pub = peer.socket(ZMQ_XPUB);
    void* sub = peer.socket(ZMQ_SUB);
    ZmqPeer::set(pub, ZMQ_SNDHWM, 5);
    ZmqPeer::set(sub, ZMQ_RCVHWM, 5);
    ::zmq_bind(pub, kHere);
    ::zmq_setsockopt(sub, ZMQ_SUBSCRIBE, "", 0);
    ::zmq_connect(sub, kHere);
    worker.expect(ZmqPeer::receive(pub) == std::string("\1", 1), "no subscription arrived");
    for (int i = 0; i < 1000; ++i) {
      if (!worker.expect(ZmqPeer::send(pub, std::to_string(i), ZMQ_DONTWAIT), "PUB blocks")) return;
    }
    int came = 0;
    while (ZmqPeer::receive(sub, ZMQ_DONTWAIT) == std::to_string(came)) ++came;
    worker.expect(came == 10, "came of 1000 at marks of 5 and 5: " + std::to_string(came));
  });
}

// A second peer of a PAIR is not let in.
GAUNTLET_CASE(MiddlewareConformance, ZmqPair_SecondPeerGetsNothing,
              .clause = "zmq_socket(3), ZMQ_PAIR (a single peer at any one time); RFC 31/EXPAIR") {
  in_zmq_worker(context, [](Worker& worker) {
    ZmqPeer peer;
    void* bound = peer.socket(ZMQ_PAIR);
    void* first = peer.socket(ZMQ_PAIR);
    void* second = peer.socket(ZMQ_PAIR);
    ::zmq_bind(bound, kHere);
    ::zmq_connect(first, kHere);
    worker.expect(ZmqPeer::send(first, "hello"), "the first peer cannot send");
    worker.expect(ZmqPeer::receive(bound) == "hello", "the first peer's message did not come");
    ::zmq_connect(second, kHere);
    worker.expect(ZmqPeer::send(first, "again"), "the first peer cannot send any more");
    worker.expect(ZmqPeer::receive(bound) == "again", "not the first peer's message");
    worker.expect(ZmqPeer::send(bound, "back"), "the bound peer cannot send");
    worker.expect(ZmqPeer::receive(first) == "back", "it did not go to the first peer");
    worker.expect(::zmq_recv(second, nullptr, 0, ZMQ_DONTWAIT) == -1, "the second peer got it");
  });
}

// PUSH deals its messages out in turn, PULL takes from its peers in turn.
GAUNTLET_CASE(MiddlewareConformance, ZmqPush_DealsOutInTurn,
              .clause = "zmq_socket(3), ZMQ_PUSH, outgoing routing strategy round-robin") {
  in_zmq_worker(context, [](Worker& worker) {
    ZmqPeer peer;
    void* push = peer.socket(ZMQ_PUSH);
    ::zmq_bind(push, kHere);
    void* pulls[] = {peer.socket(ZMQ_PULL), peer.socket(ZMQ_PULL), peer.socket(ZMQ_PULL)};
    for (void* pull : pulls) ::zmq_connect(pull, kHere);
    for (int i = 0; i < 30; ++i) ZmqPeer::send(push, "x");
    for (void* pull : pulls) {
      int came = 0;
      while (ZmqPeer::receive(pull, ZMQ_DONTWAIT) == "x") ++came;
      worker.expect(came == 10, "one of three got of 30: " + std::to_string(came));
    }
  });
}

GAUNTLET_CASE(MiddlewareConformance, ZmqBindTwice_IsEaddrinuse,
              .clause = "zmq_bind(3) ERRORS EADDRINUSE") {
  in_zmq_worker(context, [](Worker& worker) {
    ZmqPeer peer;
    worker.expect(::zmq_bind(peer.socket(ZMQ_PULL), kHere) == 0, "the first bind failed");
    worker.expect(::zmq_bind(peer.socket(ZMQ_PULL), kHere) == -1 && ::zmq_errno() == EADDRINUSE,
                  "a second bind is not EADDRINUSE");
  });
}

// A context that is terminated wakes who sleeps in its sockets: ETERM.
GAUNTLET_CASE(MiddlewareConformance, ZmqContextShutDown_CallsAnswerEterm,
              .clause = "zmq_ctx_shutdown(3); zmq_recv(3) ERRORS ETERM") {
  in_zmq_worker(context, [](Worker& worker) {
    ZmqPeer peer;
    void* pull = peer.socket(ZMQ_PULL);
    ::zmq_ctx_shutdown(peer.context());
    worker.expect(::zmq_recv(pull, nullptr, 0, 0) == -1 && ::zmq_errno() == ETERM, "not ETERM");
  });
}

// A receiver that is killed is replaced: the sender reconnects by itself.
GAUNTLET_CASE(MiddlewareCrashes, ZmqReceiverKilled_SenderReconnectsToTheNext,
              .clause = "zmq_setsockopt(3), ZMQ_RECONNECT_IVL; zmq_connect(3)") {
  const auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const std::string name = "ipc://" + directory->file("socket");
  const auto receive = [name](Worker& worker) {
    ZmqPeer peer;
    void* pull = peer.socket(ZMQ_PULL);
    if (!worker.expect(::zmq_bind(pull, name.c_str()) == 0, "bind failed")) return;
    worker.expect(ZmqPeer::receive(pull) == "m", "no message came");
    worker.arrive(0);
    worker.await(1);
  };
  Crew crew(3);
  ASSERT_TRUE(crew.add(receive));
  ASSERT_TRUE(crew.add([name](Worker& worker) {
    ZmqPeer peer;
    void* push = peer.socket(ZMQ_PUSH);
    ::zmq_connect(push, name.c_str());
    const Deadline patience = Deadline::after(kCallPatience);
    // Until the body has seen both receivers get one; what was on its way to the dead is lost.
    ZmqPeer::set(push, ZMQ_SNDTIMEO, 20);
    while (worker.index() == 1 && !patience.expired()) {
      ZmqPeer::send(push, "m");
      worker.step();
    }
  }));
  const Deadline patience = Deadline::after(kCallPatience);
  ASSERT_TRUE(crew.await_arrival(0, 0, patience));
  context.fault_planned();
  EXPECT_TRUE(crew.kill(0));
  ASSERT_TRUE(crew.add(receive));
  EXPECT_TRUE(crew.await_arrival(2, 0, patience)) << "the next receiver got nothing";
  crew.proceed_all(1);
  context.fault_planned();
  EXPECT_TRUE(crew.kill(1));
  context.join(crew);
}

#else

GAUNTLET_CASE(MiddlewareConformance, ZmqClauses_NeedTheLibrary, .clause = "zmq_socket(3)") {
  context.not_installed("libzmq3-dev");
}

#endif

}  // namespace
}  // namespace gauntlet
