// What msgsnd() and msgrcv() promise: types, room, waiting, and what ends the waiting.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>

#include "cases/context.h"
#include "message_queues/sysv_queue.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/system_setting.h"

namespace gauntlet {
namespace {

/// A blocking msgrcv of whatever comes first; the type received.
long receive_any(int id) {
  SysvMessage message;
  return ::msgrcv(id, &message, sizeof message.text, 0, 0) < 0 ? -1 : message.type;
}

/// A blocking msgsnd of one byte.
long send_one(int id) {
  SysvMessage message;
  return ::msgsnd(id, &message, 1, 0);
}

/// A queue that holds one byte and has it.
Result<SysvQueue> full_queue() {
  auto queue = SysvQueue::create();
  if (!queue) return queue;
  if (queue->set_most_bytes(1) != 0) return fail_system("msgctl");
  if (queue->send(9, "f") != 0) return fail_system("msgsnd");
  return queue;
}

GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_TypeZero_TakesTheFirstOfAll,
              .clause = "POSIX.1-2024 msgrcv() DESCRIPTION (msgtyp is 0)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  for (const auto& [type, text] : {std::pair(5L, "first"), {1L, "second"}, {3L, "third"}}) {
    ASSERT_THAT(queue->send(type, text), SyscallSucceeds());
  }
  for (const char* expected : {"first", "second", "third"}) EXPECT_EQ(queue->take(0), expected);
}

GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_PositiveType_TakesTheFirstOfThatType,
              .clause = "POSIX.1-2024 msgrcv() DESCRIPTION (msgtyp > 0)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  for (const auto& [type, text] : {std::pair(5L, "five 1"), {3L, "three"}, {5L, "five 2"}}) {
    ASSERT_THAT(queue->send(type, text), SyscallSucceeds());
  }
  EXPECT_EQ(queue->take(3), "three");
  EXPECT_EQ(queue->take(5), "five 1");
  EXPECT_EQ(queue->take(5), "five 2");
  EXPECT_EQ(queue->take(5), "nothing: ENOMSG");
}

// A negative type: the lowest type that is at most its absolute value, and of those the first.
GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_NegativeType_TakesTheLowestTypeUpToIt,
              .clause = "POSIX.1-2024 msgrcv() DESCRIPTION (msgtyp < 0)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  for (const auto& [type, text] :
       {std::pair(7L, "seven"), {4L, "four"}, {2L, "two 1"}, {2L, "two 2"}}) {
    ASSERT_THAT(queue->send(type, text), SyscallSucceeds());
  }
  for (const char* expected : {"two 1", "two 2", "four"}) EXPECT_EQ(queue->take(-4), expected);
  EXPECT_EQ(queue->take(-4), "nothing: ENOMSG");
  EXPECT_EQ(queue->take(-7), "seven");
}

GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_Except_TakesTheFirstOfAnotherType,
              .clause = "msgop(2) MSG_EXCEPT") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  for (const auto& [type, text] : {std::pair(1L, "one"), {2L, "two"}, {1L, "one more"}}) {
    ASSERT_THAT(queue->send(type, text), SyscallSucceeds());
  }
  EXPECT_EQ(queue->take(1, MSG_EXCEPT), "two");
  EXPECT_EQ(queue->take(1, MSG_EXCEPT), "nothing: ENOMSG");
}

GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_NoMatchNowait_FailsWithEnomsg,
              .clause = "POSIX.1-2024 msgrcv() ERRORS [ENOMSG]") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  SysvMessage message;
  EXPECT_THAT(::msgrcv(queue->id(), &message, 1, 0, IPC_NOWAIT), SyscallFailsWithErrno(ENOMSG));
  ASSERT_THAT(queue->send(1, "x"), SyscallSucceeds());
  EXPECT_THAT(::msgrcv(queue->id(), &message, 1, 2, IPC_NOWAIT), SyscallFailsWithErrno(ENOMSG));
}

// Too long for the buffer: refused and left in the queue, or cut when the caller said so.
GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_MessageOverTheBuffer_FailsWithE2bigAndLeavesIt,
              .clause = "POSIX.1-2024 msgrcv() ERRORS [E2BIG]") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(queue->send(1, "four"), SyscallSucceeds());
  SysvMessage message;
  EXPECT_THAT(::msgrcv(queue->id(), &message, 3, 0, IPC_NOWAIT), SyscallFailsWithErrno(E2BIG));
  EXPECT_EQ(queue->waiting(), 1);
  EXPECT_THAT(::msgrcv(queue->id(), &message, 4, 0, IPC_NOWAIT), SyscallSucceedsWithValue(4));
}

GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_NoerrorAndMessageOverTheBuffer_CutsIt,
              .clause = "POSIX.1-2024 msgrcv() DESCRIPTION (MSG_NOERROR)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(queue->send(1, "four"), SyscallSucceeds());
  SysvMessage message;
  message.text[3] = '#';
  EXPECT_THAT(::msgrcv(queue->id(), &message, 3, 0, IPC_NOWAIT | MSG_NOERROR),
              SyscallSucceedsWithValue(3));
  EXPECT_EQ(std::string_view(message.text, 4), "fou#") << "or it wrote past the buffer";
  EXPECT_EQ(queue->waiting(), 0) << "the rest is lost";
}

// A message is an envelope too: empty text is allowed.
GAUNTLET_CASE(MessageQueuesConformance, Msgsnd_EmptyText_IsReceivedAsAMessage,
              .clause = "POSIX.1-2024 msgsnd() DESCRIPTION (msgsz may be 0); msgop(2)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(queue->send(6, ""), SyscallSucceeds());
  SysvMessage message;
  EXPECT_THAT(::msgrcv(queue->id(), &message, 0, 0, IPC_NOWAIT), SyscallSucceedsWithValue(0));
  EXPECT_EQ(message.type, 6);
}

GAUNTLET_CASE(MessageQueuesConformance, Msgsnd_TypeNotPositive_FailsWithEinval,
              .clause = "POSIX.1-2024 msgsnd() ERRORS [EINVAL] (mtype)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  EXPECT_THAT(queue->send(0, "x"), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(queue->send(-1, "x"), SyscallFailsWithErrno(EINVAL));
  EXPECT_EQ(queue->waiting(), 0);
}

GAUNTLET_CASE(MessageQueuesConformance, Msgsnd_UnknownId_FailsWithEinval,
              .clause = "POSIX.1-2024 msgsnd(), msgrcv() ERRORS [EINVAL] (msqid)") {
  SysvMessage message;
  EXPECT_THAT(::msgsnd(-1, &message, 1, IPC_NOWAIT), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::msgrcv(-1, &message, 1, 0, IPC_NOWAIT), SyscallFailsWithErrno(EINVAL));
}

// MSGMAX bytes are a message, one more is not.
GAUNTLET_CASE(MessageQueuesConformance, Msgsnd_TextOverMsgmax_FailsWithEinval,
              .clause = "POSIX.1-2024 msgsnd() ERRORS [EINVAL] (msgsz); msgop(2) MSGMAX") {
  const auto most = system_number("/proc/sys/kernel/msgmax");
  const auto queue_bytes = system_number("/proc/sys/kernel/msgmnb");
  if (!most || !queue_bytes) return context.unsupported("/proc/sys/kernel/msgmax", "nothing");
  constexpr std::int64_t kMostTried = 1 << 20;
  if (*most > kMostTried || *most > *queue_bytes) {
    return context.not_run("a kernel.msgmax of at most 1 MiB and kernel.msgmnb",
                           "lower kernel.msgmax");
  }
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  struct Large {
    long type;
    char text[kMostTried + 1];
  };
  const auto large = std::make_unique<Large>();
  large->type = 1;
  const auto size = static_cast<std::size_t>(*most);
  EXPECT_THAT(::msgsnd(queue->id(), large.get(), size + 1, IPC_NOWAIT),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::msgsnd(queue->id(), large.get(), size, IPC_NOWAIT), SyscallSucceeds());
}

GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_NegativeSize_FailsWithEinval,
              .clause = "POSIX.1-2024 msgrcv() ERRORS [EINVAL] (msgsz)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  SysvMessage message;
  const auto negative = static_cast<std::size_t>(-1);
  EXPECT_THAT(::msgrcv(queue->id(), &message, negative, 0, IPC_NOWAIT),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::msgsnd(queue->id(), &message, negative, IPC_NOWAIT), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MessageQueuesConformance, Msgop_MessageOutsideMemory_FailsWithEfault,
              .clause = "msgop(2) ERRORS [EFAULT]") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const unmapped = ::mmap(nullptr, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(unmapped, MAP_FAILED);
  EXPECT_THAT(::msgsnd(queue->id(), unmapped, 1, IPC_NOWAIT), SyscallFailsWithErrno(EFAULT));
  ASSERT_THAT(queue->send(1, "x"), SyscallSucceeds());
  EXPECT_THAT(::msgrcv(queue->id(), unmapped, 1, 0, IPC_NOWAIT), SyscallFailsWithErrno(EFAULT));
  ::munmap(unmapped, page);
}

