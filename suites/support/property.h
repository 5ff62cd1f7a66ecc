// The one place where rapidcheck meets GoogleTest and the seed of a case.
#pragma once

// GoogleTest first: rapidcheck's headers look for it.
#include <gtest/gtest.h>
//
#include <rapidcheck.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "base/deadline.h"
#include "cases/context.h"

namespace gauntlet {

/// How much a property is tried.
struct PropertyAmount {
  std::uint64_t tests =
      50;                   ///< examples that must hold; fewer where CaseContext::another() ends it
  std::uint64_t size = 50;  ///< rapidcheck's size of the last of them; the first has size 0
  /// No example is tried for the sake of shrinking when so much time has gone since the first that
  /// failed: one that gets stuck costs seconds, and a larger example now beats a smaller one never.
  std::chrono::milliseconds shrinking{1500};
};

/// What the smallest failing example left behind (its history, its lanes). A racy example often
/// passes when run once more for its message, so whatever fails keeps its own evidence.
struct Evidence {
  std::string text;
};

/// Checks `property` (a callable that draws with `*gen` and judges with RC_ASSERT, RC_FAIL …) with
/// the seed of the case, and fails the case with the shrunk counterexample and the evidence of
/// the last failing run. For the body of a case only: rapidcheck's context belongs to one process
/// and one thread, so workers return data. Answers true when it held.
template <class Property>
bool check_property(CaseContext& context, const PropertyAmount& amount, Property&& property,
                    const Evidence* evidence = nullptr) {
  std::optional<Deadline> enough;
  std::uint64_t tried = 0;
  bool stopped = false;
  const auto bounded = [&] {
    if (stopped || (enough && enough->expired())) return;
    // Discarded examples count too, so rapidcheck alone says how many are wanted.
    stopped = !enough && !context.another(tried++, std::numeric_limits<std::uint64_t>::max());
    if (stopped) return;
    try {
      property();
    } catch (const rc::detail::CaseResult& result) {
      if (result.type == rc::detail::CaseResult::Type::Failure && !enough) {
        enough = Deadline::after(amount.shrinking);
      }
      throw;
    }
  };
  rc::detail::TestParams params;
  params.seed = context.seed();
  params.maxSuccess = static_cast<int>(amount.tests);
  params.maxSize = static_cast<int>(amount.size);
  const rc::detail::TestMetadata metadata{.id = context.info().name(),
                                          .description = context.info().name()};
  const rc::detail::TestResult result = rc::detail::checkTestable(bounded, metadata, params);
  if (result.template is<rc::detail::SuccessResult>()) return true;
  std::ostringstream message;
  rc::detail::printResultMessage(result, message);
  if (evidence != nullptr && !evidence->text.empty()) message << "\n" << evidence->text;
  ADD_FAILURE_AT(context.info().file.c_str(), context.info().line) << message.str();
  return false;
}

}  // namespace gauntlet
