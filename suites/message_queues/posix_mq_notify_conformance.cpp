// What mq_notify() promises: who is told, once, of what, and who is not.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include "base/limits.h"
#include "cases/context.h"
#include "message_queues/posix_queue.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

constexpr int kSignal = SIGUSR2;

sigset_t one_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, kSignal);
  return set;
}

/// Blocks the signal of the notifications, so that it can be waited for.
bool hold_signal() {
  const sigset_t set = one_signal();
  return ::sigprocmask(SIG_BLOCK, &set, nullptr) == 0;
}

/// The next pending notification; the signal number, or -1 and errno EAGAIN when there is none.
int next_notification(siginfo_t* info, Deadline deadline = Deadline::immediate()) {
  const sigset_t set = one_signal();
  const timespec patience = deadline.as_timeout();
  return ::sigtimedwait(&set, info, &patience);
}

sigevent by_signal(int value = 0) {
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = kSignal;
  event.sigev_value.sival_int = value;
  return event;
}

// A message that comes into the empty queue is told, with who sent it and the value registered.
GAUNTLET_CASE(MessageQueuesConformance, MqNotify_MessageIntoEmptyQueue_SendsTheSignalWithItsFacts,
              .clause = "POSIX.1-2024 mq_notify() DESCRIPTION; sigaction(2) SI_MESGQ") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_TRUE(hold_signal());
  const sigevent event = by_signal(4711);
  ASSERT_THAT(::mq_notify(queue->get(), &event), SyscallSucceeds());
  siginfo_t info = {};
  EXPECT_THAT(next_notification(&info), SyscallFailsWithErrno(EAGAIN)) << "told of nothing";
  ChildCall sender(context, [&] {
    return ::mq_send(queue->get(), "x", 1, 0) == 0 ? static_cast<long>(::getpid()) : -1;
  });
  const CallOutcome sent = sender.finish();
  ASSERT_THAT(sent, SyscallSucceeds());
  ASSERT_THAT(next_notification(&info, Deadline::after(kCallPatience)),
              SyscallSucceedsWithValue(kSignal));
  EXPECT_EQ(info.si_code, SI_MESGQ);
  EXPECT_EQ(info.si_value.sival_int, 4711);
  EXPECT_EQ(info.si_pid, sent.value);
  EXPECT_EQ(info.si_uid, ::getuid());
}

// Told once: the registration is used up, and can be made anew.
GAUNTLET_CASE(MessageQueuesConformance, MqNotify_AfterOneNotification_IsUsedUp,
              .clause = "POSIX.1-2024 mq_notify() DESCRIPTION (registration shall be removed)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_TRUE(hold_signal());
  const sigevent event = by_signal();
  ASSERT_THAT(::mq_notify(queue->get(), &event), SyscallSucceeds());
  ASSERT_THAT(::mq_send(queue->get(), "1", 1, 0), SyscallSucceeds());
  EXPECT_THAT(next_notification(nullptr, Deadline::after(kCallPatience)),
              SyscallSucceedsWithValue(kSignal));
  EXPECT_EQ(take(*queue), "1");
  ASSERT_THAT(::mq_send(queue->get(), "2", 1, 0), SyscallSucceeds());
  EXPECT_THAT(next_notification(nullptr), SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(::mq_notify(queue->get(), &event), SyscallSucceeds());
}

// A message into a queue that already holds one is no news.
GAUNTLET_CASE(MessageQueuesConformance, MqNotify_MessageIntoNonemptyQueue_IsNotTold,
              .clause = "POSIX.1-2024 mq_notify() DESCRIPTION (from empty to non-empty)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_TRUE(hold_signal());
  ASSERT_THAT(::mq_send(queue->get(), "1", 1, 0), SyscallSucceeds());
  const sigevent event = by_signal();
  ASSERT_THAT(::mq_notify(queue->get(), &event), SyscallSucceeds());
  ASSERT_THAT(::mq_send(queue->get(), "2", 1, 0), SyscallSucceeds());
  EXPECT_THAT(next_notification(nullptr), SyscallFailsWithErrno(EAGAIN));
  // Emptied and sent to once more, it is told.
  EXPECT_EQ(take(*queue), "1");
  EXPECT_EQ(take(*queue), "2");
  ASSERT_THAT(::mq_send(queue->get(), "3", 1, 0), SyscallSucceeds());
  EXPECT_THAT(next_notification(nullptr, Deadline::after(kCallPatience)),
              SyscallSucceedsWithValue(kSignal));
}

// A receiver that waits gets the message, and nobody is told.
GAUNTLET_CASE(MessageQueuesConformance,
              MqNotify_WhileAReceiverWaits_TheReceiverGetsItAndNobodyIsTold,
              .clause = "POSIX.1-2024 mq_notify() DESCRIPTION (thread blocked in mq_receive())") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_TRUE(hold_signal());
  const QueueDescriptor blocking = queue->open(O_RDONLY);
  ChildCall receiver(context, [&] {
    char buffer[QueueShape{}.bytes];
    return ::mq_receive(blocking.get(), buffer, sizeof buffer, nullptr);
  });
  const sigevent event = by_signal();
  ASSERT_THAT(::mq_notify(queue->get(), &event), SyscallSucceeds());
  ASSERT_TRUE(receiver.is_asleep());
  ASSERT_THAT(::mq_send(queue->get(), "x", 1, 0), SyscallSucceeds());
  EXPECT_THAT(receiver.finish(), SyscallSucceedsWithValue(1));
  EXPECT_THAT(next_notification(nullptr), SyscallFailsWithErrno(EAGAIN));
  // The registration is still there.
  ASSERT_THAT(::mq_send(queue->get(), "y", 1, 0), SyscallSucceeds());
  EXPECT_THAT(next_notification(nullptr, Deadline::after(kCallPatience)),
              SyscallSucceedsWithValue(kSignal));
}

