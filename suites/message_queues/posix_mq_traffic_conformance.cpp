// What mq_send(), mq_receive() and their timed forms promise.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <unistd.h>

#include <fstream>

#include "base/limits.h"
#include "cases/context.h"
#include "message_queues/posix_queue.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using testing::MatchesRegex;

constexpr long kBytes = QueueShape{}.bytes;

int pending(mqd_t queue, short wanted) {
  pollfd one = {queue, wanted, 0};
  return ::poll(&one, 1, 0) < 0 ? -1 : one.revents;
}

/// A deadline that lies behind us and is still a valid time.
constexpr timespec kLongAgo = {1, 0};
/// A time that no clock can show.
constexpr timespec kNoTime = {1, 1'000'000'000};

// The highest priority first; equals in the order in which they were sent.
GAUNTLET_CASE(MessageQueuesConformance, MqReceive_SeveralPriorities_HighestFirstEqualsInOrder,
              .clause = "POSIX.1-2024 mq_receive(), mq_send() DESCRIPTION (msg_prio)") {
  const auto queue = PosixQueue::create(context.scope(), {5, kBytes});
  if (!queue) return context.not_created(queue.error());
  const std::pair<const char*, unsigned> sent[] = {
      {"low 1", 1}, {"high 1", 9}, {"zero", 0}, {"low 2", 1}, {"high 2", 9}};
  for (const auto& [text, priority] : sent) {
    ASSERT_THAT(::mq_send(queue->get(), text, std::strlen(text), priority), SyscallSucceeds());
  }
  for (const char* expected : {"high 1", "high 2", "low 1", "low 2", "zero"}) {
    EXPECT_EQ(take(*queue), expected);
  }
}

GAUNTLET_CASE(MessageQueuesConformance, MqReceive_Message_TellsItsLengthAndPriority,
              .clause = "POSIX.1-2024 mq_receive() RETURN VALUE, DESCRIPTION") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(::mq_send(queue->get(), "hello", 5, 31), SyscallSucceeds());
  char buffer[kBytes];
  unsigned priority = 0;
  EXPECT_THAT(::mq_receive(queue->get(), buffer, sizeof buffer, &priority),
              SyscallSucceedsWithValue(5));
  EXPECT_EQ(priority, 31u);
  EXPECT_EQ(std::string_view(buffer, 5), "hello");
}

// A message may be empty, and is a message all the same.
GAUNTLET_CASE(MessageQueuesConformance, MqSend_EmptyMessage_IsReceivedAsOne,
              .clause = "mq_send(3) (zero-length messages are allowed)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(::mq_send(queue->get(), "", 0, 0), SyscallSucceeds());
  EXPECT_EQ(queue->waiting(), 1);
  EXPECT_EQ(take(*queue), "");
  EXPECT_EQ(queue->waiting(), 0);
}

GAUNTLET_CASE(MessageQueuesConformance, MqSend_MessageOverMsgsize_FailsWithEmsgsize,
              .clause = "POSIX.1-2024 mq_send() ERRORS [EMSGSIZE]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const std::string bytes(static_cast<std::size_t>(kBytes) + 1, 'm');
  EXPECT_THAT(::mq_send(queue->get(), bytes.data(), bytes.size(), 0),
              SyscallFailsWithErrno(EMSGSIZE));
  EXPECT_EQ(queue->waiting(), 0);
  EXPECT_THAT(::mq_send(queue->get(), bytes.data(), bytes.size() - 1, 0), SyscallSucceeds());
}

// Priorities end below MQ_PRIO_MAX.
GAUNTLET_CASE(MessageQueuesConformance, MqSend_PriorityMqPrioMax_FailsWithEinval,
              .clause = "POSIX.1-2024 mq_send() ERRORS [EINVAL] (msg_prio)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const long most = ::sysconf(_SC_MQ_PRIO_MAX);
  if (most < 0) return context.unsupported("sysconf(_SC_MQ_PRIO_MAX)", "no limit");
  EXPECT_THAT(::mq_send(queue->get(), "x", 1, static_cast<unsigned>(most)),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::mq_send(queue->get(), "x", 1, static_cast<unsigned>(most - 1)), SyscallSucceeds());
}

GAUNTLET_CASE(MessageQueuesConformance, MqSend_FullNonblocking_FailsWithEagain,
              .clause = "POSIX.1-2024 mq_send() ERRORS [EAGAIN]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  EXPECT_EQ(queue->fill(), QueueShape{}.messages);
  EXPECT_THAT(::mq_send(queue->get(), "x", 1, 0), SyscallFailsWithErrno(EAGAIN));
  EXPECT_EQ(queue->waiting(), QueueShape{}.messages);
}

