// What MPI promises of point-to-point messages, with MPICH's ranks on this machine.
#include <gmock/gmock.h>

#include "message_passing/mpi_ranks.h"

namespace gauntlet {
namespace {

using testing::ElementsAre;

// Of two messages that one rank sends another and that both match a receive, the first is received
// first, whether the receive names the tag or takes any.
GAUNTLET_CASE(MessagePassingConformance, MpiSendsOfOneRank_AreReceivedInTheOrderSent,
              .clause = "MPI-4.0 section 3.5 (messages are nonovertaking)") {
  const auto seen = run_ranks(context, "order");
  if (!seen) return;
  EXPECT_EQ(seen->status, 0);
  EXPECT_EQ(seen->one("received"), 500);
  EXPECT_EQ(seen->one("overtaken"), 0);
}

// The tag selects, whatever was sent before.
GAUNTLET_CASE(MessagePassingConformance, MpiRecvByTag_PassesOverMessagesOfOtherTags,
              .clause = "MPI-4.0 section 3.2.4 (message envelope: tag)") {
  const auto seen = run_ranks(context, "tags");
  if (!seen) return;
  EXPECT_THAT(seen->all("tag2"), ElementsAre(20, 21, 22));
  EXPECT_THAT(seen->all("tag1"), ElementsAre(10, 11, 12));
}

// Receives are matched in the order in which they were posted.
GAUNTLET_CASE(MessagePassingConformance, MpiIrecvTwice_TheFirstPostedGetsTheFirstMessage,
              .clause = "MPI-4.0 section 3.5 (order of posted receives)") {
  const auto seen = run_ranks(context, "posted_order");
  if (!seen) return;
  EXPECT_EQ(seen->one("first"), 1);
  EXPECT_EQ(seen->one("second"), 2);
}

// Communicators are worlds of their own: even a receive of anything from anybody gets nothing of
// another.
GAUNTLET_CASE(MessagePassingConformance, MpiSendInAnotherCommunicator_IsNotReceivedInThisOne,
              .clause = "MPI-4.0 section 3.2.3 (separate communication universe)") {
  const auto seen = run_ranks(context, "communicators");
  if (!seen) return;
  EXPECT_EQ(seen->one("world"), 2);
  EXPECT_EQ(seen->one("other"), 1);
}

// A synchronous send is complete only when the matching receive has begun.
GAUNTLET_CASE(MessagePassingConformance, MpiIssend_IsNotCompleteBeforeTheReceiveBegins,
              .clause = "MPI-4.0 section 3.4 (synchronous mode)") {
  const auto seen = run_ranks(context, "synchronous");
  if (!seen) return;
  EXPECT_EQ(seen->one("complete_before_receive"), 0);
  EXPECT_EQ(seen->one("complete_after_receive"), 1);
  EXPECT_EQ(seen->one("received"), 42);
}

// Two ranks that send each other synchronously with receives posted both come through.
GAUNTLET_CASE(MessagePassingConformance, MpiSsendToEachOtherWithReceivesPosted_Completes,
              .clause = "MPI-4.0 section 3.4 (synchronous mode); section 3.5 (progress)") {
  const auto seen = run_ranks(context, "ssend_completes");
  if (!seen) return;
  EXPECT_EQ(seen->one("sent"), 1);
  EXPECT_EQ(seen->one("came"), 101);
}

// After the wait the buffer belongs to the sender again, and what it writes there is not sent. It
// could fail for messages too long to be copied aside.
GAUNTLET_CASE(MessagePassingConformance, MpiIsendAndWait_TheBufferMayBeUsedAgain,
              .clause = "MPI-4.0 section 3.7.3 (communication completion)") {
  const auto seen = run_ranks(context, "buffer_reuse");
  if (!seen) return;
  EXPECT_EQ(seen->one("rounds"), 5);
  EXPECT_EQ(seen->one("wrong_numbers"), 0);
}

// A probe tells who sent, with which tag and how much, and takes nothing.
GAUNTLET_CASE(MessagePassingConformance, MpiProbe_TellsTheEnvelopeAndLeavesTheMessage,
              .clause = "MPI-4.0 section 3.8.1 MPI_PROBE; section 3.2.5 MPI_GET_COUNT") {
  const auto seen = run_ranks(context, "probe");
  if (!seen) return;
  EXPECT_EQ(seen->one("source"), 1);
  EXPECT_EQ(seen->one("tag"), 8);
  EXPECT_EQ(seen->one("ints"), 37);
  EXPECT_EQ(seen->one("bytes_are_ints"), 1);
  EXPECT_EQ(seen->one("half_a_double_is_undefined"), 1);
  EXPECT_EQ(seen->one("received"), 37);
}

// A message over the buffer is an error of its own class, writes nothing behind the buffer, and the
// next message is whole.
GAUNTLET_CASE(MessagePassingConformance, MpiRecvOfAMessageOverTheBuffer_IsErrTruncate,
              .clause = "MPI-4.0 section 3.2.4 (overflow error); section 9.4 MPI_ERR_TRUNCATE") {
  const auto seen = run_ranks(context, "truncation");
  if (!seen) return;
  EXPECT_EQ(seen->one("is_truncate"), 1);
  EXPECT_EQ(seen->one("written_behind"), 0);
  EXPECT_EQ(seen->one("next_message"), 1);
}

// Nobody is a partner, too: the calls end at once, and nothing is changed.
GAUNTLET_CASE(MessagePassingConformance, MpiProcNull_SendsAndReceivesEndAtOnce,
              .clause = "MPI-4.0 section 3.10 (null processes)") {
  const auto seen = run_ranks(context, "nobody");
  if (!seen) return;
  EXPECT_EQ(seen->one("sent"), 1);
  EXPECT_EQ(seen->one("unchanged"), 99);
  EXPECT_EQ(seen->one("source_is_null"), 1);
  EXPECT_EQ(seen->one("count"), 0);
}

GAUNTLET_CASE(MessagePassingConformance, MpiSendWithBadArguments_ReturnsTheErrorOfEach,
              .clause = "MPI-4.0 section 9.4 MPI_ERR_RANK, MPI_ERR_TAG, MPI_ERR_COUNT") {
  const auto seen = run_ranks(context, "bad_arguments");
  if (!seen) return;
  EXPECT_EQ(seen->one("rank"), 1);
  EXPECT_EQ(seen->one("tag"), 1);
  EXPECT_EQ(seen->one("count"), 1);
}

// Abort is for all: the ranks that wait never come back, and the launcher says that it failed.
GAUNTLET_CASE(MessagePassingConformance, MpiAbortOfOneRank_EndsAllAndTheJobHasFailed,
              .clause = "MPI-4.0 section 9.7 MPI_ABORT; mpiexec(1)") {
  const auto seen = run_ranks(context, "abort");
  if (!seen) return;
  EXPECT_EQ(seen->status, 7) << "the error code of MPI_Abort";
  EXPECT_THAT(seen->all("came_back"), ElementsAre());
}

}  // namespace
}  // namespace gauntlet
