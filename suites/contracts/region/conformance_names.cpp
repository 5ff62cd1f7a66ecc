// Contract Region, conformance: names, how long the object lives, and the file behind it.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "contracts/region/claims.h"
#include "contracts/region/matchers.h"
#include "contracts/region/stage.h"
#include "contracts/region/stranger.h"

namespace gauntlet::region_suite {
namespace {

bool removable(const RegionClaims& claims) {
  return named_and_shares(claims) && claims.removable_in_use;
}
bool chosen(const RegionClaims& claims) { return named(claims) && claims.chosen_address; }

// A process that shares nothing with the others but the name sees and stores like them.
REGION_CASE(conformance, StrangerByExec_AttachesByNameSeesAndStores, .applies = named_and_shares) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  Random before(context.seed());
  ASSERT_THAT(stage.store(0, 0, random_bytes(before, sample_size())), Succeeds());
  ASSERT_NO_FATAL_FAILURE(expect_stranger(context, stage.host().address(), context.seed()));
  Random after(context.seed() + 1);
  stage.expect_bytes(0, 0, random_bytes(after, sample_size()), "stored by the stranger");
}

// A name that nobody made, or that its owner removed, cannot be attached to.
REGION_CASE(conformance, AttachAfterTheHostIsGone_Fails, .applies = named) {
  std::string address;
  {
    Stage stage(context, sample_size(), 1);
    if (!stage.ready()) return;
    address = stage.host().address();
    EXPECT_THAT(stage.attach(0, 1), Succeeds()) << "while it is there";
  }
  Stage other(context, sample_size(), 0);
  if (!other.ready()) return;
  Crew crew;
  const auto attach = context.region().attach;
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    worker.expect(!attach(address, {}).has_value(), "attached to " + address + ", which is gone");
    worker.expect(!attach("", {}).has_value(), "attached to a name that is empty");
  }));
  context.join(crew);
}

// The name goes at once, the views stay as long as somebody has one.
REGION_CASE(conformance, RemovedInUse_ViewsStayAndNobodyNewAttaches, .applies = removable) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  const Status removed = stage.host().remove();
  ASSERT_TRUE(removed.has_value()) << describe(removed.error());
  const std::size_t newcomer = stage.add();
  EXPECT_THAT(stage.attach(newcomer), Fails()) << "attached to a name that was removed";
  stage.expect_bytes(1, 0, bytes, "after the name was removed");
  const std::vector<std::byte> more = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(1, 0, more), Succeeds());
  stage.expect_bytes(0, 0, more, "stored after the name was removed");
}

// A name is removed once: the second time it is not there.
REGION_CASE(conformance, RemovedTwice_SecondTimeFails, .applies = removable) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  ASSERT_TRUE(stage.host().remove().has_value());
  EXPECT_FALSE(stage.host().remove().has_value());
}

// The name can be taken anew while views of the old object exist: two objects, and nothing of the
// old one shows in the new one.
REGION_CASE(
    conformance, RemovedAndMadeAnew_IsAnotherObject,
    .applies = [](const RegionClaims& claims) { return removable(claims) && chosen(claims); }) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> old_bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, old_bytes), Succeeds());
  const std::string address = stage.host().address();
  ASSERT_TRUE(stage.host().remove().has_value());
  const auto anew = make_region(context, 2 * sample_size(), address);
  if (anew == nullptr) return;
  EXPECT_EQ(anew->address(), address);
  ASSERT_THAT(stage.attach(0, 1), SucceedsWithSize(2 * sample_size()));
  stage.expect_bytes(0, 0, zeros(2 * sample_size()), "the new object", 1);
  stage.expect_bytes(0, 0, old_bytes, "the old object");
}

// An address that is taken is not made again, and who has it notices nothing.
REGION_CASE(conformance, CreateAtATakenAddress_IsRefused, .applies = chosen) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  RegionOptions options;
  options.size = 2 * sample_size();
  options.scope = context.scope();
  options.address = stage.host().address();
  const auto again = context.region().create(options);
  ASSERT_FALSE(again.has_value()) << "two regions at one address";
  EXPECT_EQ(again.error().system_errno, EEXIST) << describe(again.error());
  EXPECT_THAT(stage.attach(0, 1), SucceedsWithSize(sample_size()));
  stage.expect_bytes(0, 0, bytes, "after a second create");
}

// Kernel and file system persistence: with no view and no process left that had one, the bytes are
// still there for who attaches.
REGION_CASE(
    conformance, EverybodyDetachedAndEnded_BytesAreThereForTheNext,
    .applies = [](const RegionClaims& claims) {
      return named_and_shares(claims) && claims.persistence != Persistence::process;
    }) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  ASSERT_THAT(stage.detach(1), Succeeds());
  stage.leave(0);
  stage.leave(1);
  stage.host().let_go();
  const std::size_t newcomer = stage.add();
  ASSERT_THAT(stage.attach(newcomer), Succeeds());
  stage.expect_bytes(newcomer, 0, bytes, "with nobody in between");
}

// The object goes with its last view, and not before.
REGION_CASE(
    conformance, LastViewDetached_ObjectIsGone, .applies = [](const RegionClaims& claims) {
      return named_and_shares(claims) && claims.gone_with_last_view;
    }) {
  Stage stage(context, sample_size(), 2);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  stage.host().let_go();
  const std::size_t newcomer = stage.add();
  ASSERT_THAT(stage.detach(0), Succeeds());
  ASSERT_THAT(stage.attach(newcomer), Succeeds()) << "while one view is left";
  stage.expect_bytes(newcomer, 0, bytes, "while one view is left");
  ASSERT_THAT(stage.detach(newcomer), Succeeds());
  stage.leave(1);
  EXPECT_THAT(stage.attach(newcomer), Fails()) << "attached after the last view was gone";
}

// What was synced is found by one who opens the file and reads it.
REGION_CASE(
    conformance, SyncedBytes_AreFoundInTheFile,
    .applies = [](const RegionClaims& claims) { return claims.file_backed && shares(claims); }) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  Random random = context.random();
  const std::vector<std::byte> bytes = random_bytes(random, sample_size());
  ASSERT_THAT(stage.store(0, 0, bytes), Succeeds());
  ASSERT_THAT(stage.act(0, Command::sync), Succeeds());
  std::ifstream file(stage.host().file(), std::ios::binary);
  ASSERT_TRUE(file.is_open()) << stage.host().file();
  const std::string read{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto found = std::as_bytes(std::span(read));
  ASSERT_GE(found.size(), sample_size());
  EXPECT_EQ(difference(bytes, found.first(sample_size())), "");
}

// Private stores never come to the file, sync or no sync.
REGION_CASE(
    conformance, PrivateStores_AreNotFoundInTheFile, .applies = [](const RegionClaims& claims) {
      return claims.coherence == Coherence::private_copy && claims.zero_filled;
    }) {
  Stage stage(context, sample_size(), 1);
  if (!stage.ready()) return;
  if (stage.host().file().empty()) return context.observed("file", "none to read");
  Random random = context.random();
  ASSERT_THAT(stage.store(0, 0, random_bytes(random, sample_size())), Succeeds());
  ASSERT_THAT(stage.act(0, Command::sync), Succeeds());
  std::ifstream file(stage.host().file(), std::ios::binary);
  ASSERT_TRUE(file.is_open()) << stage.host().file();
  const std::string read{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  ASSERT_GE(read.size(), sample_size());
  EXPECT_EQ(difference(zeros(sample_size()), std::as_bytes(std::span(read)).first(sample_size())),
            "");
}

}  // namespace
}  // namespace gauntlet::region_suite
