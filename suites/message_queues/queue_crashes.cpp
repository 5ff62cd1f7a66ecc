// What the kernel's message queues keep, and whom they forget, when a process is killed.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include "cases/context.h"
#include "message_queues/posix_queue.h"
#include "message_queues/sysv_queue.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

// What a sender sent before it was killed stays in the queue.
GAUNTLET_CASE(MessageQueuesCrashes, MqSenderKilledAfterSending_TheMessageStays,
              .clause = "mq_overview(7) (kernel persistence)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor blocking = queue->open(O_WRONLY);
  ChildCall sender(context, [&] {
    while (::mq_send(blocking.get(), "sent", 4, 0) == 0) {
    }
    return 0L;
  });
  ASSERT_TRUE(sender.is_asleep());  // in the first send that found it full
  EXPECT_TRUE(sender.kill());
  for (long i = 0; i < QueueShape{}.messages; ++i) EXPECT_EQ(take(*queue), "sent");
  // The message of the call that it died in was never accepted: it must not appear.
  EXPECT_EQ(take(*queue), "nothing: EAGAIN");
}

// A receiver killed while it waits takes no message with it: the next one goes to the queue. It
// could fail if the sender handed the message to the dead receiver's place in the line.
GAUNTLET_CASE(MessageQueuesCrashes, MqReceiverKilledWhileWaiting_TakesNoMessageWithIt,
              .clause = "POSIX.1-2024 mq_receive(); mq_overview(7)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor blocking = queue->open(O_RDONLY);
  ChildCall receiver(context, [&] {
    char buffer[QueueShape{}.bytes];
    return ::mq_receive(blocking.get(), buffer, sizeof buffer, nullptr);
  });
  ASSERT_TRUE(receiver.is_asleep());
  EXPECT_TRUE(receiver.kill());
  ASSERT_THAT(::mq_send(queue->get(), "mine", 4, 0), SyscallSucceeds());
  EXPECT_EQ(take(*queue), "mine");
}

// A registration dies with the process that made it.
GAUNTLET_CASE(MessageQueuesCrashes, MqRegisteredProcessKilled_AnotherCanRegister,
              .clause = "mq_notify(3) (only one process can be registered); _Exit(), mq_close()") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor blocking = queue->open(O_RDONLY);
  sigevent none = {};
  none.sigev_notify = SIGEV_NONE;
  ChildCall registered(context, [&]() -> long {
    const QueueDescriptor own = queue->open(O_RDONLY);
    if (::mq_notify(own.get(), &none) != 0) return -1;
    char buffer[QueueShape{}.bytes];
    return ::mq_receive(blocking.get(), buffer, sizeof buffer, nullptr);
  });
  ASSERT_TRUE(registered.is_asleep());
  ASSERT_THAT(::mq_notify(queue->get(), &none), SyscallFailsWithErrno(EBUSY));
  EXPECT_TRUE(registered.kill());
  EXPECT_THAT(::mq_notify(queue->get(), &none), SyscallSucceeds());
}

GAUNTLET_CASE(MessageQueuesCrashes, MsgSenderKilledWhileWaiting_ItsMessageNeverAppears,
              .clause = "POSIX.1-2024 msgsnd(); msgop(2)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(queue->set_most_bytes(1), SyscallSucceeds());
  ASSERT_THAT(queue->send(1, "f"), SyscallSucceeds());
  ChildCall sender(context, [&] {
    SysvMessage message;
    return ::msgsnd(queue->id(), &message, 1, 0);
  });
  ASSERT_TRUE(sender.is_asleep());
  EXPECT_TRUE(sender.kill());
  EXPECT_EQ(queue->take(), "f");
  EXPECT_EQ(queue->take(), "nothing: ENOMSG");
  EXPECT_THAT(queue->send(1, "n"), SyscallSucceeds()) << "although its byte is free again";
}

GAUNTLET_CASE(MessageQueuesCrashes, MsgReceiverKilledWhileWaiting_TakesNoMessageWithIt,
              .clause = "POSIX.1-2024 msgrcv(); msgop(2)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  ChildCall receiver(context, [&] {
    SysvMessage message;
    return ::msgrcv(queue->id(), &message, sizeof message.text, 0, 0);
  });
  ASSERT_TRUE(receiver.is_asleep());
  EXPECT_TRUE(receiver.kill());
  ASSERT_THAT(queue->send(1, "mine"), SyscallSucceeds());
  EXPECT_EQ(queue->take(), "mine");
}

}  // namespace
}  // namespace gauntlet