GAUNTLET_CASE(MessageQueuesConformance, MqSend_DescriptorNotForWriting_FailsWithEbadf,
              .clause = "POSIX.1-2024 mq_send() ERRORS [EBADF]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor reader = queue->open(O_RDONLY);
  ASSERT_TRUE(reader.valid());
  EXPECT_THAT(::mq_send(reader.get(), "x", 1, 0), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::mq_send(static_cast<mqd_t>(-1), "x", 1, 0), SyscallFailsWithErrno(EBADF));
}

GAUNTLET_CASE(MessageQueuesConformance, MqSend_FullBlocking_SleepsUntilAReceive,
              .clause = "POSIX.1-2024 mq_send() DESCRIPTION (O_NONBLOCK not set)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_EQ(queue->fill(), QueueShape{}.messages);
  const QueueDescriptor blocking = queue->open(O_WRONLY);
  ASSERT_TRUE(blocking.valid());
  ChildCall sender(context, [&] { return ::mq_send(blocking.get(), "late", 4, 0); });
  ASSERT_TRUE(sender.is_asleep());
  EXPECT_EQ(take(*queue), "fill");
  EXPECT_THAT(sender.finish(), SyscallSucceeds());
  EXPECT_EQ(queue->waiting(), QueueShape{}.messages);
}

GAUNTLET_CASE(MessageQueuesConformance, MqSend_InterruptedByAHandler_FailsWithEintr,
              .clause = "POSIX.1-2024 mq_send() ERRORS [EINTR]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_EQ(queue->fill(), QueueShape{}.messages);
  const QueueDescriptor blocking = queue->open(O_WRONLY);
  ChildCall sender(context, [&] { return ::mq_send(blocking.get(), "late", 4, 0); });
  ASSERT_TRUE(sender.is_asleep());
  ASSERT_TRUE(sender.signal_and_await_handler());
  EXPECT_THAT(sender.finish(), SyscallFailsWithErrno(EINTR));
  EXPECT_EQ(queue->waiting(), QueueShape{}.messages);
}

GAUNTLET_CASE(MessageQueuesConformance,
              MqReceive_BufferUnderMsgsize_FailsWithEmsgsizeAndTakesNothing,
              .clause = "POSIX.1-2024 mq_receive() ERRORS [EMSGSIZE]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(::mq_send(queue->get(), "x", 1, 0), SyscallSucceeds());
  char buffer[kBytes];
  // Although the message itself would fit.
  EXPECT_THAT(::mq_receive(queue->get(), buffer, sizeof buffer - 1, nullptr),
              SyscallFailsWithErrno(EMSGSIZE));
  EXPECT_EQ(queue->waiting(), 1);
}

GAUNTLET_CASE(MessageQueuesConformance, MqReceive_EmptyNonblocking_FailsWithEagain,
              .clause = "POSIX.1-2024 mq_receive() ERRORS [EAGAIN]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  char buffer[kBytes];
  EXPECT_THAT(::mq_receive(queue->get(), buffer, sizeof buffer, nullptr),
              SyscallFailsWithErrno(EAGAIN));
}

GAUNTLET_CASE(MessageQueuesConformance, MqReceive_DescriptorNotForReading_FailsWithEbadf,
              .clause = "POSIX.1-2024 mq_receive() ERRORS [EBADF]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor writer = queue->open(O_WRONLY);
  ASSERT_TRUE(writer.valid());
  char buffer[kBytes];
  EXPECT_THAT(::mq_receive(writer.get(), buffer, sizeof buffer, nullptr),
              SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::mq_receive(static_cast<mqd_t>(-1), buffer, sizeof buffer, nullptr),
              SyscallFailsWithErrno(EBADF));
}

GAUNTLET_CASE(MessageQueuesConformance, MqReceive_EmptyBlocking_SleepsUntilASend,
              .clause = "POSIX.1-2024 mq_receive() DESCRIPTION (O_NONBLOCK not set)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor blocking = queue->open(O_RDONLY);
  ASSERT_TRUE(blocking.valid());
  ChildCall receiver(context, [&] {
    char buffer[kBytes];
    return ::mq_receive(blocking.get(), buffer, sizeof buffer, nullptr) == 3 ? buffer[0] : -1;
  });
  ASSERT_TRUE(receiver.is_asleep());
  ASSERT_THAT(::mq_send(queue->get(), "abc", 3, 0), SyscallSucceeds());
  EXPECT_THAT(receiver.finish(), SyscallSucceedsWithValue('a'));
  EXPECT_EQ(queue->waiting(), 0);
}

