// Matchers for what calls answer, that print errors by their names.
#pragma once

#include <gmock/gmock.h>

#include <cerrno>
#include <cstring>
#include <ostream>
#include <string>

#include "base/result.h"
#include "support/call_outcome.h"

namespace gauntlet {

/// GoogleTest prints an outcome in a failed assertion with this.
inline void PrintTo(const CallOutcome& outcome, std::ostream* out) {
  if (!outcome.returned) {
    *out << "a call that never returned";
  } else if (outcome.failed) {
    *out << "-1 with errno " << errno_name(outcome.error) << " (" << ::strerror(outcome.error)
         << ")";
  } else {
    *out << outcome.value;
  }
}

namespace matching {

inline const CallOutcome& as_outcome(const CallOutcome& outcome) { return outcome; }
template <class Answer>
CallOutcome as_outcome(const Answer& answer) {
  return outcome_of(answer);
}

/// "EAGAIN (Resource temporarily unavailable)", or "0 (success)".
inline std::string spelled(int error) {
  return error == 0 ? "0 (success)" : errno_name(error) + " (" + ::strerror(error) + ")";
}

inline void explain(const CallOutcome& outcome, std::ostream* out) {
  if (out == nullptr) return;
  if (!outcome.returned) {
    *out << "which never returned";
  } else if (outcome.failed) {
    *out << "which failed with " << spelled(outcome.error);
  } else {
    *out << "which succeeded with " << outcome.value;
  }
}

template <class ErrorMatcher>
class FailsWith {
 public:
  using is_gtest_matcher = void;
  explicit FailsWith(ErrorMatcher error) : error_(std::move(error)) {}

  template <class Answer>
  bool MatchAndExplain(const Answer& answer, std::ostream* out) const {
    const CallOutcome outcome = as_outcome(answer);  // first of all: it reads errno
    const bool holds = outcome.returned && outcome.failed && matches(outcome.error);
    explain(outcome, out);
    return holds;
  }
  void DescribeTo(std::ostream* out) const {
    *out << "fails with ";
    describe_error(out);
  }
  void DescribeNegationTo(std::ostream* out) const {
    *out << "does not fail with ";
    describe_error(out);
  }

 private:
  bool matches(int error) const {
    return testing::Matches(testing::SafeMatcherCast<int>(error_))(error);
  }
  void describe_error(std::ostream* out) const {
    if constexpr (std::is_convertible_v<ErrorMatcher, int>) {
      *out << spelled(error_);
    } else {
      testing::SafeMatcherCast<int>(error_).DescribeTo(out);
    }
  }
  ErrorMatcher error_;
};

class Succeeds {
 public:
  using is_gtest_matcher = void;
  template <class Answer>
  bool MatchAndExplain(const Answer& answer, std::ostream* out) const {
    const CallOutcome outcome = as_outcome(answer);
    explain(outcome, out);
    return outcome.returned && !outcome.failed;
  }
  void DescribeTo(std::ostream* out) const { *out << "succeeds"; }
  void DescribeNegationTo(std::ostream* out) const { *out << "fails"; }
};

template <class ValueMatcher>
class SucceedsWith {
 public:
  using is_gtest_matcher = void;
  explicit SucceedsWith(ValueMatcher value) : value_(std::move(value)) {}

  template <class Answer>
  bool MatchAndExplain(const Answer& answer, std::ostream* out) const {
    const CallOutcome outcome = as_outcome(answer);
    explain(outcome, out);
    return outcome.returned && !outcome.failed &&
           testing::Matches(testing::SafeMatcherCast<long>(value_))(outcome.value);
  }
  void DescribeTo(std::ostream* out) const {
    *out << "succeeds with a value that ";
    testing::SafeMatcherCast<long>(value_).DescribeTo(out);
  }
  void DescribeNegationTo(std::ostream* out) const {
    *out << "fails, or succeeds with a value that ";
    testing::SafeMatcherCast<long>(value_).DescribeNegationTo(out);
  }

 private:
  ValueMatcher value_;
};

class ReturnsError {
 public:
  using is_gtest_matcher = void;
  explicit ReturnsError(int expected) : expected_(expected) {}

  bool MatchAndExplain(const CallOutcome& outcome, std::ostream* out) const {
    if (!outcome.returned) {
      if (out != nullptr) *out << "which never returned";
      return false;
    }
    return MatchAndExplain(static_cast<int>(outcome.value), out);
  }
  bool MatchAndExplain(int answer, std::ostream* out) const {
    if (out != nullptr) *out << "which is " << spelled(answer);
    return answer == expected_;
  }
  void DescribeTo(std::ostream* out) const { *out << "returns " << spelled(expected_); }
  void DescribeNegationTo(std::ostream* out) const {
    *out << "does not return " << spelled(expected_);
  }

 private:
  int expected_;
};

}  // namespace matching

/// For an int, ssize_t or pointer just answered by a call (errno is read while matching), and for a
/// CallOutcome: `EXPECT_THAT(::close(-1), SyscallFailsWithErrno(EBADF))`. Takes a matcher, too:
/// `SyscallFailsWithErrno(AnyOf(EINVAL, EIDRM))`.
template <class ErrorMatcher>
auto SyscallFailsWithErrno(ErrorMatcher error) {
  return matching::FailsWith<ErrorMatcher>(std::move(error));
}
inline auto SyscallSucceeds() { return matching::Succeeds(); }
/// Takes a value or a matcher of `long`.
template <class ValueMatcher>
auto SyscallSucceedsWithValue(ValueMatcher value) {
  return matching::SucceedsWith<ValueMatcher>(std::move(value));
}
/// For the pthread calls, which answer the error and leave errno alone; 0 is success.
inline auto ReturnsErrno(int expected) { return matching::ReturnsError(expected); }

}  // namespace gauntlet
