// The stranger's side of a region, started by exec.
#include "contracts/region/stranger.h"

#include <gtest/gtest.h>

#include <charconv>
#include <span>
#include <vector>

#include "base/limits.h"
#include "contracts/region/stage.h"
#include "contracts/registry.h"
#include "process/entry.h"
#include "process/process.h"

namespace gauntlet::region_suite {
namespace {

int stranger(std::span<const std::string> arguments) {
  if (arguments.size() != 3) return 10;
  const RegionSubject* subject = registered_subjects().region(arguments[0]);
  if (subject == nullptr || subject->attach == nullptr) return 10;
  std::uint32_t seed = 0;
  std::from_chars(arguments[2].data(), arguments[2].data() + arguments[2].size(), seed);
  const auto region = subject->attach(arguments[1], {});
  if (!region) return 11;
  const std::span<std::byte> bytes = (*region)->bytes();
  if (bytes.size() < sample_size()) return 12;
  Random before(seed);
  std::vector<std::byte> seen(sample_size());
  if (!load(bytes.data(), seen).done() || seen != random_bytes(before, sample_size())) return 13;
  Random after(seed + 1);
  if (!store(random_bytes(after, sample_size()), bytes.data()).done()) return 14;
  return (*region)->detach() ? 0 : 15;
}

const RegisterWorkerEntry kStranger("region_stranger", stranger);

}  // namespace

void expect_stranger(CaseContext& context, const std::string& address, std::uint32_t seed) {
  const std::string arguments[] = {context.region().name, address, std::to_string(seed)};
  Result<Process> process = Process::exec("region_stranger", arguments);
  ASSERT_TRUE(process.has_value()) << describe(process.error());
  const Result<ExitStatus> end = process->wait(Deadline::after(kCallPatience));
  ASSERT_TRUE(end.has_value()) << "the stranger never ended";
  EXPECT_TRUE(end->clean()) << describe(*end) << " (11: attach failed, 12: too small, 13: other "
                            << "bytes, 14: the store faulted, 15: detach failed)";
}

}  // namespace gauntlet::region_suite