GAUNTLET_CASE(MessageQueuesConformance, MqNotify_SomebodyElseIsRegistered_FailsWithEbusy,
              .clause = "POSIX.1-2024 mq_notify() ERRORS [EBUSY]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_TRUE(hold_signal());
  const sigevent event = by_signal();
  ASSERT_THAT(::mq_notify(queue->get(), &event), SyscallSucceeds());
  ChildCall other(context, [&] { return ::mq_notify(queue->get(), &event); });
  EXPECT_THAT(other.finish(), SyscallFailsWithErrno(EBUSY));
  EXPECT_THAT(::mq_notify(queue->get(), &event), SyscallFailsWithErrno(EBUSY));
}

// SIGEV_NONE tells nobody, and takes the one place all the same.
GAUNTLET_CASE(MessageQueuesConformance, MqNotify_SigevNone_TakesThePlaceAndTellsNobody,
              .clause = "mq_notify(3) SIGEV_NONE") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_TRUE(hold_signal());
  sigevent none = {};
  none.sigev_notify = SIGEV_NONE;
  ASSERT_THAT(::mq_notify(queue->get(), &none), SyscallSucceeds());
  const sigevent event = by_signal();
  EXPECT_THAT(::mq_notify(queue->get(), &event), SyscallFailsWithErrno(EBUSY));
  ASSERT_THAT(::mq_send(queue->get(), "x", 1, 0), SyscallSucceeds());
  EXPECT_THAT(next_notification(nullptr), SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(::mq_notify(queue->get(), &event), SyscallSucceeds()) << "it was used up";
}

GAUNTLET_CASE(MessageQueuesConformance, MqNotify_Null_TakesTheRegistrationBack,
              .clause = "POSIX.1-2024 mq_notify() DESCRIPTION (notification is NULL)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_TRUE(hold_signal());
  const sigevent event = by_signal();
  ASSERT_THAT(::mq_notify(queue->get(), &event), SyscallSucceeds());
  ASSERT_THAT(::mq_notify(queue->get(), nullptr), SyscallSucceeds());
  ASSERT_THAT(::mq_send(queue->get(), "x", 1, 0), SyscallSucceeds());
  EXPECT_THAT(next_notification(nullptr), SyscallFailsWithErrno(EAGAIN));
}

// Nobody can take back what another has registered.
GAUNTLET_CASE(MessageQueuesConformance, MqNotify_NullByAnotherProcess_LeavesTheRegistration,
              .clause = "POSIX.1-2024 mq_notify() DESCRIPTION (the process is registered)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_TRUE(hold_signal());
  const sigevent event = by_signal();
  ASSERT_THAT(::mq_notify(queue->get(), &event), SyscallSucceeds());
  ChildCall other(context, [&] {
    ::mq_notify(queue->get(), nullptr);
    return 0L;
  });
  other.finish();
  ASSERT_THAT(::mq_send(queue->get(), "x", 1, 0), SyscallSucceeds());
  EXPECT_THAT(next_notification(nullptr, Deadline::after(kCallPatience)),
              SyscallSucceedsWithValue(kSignal));
}

// Closing the descriptor takes the registration with it.
GAUNTLET_CASE(MessageQueuesConformance, MqClose_OfARegisteredDescriptor_TakesTheRegistrationBack,
              .clause = "POSIX.1-2024 mq_close() DESCRIPTION (notification request)") {
  auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_TRUE(hold_signal());
  const QueueDescriptor other = queue->open(O_RDWR);
  ASSERT_TRUE(other.valid());
  const sigevent event = by_signal();
  ASSERT_THAT(::mq_notify(queue->get(), &event), SyscallSucceeds());
  queue->close();
  ASSERT_THAT(::mq_send(other.get(), "x", 1, 0), SyscallSucceeds());
  EXPECT_THAT(next_notification(nullptr), SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(::mq_notify(other.get(), &event), SyscallSucceeds());
}

GAUNTLET_CASE(MessageQueuesConformance, MqNotify_NotAQueueDescriptor_FailsWithEbadf,
              .clause = "POSIX.1-2024 mq_notify() ERRORS [EBADF]") {
  const sigevent event = by_signal();
  EXPECT_THAT(::mq_notify(static_cast<mqd_t>(-1), &event), SyscallFailsWithErrno(EBADF));
}

GAUNTLET_CASE(MessageQueuesConformance, MqNotify_UnknownWayOrSignal_FailsWithEinval,
              .clause = "mq_notify(3) ERRORS [EINVAL]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  sigevent way = by_signal();
  way.sigev_notify = 4711;
  EXPECT_THAT(::mq_notify(queue->get(), &way), SyscallFailsWithErrno(EINVAL));
  sigevent number = by_signal();
  number.sigev_signo = SIGRTMAX + 1;
  EXPECT_THAT(::mq_notify(queue->get(), &number), SyscallFailsWithErrno(EINVAL));
}

}  // namespace
}  // namespace gauntlet
