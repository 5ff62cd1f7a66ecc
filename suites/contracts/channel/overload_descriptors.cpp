// What a channel costs a process that stays: messages by the dozen leave no descriptor behind.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>

#include "base/limits.h"
#include "cases/case.h"
#include "cases/context.h"
#include "contracts/channel/claims.h"
#include "contracts/channel/message.h"
#include "process/crew.h"

namespace gauntlet::channel_suite {
namespace {

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

/// Calls `pass` that often and fails the worker when the process holds more descriptors than after
/// the first time, when whatever is opened late has been opened.
template <class Pass>
void expect_no_more_descriptors(Worker& worker, std::uint64_t messages, const Pass& pass) {
  std::size_t before = 0;
  for (std::uint64_t n = 0; n < messages; ++n) {
    if (!worker.expect(pass(), fmt::format("message {} of {} did not pass", n + 1, messages))) {
      return;
    }
    if (n == 0) before = open_descriptors();
  }
  const std::size_t after = open_descriptors();
  worker.expect(after <= before, fmt::format("holds {} descriptors after {} messages, {} after "
                                             "the first: one is leaked with a message",
                                             after, messages, before));
}

}  // namespace

// A descriptor that is opened for each message and closed for most of them. Not asked of libraries
// whose own threads hold connections, and messages in them: they open descriptors when they like.
CHANNEL_CASE(
    overload, ManyMessages_LeaveNoDescriptorBehind, .applies = [](const ChannelClaims& claims) {
      const bool connects = claims.broker_death != BrokerDeath::no_broker ||
                            (!claims.messages_outlive_sender && !claims.synchronous);
      return !connects && (is_countable(claims) || is_rendezvous(claims));
    }) {
  ChannelOptions options;
  options.message_size = 256;
  options.scope = context.scope();
  const auto host = context.channel().create(options);
  if (!host) return context.not_created(host.error());
  const std::uint64_t messages = context.amount(40, 400, 4000);
  Crew crew(2);
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    const auto channel = (*host)->open(Role::receiver);
    if (!worker.expect(channel.has_value(), "open() of a receiver failed")) return;
    std::vector<std::byte> buffer(options.message_size);
    expect_no_more_descriptors(worker, messages, [&] {
      std::size_t came = 0;
      while (came < buffer.size()) {  // in parts where the channel is one of bytes
        const auto size =
            (*channel)->receive(std::span(buffer).subspan(came), Deadline::after(kCallPatience));
        if (!size) return false;
        came += *size;
        if (has_messages(context.channel().claims)) break;
      }
      return came == buffer.size();
    });
  }));
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    const auto channel = (*host)->open(Role::sender);
    if (!worker.expect(channel.has_value(), "open() of a sender failed")) return;
    const std::vector<std::byte> message = pattern(options.message_size, 1);
    expect_no_more_descriptors(worker, messages, [&] {
      const auto sent = (*channel)->send(message, Deadline::after(kCallPatience));
      return sent && *sent == message.size();
    });
  }));
  context.join(crew);
}

}  // namespace gauntlet::channel_suite
