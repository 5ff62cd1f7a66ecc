// The workers' side and the body's side of commanded calls.
#include "contracts/notifier/commanded.h"

#include <gtest/gtest.h>

#include <chrono>

#include "contracts/notifier/opening.h"

namespace gauntlet {

void PrintTo(const NotifierAnswer& answer, std::ostream* out) {
  if (!answer.arrived) {
    *out << "no answer";
  } else if (!answer.ok) {
    *out << describe(answer.error);
  } else {
    const Notification& told = answer.notification;
    *out << "ok, count " << told.count << ", payload " << told.payload << ", sender "
         << told.sender;
  }
}

CommandedNotifier::CommandedNotifier(CaseContext& context, std::size_t notifiers,
                                     std::size_t waiters, std::uint64_t most_pending)
    : context_(context), crew_(kMostWorkers) {
  host_ = make_notifier(context, most_pending);
  ready_ = host_ != nullptr;
  for (std::size_t i = 0; ready_ && i < notifiers; ++i) add(NotifierRole::notifier);
  for (std::size_t i = 0; ready_ && i < waiters; ++i) add(NotifierRole::waiter);
}

CommandedNotifier::~CommandedNotifier() {
  for (std::size_t worker = 0; worker < crew_.size(); ++worker) {
    if (crew_.process(worker).running()) begin(worker, Call::leave, Deadline::immediate());
  }
  if (crew_.size() > 0) context_.join(crew_);
}

std::size_t CommandedNotifier::add(NotifierRole role) {
  const auto added = crew_.add([this, role](Worker& self) { obey(self, role); });
  if (!added) {
    context_.error("no worker: " + describe(added.error()));
    ready_ = false;
    return 0;
  }
  const Status open = crew_.await_arrival(*added, 0, Deadline::after(kCallPatience));
  if (!open) ready_ = false;  // it has told why it could not open its end
  return *added;
}

void CommandedNotifier::obey(Worker& worker, NotifierRole role) {
  const auto notifier = open_notifier(worker, *host_, role);
  if (!notifier) return;
  worker.arrive(0);
  Slot& slot = board_->slots[worker.index()];
  for (std::uint32_t number = 1;; ++number) {
    while (slot.asked.load(std::memory_order_acquire) != number) futex_wait(slot.asked, number - 1);
    if (slot.call == Call::leave) return;
    const std::int64_t begun_ns = monotonic_ns();
    NotifierAnswer answer = perform(*notifier, slot);
    for (std::uint32_t i = 1; answer.ok && i < slot.times; ++i) answer = perform(*notifier, slot);
    answer.took_ns = monotonic_ns() - begun_ns;
    answer.arrived = true;
    slot.answer = answer;
    slot.answered.store(number, std::memory_order_release);
    board_->news.fetch_add(1);
    futex_wake_all(board_->news);
  }
}

NotifierAnswer CommandedNotifier::perform(Notifier& notifier, const Slot& slot) {
  NotifierAnswer answer;
  if (slot.call == Call::wait) {
    const Result<Notification> told = notifier.wait(slot.deadline);
    answer.ok = told.has_value();
    if (told) {
      answer.notification = *told;
    } else {
      answer.error = told.error();
    }
    return answer;
  }
  const Status done =
      slot.call == Call::notify ? notifier.notify(slot.payload, slot.deadline) : notifier.close();
  answer.ok = done.has_value();
  if (!done) answer.error = done.error();
  return answer;
}

void CommandedNotifier::begin(std::size_t worker, Call call, Deadline deadline) {
  Slot& slot = board_->slots[worker];
  slot.call = call;
  slot.deadline = deadline;
  slot.asked.fetch_add(1, std::memory_order_release);
  futex_wake_all(slot.asked);
}

void CommandedNotifier::begin_notify(std::size_t worker, std::uint32_t payload, Deadline deadline) {
  board_->slots[worker].payload = payload;
  board_->slots[worker].times = 1;
  begin(worker, Call::notify, deadline);
}

void CommandedNotifier::begin_wait(std::size_t worker, Deadline deadline) {
  board_->slots[worker].times = 1;
  begin(worker, Call::wait, deadline);
}

NotifierAnswer CommandedNotifier::notify(std::size_t worker, std::uint32_t payload,
                                         Deadline deadline, std::uint32_t times) {
  board_->slots[worker].payload = payload;
  board_->slots[worker].times = times;
  begin(worker, Call::notify, deadline);
  return finish(worker);
}

NotifierAnswer CommandedNotifier::wait(std::size_t worker, Deadline deadline) {
  begin_wait(worker, deadline);
  return finish(worker);
}

NotifierAnswer CommandedNotifier::wait_for_nothing(std::size_t worker) {
  return wait(worker, context_.notifier().claims.seen_at_once ? Deadline::immediate()
                                                              : Deadline::after(kShortWait));
}

NotifierAnswer CommandedNotifier::notify_when_there_is_room(std::size_t worker) {
  const Deadline deadline = Deadline::after(kCallPatience);
  NotifierAnswer answer = notify(worker);
  while (!answer.ok && answer.arrived && is_full(answer.error) && !deadline.expired()) {
    answer = notify(worker);
  }
  return answer;
}

NotifierAnswer CommandedNotifier::close(std::size_t worker) {
  board_->slots[worker].times = 1;
  begin(worker, Call::close, Deadline::immediate());
  return finish(worker);
}

bool CommandedNotifier::has_answered(std::size_t worker) const {
  const Slot& slot = board_->slots[worker];
  return slot.answered.load(std::memory_order_acquire) ==
         slot.asked.load(std::memory_order_relaxed);
}

std::size_t CommandedNotifier::finish_any(std::vector<std::size_t>& workers,
                                          NotifierAnswer& answer) {
  // Twice the patience of the call itself, so that its own time-out is heard first.
  const Deadline deadline = Deadline::after(2 * kCallPatience);
  constexpr std::chrono::milliseconds kLook{200};  // between looks whether they are still alive
  answer = {};
  while (!deadline.expired()) {
    const std::uint32_t news = board_->news.load();
    bool alive = false;
    for (std::size_t i = 0; i < workers.size(); ++i) {
      const std::size_t worker = workers[i];
      if (has_answered(worker)) {
        workers.erase(workers.begin() + static_cast<std::ptrdiff_t>(i));
        answer = board_->slots[worker].answer;
        return worker;
      }
      alive = alive || crew_.process(worker).running();
    }
    if (!alive) break;
    futex_wait(board_->news, news, kLook);
  }
  return kMostWorkers;
}

NotifierAnswer CommandedNotifier::finish(std::size_t worker) {
  std::vector<std::size_t> only{worker};
  NotifierAnswer answer;
  finish_any(only, answer);
  return answer;
}

bool CommandedNotifier::asleep(std::size_t worker) {
  const Status slept = crew_.process(worker).await_asleep(Deadline::after(kCallPatience));
  EXPECT_TRUE(slept.has_value()) << "worker " << worker
                                 << " was to sleep in its call: " << describe(slept.error());
  return slept.has_value();
}

void CommandedNotifier::kill(std::size_t worker) {
  context_.fault_planned();
  EXPECT_TRUE(crew_.kill(worker)) << "worker " << worker << " was gone before it could be killed";
}

void CommandedNotifier::leave(std::size_t worker) {
  begin(worker, Call::leave, Deadline::immediate());
  const auto ended = crew_.process(worker).wait(Deadline::after(kCallPatience));
  EXPECT_TRUE(ended.has_value()) << "worker " << worker << " did not leave";
}

}  // namespace gauntlet
