// What futex(2) promises of waiting, waking and requeueing between processes.
#include <gmock/gmock.h>
#include <sys/mman.h>

#include <chrono>

#include "base/limits.h"
#include "cases/context.h"
#include "semaphores/futex_calls.h"
#include "semaphores/sleepers.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using testing::AnyOf;

std::chrono::nanoseconds since(std::int64_t start_ns) {
  return std::chrono::nanoseconds(monotonic_ns() - start_ns);
}

GAUNTLET_CASE(SemaphoresConformance, FutexWait_ValueIsAnother_FailsWithEagainAtOnce,
              .clause = "futex(2) FUTEX_WAIT, ERRORS EAGAIN; FUTEX_WAIT_BITSET") {
  const Shared<FutexWord> word;
  word->store(7);
  EXPECT_THAT(futex_sleep(*word, 6), SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(futex(*word, FUTEX_WAIT_BITSET, 6, nullptr, nullptr, FUTEX_BITSET_MATCH_ANY),
              SyscallFailsWithErrno(EAGAIN));
}

GAUNTLET_CASE(SemaphoresConformance, FutexWait_Woken_ReturnsZeroAndTheWakerIsToldOne,
              .clause = "futex(2) FUTEX_WAIT, FUTEX_WAKE, RETURN VALUE") {
  const Shared<FutexWord> word;
  ChildCall sleeper(context, [&] { return futex_sleep(*word, 0); });
  ASSERT_TRUE(sleeper.is_asleep());
  EXPECT_THAT(futex_wake(*word, 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(sleeper.finish(), SyscallSucceedsWithValue(0));
  EXPECT_THAT(futex_wake(*word, 1), SyscallSucceedsWithValue(0)) << "nobody sleeps";
}

// The change of the word alone wakes nobody.
GAUNTLET_CASE(SemaphoresConformance, FutexWait_WordChangesWithoutAWake_SleepsOn,
              .clause = "futex(2) FUTEX_WAIT (sleeps waiting for a FUTEX_WAKE)") {
  const Shared<FutexWord> word;
  ChildCall sleeper(context, [&] { return futex_sleep(*word, 0); });
  ASSERT_TRUE(sleeper.is_asleep());
  word->store(1);
  EXPECT_TRUE(sleeper.is_asleep());
  EXPECT_THAT(futex_wake(*word, 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(sleeper.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, FutexWake_FewerThanSleepers_WakesExactlyThatMany,
              .clause = "futex(2) FUTEX_WAKE (at most val of the waiters)") {
  const Shared<FutexWord> word;
  auto all = sleepers(context, 4, [&] { return futex_sleep(*word, 0); });
  EXPECT_THAT(futex_wake(*word, 3), SyscallSucceedsWithValue(3));
  EXPECT_EQ(count_woken(all), 3);
  EXPECT_THAT(futex_wake(*word, INT_MAX), SyscallSucceedsWithValue(1));
  for (const auto& sleeper : all) EXPECT_THAT(sleeper->finish(), SyscallSucceeds());
}

// One page mapped at two addresses is one futex: it is the memory that counts, not its address.
GAUNTLET_CASE(
    SemaphoresConformance, FutexWake_SameMemoryAtAnotherAddress_WakesTheSleeper,
    .clause = "futex(2) DESCRIPTION (same physical memory, different virtual addresses)") {
  const long page = ::sysconf(_SC_PAGESIZE);
  const UniqueFd memory(::memfd_create("gauntlet", MFD_CLOEXEC));
  ASSERT_TRUE(memory.valid());
  ASSERT_EQ(::ftruncate(memory.get(), page), 0);
  FutexWord* views[2] = {};
  for (FutexWord*& view : views) {
    void* mapped = ::mmap(nullptr, static_cast<std::size_t>(page), PROT_READ | PROT_WRITE,
                          MAP_SHARED, memory.get(), 0);
    ASSERT_NE(mapped, MAP_FAILED);
    view = static_cast<FutexWord*>(mapped);
  }
  ChildCall sleeper(context, [&] { return futex_sleep(*views[0], 0); });
  ASSERT_TRUE(sleeper.is_asleep());
  EXPECT_THAT(futex_wake(*views[1], 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(sleeper.finish(), SyscallSucceeds());
}

// A private futex is another than the shared one on the same word: it does not reach across.
GAUNTLET_CASE(SemaphoresConformance, FutexWakePrivate_SleeperInAnotherProcess_WakesNobody,
              .clause = "futex(2) FUTEX_PRIVATE_FLAG") {
  const Shared<FutexWord> word;
  ChildCall sleeper(context, [&] { return futex_sleep(*word, 0); });
  ASSERT_TRUE(sleeper.is_asleep());
  EXPECT_THAT(futex(*word, FUTEX_WAKE_PRIVATE, INT_MAX), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(sleeper.is_asleep());
  EXPECT_THAT(futex_wake(*word, 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(sleeper.finish(), SyscallSucceeds());
}

// The limit of FUTEX_WAIT is a span of time, that of FUTEX_WAIT_BITSET a moment on a clock.
GAUNTLET_CASE(SemaphoresConformance, FutexWait_RelativeTimeRunsOut_FailsWithEtimedoutNotEarly,
              .clause = "futex(2) FUTEX_WAIT (timeout is relative), ERRORS ETIMEDOUT") {
  const Shared<FutexWord> word;
  const std::int64_t start_ns = monotonic_ns();
  const timespec span = Deadline::after(kShortWait).as_timeout();
  EXPECT_THAT(futex_sleep(*word, 0, &span), SyscallFailsWithErrno(ETIMEDOUT));
  EXPECT_GE(since(start_ns), kShortWait - kEarlyWakeTolerance);
}

GAUNTLET_CASE(SemaphoresConformance, FutexWaitBitset_AbsoluteTimePasses_FailsWithEtimedoutNotEarly,
              .clause =
                  "futex(2) FUTEX_WAIT_BITSET (timeout is absolute), FUTEX_CLOCK_REALTIME, ERRORS "
                  "ETIMEDOUT") {
  const Shared<FutexWord> word;
  for (const bool realtime : {false, true}) {
    SCOPED_TRACE(realtime ? "CLOCK_REALTIME" : "CLOCK_MONOTONIC");
    const int operation = FUTEX_WAIT_BITSET | (realtime ? FUTEX_CLOCK_REALTIME : 0);
    const std::int64_t start_ns = monotonic_ns();
    const Deadline deadline = Deadline::after(kShortWait);
    const timespec until = realtime ? deadline.on_realtime() : deadline.on_monotonic();
    EXPECT_THAT(futex(*word, operation, 0, &until, nullptr, FUTEX_BITSET_MATCH_ANY),
                SyscallFailsWithErrno(ETIMEDOUT));
    EXPECT_GE(since(start_ns), kShortWait - kEarlyWakeTolerance);
  }
}

GAUNTLET_CASE(SemaphoresConformance, FutexWait_TimeOutOfRange_FailsWithEinval,
              .clause = "futex(2) ERRORS EINVAL (timeout: tv_sec < 0, tv_nsec >= 1,000,000,000)") {
  const Shared<FutexWord> word;
  for (const timespec& no_time : {timespec{-1, 0}, timespec{0, 1'000'000'000}, timespec{0, -1}}) {
    EXPECT_THAT(futex_sleep(*word, 0, &no_time), SyscallFailsWithErrno(EINVAL))
        << no_time.tv_sec << " s " << no_time.tv_nsec << " ns";
  }
}

GAUNTLET_CASE(SemaphoresConformance, FutexWait_InterruptedByAHandler_FailsWithEintr,
              .clause = "futex(2) ERRORS EINTR; signal(7) (futex restarts with SA_RESTART)") {
  const Shared<FutexWord> word;
  ChildCall sleeper(context, [&] { return futex_sleep(*word, 0); });
  ASSERT_TRUE(sleeper.is_asleep());
  ASSERT_TRUE(sleeper.signal_and_await_handler());
  EXPECT_THAT(sleeper.finish(), SyscallFailsWithErrno(EINTR));
  ChildCall restarted(
      context, [&] { return futex_sleep(*word, 0); }, OnSignal::restart);
  ASSERT_TRUE(restarted.is_asleep());
  ASSERT_TRUE(restarted.signal_and_await_handler());
  ASSERT_TRUE(restarted.is_asleep());
  EXPECT_THAT(futex_wake(*word, 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(restarted.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, Futex_WordNotAlignedToFourBytes_FailsWithEinval,
              .clause = "futex(2) ERRORS EINVAL (four-byte-aligned)") {
  const Shared<FutexPair> pair;
  auto* crooked = reinterpret_cast<std::byte*>(&pair->first) + 1;
  EXPECT_THAT(::syscall(SYS_futex, crooked, FUTEX_WAIT, 0, nullptr, nullptr, 0),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::syscall(SYS_futex, crooked, FUTEX_WAKE, 1, nullptr, nullptr, 0),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SemaphoresConformance, FutexWait_WordOrTimeoutOutsideMemory_FailsWithEfault,
              .clause = "futex(2) ERRORS EFAULT") {
  const SharedBytes page(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  const Shared<FutexWord> word;
  ASSERT_EQ(::mprotect(page.data(), page.size(), PROT_NONE), 0);
  EXPECT_THAT(::syscall(SYS_futex, page.data(), FUTEX_WAIT, 0, nullptr, nullptr, 0),
              SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(::syscall(SYS_futex, &*word, FUTEX_WAIT, 0, page.data(), nullptr, 0),
              SyscallFailsWithErrno(EFAULT));
}

GAUNTLET_CASE(SemaphoresConformance, Futex_UnknownOperation_FailsWithEnosys,
              .clause = "futex(2) ERRORS ENOSYS (invalid operation)") {
  const Shared<FutexWord> word;
  EXPECT_THAT(futex(*word, FUTEX_CMD_MASK, 0), SyscallFailsWithErrno(ENOSYS));
  EXPECT_THAT(futex(*word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0), SyscallFailsWithErrno(ENOSYS))
      << "the clock flag with an operation that has no clock";
}

// Only sleepers that share a bit with the waker are woken.
GAUNTLET_CASE(SemaphoresConformance, FutexWakeBitset_OtherBits_WakesOnlyWhoSharesABit,
              .clause = "futex(2) FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET") {
  const Shared<FutexWord> word;
  const auto sleep_on = [&](std::uint32_t bits) {
    return [&word, bits] { return futex(*word, FUTEX_WAIT_BITSET, 0, nullptr, nullptr, bits); };
  };
  ChildCall low(context, sleep_on(0b0011));
  ChildCall high(context, sleep_on(0b1100));
  ASSERT_TRUE(low.is_asleep());
  ASSERT_TRUE(high.is_asleep());
  const auto wake_bits = [&](std::uint32_t bits) {
    return futex(*word, FUTEX_WAKE_BITSET, INT_MAX, nullptr, nullptr, bits);
  };
  EXPECT_THAT(wake_bits(0b10000), SyscallSucceedsWithValue(0));
  EXPECT_THAT(wake_bits(0b0110), SyscallSucceedsWithValue(2)) << "a bit of each";
  EXPECT_THAT(low.finish(), SyscallSucceeds());
  EXPECT_THAT(high.finish(), SyscallSucceeds());
  ChildCall again(context, sleep_on(0b0011));
  ASSERT_TRUE(again.is_asleep());
  EXPECT_THAT(wake_bits(0b1100), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(again.is_asleep());
  EXPECT_THAT(futex_wake(*word, 1), SyscallSucceedsWithValue(1)) << "FUTEX_WAKE wakes any bits";
  EXPECT_THAT(again.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, FutexBitset_NoBits_FailsWithEinval,
              .clause = "futex(2) ERRORS EINVAL (the bit mask is zero)") {
  const Shared<FutexWord> word;
  EXPECT_THAT(futex(*word, FUTEX_WAIT_BITSET, 0), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(futex(*word, FUTEX_WAKE_BITSET, 1), SyscallFailsWithErrno(EINVAL));
}

// Some are woken, some moved to sleep on another word; a wake there finds those.
GAUNTLET_CASE(SemaphoresConformance, FutexRequeue_SomeWokenSomeMoved_TheMovedSleepOnTheOtherWord,
              .clause = "futex(2) FUTEX_REQUEUE, RETURN VALUE") {
  const Shared<FutexPair> words;
  auto all = sleepers(context, 4, [&] { return futex_sleep(words->first, 0); });
  EXPECT_THAT(futex(words->first, FUTEX_REQUEUE, 1, std::uintptr_t{2}, words->second),
              SyscallSucceedsWithValue(AnyOf(1, 3)))
      << "the number woken, or woken and moved";
  EXPECT_EQ(count_woken(all), 1);
  EXPECT_THAT(futex_wake(words->second, INT_MAX), SyscallSucceedsWithValue(2)) << "the moved";
  EXPECT_THAT(futex_wake(words->first, INT_MAX), SyscallSucceedsWithValue(1)) << "who stayed";
  for (const auto& sleeper : all) EXPECT_THAT(sleeper->finish(), SyscallSucceedsWithValue(0));
}

GAUNTLET_CASE(SemaphoresConformance, FutexCmpRequeue_ValueIsAnother_FailsWithEagainAndMovesNobody,
              .clause = "futex(2) FUTEX_CMP_REQUEUE, ERRORS EAGAIN, RETURN VALUE") {
  const Shared<FutexPair> words;
  auto all = sleepers(context, 3, [&] { return futex_sleep(words->first, 0); });
  const std::uintptr_t many = INT_MAX;
  EXPECT_THAT(futex(words->first, FUTEX_CMP_REQUEUE, 1, many, words->second, 1),
              SyscallFailsWithErrno(EAGAIN));
  EXPECT_EQ(count_woken(all), 0);
  EXPECT_THAT(futex_wake(words->second, INT_MAX), SyscallSucceedsWithValue(0));
  EXPECT_THAT(futex(words->first, FUTEX_CMP_REQUEUE, 1, many, words->second, 0),
              SyscallSucceedsWithValue(3))
      << "woken and moved";
  EXPECT_EQ(count_woken(all), 1);
  EXPECT_THAT(futex_wake(words->second, INT_MAX), SyscallSucceedsWithValue(2));
  for (const auto& sleeper : all) EXPECT_THAT(sleeper->finish(), SyscallSucceedsWithValue(0));
}

std::uint32_t wake_operation(std::uint32_t operation, std::uint32_t operand, std::uint32_t compare,
                             std::uint32_t with) {
  return operation << 28 | compare << 24 | operand << 12 | with;
}

// In one step: changes the second word, wakes on the first, and on the second if what was there
// before compares as asked.
GAUNTLET_CASE(SemaphoresConformance, FutexWakeOp_Comparison_DecidesWhetherTheSecondWordIsWoken,
              .clause = "futex(2) FUTEX_WAKE_OP") {
  const Shared<FutexPair> words;
  words->second.store(5);
  auto on_first = sleepers(context, 1, [&] { return futex_sleep(words->first, 0); });
  auto on_second = sleepers(context, 1, [&] { return futex_sleep(words->second, 5); });
  const std::uintptr_t one = 1;
  EXPECT_THAT(futex(words->first, FUTEX_WAKE_OP, 1, one, words->second,
                    wake_operation(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 5)),
              SyscallSucceedsWithValue(1));
  EXPECT_EQ(words->second.load(), 8U) << "5 + 3";
  EXPECT_EQ(count_woken(on_first), 1);
  EXPECT_EQ(count_woken(on_second), 0) << "5 is not above 5";
  EXPECT_THAT(futex(words->first, FUTEX_WAKE_OP, 1, one, words->second,
                    wake_operation(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 8)),
              SyscallSucceedsWithValue(1));
  EXPECT_EQ(words->second.load(), 1U);
  EXPECT_THAT(on_second[0]->finish(), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, FutexWakeOp_EachOperation_ChangesTheWordAsDocumented,
              .clause = "futex(2) FUTEX_WAKE_OP (FUTEX_OP_SET, ADD, OR, ANDN, XOR, ARG_SHIFT)") {
  struct Row {
    std::uint32_t operation, operand, before, after;
  };
  const Row rows[] = {{FUTEX_OP_SET, 9, 0b1100, 9},
                      {FUTEX_OP_ADD, 2, 0b1100, 0b1110},
                      {FUTEX_OP_OR, 0b0110, 0b1100, 0b1110},
                      {FUTEX_OP_ANDN, 0b0110, 0b1100, 0b1000},
                      {FUTEX_OP_XOR, 0b0110, 0b1100, 0b1010},
                      {FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 4, 0b1100, 0b11100}};
  const Shared<FutexPair> words;
  for (const Row& row : rows) {
    words->second.store(row.before);
    EXPECT_THAT(futex(words->first, FUTEX_WAKE_OP, 0, std::uintptr_t{0}, words->second,
                      wake_operation(row.operation, row.operand, FUTEX_OP_CMP_EQ, 0)),
                SyscallSucceedsWithValue(0));
    EXPECT_EQ(words->second.load(), row.after) << "operation " << row.operation;
  }
}

struct futex_waitv waiter_for(FutexWord& word, std::uint32_t expected) {
  struct futex_waitv waiter {};
  waiter.val = expected;
  waiter.uaddr = reinterpret_cast<std::uintptr_t>(&word);
  waiter.flags = FUTEX_32;
  return waiter;
}

long wait_for_either(FutexPair& words, std::uint32_t first, std::uint32_t second,
                     unsigned count = 2, unsigned flags = 0) {
  struct futex_waitv waiters[] = {waiter_for(words.first, first), waiter_for(words.second, second)};
  return ::syscall(SYS_futex_waitv, waiters, count, flags, nullptr, CLOCK_MONOTONIC);
}

bool has_waitv(CaseContext& context) {
  const Shared<FutexPair> words;
  if (wait_for_either(*words, 1, 1) == -1 && errno != ENOSYS) return true;
  context.unsupported("futex_waitv", "ENOSYS");
  return false;
}

// Sleeping on several words, it answers which of them was woken.
GAUNTLET_CASE(SemaphoresConformance, FutexWaitv_OneOfTwoWoken_AnswersItsIndex,
              .clause = "futex_waitv(2); Linux Documentation/userspace-api/futex2.rst") {
  if (!has_waitv(context)) return;
  const Shared<FutexPair> words;
  for (const long index : {0L, 1L}) {
    ChildCall sleeper(context, [&] { return wait_for_either(*words, 0, 0); });
    ASSERT_TRUE(sleeper.is_asleep());
    EXPECT_THAT(futex_wake(index == 0 ? words->first : words->second, 1),
                SyscallSucceedsWithValue(1));
    EXPECT_THAT(sleeper.finish(), SyscallSucceedsWithValue(index));
  }
}

GAUNTLET_CASE(SemaphoresConformance, FutexWaitv_WrongArguments_FailsAsDocumented,
              .clause = "Linux Documentation/userspace-api/futex2.rst (EAGAIN, EINVAL)") {
  if (!has_waitv(context)) return;
  const Shared<FutexPair> words;
  EXPECT_THAT(wait_for_either(*words, 0, 1), SyscallFailsWithErrno(EAGAIN)) << "the second differs";
  EXPECT_THAT(wait_for_either(*words, 0, 0, 0), SyscallFailsWithErrno(EINVAL)) << "no words";
  EXPECT_THAT(wait_for_either(*words, 0, 0, FUTEX_WAITV_MAX + 1), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(wait_for_either(*words, 0, 0, 2, 1), SyscallFailsWithErrno(EINVAL)) << "flags";
}

}  // namespace
}  // namespace gauntlet
