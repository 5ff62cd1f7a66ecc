// Several children that sleep in the same call.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "support/child_call.h"

namespace gauntlet {

using Sleepers = std::vector<std::unique_ptr<ChildCall>>;

/// Children that make the same call, each seen asleep in it before the next is forked.
template <class Call>
Sleepers sleepers(CaseContext& context, std::uint64_t count, Call call) {
  Sleepers all;
  for (std::uint64_t i = 0; i < count; ++i) {
    all.push_back(std::make_unique<ChildCall>(context, call));
    EXPECT_TRUE(all.back()->is_asleep());
  }
  return all;
}

/// How many of them have returned from their call. Those that have not sleep.
inline int count_woken(Sleepers& all) {
  int woken = 0;
  for (const auto& sleeper : all) woken += sleeper->is_asleep() ? 0 : 1;
  return woken;
}

}  // namespace gauntlet
