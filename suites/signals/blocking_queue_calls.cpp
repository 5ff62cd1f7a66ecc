// Calls that sleep on message queues and on System V semaphores.
#include <memory>

#include "message_queues/posix_queue.h"
#include "message_queues/sysv_queue.h"
#include "semaphores/sysv_set.h"
#include "signals/blocking_calls.h"

namespace gauntlet {
namespace {

/// Null when it could not be made, which has been told.
template <class Object>
std::shared_ptr<Object> kept(CaseContext& context, Result<Object> made) {
  if (made) return std::make_shared<Object>(std::move(*made));
  context.not_created(made.error());
  return nullptr;
}

template <class Send>
Situation send_to_queue(CaseContext& context, Send send) {
  const auto queue = kept(context, PosixQueue::create(context.scope()));
  if (!queue) return {};
  EXPECT_GT(queue->fill(), 0);
  return {.call =
              [queue, send] {
                const QueueDescriptor own = queue->open(O_WRONLY);
                return static_cast<long>(send(own.get()));
              },
          .complete = [queue] { EXPECT_EQ(take(*queue), "fill"); }};
}
Situation mq_send(CaseContext& context) {
  return send_to_queue(context, [](mqd_t queue) { return ::mq_send(queue, "x", 1, 0); });
}
Situation mq_timedsend(CaseContext& context) {
  return send_to_queue(context, [](mqd_t queue) {
    const timespec until = far_ahead(CLOCK_REALTIME);
    return ::mq_timedsend(queue, "x", 1, 0, &until);
  });
}

template <class Receive>
Situation receive_from_queue(CaseContext& context, Receive receive) {
  const auto queue = kept(context, PosixQueue::create(context.scope()));
  if (!queue) return {};
  return {.call =
              [queue, receive] {
                const QueueDescriptor own = queue->open(O_RDONLY);
                char buffer[64];
                return static_cast<long>(receive(own.get(), buffer, sizeof buffer));
              },
          .complete = [queue] { EXPECT_EQ(::mq_send(queue->get(), "x", 1, 0), 0); }};
}
Situation mq_receive(CaseContext& context) {
  return receive_from_queue(context, [](mqd_t queue, char* buffer, std::size_t size) {
    return ::mq_receive(queue, buffer, size, nullptr);
  });
}
Situation mq_timedreceive(CaseContext& context) {
  return receive_from_queue(context, [](mqd_t queue, char* buffer, std::size_t size) {
    const timespec until = far_ahead(CLOCK_REALTIME);
    return ::mq_timedreceive(queue, buffer, size, nullptr, &until);
  });
}

Situation msgsnd(CaseContext& context) {
  const auto queue = kept(context, SysvQueue::create());
  if (!queue) return {};
  constexpr msglen_t kBytes = 8;
  EXPECT_EQ(queue->set_most_bytes(kBytes), 0);
  EXPECT_EQ(queue->send(1, "12345678"), 0);
  return {.call =
              [queue] {
                SysvMessage message;
                return static_cast<long>(::msgsnd(queue->id(), &message, 4, 0));
              },
          .complete = [queue] { EXPECT_EQ(queue->take(), "12345678"); }};
}
Situation msgrcv(CaseContext& context) {
  const auto queue = kept(context, SysvQueue::create());
  if (!queue) return {};
  return {
      .call =
          [queue] {
            SysvMessage message;
            return static_cast<long>(::msgrcv(queue->id(), &message, sizeof message.text, 0, 0));
          },
      .complete = [queue] { EXPECT_EQ(queue->send(1, "x"), 0); }};
}

template <class Operate>
Situation take_from_set(CaseContext& context, Operate operate) {
  const auto set = kept(context, SysvSet::create({0}));
  if (!set) return {};
  return {.call =
              [set, operate] {
                sembuf take{.sem_num = 0, .sem_op = -1, .sem_flg = 0};
                return static_cast<long>(operate(set->id(), &take));
              },
          .complete = [set] { EXPECT_EQ(set->set_value(1), 0); }};
}
Situation semop(CaseContext& context) {
  return take_from_set(context, [](int set, sembuf* take) { return ::semop(set, take, 1); });
}
Situation semtimedop(CaseContext& context) {
  return take_from_set(context, [](int set, sembuf* take) {
    const timespec hour = an_hour();
    return ::semtimedop(set, take, 1, &hour);
  });
}

}  // namespace

std::span<const BlockingCall> queue_calls() {
  static constexpr BlockingCall kCalls[] = {
      {"MqSend", "mq_send()", "mq_send(3)", kEintr, kGoesOn, kGoesOn, mq_send},
      {"MqTimedsend", "mq_timedsend()", "mq_send(3)", kEintr, kGoesOn, kGoesOn, mq_timedsend},
      {"MqReceive", "mq_receive()", "mq_receive(3)", kEintr, kGoesOn, kGoesOn, mq_receive},
      {"MqTimedreceive", "mq_timedreceive()", "mq_receive(3)", kEintr, kGoesOn, kGoesOn,
       mq_timedreceive},
      {"Msgsnd", "msgsnd()", "msgop(2)", kEintr, kEintr, kGoesOn, msgsnd},
      {"Msgrcv", "msgrcv()", "msgop(2)", kEintr, kEintr, kGoesOn, msgrcv},
      {"Semop", "semop()", "semop(2)", kEintr, kEintr, kEintr, semop},
      {"Semtimedop", "semtimedop()", "semop(2)", kEintr, kEintr, kEintr, semtimedop},
  };
  return kCalls;
}

}  // namespace gauntlet
