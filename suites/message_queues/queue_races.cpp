// Several at one queue at once: who registers, who is told, who gets which type.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <atomic>
#include <map>

#include "base/limits.h"
#include "cases/context.h"
#include "message_queues/posix_queue.h"
#include "message_queues/sysv_queue.h"
#include "process/shared.h"
#include "support/errno_matchers.h"
#include "support/own_cpu.h"

namespace gauntlet {
namespace {

constexpr std::size_t kRivals = 4;

// There is one place: of those who register at once, one gets it. It could fail if the place were
// looked at and taken in two steps.
GAUNTLET_CASE(MessageQueuesRaces, MqNotifyBySeveralAtOnce_OneIsRegisteredTheOthersGetEbusy,
              .clause = "POSIX.1-2024 mq_notify() ERRORS [EBUSY]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const std::uint64_t rounds = context.amount(25, 250, 2500);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    Shared<std::atomic<int>> registered;
    Crew crew(kRivals);
    for (std::size_t n = 0; n < kRivals; ++n) {
      ASSERT_TRUE(crew.add([&, n](Worker& worker) {
        take_own_cpu(n);
        sigevent event = {};
        event.sigev_notify = SIGEV_NONE;
        worker.await_start();
        const CallOutcome outcome = outcome_of(::mq_notify(queue->get(), &event));
        if (!outcome.failed) registered->fetch_add(1);
        worker.expect(!outcome.failed || outcome.error == EBUSY,
                      "mq_notify failed with " + errno_name(outcome.error));
        // A registration ends with its process: all stay until all have tried.
        worker.arrive(0);
        worker.await(1);
      }));
    }
    ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
    for (std::size_t n = 0; n < kRivals; ++n) {
      ASSERT_TRUE(crew.await_arrival(n, 0, Deadline::after(kCallPatience)));
    }
    EXPECT_EQ(registered->load(), 1) << "round " << round + 1;
    crew.proceed_all(1);
    if (!context.join(crew) || testing::Test::HasFailure()) return;
  }
}

// Of messages that come into the empty queue at once, one finds it empty: one notification. It
// could fail if two senders both saw the registration before either used it up.
GAUNTLET_CASE(MessageQueuesRaces, MqSendBySeveralIntoTheEmptyQueue_IsToldOnce,
              .clause = "POSIX.1-2024 mq_notify() DESCRIPTION (registration shall be removed)") {
  const auto queue = PosixQueue::create(context.scope(), {kRivals, 16});
  if (!queue) return context.not_created(queue.error());
  // A real-time signal queues, so that a second one would be seen.
  const int number = SIGRTMIN + 3;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  ASSERT_THAT(::sigprocmask(SIG_BLOCK, &set, nullptr), SyscallSucceeds());
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = number;
  const std::uint64_t rounds = context.amount(25, 250, 2500);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    ASSERT_THAT(::mq_notify(queue->get(), &event), SyscallSucceeds());
    Crew crew(kRivals);
    for (std::size_t n = 0; n < kRivals; ++n) {
      ASSERT_TRUE(crew.add([&, n](Worker& worker) {
        take_own_cpu(n);
        worker.await_start();
        worker.expect(::mq_send(queue->get(), "x", 1, 0) == 0, "mq_send failed");
      }));
    }
    ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
    if (!context.join(crew)) return;
    const timespec none = {};
    int told = 0;
    while (told <= static_cast<int>(kRivals) && ::sigtimedwait(&set, nullptr, &none) == number) {
      ++told;
    }
    EXPECT_EQ(told, 1) << "round " << round + 1;
    for (std::size_t n = 0; n < kRivals; ++n) EXPECT_EQ(take(*queue), "x");
    if (testing::Test::HasFailure()) return;
  }
}

// Receivers of different types at one queue: each gets all of its own and nothing else, though
// every send may wake the wrong one.
GAUNTLET_CASE(MessageQueuesRaces, MsgrcvOfSeveralTypesAtOnce_EachGetsAllOfItsOwn,
              .clause = "POSIX.1-2024 msgrcv() DESCRIPTION (msgtyp)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  const auto each = static_cast<long>(context.amount(400, 4000, 40'000));
  constexpr long kTypes = 3;
  Crew crew(kTypes + 1);
  for (long type = 1; type <= kTypes; ++type) {
    ASSERT_TRUE(crew.add([&, type](Worker& worker) {
      worker.await_start();
      for (long n = 0; n < each; ++n) {
        SysvMessage message;
        const ssize_t size = ::msgrcv(queue->id(), &message, sizeof message.text, type, 0);
        const std::string text(message.text, size > 0 ? static_cast<std::size_t>(size) : 0);
        const std::string expected = fmt::format("{}:{}", type, n);
        if (!worker.expect(
                message.type == type && text == expected,
                fmt::format("waited for {}, got type {}, {}", expected, message.type, text))) {
          return;
        }
      }
    }));
  }
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    Random random = context.random();
    std::map<long, long> sent;
    worker.await_start();
    for (long n = 0; n < kTypes * each; ++n) {
      long type = 1 + static_cast<long>(random.below(kTypes));
      while (sent[type] == each) type = type % kTypes + 1;
      SysvMessage message;
      message.type = type;
      const std::string text = fmt::format("{}:{}", type, sent[type]++);
      std::copy(text.begin(), text.end(), message.text);
      if (!worker.expect(::msgsnd(queue->id(), &message, text.size(), 0) == 0, "msgsnd failed")) {
        return;
      }
    }
  }));
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  if (!context.join(crew)) return;
  EXPECT_EQ(queue->waiting(), 0);
}

// Removed while senders and receivers are at work: each call does its work or says that the queue
// is gone, and nobody stays asleep. It could fail by a sleeper that enqueued itself after the
// removal.
GAUNTLET_CASE(MessageQueuesRaces, MsgctlRmidInMidTraffic_EverybodyIsTold,
              .clause = "POSIX.1-2024 msgctl() IPC_RMID; msgrcv(), msgsnd() ERRORS [EIDRM]") {
  const std::uint64_t rounds = context.amount(15, 150, 1500);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    auto queue = SysvQueue::create();
    if (!queue) return context.not_created(queue.error());
    ASSERT_THAT(queue->set_most_bytes(64), SyscallSucceeds());
    Crew crew(kRivals);
    for (std::size_t n = 0; n < kRivals; ++n) {
      ASSERT_TRUE(crew.add([&, n](Worker& worker) {
        worker.await_start();
        for (std::uint64_t turn = 0; turn < kLoopBound; ++turn) {
          SysvMessage message;
          const CallOutcome outcome = n % 2 == 0
                                          ? outcome_of(::msgsnd(queue->id(), &message, 16, 0))
                                          : outcome_of(::msgrcv(queue->id(), &message, 16, 0, 0));
          worker.step();
          if (!outcome.failed) continue;
          // EINVAL: the call began after the removal.
          worker.expect(outcome.error == EIDRM || outcome.error == EINVAL,
                        "failed with " + errno_name(outcome.error));
          return;
        }
      }));
    }
    ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
    ASSERT_TRUE(
        crew.await_progress(1, context.random(round).below(200), Deadline::after(kCallPatience)));
    queue->remove();
    if (!context.join(crew)) return;
  }
}

}  // namespace
}  // namespace gauntlet
