// What futex(2) promises of futexes with an owner: priority inheritance and the robust list.
#include <gmock/gmock.h>

#include <chrono>
#include <cstddef>

#include "base/limits.h"
#include "cases/context.h"
#include "semaphores/futex_calls.h"
#include "semaphores/sleepers.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

/// A word held by this process, as user space locks one that is free.
void hold(FutexWord& word) { word.store(own_thread()); }

/// A number that no thread has: above every limit (proc(5), pid_max).
constexpr std::uint32_t kNobody = FUTEX_TID_MASK;

GAUNTLET_CASE(SemaphoresConformance, FutexLockPi_FreeWord_HoldsItByThreadNumber,
              .clause = "futex(2) Priority-inheritance futexes; FUTEX_LOCK_PI, FUTEX_UNLOCK_PI") {
  const Shared<FutexWord> word;
  ASSERT_THAT(futex(*word, FUTEX_LOCK_PI, 0), SyscallSucceeds());
  EXPECT_EQ(word->load() & FUTEX_TID_MASK, own_thread());
  ASSERT_THAT(futex(*word, FUTEX_UNLOCK_PI, 0), SyscallSucceeds());
  EXPECT_EQ(word->load() & FUTEX_TID_MASK, 0U);
}

// The kernel marks the word so that its owner asks the kernel to unlock, and hands it over then.
GAUNTLET_CASE(SemaphoresConformance, FutexLockPi_HeldByAnother_SleepsAndIsHandedTheWord,
              .clause = "futex(2) FUTEX_LOCK_PI (FUTEX_WAITERS), FUTEX_UNLOCK_PI") {
  const Shared<FutexWord> word;
  hold(*word);
  ChildCall waiter(context, [&]() -> long {
    if (futex(*word, FUTEX_LOCK_PI, 0) != 0) return -1;
    return (word->load() & FUTEX_TID_MASK) == own_thread() ? 0 : 1;
  });
  ASSERT_TRUE(waiter.is_asleep());
  EXPECT_EQ(word->load(), own_thread() | FUTEX_WAITERS);
  ASSERT_THAT(futex(*word, FUTEX_UNLOCK_PI, 0), SyscallSucceeds());
  EXPECT_THAT(waiter.finish(), SyscallSucceedsWithValue(0));
}

GAUNTLET_CASE(SemaphoresConformance, FutexLockPi_HeldByItself_FailsWithEdeadlk,
              .clause = "futex(2) ERRORS EDEADLK (already locked by the caller)") {
  const Shared<FutexWord> word;
  hold(*word);
  EXPECT_THAT(futex(*word, FUTEX_LOCK_PI, 0), SyscallFailsWithErrno(EDEADLK));
  EXPECT_THAT(futex(*word, FUTEX_TRYLOCK_PI, 0), SyscallFailsWithErrno(EDEADLK));
  EXPECT_EQ(word->load() & FUTEX_TID_MASK, own_thread());
}

