// Each system call of a send, a receive and an opening fails as its manual page allows: the error
// is reported or made up for, nothing leaks, and the channel still works.
#include "support/failing_calls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/limits.h"
#include "cases/case.h"
#include "contracts/channel/claims.h"
#include "contracts/channel/stage.h"
#include "process/futex.h"

namespace gauntlet::channel_suite {
namespace {

constexpr std::size_t kRecord = 64;  ///< bytes of a message; every channel takes them at once
constexpr std::chrono::milliseconds kLull{100};
/// So many lulls, one after the other, and what has not come will not come.
constexpr int kLullsInVain = 30;
constexpr std::size_t kMostIds = 64;

using Record = std::array<std::uint32_t, kRecord / sizeof(std::uint32_t)>;

Result<std::int64_t> send_id(Channel& channel, std::uint32_t id, Deadline deadline) {
  Record record;
  record.fill(id);
  std::span<const std::byte> bytes = std::as_bytes(std::span(record));
  while (!bytes.empty()) {
    const auto sent = channel.send(bytes, deadline);
    if (!sent) return tl::unexpected(sent.error());
    bytes = bytes.subspan(std::min(*sent, bytes.size()));
  }
  return id;
}

/// The id, or corrupt for something that nobody sent so.
Result<std::int64_t> receive_id(Channel& channel, Deadline deadline) {
  Record record{};
  const std::span<std::byte> whole = std::as_writable_bytes(std::span(record));
  std::size_t have = 0;
  do {
    // What has begun is waited for.
    const auto got = channel.receive(whole.subspan(have),
                                     have == 0 ? deadline : Deadline::after(kFailingCallLimit));
    if (!got) return tl::unexpected(got.error());
    if (*got == 0) break;
    have += *got;
  } while (have < kRecord);
  const bool intact = have == kRecord && std::all_of(record.begin(), record.end(),
                                                     [&](auto word) { return word == record[0]; });
  if (!intact || record[0] >= kMostIds) return fail_with(Code::corrupt, "receive");
  return record[0];
}

/// What the one at the other end does and sees.
struct Partner {
  FutexWord ready{0};             ///< 1: its end is open, or it has sent
  std::atomic<bool> over{false};  ///< no more will be asked of it
  std::atomic<std::uint32_t> news{0};
  std::atomic<std::uint32_t> wanted{0};  ///< messages that are still to come
  std::uint8_t came[kMostIds];           ///< how often, by id
  bool torn;
};

class ChannelTrials {
 public:
  explicit ChannelTrials(CaseContext& context)
      : context_(context), claims_(context.channel().claims) {}

  std::vector<FailureOperation> of_calls() {
    return {{"send", [this](const auto& failure) { return send(failure); }},
            {"receive", [this](const auto& failure) { return receive(failure); }}};
  }
  std::vector<FailureOperation> of_opening() {
    return {{"open as sender", [this](const auto& failure) { return open(Role::sender, failure); }},
            {"open as receiver",
             [this](const auto& failure) { return open(Role::receiver, failure); }}};
  }

 private:
  using Trial = std::optional<FailureTrial>;
  using Failure = std::optional<CallFailure>;

  /// Each message once, or whatever the claims allow.
  bool counts() const {
    return claims_.delivery == Delivery::exactly_once && claims_.fanout == Fanout::compete &&
           claims_.overflow != Overflow::drop;
  }

  /// The channel of the trial before, where nothing was wrong with that.
  bool have_channel() {
    if (host_ && fresh_) return true;
    host_.reset();
    ChannelOptions options = options_for(claims_, 4, kRecord);
    options.scope = context_.scope();
    auto made = context_.channel().create(options);
    if (!made) {
      context_.not_created(made.error());
      return false;
    }
    host_ = std::move(*made);
    return true;
  }

  /// A receiver with its end open; false when that was not possible.
  bool add_receiver(Crew& crew, Shared<Partner>& partner) {
    const auto added = crew.add([this, &partner](Worker& worker) {
      auto mine = host_->open(Role::receiver);
      if (!mine) return;
      worker.arrive(0);
      take_all(**mine, *partner);
    });
    return added && crew.await_arrival(*added, 0, Deadline::after(kCallPatience));
  }

