// Unix sockets in each other's queues that nobody can reach any more: the kernel frees them, and
// nothing else (unix(7) SCM_RIGHTS; net/unix/garbage.c).
#include <gmock/gmock.h>

#include <algorithm>

#include "sockets/descriptor_passing.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using testing::SizeIs;

// Two sockets that hold each other in flight are reachable by nobody; the kernel finds them and
// closes what they hold.
GAUNTLET_CASE(SocketsConformance, ScmRights_UnreachableCycles_AreCollected,
              .clause = "unix(7) SCM_RIGHTS; regression: Linux 4090fa373f0e (new collector)") {
  for (const bool self : {true, false}) {
    SCOPED_TRACE(self ? "a socket in its own queue" : "two sockets in each other's queue");
    auto witness = Witness::open();
    auto pair = SocketPair::open(SOCK_DGRAM);
    if (!witness) return context.not_created(witness.error());
    if (!pair) return context.not_created(pair.error());
    ASSERT_THAT(send_descriptor(pair->first, self ? pair->second : pair->first), SyscallSucceeds());
    if (!self) {
      ASSERT_THAT(send_descriptor(pair->second, pair->second), SyscallSucceeds());
    }
    ASSERT_THAT(send_descriptor(pair->first, witness->writer), SyscallSucceeds());
    witness->writer.reset();
    pair->first.reset();
    EXPECT_FALSE(witness->writer_is_gone_now()) << "the cycle was still reachable";
    pair->second.reset();
    EXPECT_TRUE(witness->writer_is_collected());
  }
}

// Two cycles that share a socket are garbage as one cycle is. Linux 6.18 never finds these: a
// search that comes to the shared socket on the way of the longer cycle leaves the shorter one with
// another number, and takes it for something that somebody may still receive.
GAUNTLET_CASE(SocketsConformance, ScmRights_UnreachableCyclesThatShareASocket_AreCollected,
              .clause = "unix(7) SCM_RIGHTS; garbage of net/unix/garbage.c") {
  auto witness = Witness::open();
  if (!witness) return context.not_created(witness.error());
  std::vector<SocketPair> nodes;
  for (int n = 0; n < 4; ++n) {
    auto node = SocketPair::open(SOCK_DGRAM);
    if (!node) return context.not_created(node.error());
    nodes.push_back(std::move(*node));
  }
  const auto put = [&](std::size_t what, std::size_t into) {
    return send_descriptor(nodes[into].first, nodes[what].second);
  };
  // 0 → 2 → 0 and 0 → 3 → 1 → 0, in the order that Linux is wrong about.
  ASSERT_THAT(put(1, 0), SyscallSucceeds());
  ASSERT_THAT(put(2, 0), SyscallSucceeds());
  ASSERT_THAT(put(3, 1), SyscallSucceeds());
  ASSERT_THAT(put(0, 2), SyscallSucceeds());
  ASSERT_THAT(put(0, 3), SyscallSucceeds());
  ASSERT_THAT(send_descriptor(nodes[3].first, witness->writer), SyscallSucceeds());
  witness->writer.reset();
  EXPECT_FALSE(witness->writer_is_gone_now());
  nodes.clear();
  EXPECT_TRUE(witness->writer_is_collected()) << "what was dropped later has been collected";
}

