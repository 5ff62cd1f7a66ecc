// Sweeps over instructions as cases: what a sweep may come to, and the table as the case's output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cases/context.h"
#include "faults/sweep.h"

namespace gauntlet {

/// An outcome that the documents allow, and why. Every other one but "fine" fails the case.
struct Allowed {
  std::string outcome;  ///< its beginning: "stuck: other"
  std::string reason;
  /// Where it is allowed it also happens, in a full sweep: an object that is held is held after its
  /// holder's death, if nobody promises otherwise. False: it may.
  bool certain = true;
};

/// The points of a full sweep, or a spread sample of them in smoke.
SweepOptions sweep_options(const CaseContext& context, std::uint32_t smoke_points);

/// Each sweeps, tells the table (observed["sweep …"]) and its sums (measured), and expects: what
/// the scenario promises when nothing is done to it, the same walk each time, and at each point
/// "fine" or what is allowed. Without ptrace: not_run.
void expect_kill_sweep(CaseContext& context, const schedule::Scenario& scenario, std::size_t victim,
                       const std::vector<Allowed>& allowed = {}, std::uint32_t smoke_points = 40);
void expect_preemption_sweep(CaseContext& context, const schedule::Scenario& scenario,
                             std::size_t victim, const std::vector<Allowed>& allowed = {},
                             std::uint32_t smoke_points = 40);
/// Held until the others are quiet (asleep on what it holds, for instance), then killed.
void expect_preemption_and_kill_sweep(CaseContext& context, const schedule::Scenario& scenario,
                                      std::size_t victim, const std::vector<Allowed>& allowed = {},
                                      std::uint32_t smoke_points = 40);
void expect_two_preemptions(CaseContext& context, const schedule::Scenario& scenario,
                            std::size_t first, std::size_t second, std::uint32_t smoke_points = 30);

}  // namespace gauntlet