  /// Takes what comes until it is over and what was wanted has come, or comes no more.
  void take_all(Channel& channel, Partner& partner) const {
    // What may be lost is not missed.
    const int in_vain = counts() ? kLullsInVain : 1;
    for (int lulls = 0; lulls < in_vain;) {
      const auto id = receive_id(channel, Deadline::after(kLull));
      if (id) {
        if (partner.came[*id] < 250) ++partner.came[*id];
        partner.news.fetch_add(1, std::memory_order_release);
        lulls = 0;
        continue;
      }
      if (id.error() == Code::corrupt) partner.torn = true;
      const bool waits = id.error() == Code::timed_out || id.error() == Code::would_block;
      const bool over = partner.over.load(std::memory_order_acquire);
      if (over && partner.news.load() >= partner.wanted.load()) return;
      // A stream that has ended, or a channel that is no more.
      if (!waits && over) return;
      if (over) ++lulls;
    }
  }

  Trial send(const Failure& failure) {
    if (!have_channel()) return std::nullopt;
    fresh_ = false;
    Crew crew;
    Shared<Partner> partner;
    if (!add_receiver(crew, partner)) return no_partner(crew);
    std::unique_ptr<Channel> mine;  // in the worker
    const auto seen = try_failure(
        context_, crew,
        {.prepare = [&](Worker&) { return opened(mine, Role::sender); },
         .act = [&](Worker&) { return send_id(*mine, 1, Deadline::after(kFailingCallLimit)); },
         .again = [&](Worker&) { return send_id(*mine, 2, Deadline::after(kFailingCallLimit)); }},
        failure);
    if (!seen) return std::nullopt;
    FailureTrial trial(*seen);
    const bool newcomer_sent = trial.seen.again.ok || send_as_newcomer(crew);
    const std::uint32_t sent = (seen->acted.ok ? 1U : 0U) + (newcomer_sent ? 1U : 0U);
    partner->wanted.store(sent);
    partner->over.store(true, std::memory_order_release);
    end_all(crew);
    look_at_sent(trial, *partner, newcomer_sent);
    fresh_ = !trial.damage && seen->ended && !seen->crashed && seen->acted.ok && seen->again.ok;
    return trial;
  }

  void look_at_sent(FailureTrial& trial, const Partner& partner, bool newcomer_sent) const {
    const auto damage = [&](FailureOutcome what, const char* why) {
      if (!trial.damage) trial.damage = what;
      trial.detail += trial.detail.empty() ? why : std::string("; ") + why;
    };
    if (partner.torn) damage(FailureOutcome::broken, "something came that nobody sent so");
    if (!newcomer_sent) damage(FailureOutcome::broken, "nobody can send any more");
    if (!counts()) return;
    const int first = partner.came[1];
    if (newcomer_sent && partner.came[2] == 0) {
      damage(FailureOutcome::broken, "what was sent later did not come");
    }
    if (trial.seen.acted.ok && first == 0) {
      damage(FailureOutcome::hidden, "the message did not come");
    }
    if (first > 1) damage(FailureOutcome::broken, "the message came twice");
    const bool says_not_sent =
        !trial.seen.acted.ok && claims_.sends_can_be_given_up &&
        (trial.seen.acted.error == Code::would_block || trial.seen.acted.error == Code::timed_out);
    if (says_not_sent && first > 0) {
      damage(FailureOutcome::lost, "the message came though its send was given up");
    }
  }

  /// Sends message 2 from a new process.
  bool send_as_newcomer(Crew& crew) {
    const auto newcomer = crew.add([this](Worker& worker) {
      std::unique_ptr<Channel> mine;
      const bool sent =
          opened(mine, Role::sender) && send_id(*mine, 2, Deadline::after(kCallPatience / 2));
      if (sent) worker.step();
    });
    if (!newcomer) return false;
    static_cast<void>(crew.process(*newcomer).wait(Deadline::after(kCallPatience)));
    return crew.progress(*newcomer) > 0;
  }

  Trial receive(const Failure& failure) {
    if (!have_channel()) return std::nullopt;
    fresh_ = false;
    Crew crew;
    const Shared<Partner> gate;
    Shared<Partner> partner;
    std::unique_ptr<Channel> mine;
    // The receiver is there before anything is sent: a datagram's address is its own.
    const FailingCall call{
        .prepare =
            [&](Worker&) {
              const auto done = opened(mine, Role::receiver);
              set(gate->ready);
              await(partner->ready);
              return done;
            },
        .act = [&](Worker&) { return receive_id(*mine, Deadline::after(kFailingCallLimit)); },
        .again = [&](Worker&) { return receive_id(*mine, Deadline::after(kFailingCallLimit)); }};
    const auto sender = crew.add([&](Worker&) { send_until_over(*gate, *partner); });
    if (!sender) return no_partner(crew);
    const auto seen = try_failure(context_, crew, call, failure);
    partner->over.store(true, std::memory_order_release);
    if (!seen) return std::nullopt;
    end_all(crew);
    FailureTrial trial(*seen);
    look_at_received(trial);
    fresh_ = !trial.damage && counts() && seen->acted.ok && seen->again.ok;
    return trial;
  }

