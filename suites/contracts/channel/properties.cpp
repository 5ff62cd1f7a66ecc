// Any sequence of calls, one at a time, agrees with the simplest model of a channel.
#include <fmt/format.h>

#include <deque>
#include <map>

#include "cases/case.h"
#include "contracts/channel/claims.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/stage.h"
#include "support/property.h"

namespace gauntlet::channel_suite {
namespace {

/// One call by one of the actors: 0 sends, 1 receives, 2 does both where the claims allow it.
struct Deed {
  std::uint8_t actor = 0;
  bool sends = true;
  bool waits = false;  ///< a deadline of a millisecond; otherwise a try
  std::uint16_t size = 0;
};

std::ostream& operator<<(std::ostream& out, const Deed& deed) {
  return out << fmt::format(
             "actor {} {}{}", deed.actor,
             deed.sends ? fmt::format("sends {} bytes", kHeaderBytes + deed.size) : "receives",
             deed.waits ? ", waiting" : "");
}

rc::Gen<std::vector<Deed>> deeds(const ChannelClaims& claims, std::size_t message_size) {
  const int actors =
      senders_for(claims, message_size, 2) == 2 && receivers_for(claims, 2) == 2 ? 3 : 2;
  const auto deed = rc::gen::map(
      rc::gen::tuple(rc::gen::inRange(0, actors), rc::gen::arbitrary<bool>(),
                     rc::gen::inRange(0, 12),
                     rc::gen::inRange<int>(0, static_cast<int>(message_size - kHeaderBytes) + 1)),
      [](const std::tuple<int, bool, int, int>& drawn) {
        const auto [actor, sends, patience, size] = drawn;
        return Deed{.actor = static_cast<std::uint8_t>(actor),
                    .sends = actor == 0 || (actor == 2 && sends),
                    .waits = patience == 11,  // rare: each that must time out costs its time
                    .size = static_cast<std::uint16_t>(size)};
      });
  return rc::gen::container<std::vector<Deed>>(deed);
}

/// What is in the channel: by sender, in the order sent.
class Model {
 public:
  Model(const ChannelClaims& claims, std::size_t room) : claims_(claims), room_(room) {}

  bool full() const { return order_.size() >= room_; }
  bool empty() const { return order_.empty(); }
  void put(std::uint32_t id, std::uint8_t sender, std::size_t size) {
    order_.push_back({.id = id, .sender = sender, .size = size});
  }
  /// Takes the message out when it may come next; otherwise says why not.
  std::string take(const Passage& passage) {
    for (auto it = order_.begin(); it != order_.end(); ++it) {
      if (it->id == passage.id) {
        if (it->size != passage.size) return fmt::format("message {} changed its size", it->id);
        order_.erase(it);
        return {};
      }
      const bool may_overtake =
          claims_.order == Order::none ||
          (claims_.order == Order::per_sender_fifo && sender_of(passage.id) != it->sender);
      if (!may_overtake) {
        return fmt::format("message {} came out before message {}", passage.id, it->id);
      }
    }
    return fmt::format("message {} came out, which is not in the channel", passage.id);
  }

 private:
  struct Entry {
    std::uint32_t id;
    std::uint8_t sender;
    std::size_t size;
  };
  int sender_of(std::uint32_t id) const {
    for (const Entry& entry : order_) {
      if (entry.id == id) return entry.sender;
    }
    return -1;
  }

