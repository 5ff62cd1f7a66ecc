#include "support/quiet.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>

#include "base/limits.h"
#include "process/process.h"
#include "process/shared.h"

namespace gauntlet {
namespace {

TEST(Quiet, WithoutDescendants_AllAreAsleep) { EXPECT_TRUE(all_descendants_asleep()); }

TEST(Quiet, SleepingChild_AllAreAsleep) {
  Result<Process> child = Process::fork([] { return ::pause(); });
  ASSERT_TRUE(child);
  ASSERT_TRUE(child->await_asleep(Deadline::after(kCallPatience)));
  EXPECT_TRUE(all_descendants_asleep());
}

// A worker that waits for a broker sleeps; the broker that was kept from its CPU does not.
TEST(Quiet, GrandchildThatComputes_IsSeen) {
  const Shared<std::atomic<bool>> begun;
  Result<Process> child = Process::fork([&begun] {
    Result<Process> grandchild = Process::fork([&begun]() -> int {
      std::atomic<int> turns{0};
      for (;;) {
        ++turns;
        *begun = true;
      }
    });
    return ::pause();
  });
  ASSERT_TRUE(child);
  ASSERT_TRUE(child->await_asleep(Deadline::after(kCallPatience)));
  const Deadline patience = Deadline::after(kCallPatience);
  while (!*begun && !patience.expired()) {
  }
  ASSERT_TRUE(*begun);
  EXPECT_FALSE(all_descendants_asleep());
}

}  // namespace
}  // namespace gauntlet
