// What the matchers of call answers accept, refuse and print.
#include "support/errno_matchers.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <climits>

namespace gauntlet {
namespace {

using testing::AnyOf;
using testing::Gt;
using testing::Not;

int answer_with(int answer, int error) {
  errno = error;
  return answer;
}

template <class Matcher, class Value>
std::string explanation(const Matcher& matcher, const Value& value) {
  testing::StringMatchResultListener listener;
  testing::SafeMatcherCast<const Value&>(matcher).MatchAndExplain(value, &listener);
  return listener.str();
}

template <class Value, class Matcher>
std::string description(const Matcher& matcher) {
  std::ostringstream out;
  testing::SafeMatcherCast<Value>(matcher).DescribeTo(&out);
  return out.str();
}

TEST(SyscallFailsWithErrno, TheErrnoOfTheCall_IsWhatItComparesWith) {
  EXPECT_THAT(::close(-1), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(answer_with(-1, EAGAIN), Not(SyscallFailsWithErrno(EBADF)));
}

TEST(SyscallFailsWithErrno, ASuccessWithAStaleErrno_IsNoFailure) {
  EXPECT_THAT(answer_with(0, EBADF), Not(SyscallFailsWithErrno(EBADF)));
}

TEST(SyscallFailsWithErrno, SeveralErrorsAllowed_EachIsTakenAndNoOther) {
  const auto either = SyscallFailsWithErrno(AnyOf(EINVAL, EIDRM));
  EXPECT_THAT(answer_with(-1, EINVAL), either);
  EXPECT_THAT(answer_with(-1, EIDRM), either);
  EXPECT_THAT(answer_with(-1, EAGAIN), Not(either));
}

TEST(SyscallFailsWithErrno, ANullPointer_IsAFailure) {
  int* const null = nullptr;
  errno = ENOENT;
  EXPECT_THAT(null, SyscallFailsWithErrno(ENOENT));
  int object = 0;
  EXPECT_THAT(&object, SyscallSucceeds());
}

TEST(SyscallFailsWithErrno, Messages_NameTheErrors) {
  errno = EAGAIN;
  EXPECT_EQ(explanation(SyscallFailsWithErrno(EMSGSIZE), -1),
            "which failed with EAGAIN (Resource temporarily unavailable)");
  EXPECT_EQ(explanation(SyscallFailsWithErrno(EMSGSIZE), 7), "which succeeded with 7");
  EXPECT_EQ(description<int>(SyscallFailsWithErrno(EMSGSIZE)),
            "fails with EMSGSIZE (Message too long)");
  EXPECT_EQ(description<int>(Not(SyscallFailsWithErrno(EMSGSIZE))),
            "does not fail with EMSGSIZE (Message too long)");
}

TEST(SyscallFailsWithErrno, ACallThatNeverReturned_NeitherFailsNorSucceeds) {
  CallOutcome inside;
  inside.returned = false;
  EXPECT_THAT(inside, Not(SyscallFailsWithErrno(0)));
  EXPECT_THAT(inside, Not(SyscallSucceeds()));
  EXPECT_THAT(inside, Not(SyscallSucceedsWithValue(0)));
  EXPECT_THAT(inside, Not(ReturnsErrno(0)));
  EXPECT_EQ(explanation(SyscallSucceeds(), inside), "which never returned");
  EXPECT_EQ(testing::PrintToString(inside), "a call that never returned");
}

TEST(SyscallSucceeds, AFailure_IsRefusedAndNamed) {
  EXPECT_THAT(0, SyscallSucceeds());
  EXPECT_THAT(answer_with(-1, EPERM), Not(SyscallSucceeds()));
  errno = EPERM;
  EXPECT_EQ(explanation(SyscallSucceeds(), -1),
            "which failed with EPERM (Operation not permitted)");
  EXPECT_EQ(description<int>(SyscallSucceeds()), "succeeds");
}

TEST(SyscallSucceedsWithValue, AnotherValue_IsRefused) {
  EXPECT_THAT(ssize_t{12}, SyscallSucceedsWithValue(12));
  EXPECT_THAT(ssize_t{11}, Not(SyscallSucceedsWithValue(12)));
  EXPECT_THAT(ssize_t{11}, SyscallSucceedsWithValue(Gt(10)));
  EXPECT_THAT(answer_with(-1, EPERM), Not(SyscallSucceedsWithValue(-1)));
  EXPECT_EQ(description<int>(SyscallSucceedsWithValue(12)),
            "succeeds with a value that is equal to 12");
}

TEST(ReturnsErrno, TheAnswerItself_IsTheError) {
  EXPECT_THAT(EBUSY, ReturnsErrno(EBUSY));
  EXPECT_THAT(answer_with(0, EBUSY), Not(ReturnsErrno(EBUSY)));
  EXPECT_EQ(explanation(ReturnsErrno(0), EBUSY), "which is EBUSY (Device or resource busy)");
  EXPECT_EQ(description<int>(ReturnsErrno(0)), "returns 0 (success)");
}

TEST(CallOutcome, MadeFromACall_HoldsValueOrErrno) {
  EXPECT_EQ(outcome_of(answer_with(5, EAGAIN)), (CallOutcome{5, 0, false, true}));
  EXPECT_EQ(outcome_of(answer_with(-1, EAGAIN)), (CallOutcome{-1, EAGAIN, true, true}));
  EXPECT_EQ(testing::PrintToString(outcome_of(answer_with(-1, EAGAIN))),
            "-1 with errno EAGAIN (Resource temporarily unavailable)");
}

}  // namespace
}  // namespace gauntlet