  const ChannelClaims& claims_;
  std::size_t room_;
  std::deque<Entry> order_;
};

/// Empty when the reply is what the model says.
std::string disagreement(const Deed& deed, const Reply& reply, Model& model, std::uint32_t id) {
  if (!reply.answered) return "the call did not come back";
  if (reply.passage.flawed()) return reply.passage.flaw.data();
  const bool blocked = deed.sends ? model.full() : model.empty();
  const Code refusal = deed.waits ? Code::timed_out : Code::would_block;
  if (blocked) {
    if (!reply.ok && reply.error.code == refusal) return {};
    return fmt::format("the channel is {}, and {} answered {}", deed.sends ? "full" : "empty",
                       deed.sends ? "send" : "receive", describe(reply));
  }
  if (!reply.ok) {
    return fmt::format("there is {}, and {} answered {}", deed.sends ? "room" : "a message",
                       deed.sends ? "send" : "receive", describe(reply));
  }
  if (!deed.sends) return model.take(reply.passage);
  model.put(id, deed.actor, reply.passage.size);
  return {};
}

}  // namespace

CHANNEL_CASE(properties, AnySequenceOfCalls_AgreesWithAQueue, .applies = keeps_order) {
  const ChannelClaims& claims = context.channel().claims;
  check_property(
      context, {.tests = few_if_costly(claims, context.amount(12, 200, 2000)), .size = 40}, [&] {
        const auto capacity = *rc::gen::inRange<std::size_t>(1, 6).as("capacity");
        const ChannelOptions options = options_for(claims, capacity, 512);
        const std::vector<Deed> sequence = *deeds(claims, options.message_size).as("calls");
        Stage stage(context, options);
        if (!stage.ready()) return;
        Actor* actors[] = {&stage.add(Role::sender), &stage.add(Role::receiver), nullptr};
        Model model(claims, options.capacity);
        std::uint32_t id = 0;
        for (std::size_t at = 0; at < sequence.size(); ++at) {
          const Deed& deed = sequence[at];
          // Where the system chose the capacity, "full" is nothing that the model knows.
          if (deed.sends && model.full() && !claims.exact_capacity) continue;
          if (actors[deed.actor] == nullptr) actors[deed.actor] = &stage.add(Role::both);
          const Wait wait = deed.waits
                                ? at_most(std::chrono::milliseconds(
                                      (deed.sends ? model.full() : model.empty()) ? 1 : 20'000))
                                : kAttempt;
          Actor& actor = *actors[deed.actor];
          const Reply reply = deed.sends ? actor.send_message(++id, kHeaderBytes + deed.size, wait)
                                         : actor.receive_message(wait);
          const std::string wrong = disagreement(deed, reply, model, id);
          if (!wrong.empty()) RC_FAIL(fmt::format("call {}: {}", at + 1, wrong));
        }
      });
}

// As much comes out as went in, in any portions.
CHANNEL_CASE(properties, AnyPortions_AsMuchComesOutAsWentIn, .applies = keeps_order) {
  const ChannelClaims& claims = context.channel().claims;
  check_property(
      context, {.tests = few_if_costly(claims, context.amount(9, 200, 2000)), .size = 30}, [&] {
        const ChannelOptions options = options_for(claims, 4, 1024);
        const int largest = static_cast<int>(options.message_size);
        const auto sizes = *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, largest + 1))
                                .as("sizes that are sent");
        const int buffer = has_bytes(claims) ? *rc::gen::inRange(1, 2048).as("buffer") : largest;
        Stage stage(context, options);
        if (!stage.ready()) return;
        Actor& sender = stage.add(Role::sender);
        Actor& receiver = stage.add(Role::receiver);
        std::vector<std::byte> in;
        std::vector<std::byte> out;
        const auto receive_some = [&] {
          const Reply reply = receiver.receive(static_cast<std::size_t>(buffer), kAttempt);
          if (!reply.ok) {
            RC_ASSERT(reply.answered);
            RC_ASSERT(code_name(reply.error.code) == code_name(Code::would_block));
            return false;
          }
          out.insert(out.end(), reply.bytes.begin(), reply.bytes.end());
          return true;
        };
        std::size_t inside = 0;
        for (std::size_t at = 0; at < sizes.size(); ++at) {
          if (inside == options.capacity) {
            while (receive_some()) {
            }
            inside = 0;
          }
          const auto bytes = pattern(static_cast<std::size_t>(sizes[at]), at);
          const Reply reply = sender.send(bytes, kPatient);
          RC_ASSERT(reply.ok);
          RC_ASSERT(reply.size == bytes.size());
          in.insert(in.end(), bytes.begin(), bytes.end());
          ++inside;
        }
        while (receive_some()) {
        }
        RC_ASSERT(out.size() == in.size());
        RC_ASSERT(out == in);
      });
}

// However the senders take turns, what one of them sent keeps its order.
CHANNEL_CASE(
    properties, AnyInterleavingOfSenders_EachKeepsItsOrder,
    .applies = [](const ChannelClaims& claims) {
      return keeps_order(claims) && many_senders(claims);
    }) {
  const ChannelClaims& claims = context.channel().claims;
  check_property(
      context, {.tests = few_if_costly(claims, context.amount(7, 150, 1500)), .size = 40}, [&] {
        const ChannelOptions options = options_for(claims, 8, 256);
        const auto turns =
            *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 3)).as("who sends next");
        const auto batch = *rc::gen::inRange<std::size_t>(1, options.capacity + 1).as("batch");
        Stage stage(context, options);
        if (!stage.ready()) return;
        Actor* senders[] = {&stage.add(Role::sender), &stage.add(Role::sender),
                            &stage.add(Role::sender)};
        Actor& receiver = stage.add(Role::receiver);
        std::uint32_t sent[3] = {};
        std::uint32_t came[3] = {};
        for (std::size_t at = 0; at < turns.size(); at += batch) {
          const std::size_t end = std::min(at + batch, turns.size());
          for (std::size_t i = at; i < end; ++i) {
            const auto sender = static_cast<std::uint32_t>(turns[i]);
            RC_ASSERT(senders[sender]
                          ->send_message(sender * 1000 + ++sent[sender], 32 + 8 * sender, kPatient)
                          .ok);
          }
          for (std::size_t i = at; i < end; ++i) {
            const Reply reply = receiver.receive_message(kPatient);
            RC_ASSERT(reply.ok);
            if (reply.passage.flawed()) RC_FAIL(std::string(reply.passage.flaw.data()));
            const std::uint32_t sender = reply.passage.id / 1000;
            RC_ASSERT(sender < 3U);
            RC_ASSERT(reply.passage.id % 1000 == ++came[sender]);
          }
        }
      });
}

}  // namespace gauntlet::channel_suite
