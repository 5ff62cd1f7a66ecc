// Contract Region, properties: command sequences in several processes against an array of bytes.
#include "support/property.h"
// GoogleTest and rapidcheck first; see property.h.

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "contracts/region/model.h"
#include "contracts/region/stage.h"

namespace gauntlet::region_suite {

/// One command of a sequence, as plain data, printed in a counterexample.
struct RegionCommand {
  enum class Op : std::uint8_t { store, load, resize, refresh, reopen, sync };
  Op op = Op::load;
  std::size_t actor = 0;
  std::size_t where = 0;  ///< in thousandths of what the view shows; resize: of the largest size
  std::size_t count = 0;
  std::uint32_t seed = 0;  ///< of the bytes
};

void showValue(const RegionCommand& command, std::ostream& out) {
  constexpr const char* kNames[] = {"store", "load", "resize", "refresh", "reopen", "sync"};
  out << fmt::format("p{}.{}", command.actor, kNames[static_cast<std::size_t>(command.op)]);
  if (command.op == RegionCommand::Op::store) {
    out << fmt::format("({} bytes of seed {} at {}/1000)", command.count, command.seed,
                       command.where);
  }
  if (command.op == RegionCommand::Op::resize) out << fmt::format("(to {}/1000)", command.where);
}

}  // namespace gauntlet::region_suite

namespace rc {

template <>
struct Arbitrary<gauntlet::region_suite::RegionCommand> {
  static Gen<gauntlet::region_suite::RegionCommand> arbitrary() {
    using Command = gauntlet::region_suite::RegionCommand;
    using Op = Command::Op;
    return gen::build<Command>(gen::set(&Command::op, gen::weightedElement<Op>({{6, Op::store},
                                                                                {4, Op::load},
                                                                                {3, Op::resize},
                                                                                {2, Op::refresh},
                                                                                {1, Op::reopen},
                                                                                {1, Op::sync}})),
                               gen::set(&Command::actor, gen::inRange<std::size_t>(0, 3)),
                               gen::set(&Command::where, gen::inRange<std::size_t>(0, 1001)),
                               gen::set(&Command::count, gen::inRange<std::size_t>(1, 3000)),
                               gen::set(&Command::seed, gen::inRange<std::uint32_t>(1, 1000)));
  }
};

}  // namespace rc

namespace gauntlet::region_suite {
namespace {

using Op = RegionCommand::Op;
constexpr std::size_t kActors = 3;

/// A region with its model, and what they disagree on.
class Compared {
 public:
  explicit Compared(CaseContext& context)
      : stage_(context, sample_size(), kActors),
        model_(context.region().claims, sample_size(), kActors) {}

  bool ready() const { return stage_.ready(); }

  /// Runs one command on both; the difference, or "".
  std::string step(const RegionCommand& command) {
    switch (command.op) {
      case Op::store:
        return store(command);
      case Op::load:
        return compare(command.actor);
      case Op::resize:
        return resize(command);
      case Op::refresh:
        model_.refresh(command.actor);
        return sized(command.actor, stage_.refresh(command.actor));
      case Op::reopen:
        if (!stage_.detach(command.actor).ok) return "a detach failed";
        model_.reopen(command.actor);
        return sized(command.actor, stage_.open(command.actor));
      case Op::sync:
        return done(stage_.act(command.actor, Command::sync), "sync");
    }
    return "";
  }

  /// Everybody sees everything of it.
  std::string compare_all() {
    std::string differs;
    for (std::size_t actor = 0; actor < kActors && differs.empty(); ++actor) {
      differs = compare(actor);
    }
    return differs;
  }

 private:
  static std::string done(const Reply& reply, const std::string& what) {
    if (reply.answered && reply.ok && reply.touch.done()) return "";
    return what + ": " + describe(reply);
  }
  std::string sized(std::size_t actor, const Reply& reply) const {
    const std::string failed = done(reply, "open or refresh");
    if (!failed.empty()) return failed;
    const std::size_t expected = model_.view_size(actor);
    const bool exact = stage_.claims().exact_size;
    if (exact ? reply.size == expected : reply.size >= expected) return "";
    return fmt::format("the view of p{} has {} bytes, not {}", actor, reply.size, expected);
  }
  std::string store(const RegionCommand& command) {
    const std::size_t room = model_.reachable(command.actor);
    const std::size_t offset = std::min(room * command.where / 1000, room - 1);
    Random random(command.seed);
    const auto bytes = random_bytes(random, std::min(command.count, room - offset));
    model_.store(command.actor, offset, bytes);
    return done(stage_.store(command.actor, offset, bytes), "store");
  }
  std::string resize(const RegionCommand& command) {
    const Resizing can = stage_.claims().resizing;
    const std::size_t size = std::max<std::size_t>(1, 2 * sample_size() * command.where / 1000);
    if (can == Resizing::none || (can == Resizing::grow && size < model_.object_size())) return "";
    model_.resize(command.actor, size);
    return sized(command.actor, stage_.resize(command.actor, size));
  }
  std::string compare(std::size_t actor) {
    const std::span<const std::byte> expected = model_.load(actor);
    const Reply loaded = stage_.load(actor, 0, expected.size());
    const std::string failed = done(loaded, "load");
    if (!failed.empty()) return failed;
    const std::string differs = difference(expected, loaded.bytes);
    return differs.empty() ? "" : fmt::format("p{} loads: {}", actor, differs);
  }

