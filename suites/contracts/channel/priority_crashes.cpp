// A sender dies inside a send with a priority: what others had sent still comes out by priority.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/priority.h"
#include "contracts/channel/stops.h"
#include "faults/system_call_kill.h"

namespace gauntlet::channel_suite {
namespace {

/// One kill: three messages wait, the victim dies at its `stop`-th system-call stop in the send of
/// a fourth, of the middle priority. Answers false when the sweep is over.
bool kill_at(CaseContext& context, std::uint32_t stop) {
  const std::uint32_t priorities = priorities_for(context.channel().claims);
  Stage stage(context, options_for(context.channel().claims, 8, 256), priorities);
  if (!stage.ready()) return false;
  Actor& survivor = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const std::uint32_t middle = priorities / 2;
  PriorityModel without(priorities);
  PriorityModel with(priorities);
  const auto put = [&](std::uint32_t id) {
    EXPECT_THAT(survivor.send_message(id, 64, kPatient), Succeeds());
    without.put(id);
    with.put(id);
  };
  put(id_of(1, 0, priorities));
  put(id_of(2, middle, priorities));
  put(id_of(3, priorities - 1, priorities));
  Actor& victim = stage.add(Role::sender, Traced::yes);
  const std::uint32_t last = id_of(4, middle, priorities);
  const Result<SystemCallKill> killed = stage.kill_traced(
      victim,
      {.act = Command::send_message, .wait = kPatient, .id = last, .size = 64, .armed = true},
      stop);
  if (!killed) {
    context.error("the sweep failed: " + describe(killed.error()));
    return false;
  }
  SCOPED_TRACE("killed " + killed->place());
  if (!killed->fired) {
    EXPECT_THAT(victim.finish(), Succeeds());
  }
  with.put(last);
  put(id_of(5, middle, priorities));
  // Whether the victim's message is there is open, and told by how many come out.
  std::vector<std::uint32_t> came;
  for (std::size_t turn = 0; turn <= with.size() + 1; ++turn) {
    const Reply reply = receiver.receive_message(kAttempt);
    if (!reply.ok) break;
    EXPECT_FALSE(reply.passage.flawed()) << reply.passage.flaw.data();
    came.push_back(reply.passage.id);
  }
  PriorityModel& model = came.size() == with.size() ? with : without;
  std::vector<std::uint32_t> expected;
  while (!model.empty()) expected.push_back(model.take());
  EXPECT_EQ(came, expected) << "ids in the order of their priorities, id mod " << priorities;
  return stage.end() && killed->fired && !testing::Test::HasFailure();
}

}  // namespace

CHANNEL_CASE(
    crashes, SenderKilledInASendWithPriority_TheRestComesOutByPriority,
    .applies =
        [](const ChannelClaims& claims) {
          return has_priorities(claims) && is_survived(claims.sender_death) &&
                 !claims.sends_without_the_kernel;
        },
    .needs = {Need::ptrace}) {
  if (Stage probe(context); !probe.ready()) return;
  const std::uint32_t fired =
      Stops(context).visit([&](std::uint32_t stop) { return kill_at(context, stop); });
  if (testing::Test::HasFailure()) return;
  if (fired == 0) context.error("the send made no system call, so nobody was killed in one");
}

}  // namespace gauntlet::channel_suite
