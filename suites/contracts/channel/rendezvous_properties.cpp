// Any sequence of offers and requests agrees with a meeting place that keeps nothing.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <vector>

#include "cases/case.h"
#include "contracts/channel/matchers.h"
#include "contracts/channel/rendezvous.h"
#include "support/property.h"

namespace gauntlet::channel_suite {
namespace {

/// One call, by the first actor of its side that is free.
enum class Deed : std::uint8_t { send, try_send, receive, try_receive };

std::ostream& operator<<(std::ostream& out, Deed deed) {
  constexpr const char* kWords[] = {"send", "try send", "receive", "try receive"};
  return out << kWords[static_cast<std::size_t>(deed)];
}

rc::Gen<std::vector<Deed>> deeds(const ChannelClaims& claims) {
  const auto deed =
      rc::gen::map(rc::gen::inRange(0, 4), [](int drawn) { return static_cast<Deed>(drawn); });
  if (claims.sends_can_be_given_up) return rc::gen::container<std::vector<Deed>>(deed);
  return rc::gen::container<std::vector<Deed>>(
      rc::gen::map(deed, [](Deed drawn) { return drawn == Deed::try_send ? Deed::send : drawn; }));
}

/// The model: who waits. Never on both sides at once.
struct Side {
  std::vector<Actor*> idle;
  std::vector<Actor*> waiting;
  std::vector<std::uint32_t> ids;  ///< of the messages that the waiting ones offer
};

class MeetingModel {
 public:
  MeetingModel(Side& senders, Side& receivers) : senders_(senders), receivers_(receivers) {}

  void act(Deed deed) {
    switch (deed) {
      case Deed::send:
        return send(false);
      case Deed::try_send:
        return send(true);
      case Deed::receive:
        return receive(false);
      case Deed::try_receive:
        return receive(true);
    }
  }
  /// Everybody who still waits is met.
  void settle() {
    while (!senders_.waiting.empty()) receive(false);
    while (!receivers_.waiting.empty()) send(false);
  }

 private:
  void send(bool tries) {
    if (senders_.idle.empty()) return;
    Actor& sender = *senders_.idle.back();
    const std::uint32_t id = ++last_id_;
    if (!receivers_.waiting.empty()) {
      expect(sender.send_message(id, 64, tries ? kAttempt : kPatient), Succeeds(),
             "a send to a receiver that waits");
      received(id);
    } else if (tries) {
      expect(sender.send_message(id, 64, kAttempt), FailsWith(Code::would_block),
             "a try without a receiver");
    } else {
      RC_ASSERT(offer(sender, id));
      senders_.waiting.push_back(&sender);
      senders_.ids.push_back(id);
      senders_.idle.pop_back();
    }
  }

  void receive(bool tries) {
    if (receivers_.idle.empty()) return;
    Actor& receiver = *receivers_.idle.back();
    if (!senders_.waiting.empty()) {
      const Reply reply = receiver.receive_message(tries ? kAttempt : kPatient);
      expect(reply, Succeeds(), "a receive from a sender that waits");
      taken(reply);
    } else if (tries) {
      expect(receiver.receive_message(kAttempt), FailsWith(Code::would_block),
             "a try without a sender");
    } else {
      RC_ASSERT(ask(receiver));
      receivers_.waiting.push_back(&receiver);
      receivers_.idle.pop_back();
    }
  }

  /// One of the receivers that wait has got message `id`, and the others sleep on.
  void received(std::uint32_t id) {
    const auto woken = std::find_if(receivers_.waiting.begin(), receivers_.waiting.end(),
                                    [](Actor* receiver) { return !receiver->asleep(); });
    if (woken == receivers_.waiting.end()) {
      RC_FAIL(fmt::format("message {} was accepted, and every receiver sleeps on", id));
    }
    expect((*woken)->finish(), BringsMessage(id), "the receiver that woke");
    receivers_.idle.push_back(*woken);
    receivers_.waiting.erase(woken);
  }

  /// A receiver took `reply` from one of the senders that wait; that one ends.
  void taken(const Reply& reply) {
    const auto id = std::find(senders_.ids.begin(), senders_.ids.end(), reply.passage.id);
    if (id == senders_.ids.end()) {
      RC_FAIL(fmt::format("message {} came out, which nobody offers", reply.passage.id));
    }
    const auto sender = senders_.waiting.begin() + (id - senders_.ids.begin());
    expect((*sender)->finish(), Succeeds(), "the sender whose message was taken");
    senders_.idle.push_back(*sender);
    senders_.waiting.erase(sender);
    senders_.ids.erase(id);
  }

  template <class Matcher>
  static void expect(const Reply& reply, const Matcher& matcher, std::string_view what) {
    if (!testing::Matches(matcher)(reply)) {
      RC_FAIL(fmt::format("{} answered {}", what, describe(reply)));
    }
  }

  Side& senders_;
  Side& receivers_;
  std::uint32_t last_id_ = 0;
};

}  // namespace

CHANNEL_CASE(properties, AnySequenceOfOffersAndRequests_AgreesWithAMeetingPlace,
             .applies = is_rendezvous) {
  const ChannelClaims& claims = context.channel().claims;
  check_property(
      context, {.tests = few_if_costly(claims, context.amount(12, 120, 1200)), .size = 14}, [&] {
        const std::vector<Deed> sequence = *deeds(claims).as("calls");
        Stage stage(context);
        if (!stage.ready()) return;
        const std::size_t many_senders = claims.senders == Multiplicity::many ? 2 : 1;
        const std::size_t many_receivers = claims.receivers == Multiplicity::many ? 2 : 1;
        Side senders;
        Side receivers;
        for (std::size_t i = 0; i < many_senders; ++i) {
          senders.idle.push_back(&stage.add(Role::sender));
        }
        for (std::size_t i = 0; i < many_receivers; ++i) {
          receivers.idle.push_back(&stage.add(Role::receiver));
        }
        MeetingModel model(senders, receivers);
        for (const Deed deed : sequence) model.act(deed);
        model.settle();
      });
}

}  // namespace gauntlet::channel_suite
