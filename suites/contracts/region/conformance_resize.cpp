// Contract Region, conformance: another size, the memory past the end, and seals.
#include <gmock/gmock.h>

#include "contracts/region/matchers.h"
#include "contracts/region/stage.h"

namespace gauntlet::region_suite {
namespace {

bool grows(const RegionClaims& claims) {
  return claims.resizing != Resizing::none && claims.coherence == Coherence::shared;
}
bool shrinks(const RegionClaims& claims) {
  return claims.resizing == Resizing::grow_and_shrink && claims.coherence == Coherence::shared;
}
bool seals_size(const RegionClaims& claims) { return claims.size_sealable && grows(claims); }
bool seals_writing(const RegionClaims& claims) {
  return claims.write_sealable && claims.coherence == Coherence::shared;
}

std::vector<std::byte> joined(std::vector<std::byte> bytes, std::size_t zeros_after) {
  bytes.resize(bytes.size() + zeros_after);
  return bytes;
}

// A larger region has its old bytes where they were and zeros behind them, for who resized at once
// and for the others once they refresh.
REGION_CASE(conformance, Grown_OldBytesStayAndNewOnesAreZero, .applies = grows) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(1, 0, bytes), Succeeds());
  const std::size_t larger = sample_size() + 2 * page_size() + 11;
  ASSERT_THAT(stage.resize(0, larger), SucceedsWithSize(larger));
  const std::vector<std::byte> expected = joined(bytes, larger - bytes.size());
  stage.expect_bytes(0, 0, expected, "who resized");
  ASSERT_THAT(stage.refresh(1), SucceedsWithSize(larger));
  stage.expect_bytes(1, 0, expected, "another, refreshed");
  const std::vector<std::byte> more = random_bytes(random, 5);
  ASSERT_THAT(stage.store(0, larger - 5, more), Succeeds());
  stage.expect_bytes(1, larger - 5, more, "stored in what is new");
}

// The old bytes are still shared, not copied, after a resize.
REGION_CASE(conformance, Grown_OldBytesAreStillShared, .applies = grows) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  ASSERT_THAT(stage.resize(0, 2 * sample_size()), Succeeds());
  Random random = context.random();
  for (const std::size_t writer : {0U, 1U}) {  // actor 1 has not refreshed
    const std::vector<std::byte> bytes = random_bytes(random, sample_size());
    ASSERT_THAT(stage.store(writer, 0, bytes), Succeeds());
    stage.expect_bytes(1 - writer, 0, bytes, "stored by actor " + std::to_string(writer));
  }
}

// The views of others stay as they were until they refresh.
REGION_CASE(conformance, GrownByAnother_ViewStaysUntilItRefreshes, .applies = grows) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  const Reply before = stage.look(1);
  ASSERT_THAT(stage.resize(0, 2 * sample_size()), Succeeds());
  const Reply after = stage.look(1);
  EXPECT_EQ(after.size, before.size);
  EXPECT_EQ(after.at, before.at);
  EXPECT_THAT(stage.refresh(1), SucceedsWithSize(2 * sample_size()));
}

// Who opens after a resize has the new size.
REGION_CASE(conformance, OpenedAfterAResize_HasTheNewSize, .applies = grows) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  ASSERT_THAT(stage.resize(0, 3 * sample_size()), Succeeds());
  const std::size_t newcomer = stage.add();
  EXPECT_THAT(stage.open(newcomer), SucceedsWithSize(3 * sample_size()));
}

// A smaller region keeps the bytes that are left.
REGION_CASE(conformance, Shrunk_BytesBeforeTheEndStay, .applies = shrinks) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  Random random = context.random();
  std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(1, 0, bytes), Succeeds());
  const std::size_t smaller = page_size() + 17;
  ASSERT_THAT(stage.resize(0, smaller), SucceedsWithSize(smaller));
  bytes.resize(smaller);
  stage.expect_bytes(0, 0, bytes, "who resized");
  ASSERT_THAT(stage.refresh(1), SucceedsWithSize(smaller));
  stage.expect_bytes(1, 0, bytes, "another, refreshed");
}

// What was cut off is gone for good: grown again, the bytes are zero, those in the page of the cut
// among them.
REGION_CASE(conformance, ShrunkAndGrownAgain_CutBytesAreZero, .applies = shrinks) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  Random random = context.random();
  std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  const std::size_t smaller = page_size() + 17;
  ASSERT_THAT(stage.resize(0, smaller), Succeeds());
  ASSERT_THAT(stage.resize(0, sample_size()), SucceedsWithSize(sample_size()));
  bytes.resize(smaller);
  const std::vector<std::byte> expected = joined(bytes, sample_size() - smaller);
  stage.expect_bytes(0, 0, expected, "shrunk and grown again");
  ASSERT_THAT(stage.refresh(1), Succeeds());
  stage.expect_bytes(1, 0, expected, "another, refreshed");
}

