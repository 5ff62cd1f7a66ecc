// Each system call of a notify, a wait and an opening fails as its manual page allows: the error is
// reported or made up for, nothing leaks, and the notifier still works.
#include "support/failing_calls.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/notifier/opening.h"
#include "process/futex.h"
#include "process/shared.h"

namespace gauntlet {
namespace {

constexpr std::uint32_t kPayload = 1;

/// What the other process does, and the two tell each other.
struct Other {
  FutexWord ready{0};  ///< 1: it has notified; 2: that failed
  FutexWord open{0};   ///< 1: the traced process has its end
  std::atomic<bool> over{false};
  FutexWord came{0};  ///< notifications that the other has seen

  /// Whether so many came in time.
  bool have_come(std::uint32_t least, std::chrono::nanoseconds in) {
    const Deadline deadline = Deadline::after(in);
    std::uint32_t seen = 0;
    while ((seen = came.load(std::memory_order_acquire)) < least && !deadline.expired()) {
      futex_wait(came, seen, deadline.remaining());
    }
    return seen >= least;
  }
};

class NotifierTrials {
 public:
  explicit NotifierTrials(CaseContext& context)
      : context_(context), claims_(context.notifier().claims) {}

  std::vector<FailureOperation> of_calls() {
    std::vector<FailureOperation> all{
        {"notify", [this](const auto& failure) { return notify(failure); }}};
    if (claims_.remembered) {
      all.push_back({"wait", [this](const auto& failure) { return wait(failure); }});
    }
    return all;
  }
  std::vector<FailureOperation> of_opening() {
    return {{"open as notifier",
             [this](const auto& failure) { return open(NotifierRole::notifier, failure); }},
            {"open as waiter",
             [this](const auto& failure) { return open(NotifierRole::waiter, failure); }}};
  }

 private:
  using Trial = std::optional<FailureTrial>;
  using Failure = std::optional<CallFailure>;

  static Result<std::int64_t> told_of(const Result<Notification>& notification) {
    if (!notification) return tl::unexpected(notification.error());
    return static_cast<std::int64_t>(notification->count);
  }
  Result<std::int64_t> opened(std::unique_ptr<Notifier>& mine, NotifierRole role) {
    return keep(host_->open(role), mine);
  }

  bool make() {
    host_ = make_notifier(context_);
    return host_ != nullptr;
  }
  Trial not_started() {
    context_.error("the other process does not come to its place");
    return std::nullopt;
  }

  /// Takes what comes until it is over and nothing more comes.
  static void take_all(Notifier& mine, Other& other) {
    constexpr std::chrono::milliseconds kLull{100};
    while (true) {
      const bool over = other.over.load(std::memory_order_acquire);
      const auto came = mine.wait(Deadline::after(kLull));
      if (came) {
        other.came.fetch_add(static_cast<std::uint32_t>(came->count), std::memory_order_release);
        futex_wake_all(other.came);
      } else if (over) {
        return;
      }
    }
  }

  /// Forks one who takes all, and waits until its end is open.
  bool add_waiter(Crew& crew, const Shared<Other>& other) {
    const auto waiter = crew.add([&](Worker& worker) {
      std::unique_ptr<Notifier> mine;
      if (!opened(mine, NotifierRole::waiter)) return;
      worker.arrive(0);
      take_all(*mine, *other);
    });
    return waiter && crew.await_arrival(*waiter, 0, Deadline::after(kCallPatience));
  }

  Trial notify(const Failure& failure) {
    if (!make()) return std::nullopt;
    Crew crew;
    const Shared<Other> other;
    if (!add_waiter(crew, other)) return not_started();
    std::unique_ptr<Notifier> mine;
    bool acted = false;  // in the traced process
    const FailingCall call{
        .prepare = [&](Worker&) { return opened(mine, NotifierRole::notifier); },
        .act =
            [&](Worker&) {
              const auto done = told(mine->notify(kPayload, Deadline::after(kFailingCallLimit)));
              acted = done.has_value();
              return done;
            },
        .again =
            [&](Worker& worker) {
              // Two that pend together may become one: the first is waited for.
              if (acted && other->have_come(1, kFailingCallLimit)) worker.step();
              const std::uint32_t before = other->came.load();
              const auto done = told(mine->notify(kPayload, Deadline::after(kFailingCallLimit)));
              if (done && other->have_come(before + 1, kFailingCallLimit)) worker.step();
              return done;
            }};
    auto seen = try_failure(context_, crew, call, failure);
    if (!seen) return std::nullopt;
    other->over.store(true, std::memory_order_release);
    end_all(crew);
    FailureTrial trial(std::move(*seen));
    const std::uint32_t came = other->came.load();
    const bool again = trial.seen.again.ok;
    if (trial.seen.acted.ok && came == 0) {
      trial.damage = FailureOutcome::hidden;
      trial.detail = "the waiter was never notified";
    } else if (again && came < (trial.seen.acted.ok ? 2U : 1U) &&
               claims_.pending != Pending::coalesced) {
      trial.damage = FailureOutcome::broken;
      trial.detail = "the next notification did not come";
    }
    return trial;
  }

