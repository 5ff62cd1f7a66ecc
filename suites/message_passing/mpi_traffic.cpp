// MPI when many ranks send at once, when one is killed, and before anybody receives.
#include <gmock/gmock.h>

#include "message_passing/mpi_ranks.h"

namespace gauntlet {
namespace {

using testing::ElementsAre;

// Several ranks send to one that takes from anybody: the status tells who, and each sender's
// messages stay in order. It could fail where queues of several senders are merged.
GAUNTLET_CASE(MessagePassingRaces, MpiAnySource_TellsTheSenderAndKeepsItsOrder,
              .clause = "MPI-4.0 section 3.2.4 MPI_ANY_SOURCE; section 3.5") {
  const auto seen = run_ranks(context, "any_source", 3);
  if (!seen) return;
  EXPECT_EQ(seen->one("senders"), 2);
  EXPECT_EQ(seen->one("wrong_source"), 0);
  EXPECT_EQ(seen->one("out_of_order"), 0);
  EXPECT_EQ(seen->one("left"), 0);
}

// Nobody leaves a barrier before everybody has come. It could fail where a rank of the round before
// is counted in this one.
GAUNTLET_CASE(MessagePassingRaces, MpiBarrierOverAndOver_NobodyLeavesBeforeAllHaveCome,
              .clause = "MPI-4.0 section 6.3 MPI_BARRIER") {
  const auto seen = run_ranks(context, "barrier", 3);
  if (!seen) return;
  EXPECT_EQ(seen->one("rounds"), 12);
  EXPECT_EQ(seen->one("left_early"), 0);
}

// MPI says nothing of a rank that is killed; the launcher ends the job, and says that it failed. It
// could fail by ranks that wait for the dead one for ever.
GAUNTLET_CASE(MessagePassingCrashes, MpiRankKilled_TheLauncherEndsTheJobAndHasFailed,
              .clause = "Hydra process management: abnormal termination of a rank ends the job") {
  context.fault_planned();
  const auto seen = run_ranks(context, "killed");
  if (!seen) return;
  if (seen->one("killed") == 1) context.fault_fired();
  EXPECT_NE(seen->status, 0);
  EXPECT_THAT(seen->all("came_back"), ElementsAre());
}

// Everybody sends to everybody before anybody receives: what does not fit into the transport waits
// at its sender, in order.
GAUNTLET_CASE(MessagePassingOverload, MpiThousandsOfSendsBeforeTheFirstReceive_AllComeInOrder,
              .clause = "MPI-4.0 section 3.5 (order, progress); section 3.7") {
  const auto seen = run_ranks(context, "flood", 3);
  if (!seen) return;
  EXPECT_EQ(seen->one("each"), 2000);
  EXPECT_EQ(seen->one("wrong"), 0);
}

}  // namespace
}  // namespace gauntlet
