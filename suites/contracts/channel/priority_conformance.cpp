// What a channel with priorities promises: the highest first, the oldest among equals.
#include <gmock/gmock.h>

#include "cases/case.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/priority.h"
#include "process/crew.h"

namespace gauntlet::channel_suite {

CHANNEL_CASE(conformance, SeveralPriorities_HighestFirstOldestAmongEquals,
             .applies = has_priorities) {
  const std::uint32_t priorities = priorities_for(context.channel().claims);
  Stage stage(context, options_for(context.channel().claims, 8, 256), priorities);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  Random random = context.random();
  PriorityModel model(priorities);
  const auto fit = static_cast<std::uint32_t>(stage.options().capacity);
  for (std::uint32_t round = 0; round < 3; ++round) {
    for (std::uint32_t n = 1; n <= fit; ++n) {
      const auto priority = static_cast<std::uint32_t>(random.below(priorities));
      const std::uint32_t id = id_of(round * fit + n, priority, priorities);
      EXPECT_THAT(sender.send_message(id, 64, kPatient), Succeeds());
      model.put(id);
    }
    while (!model.empty()) {
      EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(model.take()));
    }
  }
}

// A message that comes last and is the most important leaves first, every time.
CHANNEL_CASE(conformance, HighestPrioritySentLast_OvertakesAllThatWait, .applies = has_priorities) {
  const std::uint32_t priorities = priorities_for(context.channel().claims);
  Stage stage(context, options_for(context.channel().claims, 4, 256), priorities);
  if (!stage.ready()) return;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  EXPECT_THAT(sender.send_message(id_of(1, 0, priorities), 64, kPatient), Succeeds());
  for (std::uint32_t n = 2; n < 6; ++n) {
    const std::uint32_t urgent = id_of(n, priorities - 1, priorities);
    EXPECT_THAT(sender.send_message(urgent, 64, kPatient), Succeeds());
    EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(urgent));
  }
  EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(id_of(1, 0, priorities)));
}

// send() is priority 0, and the largest priority there is overtakes it; one more is refused.
CHANNEL_CASE(conformance, PriorityOverTheLargest_IsInvalidAndTheLargestWorks,
             .applies = has_priorities) {
  ChannelOptions options = options_for(context.channel().claims, 4, 64);
  options.scope = context.scope();
  const auto host = context.channel().create(options);
  if (!host) return context.not_created(host.error());
  Crew crew(1);
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    const auto channel = (*host)->open(Role::both);
    if (!worker.expect(channel.has_value(), "open() failed")) return;
    const std::uint32_t most = context.channel().claims.priorities;
    const std::vector<std::byte> plain(1);
    const std::vector<std::byte> urgent(2);
    const auto send = [&](const std::vector<std::byte>& bytes, std::uint32_t priority) {
      return (*channel)->send_with_priority(bytes, priority, Deadline::immediate());
    };
    worker.expect((*channel)->send(plain, Deadline::immediate()).has_value(), "send() failed");
    const auto largest = send(urgent, most - 1);
    worker.expect(largest.has_value(), "the largest priority was refused");
    if (most != UINT32_MAX) {
      const auto over = send(urgent, most);
      worker.expect(!over && over.error() == Code::invalid,
                    "a priority over the largest is not invalid");
    }
    std::vector<std::byte> buffer(options.message_size);
    for (const std::size_t size : {urgent.size(), plain.size()}) {
      const auto came = (*channel)->receive(buffer, Deadline::immediate());
      worker.expect(came && *came == size, "the largest priority did not overtake send()");
    }
    const auto rest = (*channel)->receive(buffer, Deadline::immediate());
    worker.expect(!rest && rest.error() == Code::would_block, "a refused message came out");
  }));
  context.join(crew);
}

}  // namespace gauntlet::channel_suite
