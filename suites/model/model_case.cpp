// From a search to a verdict.
#include "model/model_case.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "base/limits.h"
#include "schedule/canary.h"
#include "schedule/lanes.h"
#include "schedule/schedule_file.h"

namespace gauntlet {
namespace {

/// A case of a soak holds up to ten searches within an hour.
constexpr std::chrono::seconds kSoakPatience{300};

/// As many as a search may remember in a soak: a quarter of the machine's memory, for others run
/// beside it.
std::uint64_t states_that_fit() {
  constexpr std::uint64_t kMostBytesOfAState = 48;  // schedule/state_search.h
  const auto pages = static_cast<std::uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 0L));
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 4 / kMostBytesOfAState;
}

}  // namespace

void hold(CaseContext& context, const schedule::Scenario& scenario, schedule::Memory memory,
          schedule::Search search, std::uint64_t most, bool complete) {
  // A process of one case holds several scenarios; it is the same engine for all of them.
  static const std::string blind = schedule::why_blind();
  if (!blind.empty()) {
    return context.error("the model engine is blind: " + blind);
  }
  schedule::Options options;
  options.memory = memory;
  options.search = search;
  options.seed = context.random().below(~std::uint64_t{0});
  options.most_executions = most;
  if (context.profile() == Profile::soak) {
    options.most_states = std::max(options.most_states, states_that_fit());
  }
  // A search that must see everything is not to fail because others use the machine.
  const bool soak = context.profile() == Profile::soak;
  options.deadline =
      complete ? context.patience() : Deadline::after(soak ? kSoakPatience : kCallPatience);
  if (::isatty(STDERR_FILENO) != 0) {
    options.progress = [&](const schedule::Coverage& coverage) {
      std::fprintf(stderr, "\r%s  ", coverage.describe(scenario, options).c_str());
    };
  }
  if (scenario.faults.deaths > 0) context.fault_planned();
  const schedule::Exploration result = schedule::explore(scenario, options);
  const std::string seen = result.coverage.describe(scenario, options);
  context.observed(std::string(to_word(search)) + " " + std::string(to_word(memory)), seen);
  context.measured("executions", static_cast<double>(result.coverage.executions));
  if (result.coverage.deaths > 0 && scenario.faults.deaths > 0) context.fault_fired();
  if (!result.error.empty()) return context.error(result.error);
  if (result.finding) {
    context.lanes(schedule::draw(scenario, *result.finding));
    FAIL() << context.info().name() << ": " << result.finding->what << "\n"
           << seen << "\n"
           << schedule::to_text(schedule::saved(scenario, options, *result.finding));
  }
  if (complete && !result.coverage.complete) {
    context.error("not all was seen: " + seen);
  }
}

}  // namespace gauntlet
