// Boost.Interprocess' mutex with its owner stopped or killed at each instruction of lock and
// unlock.
#include <gtest/gtest.h>

#include "semaphores/sweep_objects.h"
#include "support/instruction_sweep.h"

#if GAUNTLET_HAS_BOOST
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <new>
#endif

namespace gauntlet {
namespace {

#if GAUNTLET_HAS_BOOST
using boost::interprocess::interprocess_mutex;
using schedule::Scenario;
using schedule::Self;

Scenario contend() {
  const auto enter_and_leave = [](Self& self) {
    self.at<interprocess_mutex>().lock();
    int& inside = self.at<int>(sizeof(interprocess_mutex));
    self.expect(++inside == 1, "two are inside");
    --inside;
    self.at<interprocess_mutex>().unlock();
  };
  Scenario scenario;
  scenario.name = "boost interprocess_mutex";
  scenario.create = [](Self& self) { ::new (self.region()) interprocess_mutex; };
  scenario.processes = {mortal("owner", enter_and_leave), process("other", enter_and_leave)};
  scenario.judge = all_is_said;
  return scenario;
}
#endif

GAUNTLET_CASE(SemaphoresCrashes, BoostMutex_OwnerKilledAtEachInstruction_FreeOrLockedForGood,
              .clause = "Boost.Interprocess, interprocess_mutex (nothing about deaths)",
              .needs = {Need::ptrace}) {
#if GAUNTLET_HAS_BOOST
  expect_kill_sweep(context, contend(), 0, {{"stuck: other", "it is not robust"}});
#else
  context.not_installed("libboost-dev");
#endif
}

GAUNTLET_CASE(SemaphoresRaces, BoostMutex_HeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "Boost.Interprocess, interprocess_mutex", .needs = {Need::ptrace}) {
#if GAUNTLET_HAS_BOOST
  expect_preemption_sweep(context, contend(), 0);
#else
  context.not_installed("libboost-dev");
#endif
}

}  // namespace
}  // namespace gauntlet
