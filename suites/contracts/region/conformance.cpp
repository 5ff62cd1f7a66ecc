// Contract Region, conformance: what a view shows, to whom, where it is mapped, and how it ends.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "contracts/region/claims.h"
#include "contracts/region/matchers.h"
#include "contracts/region/stage.h"

namespace gauntlet::region_suite {
namespace {

bool anywhere(const RegionClaims& claims) { return claims.any_address; }

// A new region has the size asked for, to the byte where that is claimed, and at least that size
// otherwise.
REGION_CASE(conformance, NewRegion_HasTheSizeAskedFor) {
  for (const std::size_t size : {std::size_t{1}, page_size(), sample_size()}) {
    SCOPED_TRACE(std::to_string(size) + " bytes asked for");
    Stage stage(context, size, 1);
    if (!stage.ready()) return;
    const Reply seen = stage.look(0);
    ASSERT_THAT(seen, Succeeds());
    if (stage.claims().exact_size) {
      EXPECT_EQ(seen.size, size);
    } else {
      EXPECT_GE(seen.size, size);
    }
  }
}

// Nothing of what was in the memory before shows.
REGION_CASE(
    conformance, NewRegion_IsAllZero,
    .applies = [](const RegionClaims& claims) { return claims.zero_filled; }) {
  {
    // What a system that hands out used memory would hand out.
    Stage used(context, sample_size(), 1);
    if (!used.ready()) return;
    Random random = context.random();
    ASSERT_THAT(used.store(0, 0, random_bytes(random, sample_size())), Succeeds());
  }
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  stage.expect_bytes(0, 0, zeros(sample_size()), "a new region");
}

// What one process stores, the others load: the same bytes at the same offsets, at the first and
// the last byte and across the edge of a page.
REGION_CASE(conformance, StoredBytes_AreSeenByOthersExactly, .applies = shares) {
  Stage stage(context, sample_size(), 3);
  if (!stage.ready()) return;
  Random random = context.random();
  std::vector<std::byte> expected = zeros(sample_size());
  const std::size_t offsets[] = {0, page_size() - 3, 2 * page_size() + 7, sample_size() - 6};
  for (std::size_t i = 0; i < std::size(offsets); ++i) {
    const std::vector<std::byte> bytes = random_bytes(random, 6);
    std::copy(bytes.begin(), bytes.end(), expected.begin() + static_cast<long>(offsets[i]));
    ASSERT_THAT(stage.store(i % 3, offsets[i], bytes), Succeeds());
  }
  for (std::size_t actor = 0; actor < 3; ++actor) {
    stage.expect_bytes(actor, 0, expected, "after four stores");
  }
}

// A private copy is one: nobody else sees what is stored in it, and it sees nothing of others' any
// more where it has stored itself.
REGION_CASE(
    conformance, StoredBytes_StayInThePrivateCopy, .applies = [](const RegionClaims& claims) {
      return claims.coherence == Coherence::private_copy && claims.zero_filled;
    }) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  stage.expect_bytes(0, 0, bytes, "its own stores");
  stage.expect_bytes(1, 0, zeros(sample_size()), "another view");
  const std::vector<std::byte> others = random_bytes(random, 8);
  ASSERT_THAT(stage.store(1, 0, others), Succeeds());
  stage.expect_bytes(0, 0, bytes, "after a store of another");
  const std::size_t newcomer = stage.add_viewer();
  stage.expect_bytes(newcomer, 0, zeros(sample_size()), "a view that is opened later");
}

// Who comes later sees what was stored before.
REGION_CASE(conformance, ViewOpenedLater_SeesWhatWasStoredBefore, .applies = shares) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  const std::size_t newcomer = stage.add_viewer();
  stage.expect_bytes(newcomer, 0, bytes, "a newcomer");
}

// Each process has it at another address, and the bytes are the same: the region holds nothing that
// only one process could follow.
REGION_CASE(conformance, ViewsOfSeveralProcesses_AtOtherAddressesShowTheSameBytes,
            .applies = shares) {
  Stage stage(context, sample_size(), 3);
  if (!stage.ready()) return;
  std::set<std::uintptr_t> addresses;
  for (std::size_t actor = 0; actor < 3; ++actor) addresses.insert(stage.look(actor).at);
  ASSERT_GT(addresses.size(), 1U) << "all processes have it at the same address";
  Random random = context.random();
  for (std::size_t writer = 0; writer < 3; ++writer) {
    const std::vector<std::byte> bytes = random_bytes(random, sample_size());
    ASSERT_THAT(stage.store(writer, 0, bytes), Succeeds());
    for (std::size_t reader = 0; reader < 3; ++reader) {
      stage.expect_bytes(reader, 0, bytes, "stored by actor " + std::to_string(writer));
    }
  }
}

// A process that asks for an address gets the region there and nowhere else.
REGION_CASE(conformance, OpenedAtAnAddress_IsMappedThere, .applies = anywhere) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  const std::size_t actor = stage.add();
  const Reply opened = stage.tell(actor, {.act = Command::open, .at_free_address = true});
  ASSERT_THAT(opened, Succeeds());
  EXPECT_EQ(opened.at, opened.asked);
  if (!shares(stage.claims())) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  stage.expect_bytes(actor, 0, bytes, "mapped at an address that it chose");
}