  Trial wait(const Failure& failure) {
    if (!make()) return std::nullopt;
    Crew crew;
    const Shared<Other> other;
    std::unique_ptr<Notifier> mine;
    const auto notifier = crew.add([&](Worker&) {
      await(other->open);
      std::unique_ptr<Notifier> theirs;
      const bool done = opened(theirs, NotifierRole::notifier) &&
                        theirs->notify(kPayload, Deadline::after(kCallPatience)).has_value();
      set(other->ready, done ? 1 : 2);
      while (!other->over.load(std::memory_order_acquire)) {
        futex_wait(other->open, 1, std::chrono::milliseconds(20));
      }
      // What was pending may have been taken: the next one is for the second wait.
      if (done) static_cast<void>(theirs->notify(kPayload, Deadline::after(kCallPatience)));
    });
    if (!notifier) return not_started();
    bool took = false;
    const FailingCall call{.prepare = [&](Worker&) -> Result<std::int64_t> {
                             const auto open = opened(mine, NotifierRole::waiter);
                             set(other->open, 1);
                             if (!open) return open;
                             if (await(other->ready) != 1) return fail_with(Code::system, "notify");
                             return 0;
                           },
                           .act =
                               [&](Worker&) {
                                 const auto came =
                                     told_of(mine->wait(Deadline::after(kFailingCallLimit)));
                                 took = came.has_value();
                                 return came;
                               },
                           .again =
                               [&](Worker&) {
                                 if (took) other->over.store(true, std::memory_order_release);
                                 return told_of(mine->wait(Deadline::after(kFailingCallLimit)));
                               }};
    auto seen = try_failure(context_, crew, call, failure);
    other->over.store(true, std::memory_order_release);
    if (!seen) return std::nullopt;
    end_all(crew);
    FailureTrial trial(std::move(*seen));
    if (!trial.seen.acted.ok && trial.seen.again.answered && !trial.seen.again.ok) {
      trial.damage = FailureOutcome::lost;
      trial.detail = "the failed wait took the notification";
    }
    return trial;
  }

  Trial open(NotifierRole role, const Failure& failure) {
    if (!make()) return std::nullopt;
    Crew crew;
    const FailingCall call{.prepare = {},
                           .act =
                               [&](Worker&) {
                                 std::unique_ptr<Notifier> mine;
                                 return opened(mine, role);
                               },
                           .again = {}};
    auto seen = try_failure(context_, crew, call, failure);
    if (!seen) return std::nullopt;
    FailureTrial trial(std::move(*seen));
    if (!newcomers_meet(crew)) {
      trial.damage = FailureOutcome::broken;
      trial.detail = "newcomers cannot notify each other";
    }
    end_all(crew);
    return trial;
  }

  bool newcomers_meet(Crew& crew) {
    const Shared<Other> other;
    if (!add_waiter(crew, other)) return false;
    const auto notifier = crew.add([&](Worker&) {
      std::unique_ptr<Notifier> mine;
      if (opened(mine, NotifierRole::notifier)) {
        static_cast<void>(mine->notify(kPayload, Deadline::after(kCallPatience)));
      }
      static_cast<void>(other->have_come(1, kCallPatience));
    });
    if (notifier)
      static_cast<void>(crew.process(*notifier).wait(Deadline::after(2 * kCallPatience)));
    other->over.store(true, std::memory_order_release);
    end_all(crew);
    return other->came.load() > 0;
  }

  CaseContext& context_;
  const NotifierClaims& claims_;
  std::unique_ptr<NotifierHost> host_;
};

}  // namespace

NOTIFIER_CASE(overload, EachSystemCallFails_IsReportedOrMadeUpFor, .needs = {Need::ptrace},
              .deadline = std::chrono::seconds(180)) {
  NotifierTrials trials(context);
  walk_failures(context, trials.of_calls());
}

NOTIFIER_CASE(overload, EachSystemCallOfOpeningFails_IsReportedOrMadeUpFor, .needs = {Need::ptrace},
              .deadline = std::chrono::seconds(180)) {
  NotifierTrials trials(context);
  walk_failures(context, trials.of_opening());
}

}  // namespace gauntlet
