// The worker's loop and the body's side of commanded calls.
#include "contracts/semaphore/commanded.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <optional>

#include "contracts/semaphore/opening.h"
#include "support/own_cpu.h"
#include "support/quiet.h"

namespace gauntlet {
namespace {

using Call = CommandedSemaphore::Call;

Answer to_answer(const Result<Acquired>& result) {
  Answer answer;
  answer.ok = result.has_value();
  if (result) {
    answer.owner_died = *result == Acquired::owner_died;
  } else {
    answer.error = result.error();
  }
  return answer;
}

constexpr std::chrono::milliseconds kLook{50};  // between looks whether they only sleep

/// What the process has used of the CPU; none when it cannot be told.
std::optional<std::chrono::nanoseconds> cpu_time(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0) return std::nullopt;
  if (::clock_gettime(clock, &used) != 0) return std::nullopt;
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

Answer perform(Semaphore& semaphore, Call call, Deadline deadline) {
  Answer answer;
  switch (call) {
    case Call::acquire:
      return to_answer(semaphore.acquire(deadline));
    case Call::try_acquire:
      return to_answer(semaphore.try_acquire());
    case Call::release: {
      const Status released = semaphore.release();
      answer.ok = released.has_value();
      if (!released) answer.error = released.error();
      return answer;
    }
    case Call::value: {
      const Result<std::int64_t> value = semaphore.value();
      answer.ok = value.has_value();
      if (value) {
        answer.value = *value;
      } else {
        answer.error = value.error();
      }
      return answer;
    }
    case Call::leave:
      return answer;
  }
  return answer;
}

}  // namespace

void PrintTo(const Answer& answer, std::ostream* out) {
  if (!answer.arrived) {
    *out << "no answer";
  } else if (!answer.ok) {
    *out << describe(answer.error);
  } else {
    *out << (answer.owner_died ? "ok, the owner died" : "ok") << ", value " << answer.value;
  }
}

std::int64_t sample_units(const SemaphoreClaims& claims) {
  return std::min<std::int64_t>(3, claims.largest_value);
}

CommandedSemaphore::CommandedSemaphore(CaseContext& context, std::int64_t initial,
                                       std::size_t workers)
    : context_(context), crew_(kMostWorkers) {
  host_ = make_semaphore(context, initial);
  ready_ = host_ != nullptr;
  if (!ready_) return;
  for (std::size_t i = 0; i < workers; ++i) add_worker();
}

CommandedSemaphore::~CommandedSemaphore() {
  if (!ready_) return;
  for (std::size_t worker = 0; worker < crew_.size(); ++worker) {
    if (crew_.process(worker).running()) leave(worker);
  }
  context_.join(crew_);
}

std::size_t CommandedSemaphore::add_worker() {
  const Result<std::size_t> worker = crew_.add([this](Worker& self) { obey(self); });
  if (!worker) {
    context_.error("no worker: " + describe(worker.error()));
    ready_ = false;
    return 0;
  }
  return *worker;
}

void CommandedSemaphore::obey(Worker& worker) {
  const auto semaphore = open_semaphore(worker, *host_);
  if (!semaphore) return;
  Slot& slot = board_->slots[worker.index()];
  for (std::uint32_t number = 1;; ++number) {
    while (slot.asked.load(std::memory_order_acquire) != number) futex_wait(slot.asked, number - 1);
    if (slot.call == Call::leave) return;
    const std::int64_t begun_ns = monotonic_ns();
    Answer answer = perform(*semaphore, slot.call, slot.deadline);
    for (std::uint32_t i = 1; answer.ok && i < slot.times; ++i) {
      answer = perform(*semaphore, slot.call, slot.deadline);
    }
    answer.took_ns = monotonic_ns() - begun_ns;
    answer.arrived = true;
    slot.answer = answer;
    slot.answered.store(number, std::memory_order_release);
    board_->news.fetch_add(1);
    futex_wake_all(board_->news);
  }
}

void CommandedSemaphore::begin(std::size_t worker, Call call, Deadline deadline,
                               std::uint32_t times) {
  Slot& slot = board_->slots[worker];
  slot.call = call;
  slot.times = times;
  slot.deadline = deadline;
  slot.asked.fetch_add(1, std::memory_order_release);
  futex_wake_all(slot.asked);
}

bool CommandedSemaphore::has_answered(std::size_t worker) const {
  const Slot& slot = board_->slots[worker];
  return slot.answered.load(std::memory_order_acquire) ==
         slot.asked.load(std::memory_order_relaxed);
}

bool CommandedSemaphore::all_asleep(const std::vector<std::size_t>& workers) {
  const bool all = std::all_of(workers.begin(), workers.end(), [&](std::size_t worker) {
    return crew_.process(worker).await_asleep(Deadline::after(kLook)).has_value();
  });
  return all && all_descendants_asleep();
}

std::size_t CommandedSemaphore::finish_any(std::vector<std::size_t>& workers, Answer& answer) {
  // Twice the patience of the call itself, so that its own time-out is heard first.
  const Deadline deadline = Deadline::after(2 * kCallPatience);
  Deadline quiet = Deadline::after(kQuiet);
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
    if (board_->news.load() != news || !all_asleep(workers)) {
      quiet = Deadline::after(kQuiet);
    } else if (quiet.expired() && board_->news.load() == news) {
      // Whoever else waits on it waits in vain, too.
      for (std::size_t each = 0; each < crew_.size(); ++each) crew_.kill(each);
      break;
    }
  }
  return kMostWorkers;
}

