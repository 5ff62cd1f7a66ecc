// Too much of everything: more senders than cores before a full channel, more receivers than
// messages, the largest messages at full capacity, descriptors and queues at their limits. Nothing
// is lost, nobody is stuck; how fast and how fair it went is measured and not judged.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "base/limits.h"
#include "base/unique_fd.h"
#include "cases/case.h"
#include "contracts/channel/claims.h"
#include "contracts/channel/judge.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/stage.h"
#include "contracts/channel/traffic.h"

namespace gauntlet::channel_suite {
namespace {

/// Without the capacity, which binds all the time here: the patterns decide the rest exactly.
bool judge_traffic(CaseContext& context, const Stage& stage, const history::History& history) {
  history::FifoRules rules = rules_for(stage.claims(), stage.options(), true);
  rules.capacity.reset();
  rules.full_is_exact = false;
  return judge(context, history, rules);
}

/// Messages of the first half that came out, by sender: who got how much of the channel while all
/// of them wanted it.
void measure_fairness(CaseContext& context, const history::History& history, std::size_t senders) {
  if (senders < 2) return;
  std::vector<std::uint64_t> came;
  for (const history::Call& call : history.calls) {
    if (call.op == history::Op::receive && call.outcome == history::Outcome::ok) {
      came.push_back(call.value / Traffic::kIdsASender);
    }
  }
  came.resize(came.size() / 2);
  if (came.empty()) return;
  std::map<std::uint64_t, std::uint64_t> shares;
  for (std::uint64_t sender = 0; sender < senders; ++sender) shares[sender] = 0;
  for (const std::uint64_t sender : came) ++shares[sender];
  std::uint64_t least = came.size();
  for (const auto& [sender, share] : shares) least = std::min(least, share);
  context.measured("fairness_min_share_percent",
                   100.0 * static_cast<double>(least * senders) / static_cast<double>(came.size()));
}

void measure_rate(CaseContext& context, const history::History& history) {
  std::uint64_t messages = 0;
  std::int64_t last_ns = 0;
  for (const history::Call& call : history.calls) {
    if (call.op != history::Op::receive || call.outcome != history::Outcome::ok) continue;
    ++messages;
    last_ns = std::max(last_ns, call.returned_ns);
  }
  if (messages == 0) return;
  const double seconds = static_cast<double>(last_ns - history.calls.front().invoked_ns) / 1e9;
  if (seconds > 0) context.measured("messages_per_s", static_cast<double>(messages) / seconds);
}

/// Lowers the soft limit on descriptors to what is open now, in this process only.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    // Descriptors are given out lowest first: every number below this one is in use.
    const UniqueFd lowest(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(lowest.get());
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  ~NoMoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

CHANNEL_CASE(
    overload, FourSendersACoreBeforeAFullChannel_AllComesOutWhenSomebodyReceives,
    .applies = [](const ChannelClaims& claims) {
      return keeps_order(claims) && blocks_when_full(claims);
    }) {
  Stage stage(context, options_for(context.channel().claims, 4, 512));
  if (!stage.ready()) return;
  TrafficOptions options;
  options.senders = senders_for(stage.claims(), 512, four_a_core());
  options.receivers = 0;
  options.fixed_size = true;
  // Enough to fill whatever the system chose, and then some.
  options.messages = stage.claims().exact_capacity
                         ? static_cast<std::uint32_t>(context.amount(25, 200, 2000))
                         : static_cast<std::uint32_t>(std::max<std::uint64_t>(
                               context.amount(60, 200, 2000), 1200 / options.senders));
  Traffic traffic(stage, options, context.random());
  if (!traffic.start()) return;
  // The consumer is slow: it comes when the channel is full and everybody waits who has not done.
  std::size_t asleep = 0;
  for (const std::size_t sender : {std::size_t{0}, options.senders - 1}) {
    const Status sleeps =
        traffic.crew().process(sender).await_asleep(Deadline::after(kCallPatience));
    ASSERT_TRUE(sleeps || sleeps.error() == Code::closed)
        << "sender " << sender << " does not sleep before a full channel";
    asleep += sleeps ? 1 : 0;
  }
  EXPECT_GE(asleep, 1U) << "the channel was never full";
  traffic.add_receiver();
  if (!traffic.finish()) return;
  const history::History history = traffic.history();
  if (!judge_traffic(context, stage, history)) return;
  measure_fairness(context, history, options.senders);
}

CHANNEL_CASE(
    overload, ManyReceiversBeforeAnEmptyChannel_EachMessageReachesOne,
    .applies = [](const ChannelClaims& claims) {
      return keeps_order(claims) && many_receivers(claims);
    }) {
  Stage stage(context, options_for(context.channel().claims, 4, 256));
  if (!stage.ready()) return;
  TrafficOptions options;
  options.senders = 1;
  options.receivers = four_a_core();
  options.messages = static_cast<std::uint32_t>(context.amount(150, 1000, 3000));
  options.message_size = 256;
  Traffic traffic(stage, options, context.random());
  if (!traffic.start() || !traffic.finish()) return;
  judge_traffic(context, stage, traffic.history());
}

CHANNEL_CASE(overload, MoreProcessesThanCores_AllTrafficPasses, .applies = keeps_order) {
  Stage stage(context, options_for(context.channel().claims, 8, 512));
  if (!stage.ready()) return;
  TrafficOptions options;
  options.senders = senders_for(stage.claims(), 512, four_a_core() / 2);
  options.receivers = receivers_for(stage.claims(), four_a_core() / 2);
  options.messages =
      static_cast<std::uint32_t>(context.amount(240, 2400, 10'000) / options.senders);
  Traffic traffic(stage, options, context.random());
  if (!traffic.start() || !traffic.finish()) return;
  const history::History history = traffic.history();
  if (!judge_traffic(context, stage, history)) return;
  measure_rate(context, history);
  measure_fairness(context, history, options.senders);
}

CHANNEL_CASE(
    overload, LargestMessagesToTheLastPlace_AreAllKeptWhole,
    .applies = [](const ChannelClaims& claims) {
      return keeps_order(claims) && blocks_when_full(claims) && has_messages(claims);
    }) {
  const ChannelClaims& claims = context.channel().claims;
  Stage stage(context, options_for(claims, 8, 64 * 1024));
  if (!stage.ready()) return;
  const std::size_t size = stage.options().message_size;
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  std::uint32_t fit = 0;
  Reply reply;
  while (fit < 400) {
    reply = sender.send_message(fit + 1, size, kAttempt);
    if (!reply.ok) break;
    ++fit;
  }
  EXPECT_THAT(reply, FailsWith(Code::would_block)) << "after " << fit << " messages";
  if (claims.exact_capacity) {
    EXPECT_EQ(fit, stage.options().capacity);
  } else {
    context.observed("capacity", fmt::format("{} messages of {} bytes", fit, size));
  }
  for (std::uint32_t id = 1; id <= fit; ++id) {
    EXPECT_THAT(receiver.receive_message(kPatient), BringsMessage(id));
  }
  EXPECT_THAT(receiver.receive_message(kAttempt), FailsWith(Code::would_block));
}

// Out of descriptors, a new channel (and a new end of a named one) is refused with `exhausted`, or
// works because it needs none; the channel that is there does not notice.
CHANNEL_CASE(overload, NoDescriptorLeft_NewOnesAreRefusedAndTheOldOneWorks) {
  Stage stage(context);
  if (!stage.ready()) return;
  const std::string address = stage.host().address();
  ChannelOptions options = stage.options();
  Shared<int> created;
  Crew crew(1);
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    const auto refused = [&](const Error& error, std::string_view what) {
      worker.expect(error.code == Code::exhausted,
                    fmt::format("{} without a free descriptor answered {}, not exhausted", what,
                                describe(error)));
    };
    {
      const NoMoreDescriptors limit;
      const auto another = context.channel().create(options);
      *created = another ? 1 : 0;
      if (!another) refused(another.error(), "create()");
      if (context.channel().attach != nullptr) {
        const auto attached =
            context.channel().attach(address, stranger_role(context.channel().claims));
        if (!attached) refused(attached.error(), "attach()");
      }
    }
    const auto another = context.channel().create(options);
    worker.expect(another.has_value(), "create() fails after the limit was lifted");
  }));
  context.join(crew);
  context.observed("without_descriptors", *created != 0 ? "needs none" : "exhausted");
  Actor& sender = stage.add(Role::sender);
  Actor& receiver = stage.add(Role::receiver);
  const Transfer passed = transfer_message(sender, 1, 64, receiver);
  EXPECT_THAT(passed.sent, Succeeds());
  EXPECT_THAT(passed.received, BringsMessage(1));
}

// More than the system allows is refused with a word that says so, or it really holds so many.
CHANNEL_CASE(
    overload, CapacityOverTheLimit_IsRefusedOrHeld, .applies = [](const ChannelClaims& claims) {
      return claims.largest_capacity > 0 && claims.exact_capacity && blocks_when_full(claims);
    }) {
  ChannelOptions options = options_for(context.channel().claims);
  options.capacity = context.channel().claims.largest_capacity + 1;
  options.scope = context.scope();
  options.message_size = 64;
  Shared<int> fit;
  Crew crew(1);
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    *fit = -1;
    const auto host = context.channel().create(options);
    if (!host) {
      const Code code = host.error().code;
      worker.expect(code == Code::invalid || code == Code::exhausted || code == Code::denied,
                    "a capacity over the limit answered " + describe(host.error()));
      return;
    }
    const auto channel = (*host)->open(Role::both);
    if (!worker.expect(channel.has_value(), "open() failed")) return;
    const std::vector<std::byte> message(64);
    *fit = 0;
    while (*fit <= static_cast<int>(options.capacity) &&
           (*channel)->send(message, Deadline::immediate())) {
      ++*fit;
    }
    worker.expect(
        *fit == static_cast<int>(options.capacity),
        fmt::format("a capacity of {} was granted, and {} messages fit", options.capacity, *fit));
  }));
  if (!context.join(crew)) return;
  context.observed("capacity_over_the_limit", *fit < 0 ? "refused" : "held");
}

}  // namespace gauntlet::channel_suite
