// Message queues at their limits: bytes of a user, bytes of a queue, and what is left afterwards.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "cases/context.h"
#include "message_queues/posix_queue.h"
#include "message_queues/sysv_queue.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

constexpr QueueShape kLargeQueue = {10, 1000};

/// The lowest of some limits at which one large queue more can be made; 0 when there is none.
/// All queues of a user count, also those of others of its processes in other namespaces, so the
/// room that is taken already is found out, not assumed.
rlim_t limit_with_room(std::string_view scope) {
  rlimit now = {};
  if (::getrlimit(RLIMIT_MSGQUEUE, &now) != 0) return 0;
  constexpr rlim_t kLeast = 40'000;
  constexpr rlim_t kMost = 40'000 << 8;
  for (rlim_t bytes = kLeast; bytes <= kMost; bytes *= 2) {
    const LoweredLimit limit(RLIMIT_MSGQUEUE, std::min(bytes, now.rlim_cur));
    if (limit.lowered() && PosixQueue::create(scope, kLargeQueue)) {
      return std::min(bytes, now.rlim_cur);
    }
  }
  return 0;
}

// Queues are made until RLIMIT_MSGQUEUE refuses; removing some makes room again.
GAUNTLET_CASE(MessageQueuesOverload, MqOpenUntilRlimitMsgqueue_FailsWithEmfileAndRecovers,
              .clause = "getrlimit(2) RLIMIT_MSGQUEUE; mq_open(3) ERRORS [EMFILE]") {
  // Every queue takes at least its messages' bytes, so that more cannot fit below any limit tried.
  constexpr std::size_t kMostQueues = 1100;
  const auto probe = PosixQueue::create(context.scope());
  if (!probe) return context.not_created(probe.error());
  const rlim_t bytes = limit_with_room(context.scope());
  if (bytes == 0) {
    return context.not_run("room below RLIMIT_MSGQUEUE for a queue of 10000 bytes",
                           "remove queues of this user, or raise the limit");
  }
  const LoweredLimit limit(RLIMIT_MSGQUEUE, bytes);
  std::vector<PosixQueue> queues;
  queues.reserve(kMostQueues);
  Error refused = {};
  while (queues.size() < kMostQueues && refused.system_errno == 0) {
    auto made = PosixQueue::create(context.scope(), kLargeQueue);
    if (made) {
      queues.push_back(std::move(*made));
    } else {
      refused = made.error();
    }
  }
  EXPECT_EQ(errno_name(refused.system_errno), "EMFILE")
      << "after " << queues.size() << " queues of at least 10000 bytes, limit " << bytes;
  // Another process of this user may be quicker to take the room of one.
  bool again = false;
  while (!again && !queues.empty()) {
    queues.pop_back();
    again = PosixQueue::create(context.scope(), kLargeQueue).has_value();
  }
  EXPECT_TRUE(again) << "no room although all queues were removed";
  ASSERT_THAT(::mq_send(probe->get(), "x", 1, 0), SyscallSucceeds());
  EXPECT_EQ(take(*probe), "x");
}

// A queue refilled in a row keeps its capacity: no message, and no room, gets lost.
GAUNTLET_CASE(MessageQueuesOverload, MqFilledAndEmptiedManyTimes_KeepsItsCapacity,
              .clause = "POSIX.1-2024 mq_open() mq_maxmsg; mq_send() ERRORS [EAGAIN]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const std::uint64_t rounds = context.amount(200, 5000, 100000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    ASSERT_EQ(queue->fill(), QueueShape{}.messages) << "in round " << round;
    for (long i = 0; i < QueueShape{}.messages; ++i) ASSERT_EQ(take(*queue), "fill");
    ASSERT_EQ(take(*queue), "nothing: EAGAIN") << "in round " << round;
  }
}

// Empty messages take no bytes, but the number of messages is bounded all the same: a queue of n
// bytes holds at most n messages, so nobody can fill the kernel with nothing.
GAUNTLET_CASE(MessageQueuesOverload, MsgEmptyMessages_AreBoundedByTheBytesOfTheQueue,
              .clause = "msgop(2) (total number of messages ... would exceed msg_qbytes)") {
  constexpr msglen_t kBytes = 50;
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(queue->set_most_bytes(kBytes), SyscallSucceeds());
  msgqnum_t sent = 0;
  while (sent <= kBytes && queue->send(1, "") == 0) ++sent;
  const int error = errno;
  EXPECT_EQ(sent, kBytes);
  EXPECT_EQ(errno_name(error), "EAGAIN");
}

// Many senders asleep on a full queue: each gets in as it is emptied.
GAUNTLET_CASE(MessageQueuesOverload, MqManySendersAsleep_AllGetInAsItIsEmptied,
              .clause = "POSIX.1-2024 mq_send() DESCRIPTION (O_NONBLOCK not set)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_EQ(queue->fill(), QueueShape{}.messages);
  const QueueDescriptor blocking = queue->open(O_RDWR);
  const std::uint64_t senders = context.amount(6, 24, 48);
  std::vector<std::unique_ptr<ChildCall>> sleeping;
  for (std::uint64_t i = 0; i < senders; ++i) {
    sleeping.push_back(std::make_unique<ChildCall>(
        context, [&] { return ::mq_send(blocking.get(), "late", 4, 0); }));
    ASSERT_TRUE(sleeping.back()->is_asleep());
  }
  const std::uint64_t all = static_cast<std::uint64_t>(QueueShape{}.messages) + senders;
  ChildCall receiver(context, [&] {
    char buffer[QueueShape{}.bytes];
    for (std::uint64_t i = 0; i < all; ++i) {
      if (::mq_receive(blocking.get(), buffer, sizeof buffer, nullptr) != 4) return -1;
    }
    return 0;
  });
  EXPECT_THAT(receiver.finish(), SyscallSucceeds());
  for (const auto& sender : sleeping) EXPECT_THAT(sender->finish(), SyscallSucceeds());
  EXPECT_EQ(queue->waiting(), 0);
}

}  // namespace
}  // namespace gauntlet