  /// Two messages; where they may be lost or come to nobody, more of them until somebody has two.
  void send_until_over(Partner& gate, Partner& partner) {
    await(gate.ready);
    std::unique_ptr<Channel> mine;
    const bool open = opened(mine, Role::sender).has_value();
    if (!open || claims_.synchronous) set(partner.ready);
    if (!open) return;
    for (std::uint32_t id = 1; id <= 2; ++id) {
      static_cast<void>(send_id(*mine, id, Deadline::after(kCallPatience / 2)));
      if (id == 2 || partner.over.load()) set(partner.ready);
    }
    constexpr int kMostMore = 500;
    for (int more = 0; !counts() && more < kMostMore && !partner.over.load(); ++more) {
      static_cast<void>(send_id(*mine, 3, Deadline::after(kLull)));
      const timespec pause{0, 10'000'000};
      ::nanosleep(&pause, nullptr);
    }
    // Its messages may go with it.
    while (!claims_.messages_outlive_sender && !partner.over.load()) {
      futex_wait(partner.ready, 1, std::chrono::milliseconds(20));
    }
  }

  void look_at_received(FailureTrial& trial) const {
    const FailureSeen& seen = trial.seen;
    const auto damage = [&](FailureOutcome what, const char* why) {
      trial.damage = what;
      trial.detail = why;
    };
    const bool torn =
        (seen.acted.answered && seen.acted.error == Code::corrupt && !seen.acted.ok) ||
        (seen.again.answered && seen.again.error == Code::corrupt && !seen.again.ok);
    if (torn) return damage(FailureOutcome::broken, "something came that nobody sent so");
    if (!counts() || !seen.again.answered) return;
    if (seen.acted.ok && seen.acted.value != 1) {
      return damage(FailureOutcome::lost, "the first message did not come first");
    }
    if (seen.again.ok && seen.acted.ok && seen.again.value != 2) {
      return damage(FailureOutcome::broken, "the second message did not come second");
    }
    if (seen.again.ok && !seen.acted.ok && seen.again.value != 1) {
      return damage(FailureOutcome::lost, "the failed receive took the message");
    }
  }

  Trial open(Role role, const Failure& failure) {
    if (!have_channel()) return std::nullopt;
    fresh_ = false;
    Crew crew;
    const auto seen = try_failure(context_, crew,
                                  {.prepare = {},
                                   .act = [&](Worker&) -> Result<std::int64_t> {
                                     std::unique_ptr<Channel> mine;
                                     return opened(mine, role);
                                   },
                                   .again = {}},
                                  failure);
    if (!seen) return std::nullopt;
    FailureTrial trial(*seen);
    Shared<Partner> partner;
    if (!add_receiver(crew, partner)) {
      trial.damage = FailureOutcome::broken;
      trial.detail = "no receiver can open it any more";
    } else {
      const bool sent = send_as_newcomer(crew);
      partner->wanted.store(sent ? 1 : 0);
      partner->over.store(true, std::memory_order_release);
      end_all(crew);
      if (!sent || (counts() && partner->came[2] != 1)) {
        trial.damage = FailureOutcome::broken;
        trial.detail = "newcomers cannot pass a message on";
      }
    }
    fresh_ = !trial.damage && counts();
    return trial;
  }

  Result<std::int64_t> opened(std::unique_ptr<Channel>& mine, Role role) {
    return keep(host_->open(role), mine);
  }

  Trial no_partner(Crew& crew) {
    end_all(crew);
    context_.error("the other end could not be opened");
    return std::nullopt;
  }

  CaseContext& context_;
  const ChannelClaims& claims_;
  std::unique_ptr<ChannelHost> host_;
  bool fresh_ = false;
};

/// Where processes are started to make a channel, it is they who make its system calls (MPI's
/// ranks), and what would fail is the adapter's talk with them.
bool calls_the_system(const ChannelClaims& claims) { return !claims.costly_to_make; }

}  // namespace

CHANNEL_CASE(overload, EachSystemCallFails_IsReportedOrMadeUpFor, .applies = calls_the_system,
             .needs = {Need::ptrace}, .deadline = std::chrono::seconds(180)) {
  ChannelTrials trials(context);
  walk_failures(context, trials.of_calls());
}

CHANNEL_CASE(overload, EachSystemCallOfOpeningFails_IsReportedOrMadeUpFor,
             .applies = calls_the_system, .needs = {Need::ptrace},
             .deadline = std::chrono::seconds(180)) {
  ChannelTrials trials(context);
  walk_failures(context, trials.of_opening());
}

}  // namespace gauntlet::channel_suite