// Two that wait for each other over two futexes: the second is told, for the kernel sees the chain.
GAUNTLET_CASE(SemaphoresConformance, FutexLockPi_CircleOfTwo_FailsWithEdeadlk,
              .clause = "futex(2) ERRORS EDEADLK (the kernel detected a deadlock)") {
  const Shared<FutexPair> words;
  hold(words->first);
  ChildCall other(context, [&] {
    hold(words->second);
    return futex(words->first, FUTEX_LOCK_PI, 0);
  });
  ASSERT_TRUE(other.is_asleep());
  EXPECT_THAT(futex(words->second, FUTEX_LOCK_PI, 0), SyscallFailsWithErrno(EDEADLK));
  ASSERT_THAT(futex(words->first, FUTEX_UNLOCK_PI, 0), SyscallSucceeds());
  EXPECT_THAT(other.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, FutexLockPi_AbsoluteTimePasses_FailsWithEtimedoutNotEarly,
              .clause = "futex(2) FUTEX_LOCK_PI (absolute, CLOCK_REALTIME), ERRORS ETIMEDOUT") {
  const Shared<FutexWord> word;
  hold(*word);
  const std::int64_t start_ns = monotonic_ns();
  ChildCall waiter(context, [&] {
    const timespec until = Deadline::after(kShortWait).on_realtime();
    return futex(*word, FUTEX_LOCK_PI, 0, &until);
  });
  EXPECT_THAT(waiter.finish(), SyscallFailsWithErrno(ETIMEDOUT));
  EXPECT_GE(std::chrono::nanoseconds(monotonic_ns() - start_ns), kShortWait - kEarlyWakeTolerance);
  ASSERT_THAT(futex(*word, FUTEX_UNLOCK_PI, 0), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, FutexLockPi_OwnerDoesNotExist_FailsWithEsrch,
              .clause = "futex(2) ERRORS ESRCH (the thread ID does not exist)") {
  const Shared<FutexWord> word;
  word->store(kNobody);
  EXPECT_THAT(futex(*word, FUTEX_LOCK_PI, 0), SyscallFailsWithErrno(ESRCH));
}

GAUNTLET_CASE(SemaphoresConformance, FutexTrylockPi_HeldByAnother_FailsWithEagain,
              .clause = "futex(2) FUTEX_TRYLOCK_PI") {
  const Shared<FutexWord> word;
  hold(*word);
  ChildCall other(context, [&] { return futex(*word, FUTEX_TRYLOCK_PI, 0); });
  EXPECT_THAT(other.finish(), SyscallFailsWithErrno(EAGAIN));
}

// What user space cannot take with a compare and exchange: the word of an owner that has died.
GAUNTLET_CASE(SemaphoresConformance, FutexTrylockPi_OwnerDiedWord_TakesItAndKeepsTheMark,
              .clause = "futex(2) FUTEX_TRYLOCK_PI (FUTEX_OWNER_DIED)") {
  const Shared<FutexWord> word;
  word->store(FUTEX_OWNER_DIED);
  ASSERT_THAT(futex(*word, FUTEX_TRYLOCK_PI, 0), SyscallSucceeds());
  EXPECT_EQ(word->load() & FUTEX_TID_MASK, own_thread());
  EXPECT_NE(word->load() & FUTEX_OWNER_DIED, 0U);
}

GAUNTLET_CASE(SemaphoresConformance, FutexUnlockPi_NotTheOwner_FailsWithEperm,
              .clause = "futex(2) ERRORS EPERM (the caller does not own the lock)") {
  const Shared<FutexWord> word;
  hold(*word);
  ChildCall other(context, [&] { return futex(*word, FUTEX_UNLOCK_PI, 0); });
  EXPECT_THAT(other.finish(), SyscallFailsWithErrno(EPERM));
  EXPECT_EQ(word->load(), own_thread());
}

// Plain and priority-inheritance calls do not mix on one word.
GAUNTLET_CASE(SemaphoresConformance, FutexWake_SleepersOfLockPi_FailsWithEinval,
              .clause = "futex(2) ERRORS EINVAL (inconsistency between user space and kernel)") {
  const Shared<FutexWord> word;
  hold(*word);
  ChildCall waiter(context, [&] { return futex(*word, FUTEX_LOCK_PI, 0); });
  ASSERT_TRUE(waiter.is_asleep());
  EXPECT_THAT(futex_wake(*word, 1), SyscallFailsWithErrno(EINVAL));
  ASSERT_THAT(futex(*word, FUTEX_UNLOCK_PI, 0), SyscallSucceeds());
  EXPECT_THAT(waiter.finish(), SyscallSucceeds());
}

// A condition variable for PI mutexes: the sleeper is moved to the mutex and wakes as its owner.
GAUNTLET_CASE(SemaphoresConformance, FutexCmpRequeuePi_MovedSleeper_WakesHoldingTheTarget,
              .clause = "futex(2) FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI") {
  const Shared<FutexPair> words;
  hold(words->second);
  ChildCall sleeper(context, [&]() -> long {
    if (futex(words->first, FUTEX_WAIT_REQUEUE_PI, 0, nullptr, &words->second) != 0) return -1;
    return (words->second.load() & FUTEX_TID_MASK) == own_thread() ? 0 : 1;
  });
  ASSERT_TRUE(sleeper.is_asleep());
  EXPECT_THAT(futex(words->first, FUTEX_CMP_REQUEUE_PI, 1, std::uintptr_t{INT_MAX}, words->second),
              SyscallSucceedsWithValue(1));
  EXPECT_TRUE(sleeper.is_asleep()) << "the target is still held";
  ASSERT_THAT(futex(words->second, FUTEX_UNLOCK_PI, 0), SyscallSucceeds());
  EXPECT_THAT(sleeper.finish(), SyscallSucceedsWithValue(0));
}

GAUNTLET_CASE(SemaphoresConformance, FutexCmpRequeuePi_WrongArguments_FailsWithEinval,
              .clause = "futex(2) ERRORS EINVAL (uaddr equals uaddr2; nr_wake is not 1)") {
  const Shared<FutexPair> words;
  const std::uintptr_t many = INT_MAX;
  EXPECT_THAT(futex(words->first, FUTEX_CMP_REQUEUE_PI, 1, many, words->first),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(futex(words->first, FUTEX_CMP_REQUEUE_PI, 2, many, words->second),
              SyscallFailsWithErrno(EINVAL));
}

/// One word with what the kernel wants beside it.
struct ListedWord {
  robust_list node;
  FutexWord word{0};
};

/// In a child: holds the words and has them on its robust list when it ends.
struct Heritage {
  robust_list_head head{};

  void announce(ListedWord* listed, std::size_t count) {
    head.list.next = &head.list;
    head.futex_offset = offsetof(ListedWord, word);
    for (std::size_t i = 0; i < count; ++i) {
      listed[i].word.store(own_thread() | FUTEX_WAITERS);
      listed[i].node.next = head.list.next;
      head.list.next = &listed[i].node;
    }
    ::syscall(SYS_set_robust_list, &head, sizeof head);
  }
};

struct ListedWords {
  ListedWord all[3];
};

// However its owner ends, each word of its list is marked and one sleeper of each is woken.
GAUNTLET_CASE(SemaphoresCrashes, RobustListOwnerKilled_EveryWordIsMarkedAndASleeperIsWoken,
              .clause = "get_robust_list(2) DESCRIPTION; futex(2) FUTEX_OWNER_DIED") {
  const Shared<ListedWords> words;
  const Shared<FutexWord> never;
  ChildCall owner(context, [&] {
    Heritage heritage;
    heritage.announce(words->all, std::size(words->all));
    return futex_sleep(*never, 0);
  });
  ASSERT_TRUE(owner.is_asleep());
  Sleepers waiting;
  for (ListedWord& listed : words->all) {
    waiting.push_back(std::make_unique<ChildCall>(
        context, [&] { return futex_sleep(listed.word, listed.word.load()); }));
    ASSERT_TRUE(waiting.back()->is_asleep());
  }
  EXPECT_TRUE(owner.kill());
  for (const auto& waiter : waiting) EXPECT_THAT(waiter->finish(), SyscallSucceedsWithValue(0));
  for (const ListedWord& listed : words->all) {
    EXPECT_EQ(listed.word.load(), FUTEX_WAITERS | FUTEX_OWNER_DIED);
  }
}

// Killed between announcing and linking (or unlinking and giving back): the announced word counts.
GAUNTLET_CASE(SemaphoresCrashes, RobustListOwnerKilledInMidLock_TheAnnouncedWordIsMarked,
              .clause = "Linux Documentation/locking/robust-futex-ABI.rst (list_op_pending)") {
  const Shared<ListedWord> listed;
  const Shared<FutexWord> never;
  ChildCall owner(context, [&] {
    Heritage heritage;
    heritage.announce(nullptr, 0);
    heritage.head.list_op_pending = &listed->node;
    listed->word.store(own_thread());
    return futex_sleep(*never, 0);
  });
  ASSERT_TRUE(owner.is_asleep());
  EXPECT_TRUE(owner.kill());
  EXPECT_EQ(listed->word.load(), FUTEX_OWNER_DIED);
}

// Given back, and killed before the wake-up: the kernel does the waking.
GAUNTLET_CASE(SemaphoresCrashes, RobustListOwnerKilledBeforeItsWake_ASleeperIsWoken,
              .clause = "Linux Documentation/locking/robust-futex-ABI.rst (list_op_pending)") {
  const Shared<ListedWord> listed;
  const Shared<FutexWord> never;
  listed->word.store(kNobody | FUTEX_WAITERS);
  ChildCall waiter(context, [&] { return futex_sleep(listed->word, kNobody | FUTEX_WAITERS); });
  ASSERT_TRUE(waiter.is_asleep());
  ChildCall owner(context, [&] {
    Heritage heritage;
    heritage.announce(nullptr, 0);
    heritage.head.list_op_pending = &listed->node;
    listed->word.store(0);
    return futex_sleep(*never, 0);
  });
  ASSERT_TRUE(owner.is_asleep());
  EXPECT_TRUE(waiter.is_asleep());
  EXPECT_TRUE(owner.kill());
  EXPECT_THAT(waiter.finish(), SyscallSucceeds());
  EXPECT_EQ(listed->word.load(), 0U);
}

// A word on the list that another owns is that one's: it stays as it is.
GAUNTLET_CASE(SemaphoresCrashes, RobustListWordOfAnotherOwner_IsLeftAlone,
              .clause = "Linux Documentation/locking/robust-futex-ABI.rst (TID of the owner)") {
  const Shared<ListedWord> listed;
  const Shared<FutexWord> never;
  ChildCall owner(context, [&] {
    Heritage heritage;
    heritage.announce(&*listed, 1);
    listed->word.store(kNobody);
    return futex_sleep(*never, 0);
  });
  ASSERT_TRUE(owner.is_asleep());
  EXPECT_TRUE(owner.kill());
  EXPECT_EQ(listed->word.load(), kNobody);
}

// The owner of a PI futex dies while another waits: the waiter gets it, and the mark tells why.
GAUNTLET_CASE(SemaphoresCrashes, FutexLockPiOwnerKilled_WaiterGetsTheWordMarked,
              .clause = "futex(2) Priority-inheritance futexes (FUTEX_OWNER_DIED)") {
  const Shared<FutexPair> words;
  ChildCall owner(context, [&] {
    futex(words->first, FUTEX_LOCK_PI, 0);
    return futex_sleep(words->second, 0);
  });
  ASSERT_TRUE(owner.is_asleep());
  ChildCall waiter(context, [&]() -> long {
    if (futex(words->first, FUTEX_LOCK_PI, 0) != 0) return -1;
    const std::uint32_t word = words->first.load();
    return (word & FUTEX_TID_MASK) == own_thread() && (word & FUTEX_OWNER_DIED) != 0 ? 0 : 1;
  });
  ASSERT_TRUE(waiter.is_asleep());
  EXPECT_TRUE(owner.kill());
  EXPECT_THAT(waiter.finish(), SyscallSucceedsWithValue(0));
}

GAUNTLET_CASE(SemaphoresConformance, SetRobustList_WrongSize_FailsWithEinval,
              .clause = "get_robust_list(2) ERRORS EINVAL") {
  robust_list_head head{};
  EXPECT_THAT(::syscall(SYS_set_robust_list, &head, sizeof head - 1),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SemaphoresConformance, GetRobustList_OfItself_AnswersWhatWasSet,
              .clause = "get_robust_list(2) DESCRIPTION, ERRORS ESRCH") {
  const Shared<int> right;
  ChildCall child(context, [&]() -> long {
    Heritage heritage;
    heritage.announce(nullptr, 0);
    robust_list_head* head = nullptr;
    std::size_t size = 0;
    if (::syscall(SYS_get_robust_list, 0, &head, &size) != 0) return -1;
    *right = head == &heritage.head && size == sizeof *head ? 1 : 0;
    return 0;
  });
  EXPECT_THAT(child.finish(), SyscallSucceeds());
  EXPECT_EQ(*right, 1);
  robust_list_head* head = nullptr;
  std::size_t size = 0;
  EXPECT_THAT(::syscall(SYS_get_robust_list, static_cast<int>(kNobody), &head, &size),
              SyscallFailsWithErrno(ESRCH));
}

}  // namespace
}  // namespace gauntlet
