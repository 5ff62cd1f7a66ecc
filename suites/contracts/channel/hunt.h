// Hunts for a program whose history cannot be explained, shrinks it and draws it.
#pragma once

#include <cstddef>
#include <functional>

#include "cases/context.h"
#include "contracts/channel/program.h"

namespace gauntlet::channel_suite {

/// How many programs are tried: `batches` channels with `programs` on each.
struct HuntAmount {
  std::uint64_t batches;
  std::uint64_t programs;
};

/// The amount for this profile; soak's is sixteen times that of full.
HuntAmount hunt_amount(const CaseContext& context, HuntAmount smoke, HuntAmount full);

/// Draws a shape for each batch and runs its programs. The first round that cannot be explained
/// fails the case: the program is shrunk (every candidate run kRunsACandidate times; the failing
/// history is kept, for a smaller racy program often passes when run once more), described and
/// drawn as lanes.
void hunt(CaseContext& context, HuntAmount amount, const std::function<Shape(Random&)>& draw_shape);

inline constexpr std::size_t kRunsACandidate = 20;

}  // namespace gauntlet::channel_suite
