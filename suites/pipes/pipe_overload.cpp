// Pipes when there is too much of something: descriptors, writers, bytes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "cases/context.h"
#include "pipes/pipe_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

// Pipes are made until the limit, the refusal is EMFILE and costs nothing, and one pipe closed is
// one pipe that can be made again.
GAUNTLET_CASE(PipesOverload, Pipe2UntilTheDescriptorLimit_FailsWithEmfileAndRecovers,
              .clause = "POSIX.1-2024 pipe() ERRORS [EMFILE]") {
  const UniqueFd probe(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(probe.valid());
  constexpr rlim_t kMoreDescriptors = 80;
  const rlim_t most = static_cast<rlim_t>(probe.get()) + kMoreDescriptors;
  std::vector<PipeEnds> pipes;
  pipes.reserve(most);
  const auto make = [&] {
    int raw[2];
    const CallOutcome outcome = outcome_of(::pipe2(raw, O_CLOEXEC));
    if (!outcome.failed) pipes.push_back({UniqueFd(raw[0]), UniqueFd(raw[1])});
    return outcome;
  };
  CallOutcome refused;
  CallOutcome again;
  CallOutcome refused_again;
  {
    const LoweredLimit limit(RLIMIT_NOFILE, most);
    if (!limit.lowered()) return context.not_run("RLIMIT_NOFILE to be lowered", "run unconfined");
    while (!refused.failed && pipes.size() < most) refused = make();
    ASSERT_FALSE(pipes.empty());
    pipes.pop_back();
    again = make();
    refused_again = make();
  }
  EXPECT_THAT(refused, SyscallFailsWithErrno(EMFILE));
  EXPECT_THAT(again, SyscallSucceeds());
  EXPECT_THAT(refused_again, SyscallFailsWithErrno(EMFILE));
  for (const PipeEnds& ends : pipes) {
    ASSERT_THAT(::write(ends.write.get(), "x", 1), SyscallSucceedsWithValue(1));
  }
}

// Many writers asleep on one full pipe: as it is read, each of them gets in, none is forgotten.
GAUNTLET_CASE(PipesOverload, ManyWritersAsleepOnAFullPipe_AllGetInAsItIsRead,
              .clause = "POSIX.1-2024 write() DESCRIPTION (O_NONBLOCK clear)") {
  const std::uint64_t writers = context.amount(6, 24, 48);
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  const auto largest = static_cast<std::size_t>(::fpathconf(ends->write.get(), _PC_PIPE_BUF));
  const long filled = fill(ends->write.get());
  ASSERT_GT(filled, 0);
  const std::string block(largest, 'b');
  std::vector<std::unique_ptr<ChildCall>> sleeping;
  for (std::uint64_t i = 0; i < writers; ++i) {
    sleeping.push_back(std::make_unique<ChildCall>(
        context, [&] { return ::write(ends->write.get(), block.data(), block.size()); }));
    ASSERT_TRUE(sleeping.back()->is_asleep());
  }
  const std::size_t expected = static_cast<std::size_t>(filled) + writers * block.size();
  EXPECT_EQ(read_up_to(ends->read.get(), expected).size(), expected);
  for (const auto& writer : sleeping) {
    EXPECT_THAT(writer->finish(), SyscallSucceedsWithValue(static_cast<long>(block.size())));
  }
}

}  // namespace
}  // namespace gauntlet
