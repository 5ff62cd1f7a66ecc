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

/// How much of a sweep a case does, and which part.
struct SweepAmount {
  std::uint32_t smoke = 5;  ///< points in smoke
  std::uint32_t full = UINT32_MAX;
  std::string only_in = {};  ///< as in SweepOptions
  bool after_sleep = false;
  /// False: the code draws a random number, and its walk is not the same each time.
  bool repeatable = true;
};

/// Each sweeps, tells the table (observed["sweep …"]) and its sums (measured), and expects: what
/// the scenario promises when nothing is done to it, the same walk each time, and at each point
/// "fine" or what is allowed. Without ptrace: not_run.
void expect_kill_sweep(CaseContext& context, const schedule::Scenario& scenario, std::size_t victim,
                       const std::vector<Allowed>& allowed = {}, const SweepAmount& amount = {});
void expect_preemption_sweep(CaseContext& context, const schedule::Scenario& scenario,
                             std::size_t victim, const std::vector<Allowed>& allowed = {},
                             const SweepAmount& amount = {});
/// Held until the others are quiet (asleep on what it holds, for instance), then killed.
void expect_preemption_and_kill_sweep(CaseContext& context, const schedule::Scenario& scenario,
                                      std::size_t victim, const std::vector<Allowed>& allowed = {},
                                      const SweepAmount& amount = {});
void expect_two_preemptions(CaseContext& context, const schedule::Scenario& scenario,
                            std::size_t first, std::size_t second,
                            const SweepAmount& amount = {.smoke = 5, .full = 300});

}  // namespace gauntlet
