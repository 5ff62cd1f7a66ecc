// The stranger's side of the channel, started by exec.
#include "contracts/channel/stranger.h"

#include <gtest/gtest.h>

#include <charconv>
#include <span>
#include <vector>

#include "base/limits.h"
#include "contracts/channel/link.h"
#include "contracts/registry.h"
#include "process/entry.h"
#include "process/process.h"

namespace gauntlet::channel_suite {
namespace {

int stranger(std::span<const std::string> arguments) {
  if (arguments.size() != 4) return 1;
  const ChannelSubject* subject = registered_subjects().channel(arguments[0]);
  if (subject == nullptr || subject->attach == nullptr) return 1;
  const bool sends = arguments[2] == "send";
  std::uint32_t id = 0;
  std::from_chars(arguments[3].data(), arguments[3].data() + arguments[3].size(), id);
  Result<std::unique_ptr<Channel>> channel =
      subject->attach(arguments[1], sends ? Role::sender : Role::receiver);
  if (!channel) return 2;
  // A lane of no recorder is full, which is all that a stranger needs.
  const history::Recorder recorder = history::Recorder::create(1, 4);
  MessageLink link(**channel, subject->claims.framing, recorder.lane(0), 64 * 1024);
  const Passage passage = sends ? link.send(id, 64, Deadline::after(kCallPatience))
                                : link.receive(Deadline::after(kCallPatience));
  if (passage.outcome != history::Outcome::ok) return 3;
  return passage.flawed() || passage.id != id ? 4 : 0;
}

const RegisterWorkerEntry kStranger("channel_stranger", &stranger);

}  // namespace

void expect_stranger(CaseContext& context, const std::string& address, const std::string& action,
                     std::uint32_t id) {
  const std::vector<std::string> arguments{context.channel().name, address, action,
                                           std::to_string(id)};
  Result<Process> stranger = Process::exec("channel_stranger", arguments);
  ASSERT_TRUE(stranger) << describe(stranger.error());
  const Result<ExitStatus> end = stranger->wait(Deadline::after(kCallPatience * 2));
  ASSERT_TRUE(end) << "the stranger that " << action << "s never ended";
  EXPECT_TRUE(end->clean()) << "a stranger that " << action << "s message " << id
                            << " after attach(\"" << address << "\"): " << describe(*end)
                            << " (2: could not attach, 3: the call failed, 4: another message)";
}

}  // namespace gauntlet::channel_suite
