// Runs a sweep for a case and holds its table against what is allowed.
#include "support/instruction_sweep.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace gauntlet {
namespace {

bool is_allowed(const std::string& outcome, const std::vector<Allowed>& allowed) {
  return outcome == "fine" || std::any_of(allowed.begin(), allowed.end(), [&](const Allowed& each) {
           return outcome.starts_with(each.outcome);
         });
}

void tell(CaseContext& context, const SweepTable& table) {
  const std::string what = table.fault + " of " + table.victim;
  context.observed("sweep: " + table.scenario + ", " + what, table.text());
  context.measured("points", static_cast<double>(table.points.size()));
  context.measured("strayed_points", table.strayed);
  context.measured("stuck_points", table.count_of_kind("stuck"));
  context.fault_planned(table.points.size());
  context.fault_fired(table.points.size() - table.count("not reached"));
}

void judge(CaseContext& context, const Result<SweepTable>& table,
           const std::vector<Allowed>& allowed, bool repeatable) {
  if (!table) return context.not_created(table.error());
  tell(context, *table);
  EXPECT_EQ(table->undisturbed, "fine") << table->text();
  if (repeatable) {
    EXPECT_EQ(table->strayed, 0U) << "the walk could not be repeated\n" << table->text();
  }
  for (const auto& [outcome, count] : table->outcomes()) {
    // Where the walk is another one each time, it may be over before the point.
    if (!repeatable && outcome == "not reached") continue;
    EXPECT_TRUE(is_allowed(outcome, allowed)) << outcome << " at " << count << " points\n"
                                              << table->text();
  }
  if (table->points.size() < table->points_in_all) return;
  for (const Allowed& each : allowed) {
    if (!each.certain) continue;
    EXPECT_GE(table->count_of_kind(each.outcome), 1U)
        << each.outcome << " is said to happen (" << each.reason << ") and did not\n"
        << table->text();
  }
}

SweepOptions options_of(const CaseContext& context, const SweepAmount& amount) {
  SweepOptions options;
  options.most_points =
      static_cast<std::uint32_t>(context.amount(amount.smoke, amount.full, UINT32_MAX));
  options.seed = context.seed();
  options.only_in = amount.only_in;
  options.after_sleep = amount.after_sleep;
  return options;
}

}  // namespace

void expect_kill_sweep(CaseContext& context, const schedule::Scenario& scenario, std::size_t victim,
                       const std::vector<Allowed>& allowed, const SweepAmount& amount) {
  judge(context, kill_at_each_instruction(scenario, victim, options_of(context, amount)), allowed,
        amount.repeatable);
}

void expect_preemption_sweep(CaseContext& context, const schedule::Scenario& scenario,
                             std::size_t victim, const std::vector<Allowed>& allowed,
                             const SweepAmount& amount) {
  judge(context,
        preempt_at_each_instruction(scenario, victim, ThenVictim::goes_on,
                                    options_of(context, amount)),
        allowed, amount.repeatable);
}

void expect_preemption_and_kill_sweep(CaseContext& context, const schedule::Scenario& scenario,
                                      std::size_t victim, const std::vector<Allowed>& allowed,
                                      const SweepAmount& amount) {
  judge(context,
        preempt_at_each_instruction(scenario, victim, ThenVictim::is_killed,
                                    options_of(context, amount)),
        allowed, amount.repeatable);
}

void expect_two_preemptions(CaseContext& context, const schedule::Scenario& scenario,
                            std::size_t first, std::size_t second, const SweepAmount& amount) {
  SweepOptions options = options_of(context, amount);
  options.most_points =
      static_cast<std::uint32_t>(context.amount(amount.smoke, amount.full, 10 * amount.full));
  judge(context, sample_two_preemptions(scenario, first, second, options), {}, true);
}

}  // namespace gauntlet
