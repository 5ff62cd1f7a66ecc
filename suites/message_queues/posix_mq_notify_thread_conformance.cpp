// What mq_notify() promises of SIGEV_THREAD: the function runs, once for a registration, with its
// value and its attributes.
//
// Everything happens in a child: the library keeps a thread of its own for it, and a process with
// threads cannot be forked from here.
#include <gmock/gmock.h>
#include <pthread.h>
#include <signal.h>

#include <cstring>

#include "base/limits.h"
#include "cases/context.h"
#include "message_queues/posix_queue.h"
#include "process/futex.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

/// What the function saw, in the child that registered it.
struct Notified {
  FutexWord times{0};
  std::size_t stack_bytes = 0;
  mqd_t again = -1;  ///< a queue to register with once more
};

void note(sigval value);

sigevent by_thread(Notified& notified, pthread_attr_t* attributes = nullptr) {
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = &note;
  event.sigev_notify_attributes = attributes;
  event.sigev_value.sival_ptr = &notified;
  return event;
}

void note(sigval value) {
  auto& notified = *static_cast<Notified*>(value.sival_ptr);
  pthread_attr_t mine;
  if (::pthread_getattr_np(::pthread_self(), &mine) == 0) {
    ::pthread_attr_getstacksize(&mine, &notified.stack_bytes);
    ::pthread_attr_destroy(&mine);
  }
  if (notified.again != -1) {
    const sigevent event = by_thread(notified);
    ::mq_notify(notified.again, &event);
  }
  notified.times.fetch_add(1);
  futex_wake_all(notified.times);
}

/// Waits until the function has run so often.
bool await_times(Notified& notified, std::uint32_t times) {
  const Deadline patience = Deadline::after(kCallPatience);
  while (notified.times.load() < times && !patience.expired()) {
    futex_wait(notified.times, notified.times.load(), std::chrono::milliseconds(50));
  }
  return notified.times.load() >= times;
}

/// A message in, and out again.
bool pass_one(const PosixQueue& queue) {
  return ::mq_send(queue.get(), "x", 1, 0) == 0 && take(queue) == "x";
}

// The function is called in a thread, with the value; a second message is told to nobody.
GAUNTLET_CASE(MessageQueuesConformance, MqNotifyByThread_Message_RunsTheFunctionOnce,
              .clause = "mq_notify(3) SIGEV_THREAD; POSIX.1-2024 mq_notify() DESCRIPTION") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ChildCall child(context, [&]() -> long {
    Notified notified;
    const sigevent event = by_thread(notified);
    if (::mq_notify(queue->get(), &event) != 0) return -1;
    if (notified.times.load() != 0) return 100;
    if (!pass_one(*queue) || !await_times(notified, 1)) return 0;
    if (!pass_one(*queue)) return -1;
    // That the second one tells nobody is known when a third, registered for, has been told.
    if (::mq_notify(queue->get(), &event) != 0) return -1;
    if (!pass_one(*queue) || !await_times(notified, 2)) return 1;
    return static_cast<long>(notified.times.load());
  });
  EXPECT_THAT(child.finish(), SyscallSucceedsWithValue(2)) << "how often it ran for two of three";
}

// The attributes are taken at the call: destroyed and overwritten afterwards, they still count
// (glibc before 2.34 used them later, BZ #27896).
GAUNTLET_CASE(MessageQueuesConformance, MqNotifyByThread_AttributesDestroyedAfterIt_StillCount,
              .clause = "sigevent(3type) SIGEV_THREAD sigev_notify_attributes") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  constexpr std::size_t kStack = std::size_t{3} << 20;
  ChildCall child(context, [&]() -> long {
    Notified notified;
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, kStack);
    const sigevent event = by_thread(notified, &attributes);
    if (::mq_notify(queue->get(), &event) != 0) return -1;
    ::pthread_attr_destroy(&attributes);
    std::memset(&attributes, 0x5a, sizeof attributes);
    if (!pass_one(*queue) || !await_times(notified, 1)) return 0;
    return static_cast<long>(notified.stack_bytes);
  });
  EXPECT_THAT(child.finish(), SyscallSucceedsWithValue(static_cast<long>(kStack)))
      << "the stack of the thread, or 0 when none was started";
}

// The function may register anew, so that each message of a stream is told.
GAUNTLET_CASE(MessageQueuesConformance, MqNotifyByThread_RegisteringAgainInIt_TellsTheNext,
              .clause = "mq_notify(3) NOTES, EXAMPLES") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ChildCall child(context, [&]() -> long {
    Notified notified;
    notified.again = queue->get();
    const sigevent event = by_thread(notified);
    if (::mq_notify(queue->get(), &event) != 0) return -1;
    for (std::uint32_t times = 1; times <= 5; ++times) {
      if (!pass_one(*queue) || !await_times(notified, times)) return times - 1;
    }
    return static_cast<long>(notified.times.load());
  });
  EXPECT_THAT(child.finish(), SyscallSucceedsWithValue(5));
}

}  // namespace
}  // namespace gauntlet