GAUNTLET_CASE(MessageQueuesConformance, Msgsnd_ModeForbidsWriting_FailsWithEacces,
              .clause = "POSIX.1-2024 msgsnd() ERRORS [EACCES]") {
  const auto queue = SysvQueue::create(0400);
  if (!queue) return context.not_created(queue.error());
  EXPECT_THAT(call_without_capabilities(context, [&] { return queue->send(1, "x"); }),
              SyscallFailsWithErrno(EACCES));
  EXPECT_EQ(queue->waiting(), 0);
}

GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_ModeForbidsReading_FailsWithEacces,
              .clause = "POSIX.1-2024 msgrcv() ERRORS [EACCES]") {
  const auto queue = SysvQueue::create(0200);
  if (!queue) return context.not_created(queue.error());
  EXPECT_THAT(call_without_capabilities(context,
                                        [&] {
                                          SysvMessage message;
                                          return ::msgrcv(queue->id(), &message, 1, 0, IPC_NOWAIT);
                                        }),
              SyscallFailsWithErrno(EACCES));
}

GAUNTLET_CASE(MessageQueuesConformance, Msgsnd_FullNowait_FailsWithEagain,
              .clause = "POSIX.1-2024 msgsnd() ERRORS [EAGAIN]") {
  const auto queue = full_queue();
  if (!queue) return context.not_created(queue.error());
  EXPECT_THAT(queue->send(1, "x"), SyscallFailsWithErrno(EAGAIN));
  EXPECT_EQ(queue->waiting(), 1);
}

GAUNTLET_CASE(MessageQueuesConformance, Msgsnd_Full_SleepsUntilAReceive,
              .clause = "POSIX.1-2024 msgsnd() DESCRIPTION (IPC_NOWAIT clear)") {
  const auto queue = full_queue();
  if (!queue) return context.not_created(queue.error());
  ChildCall sender(context, [&] { return send_one(queue->id()); });
  ASSERT_TRUE(sender.is_asleep());
  EXPECT_EQ(queue->take(), "f");
  EXPECT_THAT(sender.finish(), SyscallSucceeds());
  EXPECT_EQ(queue->waiting(), 1);
}

// More room by IPC_SET lets a sleeping sender go on.
GAUNTLET_CASE(MessageQueuesConformance, MsgctlSet_MoreBytes_WakesASleepingSender,
              .clause = "POSIX.1-2024 msgctl() IPC_SET (msg_qbytes); msgop(2)") {
  const auto queue = full_queue();
  if (!queue) return context.not_created(queue.error());
  ChildCall sender(context, [&] { return send_one(queue->id()); });
  ASSERT_TRUE(sender.is_asleep());
  ASSERT_THAT(queue->set_most_bytes(2), SyscallSucceeds());
  EXPECT_THAT(sender.finish(), SyscallSucceeds());
  EXPECT_EQ(queue->waiting(), 2);
}

GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_Empty_SleepsUntilASend,
              .clause = "POSIX.1-2024 msgrcv() DESCRIPTION (IPC_NOWAIT clear)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  ChildCall receiver(context, [&] { return receive_any(queue->id()); });
  ASSERT_TRUE(receiver.is_asleep());
  ASSERT_THAT(queue->send(42, "x"), SyscallSucceeds());
  EXPECT_THAT(receiver.finish(), SyscallSucceedsWithValue(42));
}

// A receiver that waits for one type sleeps through messages of others.
GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_WaitingForAType_SleepsThroughOtherTypes,
              .clause = "POSIX.1-2024 msgrcv() DESCRIPTION (message of the desired type)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  ChildCall receiver(context, [&] {
    SysvMessage message;
    return ::msgrcv(queue->id(), &message, sizeof message.text, 7, 0) < 0 ? -1 : message.type;
  });
  ASSERT_TRUE(receiver.is_asleep());
  ASSERT_THAT(queue->send(6, "other"), SyscallSucceeds());
  ASSERT_TRUE(receiver.is_asleep());
  ASSERT_THAT(queue->send(7, "mine"), SyscallSucceeds());
  EXPECT_THAT(receiver.finish(), SyscallSucceedsWithValue(7));
  EXPECT_EQ(queue->take(), "other");
}

GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_QueueRemovedWhileWaiting_FailsWithEidrm,
              .clause = "POSIX.1-2024 msgrcv() ERRORS [EIDRM]") {
  auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  ChildCall receiver(context, [&] { return receive_any(queue->id()); });
  ASSERT_TRUE(receiver.is_asleep());
  queue->remove();
  EXPECT_THAT(receiver.finish(), SyscallFailsWithErrno(EIDRM));
}

GAUNTLET_CASE(MessageQueuesConformance, Msgsnd_QueueRemovedWhileWaiting_FailsWithEidrm,
              .clause = "POSIX.1-2024 msgsnd() ERRORS [EIDRM]") {
  auto queue = full_queue();
  if (!queue) return context.not_created(queue.error());
  ChildCall sender(context, [&] { return send_one(queue->id()); });
  ASSERT_TRUE(sender.is_asleep());
  queue->remove();
  EXPECT_THAT(sender.finish(), SyscallFailsWithErrno(EIDRM));
}

// The message calls are never restarted, whatever the handler was installed with.
GAUNTLET_CASE(MessageQueuesConformance, Msgrcv_InterruptedEvenByARestartingHandler_FailsWithEintr,
              .clause = "POSIX.1-2024 msgrcv() ERRORS [EINTR]; signal(7) (never restarted)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  for (const OnSignal on_signal : {OnSignal::interrupt, OnSignal::restart}) {
    ChildCall receiver(
        context, [&] { return receive_any(queue->id()); }, on_signal);
    ASSERT_TRUE(receiver.is_asleep());
    ASSERT_TRUE(receiver.signal_and_await_handler());
    EXPECT_THAT(receiver.finish(), SyscallFailsWithErrno(EINTR));
  }
}

GAUNTLET_CASE(MessageQueuesConformance, Msgsnd_InterruptedEvenByARestartingHandler_FailsWithEintr,
              .clause = "POSIX.1-2024 msgsnd() ERRORS [EINTR]; signal(7) (never restarted)") {
  const auto queue = full_queue();
  if (!queue) return context.not_created(queue.error());
  for (const OnSignal on_signal : {OnSignal::interrupt, OnSignal::restart}) {
    ChildCall sender(
        context, [&] { return send_one(queue->id()); }, on_signal);
    ASSERT_TRUE(sender.is_asleep());
    ASSERT_TRUE(sender.signal_and_await_handler());
    EXPECT_THAT(sender.finish(), SyscallFailsWithErrno(EINTR));
  }
  EXPECT_EQ(queue->waiting(), 1);
}

// MSG_COPY looks at the n-th message without taking it; kernels without checkpoint/restore lack it.
GAUNTLET_CASE(MessageQueuesConformance, MsgrcvCopy_OfAMessage_LeavesItInTheQueue,
              .clause = "msgop(2) MSG_COPY; ERRORS [ENOMSG], [ENOSYS]") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(queue->send(5, "zero"), SyscallSucceeds());
  ASSERT_THAT(queue->send(6, "one"), SyscallSucceeds());
  const std::string copy = queue->take(1, MSG_COPY);
  if (copy == "nothing: ENOSYS") return context.unsupported("msgrcv(MSG_COPY)", "ENOSYS");
  EXPECT_EQ(copy, "one");
  EXPECT_EQ(queue->take(0, MSG_COPY), "zero");
  EXPECT_EQ(queue->take(2, MSG_COPY), "nothing: ENOMSG");
  EXPECT_EQ(queue->waiting(), 2);
}

GAUNTLET_CASE(MessageQueuesConformance, MsgrcvCopy_WithoutNowaitOrWithExcept_FailsWithEinval,
              .clause = "msgop(2) ERRORS [EINVAL] (MSG_COPY)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(queue->send(5, "zero"), SyscallSucceeds());
  if (queue->take(0, MSG_COPY) == "nothing: ENOSYS") {
    return context.unsupported("msgrcv(MSG_COPY)", "ENOSYS");
  }
  SysvMessage message;
  EXPECT_THAT(::msgrcv(queue->id(), &message, 64, 0, MSG_COPY), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::msgrcv(queue->id(), &message, 64, 0, MSG_COPY | MSG_EXCEPT | IPC_NOWAIT),
              SyscallFailsWithErrno(EINVAL));
}

}  // namespace
}  // namespace gauntlet