// A socket that is in flight with bytes in its queue is alive as long as somebody can receive it,
// whatever else is collected meanwhile.
GAUNTLET_CASE(SocketsConformance, ScmRights_ReachableSocketInFlight_KeepsItsBytesThroughCollection,
              .clause = "unix(7) SCM_RIGHTS; regressions: FreeBSD D23142, Linux cbcf01128d0a") {
  auto carrier = SocketPair::open(SOCK_STREAM);
  auto inner = SocketPair::open(SOCK_STREAM);
  if (!carrier) return context.not_created(carrier.error());
  if (!inner) return context.not_created(inner.error());
  ASSERT_THAT(send_text(inner->first, "still here"), SyscallSucceeds());
  // A cycle through the live sockets: each is in the queue of the other, and one is open.
  ASSERT_THAT(send_descriptor(inner->first, carrier->second), SyscallSucceeds());
  ASSERT_THAT(send_descriptor(carrier->first, inner->second), SyscallSucceeds());
  inner->second.reset();
  for (int i = 0; i < 20; ++i) {
    auto garbage = SocketPair::open(SOCK_DGRAM);
    if (!garbage) return context.not_created(garbage.error());
    ASSERT_THAT(send_descriptor(garbage->first, garbage->second), SyscallSucceeds());
  }
  const Taken taken = take_descriptors(carrier->second, 1);
  ASSERT_THAT(taken.descriptors, SizeIs(1));
  EXPECT_EQ(receive_text(taken.descriptors[0], MSG_DONTWAIT, 10), "still here");
  EXPECT_THAT(take_descriptors(taken.descriptors[0], 1, MSG_DONTWAIT).descriptors, SizeIs(1));
}

// Graphs of sockets in each other's queues are built and dropped at random while one of them stays
// reachable: garbage goes, and what is reachable delivers. It could fail as CVE-2025-40214 did,
// when the collector's numbers of an old graph were taken for those of a new one.
GAUNTLET_CASE(SocketsProperties, ScmRights_RandomGraphs_GarbageGoesAndTheReachableDelivers,
              .clause = "unix(7) SCM_RIGHTS; regression: CVE-2025-40214") {
  const std::uint64_t rounds = context.amount(12, 150, 1500);
  Random random = context.random();
  for (std::uint64_t round = 0; round < rounds; ++round) {
    auto witness = Witness::open();
    auto root = SocketPair::open(SOCK_DGRAM, SOCK_NONBLOCK);
    if (!witness) return context.not_created(witness.error());
    if (!root) return context.not_created(root.error());
    std::vector<SocketPair> nodes;
    const std::uint64_t count = random.between(2, 6);
    for (std::uint64_t i = 0; i < count; ++i) {
      auto node = SocketPair::open(SOCK_DGRAM, SOCK_NONBLOCK);
      if (!node) return context.not_created(node.error());
      nodes.push_back(std::move(*node));
    }
    // Node 0 is reachable through the root's queue, and its own queue has a message.
    ASSERT_THAT(send_text(nodes[0].first, "alive"), SyscallSucceeds());
    ASSERT_THAT(send_descriptor(root->first, nodes[0].second), SyscallSucceeds());
    // A ring of the last ones, and edges that lead into it or go round one socket: no two cycles
    // share a socket, for of those the case above tells.
    const std::uint64_t ring = random.between(1, count - 1);
    for (std::uint64_t i = ring; i < count; ++i) {
      const SocketPair& next = nodes[i + 1 < count ? i + 1 : ring];
      ASSERT_THAT(send_descriptor(next.first, nodes[i].second), SyscallSucceeds());
    }
    ASSERT_THAT(send_descriptor(nodes[count - 1].first, witness->writer), SyscallSucceeds());
    for (std::uint64_t edge = random.between(count, 3 * count); edge > 0; --edge) {
      const std::uint64_t what = random.between(0, ring - 1);
      const SocketPair& to = nodes[random.between(std::max<std::uint64_t>(what, 1), count - 1)];
      const ssize_t sent = send_descriptor(to.first, nodes[what].second);
      ASSERT_TRUE(sent >= 0 || errno == EAGAIN) << errno_name(errno);
    }
    witness->writer.reset();
    nodes.clear();
    ASSERT_TRUE(witness->writer_is_collected()) << "round " << round << " of " << rounds;
    const Taken taken = take_descriptors(root->second, 1);
    ASSERT_THAT(taken.descriptors, SizeIs(1)) << "round " << round;
    ASSERT_EQ(receive_text(taken.descriptors[0]), "alive") << "round " << round;
  }
}

}  // namespace
}  // namespace gauntlet
