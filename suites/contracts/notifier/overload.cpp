// Contract Notifier, overload: more notifiers than cores, storms past the limit, nothing left.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "contracts/notifier/matchers.h"
#include "contracts/notifier/opening.h"
#include "process/shared.h"
#include "support/quiet.h"

namespace gauntlet {
namespace {

using notifying::BringsNothing;
using notifying::BringsOne;
using notifying::Succeeds;

std::size_t cores() { return std::max<std::size_t>(1, std::thread::hardware_concurrency()); }

/// What a storm counts.
struct Storm {
  std::atomic<std::uint64_t> begun{0};
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> taken{0};
};

// Four times as many notifiers as cores, and one waiter that sleeps whenever there is nothing: all
// that was said is heard. Where notifications coalesce, the last one of all is.
NOTIFIER_CASE(overload, FourNotifiersACore_NothingIsLost) {
  const NotifierClaims& claims = context.notifier().claims;
  const std::size_t notifiers = std::min<std::size_t>(4 * cores(), 48);
  const std::uint64_t each = context.amount(60, 2000, 50'000);
  const std::uint64_t total = notifiers * each;
  const bool adds_up = claims.pending != Pending::coalesced && claims.audience == Audience::one;
  const auto host = make_notifier(context);
  if (!host) return;
  Shared<Storm> storm;
  Crew crew;
  for (std::size_t i = 0; i < notifiers; ++i) {
    const auto body = [&](Worker& worker) {
      const auto notifier = open_notifier(worker, *host, NotifierRole::notifier);
      worker.await_start();
      for (std::uint64_t n = 0; notifier && n < each; ++n) {
        storm->begun.fetch_add(1);
        if (!notify_when_there_is_room(worker, *notifier, 0)) return;
        storm->accepted.fetch_add(1);
        worker.step();
      }
    };
    if (!add_worker(context, crew, body)) return;
  }
  const auto body = [&](Worker& worker) {
    const auto waiter = open_notifier(worker, *host, NotifierRole::waiter);
    worker.await_start();
    // Whoever has taken after the last one began has heard of it.
    bool heard_all = false;
    while (waiter && !heard_all) {
      const auto told = waiter->wait(Deadline::never());
      if (!worker.expect(told.has_value(), "wait failed")) return;
      const std::uint64_t taken = storm->taken.fetch_add(told->count) + told->count;
      heard_all = adds_up ? taken >= total : storm->begun.load() == total;
      worker.step();
    }
  };
  if (!add_worker(context, crew, body) || !start(context, crew)) return;
  if (!await_end_or_stuck(context, crew, "the waiter sleeps and not all was heard: one is lost")) {
    return;
  }
  EXPECT_EQ(storm->accepted.load(), total);
  EXPECT_LE(storm->taken.load(), total) << "notifications were made up";
}

// Several notifiers run into the limit at once while nobody waits: what was accepted comes out,
// what was refused does not, and there is room afterwards.
NOTIFIER_CASE(
    overload, StormPastTheMostPending_ExactlyTheAcceptedComeOut,
    .applies = [](const NotifierClaims& claims) {
      return claims.overflow != NotifyOverflow::never && claims.pending == Pending::queued;
    }) {
  constexpr std::size_t kNotifiers = 4;
  constexpr std::uint64_t kRoom = 40;
  constexpr std::uint64_t kEach = 60;
  const NotifierClaims& claims = context.notifier().claims;
  CommandedNotifier notifier(context, 1, 1, kRoom);
  if (!notifier.ready()) return;
  Shared<Storm> storm;
  Crew crew;
  for (std::size_t i = 0; i < kNotifiers; ++i) {
    const auto body = [&](Worker& worker) {
      const auto mine = open_notifier(worker, notifier.host(), NotifierRole::notifier);
      worker.await_start();
      for (std::uint64_t n = 0; mine && n < kEach; ++n) {
        const Status told = mine->notify(0, Deadline::immediate());
        if (told) {
          storm->accepted.fetch_add(1);
        } else if (worker.expect(is_full(told.error()), "notify: " + describe(told.error()))) {
          storm->refused.fetch_add(1);
        }
      }
    };
    if (!add_worker(context, crew, body)) return;
  }
  if (!start(context, crew) || !context.join(crew)) return;
  const std::uint64_t accepted = storm->accepted.load();
  if (claims.most_pending != 0) {
    EXPECT_EQ(accepted, claims.most_pending);
  }
  for (std::uint64_t i = 0; i < accepted; ++i) {
    ASSERT_THAT(notifier.wait(1, Deadline::immediate()), BringsOne())
        << "accepted " << i + 1 << " of " << accepted;
  }
  EXPECT_THAT(notifier.wait_for_nothing(1), BringsNothing()) << "a refused one came out";
  EXPECT_EQ(accepted + storm->refused.load(), kNotifiers * kEach);
  ASSERT_THAT(notifier.notify_when_there_is_room(0), Succeeds()) << "there is no room again";
  EXPECT_THAT(notifier.wait(1), BringsOne());
}

// Thousands pend before anybody waits, and each of them comes out.
NOTIFIER_CASE(
    overload, ThousandsPending_EachComesOut, .applies = [](const NotifierClaims& claims) {
      return claims.most_pending == 0 && claims.pending != Pending::coalesced &&
             claims.audience == Audience::one;
    }) {
  const auto want = static_cast<std::uint32_t>(context.amount(2000, 10'000, 10'000));
  const auto host = make_notifier(context);
  if (!host) return;
  Shared<Storm> storm;
  Crew crew;
  const auto waiting = [&](Worker& worker) {
    const auto waiter = open_notifier(worker, *host, NotifierRole::waiter);
    worker.arrive(0);
    worker.await(1);
    while (waiter && storm->taken.load() <= want) {
      const auto told = waiter->wait(Deadline::immediate());
      if (!told) {
        worker.expect(brought_nothing(told.error()), "wait: " + describe(told.error()));
        return;
      }
      storm->taken.fetch_add(told->count);
    }
  };
  if (!add_worker(context, crew, waiting)) return;
  ASSERT_TRUE(crew.await_arrival(0, 0, Deadline::after(kCallPatience)).has_value());
  const auto notifying = [&](Worker& worker) {
    const auto notifier = open_notifier(worker, *host, NotifierRole::notifier);
    for (std::uint32_t i = 0; notifier && i < want; ++i) {
      const Status told = notifier->notify(0, Deadline::immediate());
      if (!told) {  // the user's limit is lower than that
        worker.expect(is_full(told.error()), "notify: " + describe(told.error()));
        break;
      }
      storm->accepted.fetch_add(1);
    }
  };
  if (!add_worker(context, crew, notifying)) return;
  const auto notified = crew.process(1).wait(Deadline::after(kCallPatience));
  ASSERT_TRUE(notified.has_value()) << describe(notified.error());
  crew.proceed(0, 1);
  if (!context.join(crew)) return;
  if (storm->accepted.load() == 0) {
    return context.not_run("room under RLIMIT_SIGPENDING", "raise it, or end what queues signals");
  }
  EXPECT_EQ(storm->taken.load(), storm->accepted.load());
}

// A dozen processes asleep at once: as many notifications, or one where all are told, wake them
// all.
NOTIFIER_CASE(
    overload, ADozenSleepers_EachIsReached,
    .applies = [](const NotifierClaims& claims) { return claims.many_waiters; }) {
  constexpr std::size_t kSleepers = 12;
  CommandedNotifier notifier(context, 1, kSleepers);
  if (!notifier.ready()) return;
  std::vector<std::size_t> waiting;
  for (std::size_t sleeper = 1; sleeper <= kSleepers; ++sleeper) {
    notifier.begin_wait(sleeper);
    waiting.push_back(sleeper);
  }
  for (const std::size_t sleeper : waiting) ASSERT_TRUE(notifier.asleep(sleeper));
  const bool all = context.notifier().claims.audience == Audience::all;
  bool in_order = true;
  for (std::size_t turn = 1; turn <= kSleepers; ++turn) {
    if (turn == 1 || !all) {
      ASSERT_THAT(notifier.notify(0), Succeeds());
    }
    NotifierAnswer answer;
    const std::size_t woken = notifier.finish_any(waiting, answer);
    ASSERT_THAT(answer, BringsOne()) << waiting.size() << " sleepers are left";
    in_order = in_order && woken == turn;
  }
  if (!all) {
    context.observed("sleepers_woken",
                     in_order ? "in the order of their calls" : "in another order");
  }
}

// A process without a free descriptor is told so when it opens its end or notifies, or needs none;
// with one it does both. Its refusal costs the others nothing.
NOTIFIER_CASE(overload, NoDescriptorLeft_IsToldAndRecoversOrNeedsNone) {
  CommandedNotifier notifier(context, 1, 1);
  if (!notifier.ready()) return;
  Shared<bool> needed_one;
  Crew crew;
  const auto body = [&](Worker& worker) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    auto opened = notifier.host().open(NotifierRole::notifier);
    const Status first = opened ? (*opened)->notify(0, Deadline::after(kCallPatience))
                                : Status(tl::unexpected<Error>(opened.error()));
    ::setrlimit(RLIMIT_NOFILE, &limit);
    *needed_one = !first.has_value();
    worker.expect(first || first.error() == Code::exhausted,
                  first ? "" : "not said to be exhausted: " + describe(first.error()));
    if (first) return;
    if (!opened) opened = notifier.host().open(NotifierRole::notifier);
    if (!worker.expect(opened.has_value(), "open failed with free descriptors")) return;
    worker.expect((*opened)->notify(0, Deadline::after(kCallPatience)).has_value(),
                  "notify failed with free descriptors");
  };
  if (!add_worker(context, crew, body)) return;
  context.join(crew);
  context.observed("notifier_needs_a_descriptor", *needed_one ? "yes" : "no");
  EXPECT_THAT(notifier.wait(1), BringsOne());
  EXPECT_THAT(notifier.wait_for_nothing(1), BringsNothing());
  ASSERT_THAT(notifier.notify(0), Succeeds());
  EXPECT_THAT(notifier.wait(1), BringsOne());
}

}  // namespace
}  // namespace gauntlet