// Where something is mapped already nothing is put: the call fails and what was there stays.
// MAP_FIXED alone would have replaced it without a word (mmap(2)).
REGION_CASE(conformance, OpenedAtAnAddressInUse_FailsAndWhatWasThereStays, .applies = anywhere) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  RegionView taken;
  taken.address = reinterpret_cast<void*>(stage.look(0).at);
  EXPECT_THAT(stage.open(0, 1, taken), Fails());
  stage.expect_bytes(0, 0, bytes, "the view that was there");
}

// Two views in one process show the same bytes at two addresses, and the end of one is not the end
// of the other.
REGION_CASE(conformance, TwoViewsInOneProcess_ShowTheSameBytesAndEndAlone, .applies = shares) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  ASSERT_THAT(stage.open(0, 1), Succeeds());
  ASSERT_NE(stage.look(0, 0).at, stage.look(0, 1).at);
  Random random = context.random();
  const std::vector<std::byte> first = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, first, 0), Succeeds());
  stage.expect_bytes(0, 0, first, "the second view", 1);
  ASSERT_THAT(stage.detach(0, 0), Succeeds());
  const std::vector<std::byte> second = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, second, 1), Succeeds());
  stage.expect_bytes(0, 0, second, "after the first view was detached", 1);
}

// A view that was opened to read shows everything and takes nothing.
REGION_CASE(
    conformance, ReadOnlyView_LoadsWorkAndAStoreRaisesSigsegv,
    .applies = [](const RegionClaims& claims) { return claims.read_only_views; }) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  const std::size_t reader = stage.add();
  ASSERT_THAT(stage.open(reader, 0, {.read_only = true}), Succeeds());
  const std::vector<std::byte> shown = shares(stage.claims()) ? bytes : zeros(sample_size());
  for (const std::size_t offset : {std::size_t{0}, page_size(), sample_size() - 1}) {
    const Reply stored = stage.store(reader, offset, random_bytes(random, 1));
    EXPECT_THAT(stored, Raises(SIGSEGV)) << "a store at " << offset;
    EXPECT_EQ(stored.touch.at, stored.at + offset);
  }
  stage.expect_bytes(reader, 0, shown, "the view that only reads");
  stage.expect_bytes(0, 0, bytes, "the view that may store");
}

// After detach the view is empty and every call says that it is closed; a second detach, too.
REGION_CASE(conformance, DetachedView_IsEmptyAndAnswersClosed) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  ASSERT_THAT(stage.detach(0), SucceedsWithSize(0U));
  for (const Command::Act act : {Command::detach, Command::refresh, Command::sync}) {
    EXPECT_THAT(stage.act(0, act), FailsWith(Code::closed)) << "call " << static_cast<int>(act);
  }
  EXPECT_THAT(stage.resize(0, sample_size()), FailsWith(Code::closed));
  EXPECT_THAT(stage.act(0, Command::seal_size), FailsWith(Code::closed));
}

// What is detached is not mapped any more: a load there faults.
REGION_CASE(conformance, DetachedMemory_IsNotMappedAnyMore) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  const Reply before = stage.look(0);
  ASSERT_THAT(stage.detach(0), Succeeds());
  // Offsets count from where an empty view says that it is, which is nowhere: from address 0.
  const Reply after = stage.look(0);
  ASSERT_EQ(after.at, 0U) << "an empty view has an address";
  EXPECT_THAT(stage.load(0, before.at, 1), Raises(SIGSEGV));
}

// Views and bytes of the others stay when one process detaches or ends.
REGION_CASE(conformance, WriterDetachesAndEnds_OthersKeepViewAndBytes, .applies = shares) {
  Stage stage(context, sample_size(), 3);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  ASSERT_THAT(stage.detach(0), Succeeds());
  stage.expect_bytes(1, 0, bytes, "after the writer detached");
  stage.leave(0);
  stage.expect_bytes(2, 0, bytes, "after the writer ended");
  const std::vector<std::byte> more = random_bytes(random, 16);
  ASSERT_THAT(stage.store(1, 0, more), Succeeds());
  stage.expect_bytes(2, 0, more, "stored since");
}

// A process can open a view again after it has detached one, and finds what is there.
REGION_CASE(conformance, DetachedAndOpenedAgain_ShowsTheBytes, .applies = shares) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  for (int round = 0; round < 3; ++round) {
    ASSERT_THAT(stage.detach(0), Succeeds());
    ASSERT_THAT(stage.open(0), Succeeds());
    stage.expect_bytes(0, 0, bytes, "opened again");
  }
}

// Two regions have nothing in common.
REGION_CASE(conformance, TwoRegions_ShareNothing) {
  Stage one(context, sample_size(), 1);
  if (!one.ready()) return;
  Stage other(context, sample_size(), 1);
  if (!other.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> first = random_bytes(random, sample_size());
  const std::vector<std::byte> second = random_bytes(random, sample_size());
  ASSERT_THAT(one.store(0, 0, first), Succeeds());
  ASSERT_THAT(other.store(0, 0, second), Succeeds());
  one.expect_bytes(0, 0, first, "the first region");
  other.expect_bytes(0, 0, second, "the second region");
}

// sync() answers, and everybody still sees the bytes.
REGION_CASE(conformance, SyncedBytes_AreSeenAsBefore, .applies = shares) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  EXPECT_THAT(stage.act(0, Command::sync), Succeeds());
  stage.expect_bytes(0, 0, bytes, "after sync, who synced");
  stage.expect_bytes(1, 0, bytes, "after sync, another");
}

}  // namespace
}  // namespace gauntlet::region_suite