// A view that is larger than the object has become faults past the page of its end, and only there.
REGION_CASE(
    conformance, LoadPastTheEndOfAShrunkRegion_RaisesSigbus,
    .applies = [](const RegionClaims& claims) {
      return shrinks(claims) && claims.past_end_is_sigbus;
    }) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  ASSERT_THAT(stage.resize(0, page_size() / 2), Succeeds());
  ASSERT_THAT(stage.load(1, 0, page_size() / 2), Succeeds()) << "before the end";
  const Reply past = stage.load(1, page_size(), 1);
  EXPECT_THAT(past, Raises(SIGBUS)) << "past the page of the end";
  EXPECT_EQ(past.touch.at, past.at + page_size());
  Random random = context.random();
  EXPECT_THAT(stage.store(1, 2 * page_size(), random_bytes(random, 1)), Raises(SIGBUS));
  ASSERT_THAT(stage.resize(0, sample_size()), Succeeds());
  stage.expect_bytes(1, page_size(), zeros(page_size()), "the old view, grown again");
}

// Who does not claim another size says so, and nothing has changed.
REGION_CASE(
    conformance, ResizeThatIsNotClaimed_AnswersUnsupported,
    .applies = [](const RegionClaims& c) { return c.resizing == Resizing::none; }) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  const Reply before = stage.look(0);
  EXPECT_THAT(stage.resize(0, 2 * sample_size()), FailsWith(Code::unsupported));
  EXPECT_EQ(stage.look(0).size, before.size);
  EXPECT_EQ(stage.look(0).at, before.at);
  EXPECT_THAT(stage.refresh(0), SucceedsWithSize(before.size));
}

// A seal on the size binds everybody: who sealed, who was there, and who comes later.
REGION_CASE(conformance, SizeSealed_NobodyCanResize, .applies = seals_size) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  ASSERT_THAT(stage.act(0, Command::seal_size), Succeeds());
  const std::size_t newcomer = stage.add_viewer();
  for (const std::size_t actor : {std::size_t{0}, std::size_t{1}, newcomer}) {
    EXPECT_THAT(stage.resize(actor, 2 * sample_size()), FailsWith(Code::denied)) << actor;
    EXPECT_THAT(stage.resize(actor, page_size()), FailsWith(Code::denied)) << actor;
    EXPECT_THAT(stage.refresh(actor), SucceedsWithSize(sample_size()));
  }
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(1, 0, bytes), Succeeds()) << "writing was not sealed";
  stage.expect_bytes(0, 0, bytes, "with a sealed size");
}

// A seal on writing: nobody can store, in no view, and the bytes are there to be read.
REGION_CASE(conformance, WritingSealed_NobodyCanStore, .applies = seals_writing) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  ASSERT_THAT(stage.act(0, Command::seal_write), Succeeds());
  EXPECT_THAT(stage.store(0, 0, random_bytes(random, 1)), Raises(SIGSEGV)) << "who sealed";
  const std::size_t newcomer = stage.add();
  EXPECT_THAT(stage.open(newcomer), FailsWith(Code::denied)) << "a view to store in";
  ASSERT_THAT(stage.open(newcomer, 0, {.read_only = true}), Succeeds());
  EXPECT_THAT(stage.store(newcomer, 0, random_bytes(random, 1)), Raises(SIGSEGV)) << "a newcomer";
  stage.expect_bytes(0, 0, bytes, "sealed, who sealed");
  stage.expect_bytes(newcomer, 0, bytes, "sealed, a newcomer");
}

// As long as another could still store, writing cannot be sealed, and refusing it changes nothing.
REGION_CASE(conformance, SealWriting_WithAWritableViewElsewhereIsDenied, .applies = seals_writing) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  Random random = context.random();
  ASSERT_THAT(stage.act(0, Command::seal_write), FailsWith(Code::denied));
  for (const std::size_t writer : {0U, 1U}) {
    const std::vector<std::byte> bytes = random_bytes(random, 16);
    ASSERT_THAT(stage.store(writer, 0, bytes), Succeeds());
    stage.expect_bytes(1 - writer, 0, bytes, "after a seal that was refused");
  }
  ASSERT_THAT(stage.detach(1), Succeeds());
  EXPECT_THAT(stage.act(0, Command::seal_write), Succeeds()) << "nobody else can store now";
}

// Who does not claim seals says so.
REGION_CASE(conformance, SealThatIsNotClaimed_AnswersUnsupported) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  if (!stage.claims().size_sealable) {
    EXPECT_THAT(stage.act(0, Command::seal_size), FailsWith(Code::unsupported));
  }
  if (!stage.claims().write_sealable) {
    EXPECT_THAT(stage.act(0, Command::seal_write), FailsWith(Code::unsupported));
    if (stage.claims().coherence == Coherence::private_copy) return;
    Random random = context.random();
    EXPECT_THAT(stage.store(0, 0, random_bytes(random, 4)), Succeeds());
  }
}

}  // namespace
}  // namespace gauntlet::region_suite