GAUNTLET_CASE(MessageQueuesConformance, MqReceive_InterruptedByAHandler_FailsWithEintr,
              .clause = "POSIX.1-2024 mq_receive() ERRORS [EINTR]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor blocking = queue->open(O_RDONLY);
  ChildCall receiver(context, [&] {
    char buffer[kBytes];
    return ::mq_receive(blocking.get(), buffer, sizeof buffer, nullptr);
  });
  ASSERT_TRUE(receiver.is_asleep());
  ASSERT_TRUE(receiver.signal_and_await_handler());
  EXPECT_THAT(receiver.finish(), SyscallFailsWithErrno(EINTR));
}

GAUNTLET_CASE(
    MessageQueuesConformance, MqReceive_InterruptedByARestartingHandler_GoesOnWaiting,
    .clause = "signal(7) (mq_receive restarts with SA_RESTART); POSIX.1-2024 sigaction()") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor blocking = queue->open(O_RDONLY);
  ChildCall receiver(
      context,
      [&] {
        char buffer[kBytes];
        return ::mq_receive(blocking.get(), buffer, sizeof buffer, nullptr);
      },
      OnSignal::restart);
  ASSERT_TRUE(receiver.is_asleep());
  ASSERT_TRUE(receiver.signal_and_await_handler());
  ASSERT_TRUE(receiver.is_asleep());
  ASSERT_THAT(::mq_send(queue->get(), "abc", 3, 0), SyscallSucceeds());
  EXPECT_THAT(receiver.finish(), SyscallSucceedsWithValue(3));
}

// Of several receivers with the same scheduling priority the one that has waited longest is served.
GAUNTLET_CASE(MessageQueuesConformance, MqReceive_TwoWaiting_TheOneThatWaitedLongerIsServed,
              .clause = "POSIX.1-2024 mq_receive() DESCRIPTION (more than one thread is waiting)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor blocking = queue->open(O_RDONLY);
  ASSERT_TRUE(blocking.valid());
  const auto receive = [&] {
    char buffer[kBytes];
    const ssize_t size = ::mq_receive(blocking.get(), buffer, sizeof buffer, nullptr);
    return size == 1 ? buffer[0] : -1;
  };
  ChildCall first(context, receive);
  ASSERT_TRUE(first.is_asleep());
  ChildCall second(context, receive);
  ASSERT_TRUE(second.is_asleep());
  ASSERT_THAT(::mq_send(queue->get(), "1", 1, 0), SyscallSucceeds());
  EXPECT_THAT(first.finish(), SyscallSucceedsWithValue('1'));
  ASSERT_TRUE(second.is_asleep());
  ASSERT_THAT(::mq_send(queue->get(), "2", 1, 0), SyscallSucceeds());
  EXPECT_THAT(second.finish(), SyscallSucceedsWithValue('2'));
}

// The deadline is a point on CLOCK_REALTIME; it is kept, never early, and nothing is sent.
GAUNTLET_CASE(MessageQueuesConformance, MqTimedsend_FullAtTheDeadline_FailsWithEtimedoutNotEarly,
              .clause = "POSIX.1-2024 mq_timedsend() ERRORS [ETIMEDOUT]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_EQ(queue->fill(), QueueShape{}.messages);
  const QueueDescriptor blocking = queue->open(O_WRONLY);
  const std::int64_t start_ns = monotonic_ns();
  ChildCall sender(context, [&] {
    const timespec until = Deadline::after(kShortWait).on_realtime();
    return ::mq_timedsend(blocking.get(), "x", 1, 0, &until);
  });
  EXPECT_THAT(sender.finish(), SyscallFailsWithErrno(ETIMEDOUT));
  EXPECT_GE(std::chrono::nanoseconds(monotonic_ns() - start_ns), kShortWait - kEarlyWakeTolerance);
  EXPECT_EQ(queue->waiting(), QueueShape{}.messages);
}

GAUNTLET_CASE(MessageQueuesConformance,
              MqTimedreceive_EmptyAtTheDeadline_FailsWithEtimedoutNotEarly,
              .clause = "POSIX.1-2024 mq_timedreceive() ERRORS [ETIMEDOUT]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor blocking = queue->open(O_RDONLY);
  const std::int64_t start_ns = monotonic_ns();
  ChildCall receiver(context, [&] {
    char buffer[kBytes];
    const timespec until = Deadline::after(kShortWait).on_realtime();
    return ::mq_timedreceive(blocking.get(), buffer, sizeof buffer, nullptr, &until);
  });
  EXPECT_THAT(receiver.finish(), SyscallFailsWithErrno(ETIMEDOUT));
  EXPECT_GE(std::chrono::nanoseconds(monotonic_ns() - start_ns), kShortWait - kEarlyWakeTolerance);
}