Answer CommandedSemaphore::finish(std::size_t worker) {
  std::vector<std::size_t> only{worker};
  Answer answer;
  finish_any(only, answer);
  return answer;
}

bool CommandedSemaphore::spins(std::size_t worker) {
  constexpr std::chrono::milliseconds kSpun{2};  // far more than an acquire that need not wait
  const pid_t pid = crew_.process(worker).pid();
  const auto begun = cpu_time(pid);
  const Deadline deadline = Deadline::after(kCallPatience);
  while (begun && !has_answered(worker) && !deadline.expired()) {
    const auto now = cpu_time(pid);
    if (now && *now - *begun >= kSpun) return !has_answered(worker);
    futex_wait(board_->news, board_->news.load(), kSpun);
  }
  ADD_FAILURE() << "worker " << worker << " was to spin in its call";
  return false;
}

bool CommandedSemaphore::waits(std::size_t worker) {
  if (!context_.semaphore().claims.sleeps) return spins(worker);
  const Status slept = crew_.process(worker).await_asleep(Deadline::after(kCallPatience));
  EXPECT_TRUE(slept.has_value()) << "worker " << worker
                                 << " was to sleep in its call: " << describe(slept.error());
  return slept.has_value();
}

Answer CommandedSemaphore::acquire(std::size_t worker, Deadline deadline) {
  begin(worker, Call::acquire, deadline);
  return finish(worker);
}

Answer CommandedSemaphore::try_acquire(std::size_t worker) {
  begin(worker, Call::try_acquire);
  return finish(worker);
}

Answer CommandedSemaphore::release(std::size_t worker, std::uint32_t times) {
  begin(worker, Call::release, Deadline::immediate(), times);
  return finish(worker);
}

Answer CommandedSemaphore::value(std::size_t worker) {
  begin(worker, Call::value);
  return finish(worker);
}

void CommandedSemaphore::separate(std::size_t worker) {
  for (std::size_t each = 0; each < crew_.size(); ++each) {
    take_own_cpu(each == worker ? 0 : 1, crew_.process(each).pid());
  }
}

void CommandedSemaphore::kill(std::size_t worker) {
  context_.fault_planned();
  EXPECT_TRUE(crew_.kill(worker)) << "worker " << worker << " was gone before it could be killed";
}

void CommandedSemaphore::leave(std::size_t worker) { begin(worker, Call::leave); }

}  // namespace gauntlet
