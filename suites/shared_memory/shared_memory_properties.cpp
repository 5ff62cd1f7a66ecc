// Seals in random sequences, against a model of what each forbids.
#include "support/property.h"
// GoogleTest and rapidcheck first; see property.h.

#include <fmt/format.h>

#include <ostream>
#include <string>
#include <vector>

#include "shared_memory/shared_objects.h"

namespace gauntlet {

/// One step on a sealable memfd, as plain data.
struct SealStep {
  enum class Op : std::uint8_t { add_seals, resize, write, map };
  Op op = Op::write;
  int seals = 0;
  std::size_t at = 0;  ///< bytes: the new size, or where to write
};

void showValue(const SealStep& step, std::ostream& out) {
  constexpr const char* kNames[] = {"add_seals", "resize", "write", "map"};
  out << fmt::format("{}({:#x}, {})", kNames[static_cast<std::size_t>(step.op)], step.seals,
                     step.at);
}

}  // namespace gauntlet

namespace rc {

template <>
struct Arbitrary<gauntlet::SealStep> {
  static Gen<gauntlet::SealStep> arbitrary() {
    using Step = gauntlet::SealStep;
    using Op = Step::Op;
    const auto one_seal = gen::element(F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE);
    return gen::build<Step>(
        gen::set(&Step::op,
                 gen::weightedElement<Op>(
                     {{2, Op::add_seals}, {4, Op::resize}, {4, Op::write}, {2, Op::map}})),
        gen::set(&Step::seals, one_seal),
        gen::set(&Step::at, gen::inRange<std::size_t>(0, 10'000)));
  }
};

}  // namespace rc

namespace gauntlet {
namespace {

/// What fcntl(2) says of each seal.
struct SealModel {
  std::size_t size = 5000;
  int seals = 0;

  /// 0 or the error that the step must end with.
  int step(const SealStep& step) {
    switch (step.op) {
      case SealStep::Op::add_seals:
        if ((seals & F_SEAL_SEAL) != 0) return EPERM;
        seals |= step.seals;
        return 0;
      case SealStep::Op::resize:
        if (step.at < size && (seals & F_SEAL_SHRINK) != 0) return EPERM;
        if (step.at > size && (seals & F_SEAL_GROW) != 0) return EPERM;
        size = step.at;
        return 0;
      case SealStep::Op::write:
        if ((seals & F_SEAL_WRITE) != 0) return EPERM;
        if (step.at + 1 > size && (seals & F_SEAL_GROW) != 0) return EPERM;
        size = std::max(size, step.at + 1);
        return 0;
      case SealStep::Op::map:
        return (seals & F_SEAL_WRITE) != 0 ? EPERM : 0;
    }
    return 0;
  }
};

int perform(int file, const SealStep& step) {
  switch (step.op) {
    case SealStep::Op::add_seals:
      return ::fcntl(file, F_ADD_SEALS, step.seals) == 0 ? 0 : errno;
    case SealStep::Op::resize:
      return ::ftruncate(file, static_cast<off_t>(step.at)) == 0 ? 0 : errno;
    case SealStep::Op::write:
      return ::pwrite(file, "x", 1, static_cast<off_t>(step.at)) == 1 ? 0 : errno;
    case SealStep::Op::map:
      return try_map(file, memory_page(), PROT_READ | PROT_WRITE) == 0 ? 0 : errno;
  }
  return 0;
}

// Whatever order seals, resizes, writes and mappings come in, each is done or refused with EPERM as
// the seals before it say, and the size is what the model has.
GAUNTLET_CASE(SharedMemoryProperties, SealsInAnyOrder_ForbidWhatTheySayAndNothingElse,
              .clause = "fcntl(2) File Sealing") {
  const PropertyAmount amount{.tests = context.amount(200, 3000, 50'000), .size = 40};
  check_property(context, amount, [&] {
    const auto steps = *rc::gen::arbitrary<std::vector<SealStep>>();
    const UniqueFd file(::memfd_create("gauntlet", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    RC_ASSERT(file.valid());
    SealModel model;
    RC_ASSERT(::ftruncate(file.get(), static_cast<off_t>(model.size)) == 0);
    for (const SealStep& step : steps) {
      const int expected = model.step(step);
      const int actual = perform(file.get(), step);
      if (actual != expected) {
        RC_FAIL(fmt::format("{} instead of {}", errno_name(actual), errno_name(expected)));
      }
      RC_ASSERT(size_of(file.get()) == static_cast<long>(model.size));
      RC_ASSERT(::fcntl(file.get(), F_GET_SEALS) == model.seals);
    }
  });
}

}  // namespace
}  // namespace gauntlet