// A deadline long gone matters only to a call that would have to wait.
GAUNTLET_CASE(MessageQueuesConformance, MqTimedreceive_DeadlinePassedButMessageThere_TakesIt,
              .clause = "POSIX.1-2024 mq_timedreceive() DESCRIPTION (validity of abstime)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor blocking = queue->open(O_RDWR);
  ASSERT_THAT(::mq_timedsend(blocking.get(), "abc", 3, 0, &kLongAgo), SyscallSucceeds());
  char buffer[kBytes];
  EXPECT_THAT(::mq_timedreceive(blocking.get(), buffer, sizeof buffer, nullptr, &kLongAgo),
              SyscallSucceedsWithValue(3));
  EXPECT_THAT(::mq_timedreceive(blocking.get(), buffer, sizeof buffer, nullptr, &kLongAgo),
              SyscallFailsWithErrno(ETIMEDOUT));
}

GAUNTLET_CASE(MessageQueuesConformance, MqTimedsend_FullAndNanosecondsOutOfRange_FailsWithEinval,
              .clause = "POSIX.1-2024 mq_timedsend() ERRORS [EINVAL] (abstime)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_EQ(queue->fill(), QueueShape{}.messages);
  const QueueDescriptor blocking = queue->open(O_WRONLY);
  const timespec negative = {1, -1};
  EXPECT_THAT(::mq_timedsend(blocking.get(), "x", 1, 0, &kNoTime), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::mq_timedsend(blocking.get(), "x", 1, 0, &negative), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MessageQueuesConformance,
              MqTimedreceive_EmptyAndNanosecondsOutOfRange_FailsWithEinval,
              .clause = "POSIX.1-2024 mq_timedreceive() ERRORS [EINVAL] (abstime)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor blocking = queue->open(O_RDONLY);
  char buffer[kBytes];
  EXPECT_THAT(::mq_timedreceive(blocking.get(), buffer, sizeof buffer, nullptr, &kNoTime),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MessageQueuesConformance, MqTimedsend_InterruptedByAHandler_FailsWithEintr,
              .clause = "POSIX.1-2024 mq_timedsend() ERRORS [EINTR]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_EQ(queue->fill(), QueueShape{}.messages);
  const QueueDescriptor blocking = queue->open(O_WRONLY);
  ChildCall sender(context, [&] {
    const timespec until = Deadline::never().on_realtime();
    return ::mq_timedsend(blocking.get(), "x", 1, 0, &until);
  });
  ASSERT_TRUE(sender.is_asleep());
  ASSERT_TRUE(sender.signal_and_await_handler());
  EXPECT_THAT(sender.finish(), SyscallFailsWithErrno(EINTR));
}

// On Linux a queue descriptor can be polled.
GAUNTLET_CASE(MessageQueuesConformance, Poll_EmptyAndFullQueue_TellsWhoCanGoOn,
              .clause = "mq_overview(7) Polling message queue descriptors") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  EXPECT_EQ(pending(queue->get(), POLLIN | POLLOUT), POLLOUT);
  ASSERT_THAT(::mq_send(queue->get(), "x", 1, 0), SyscallSucceeds());
  EXPECT_EQ(pending(queue->get(), POLLIN | POLLOUT), POLLIN | POLLOUT);
  queue->fill();
  EXPECT_EQ(pending(queue->get(), POLLIN | POLLOUT), POLLIN);
}

// The file of a queue tells the bytes that are in it.
GAUNTLET_CASE(MessageQueuesConformance, MqueueFile_OfAFilledQueue_TellsTheBytesInIt,
              .clause = "mq_overview(7) Mounting the message queue filesystem (QSIZE)",
              .needs = {Need::private_ipc, Need::private_mount}) {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(::mq_send(queue->get(), "12345", 5, 0), SyscallSucceeds());
  ASSERT_THAT(::mq_send(queue->get(), "67", 2, 0), SyscallSucceeds());
  std::ifstream file("/dev/mqueue" + queue->name());
  if (!file) return context.not_run("an mqueue file system on /dev/mqueue", "mount it");
  std::string line;
  std::getline(file, line);
  EXPECT_THAT(line, MatchesRegex("QSIZE:7 .*NOTIFY:0 .*SIGNO:0 .*NOTIFY_PID:0 *"));
}

}  // namespace
}  // namespace gauntlet