  Stage stage_;
  RegionModel model_;
};

// Whatever order stores, resizes, refreshes and new views come in, everybody sees what one array of
// bytes would hold, and everything beside a store is as it was before.
REGION_CASE(
    properties, CommandSequences_AgreeWithAnArrayOfBytes, .applies = [](const RegionClaims& c) {
      return c.zero_filled && (c.coherence == Coherence::shared || c.resizing == Resizing::none);
    }) {
  const PropertyAmount amount{.tests = context.amount(8, 120, 3000), .size = 30};
  Evidence evidence;
  check_property(
      context, amount,
      [&] {
        const auto commands = *rc::gen::arbitrary<std::vector<RegionCommand>>();
        Compared compared(context);
        if (!compared.ready()) return;
        for (std::size_t i = 0; i < commands.size(); ++i) {
          evidence.text = compared.step(commands[i]);
          if (!evidence.text.empty()) {
            RC_FAIL(
                fmt::format("after command {} of {}: {}", i + 1, commands.size(), evidence.text));
          }
        }
        evidence.text = compared.compare_all();
        if (!evidence.text.empty()) RC_FAIL("at the end: " + evidence.text);
      },
      &evidence);
}

// Whatever size is asked for is given: its first and last bytes are there, zero, and can be stored.
REGION_CASE(properties, RegionOfAnySize_HasAllItsBytes) {
  const PropertyAmount amount{.tests = context.amount(8, 100, 2000), .size = 100};
  check_property(context, amount, [&] {
    const auto size = *rc::gen::inRange<std::size_t>(1, 100'000);
    Stage stage(context, size, 1);
    if (!stage.ready()) return;
    const Reply seen = stage.look(0);
    RC_ASSERT(seen.size == size || (!stage.claims().exact_size && seen.size > size));
    Random random(size);
    for (const std::size_t offset : {std::size_t{0}, size / 2, size - 1}) {
      const Reply loaded = stage.load(0, offset, 1);
      RC_ASSERT(loaded.ok && loaded.touch.done());
      const bool as_claimed = !stage.claims().zero_filled || loaded.bytes == zeros(1);
      RC_ASSERT(as_claimed);
    }
    const std::vector<std::byte> bytes = random_bytes(random, size);
    RC_ASSERT(stage.store(0, 0, bytes).touch.done());
    RC_ASSERT(stage.load(0, 0, size).bytes == bytes);
  });
}

// However a region comes to a size, by one resize or by many, what it keeps is what was below every
// size on the way, and the rest is zero.
REGION_CASE(
    properties, ResizesInARow_KeepWhatWasBelowAllOfThem, .applies = [](const RegionClaims& c) {
      return c.resizing == Resizing::grow_and_shrink && c.coherence == Coherence::shared;
    }) {
  const PropertyAmount amount{.tests = context.amount(6, 100, 2000), .size = 20};
  check_property(context, amount, [&] {
    const auto sizes = *rc::gen::container<std::vector<std::size_t>>(
        rc::gen::inRange<std::size_t>(1, 4 * page_size()));
    Stage stage(context, sample_size(), 1);
    if (!stage.ready()) return;
    Random random(context.seed());
    std::vector<std::byte> expected = random_bytes(random, sample_size());
    RC_ASSERT(stage.store(0, 0, expected).touch.done());
    for (const std::size_t size : sizes) {
      const Reply resized = stage.resize(0, size);
      RC_ASSERT(resized.ok && resized.size == size);
      expected.resize(size);
    }
    const Reply loaded = stage.load(0, 0, expected.size());
    RC_ASSERT(loaded.ok && loaded.touch.done());
    const std::string differs = difference(expected, loaded.bytes);
    if (!differs.empty()) RC_FAIL(differs);
  });
}

}  // namespace
}  // namespace gauntlet::region_suite
