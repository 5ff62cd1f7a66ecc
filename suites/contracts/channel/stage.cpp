// The mailbox between the body and an actor, and what the actor does with it.
#include "contracts/channel/stage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <ostream>

#include "base/limits.h"
#include "process/futex.h"

namespace gauntlet::channel_suite {

ChannelOptions options_for(const ChannelClaims& claims, std::size_t capacity,
                           std::size_t message_size) {
  ChannelOptions options;
  options.capacity = capacity;
  options.message_size = message_size;
  if (claims.largest_capacity > 0) {
    options.capacity = std::min(options.capacity, claims.largest_capacity);
  }
  if (claims.largest_message > 0) {
    options.message_size = std::min(options.message_size, claims.largest_message);
  }
  return options;
}

std::string describe(const Reply& reply) {
  if (!reply.answered) return "no answer";
  if (!reply.ok) return describe(reply.error);
  return fmt::format("ok, {} bytes", reply.size);
}

void PrintTo(const Reply& reply, std::ostream* out) { *out << describe(reply); }

/// Posted and answered count up; the actor is free when they are equal.
struct Actor::Mailbox {
  FutexWord posted{0};
  FutexWord begun{0};
  FutexWord answered{0};
  Command command;
  bool ok = false;
  Error error;
  std::size_t size = 0;
  std::int64_t elapsed_ns = 0;
  Passage passage;
};

namespace {

/// Room for one byte more than the largest message that a case sends.
constexpr std::size_t kMostBytes = std::size_t{4} << 20;

std::size_t room_for(const ChannelClaims& claims, const ChannelOptions& options) {
  const std::size_t largest =
      std::max({options.message_size, claims.largest_message, claims.atomic_bytes});
  return std::min(largest, kMostBytes) + 4096;
}

}  // namespace

Actor::Actor(Stage& stage, std::size_t largest)
    : stage_(stage), mailbox_owner_(std::make_unique<Shared<Mailbox>>()), data_(largest) {
  mailbox_ = mailbox_owner_.get();
}

void Actor::serve(Worker& worker, Mailbox& mailbox, const Stage& stage, std::byte* data, Role role,
                  std::size_t index) {
  Result<std::unique_ptr<Channel>> channel = stage.host_->open(role);
  mailbox.ok = channel.has_value();
  if (!channel) mailbox.error = channel.error();
  const std::size_t room = room_for(stage.claims(), stage.options_);
  std::optional<MessageLink> link;
  if (channel) {
    link.emplace(**channel, stage.claims().framing, stage.recorder_.lane(index),
                 std::min<std::size_t>(room, 256 * 1024), stage.priorities_);
  }
  for (std::uint32_t turn = 0;; ++turn) {
    mailbox.answered.store(turn + 1, std::memory_order_release);
    futex_wake_all(mailbox.answered);
    if (!channel) return;
    while (mailbox.posted.load(std::memory_order_acquire) == turn) {
      futex_wait(mailbox.posted, turn);
    }
    const Command command = mailbox.command;
    if (command.act == Command::leave) return;
    // Before the deadline is set: whatever comes between the two only makes it look later.
    const std::int64_t from = monotonic_ns();
    const Deadline deadline = command.wait.deadline();
    Result<std::size_t> result = 0;
    mailbox.passage = {};
    mailbox.begun.store(turn + 1, std::memory_order_release);
    futex_wake_all(mailbox.begun);
    if (command.armed) worker.arm();
    switch (command.act) {
      case Command::send:
        result = (*channel)->send({data, command.size}, deadline);
        break;
      case Command::receive:
        result = (*channel)->receive({data, command.size}, deadline);
        break;
      case Command::send_message:
        mailbox.passage = link->send(command.id, command.size, deadline);
        break;
      case Command::receive_message:
        mailbox.passage = link->receive(deadline);
        break;
      case Command::close:
        if (const Status closed = (*channel)->close(); !closed) {
          result = tl::unexpected<Error>(closed.error());
        }
        break;
      case Command::leave:
        break;
    }
    mailbox.elapsed_ns = monotonic_ns() - from;
    if (command.armed) worker.disarm();
    if (command.act == Command::send_message || command.act == Command::receive_message) {
      if (mailbox.passage.outcome == history::Outcome::ok) {
        result = mailbox.passage.size;
      } else {
        result = tl::unexpected<Error>(mailbox.passage.error);
      }
    }
    mailbox.ok = result.has_value();
    mailbox.size = result.value_or(0);
    if (!result) mailbox.error = result.error();
    worker.step();
  }
}

void Actor::begin(const Command& command, std::span<const std::byte> bytes) {
  if (lost_) return;
  Mailbox& mailbox = **mailbox_;
  if (bytes.size() > data_.size() || command.size > data_.size()) std::abort();  // a case's defect
  std::copy(bytes.begin(), bytes.end(), data_.data());
  mailbox.command = command;
  const std::uint32_t turn = mailbox.posted.load() + 1;
  mailbox.posted.store(turn, std::memory_order_release);
  futex_wake_all(mailbox.posted);
  if (command.act == Command::leave) return;
  const Deadline patience = Deadline::after(kCallPatience);
  while (mailbox.begun.load(std::memory_order_acquire) != turn && !patience.expired()) {
    futex_wait(mailbox.begun, turn - 1, std::chrono::milliseconds(50));
    if (!process().running()) return;
  }
}

bool Actor::done() const {
  const Mailbox& mailbox = **mailbox_;
  return mailbox.answered.load(std::memory_order_acquire) == mailbox.posted.load() + 1;
}

bool Actor::await_done() {
  // A call with patience answers by itself; this is longer, so that its own answer is seen.
  const Deadline patience = Deadline::after(kCallPatience + std::chrono::seconds(5));
  while (!done()) {
    if (patience.expired()) return false;
    Mailbox& mailbox = **mailbox_;
    futex_wait(mailbox.answered, mailbox.posted.load(), std::chrono::milliseconds(50));
    if (!done() && !process().running() && !done()) return false;
  }
  return true;
}

Reply Actor::finish() {
  Reply reply;
  if (lost_) return reply;
  if (!await_done()) {
    lost_ = true;
    return reply;
  }
  const Mailbox& mailbox = **mailbox_;
  reply.answered = true;
  reply.ok = mailbox.ok;
  if (!reply.ok) reply.error = mailbox.error;
  reply.size = mailbox.size;
  reply.elapsed = std::chrono::nanoseconds(mailbox.elapsed_ns);
  reply.passage = mailbox.passage;
  if (mailbox.command.act == Command::receive && reply.ok) {
    const std::size_t length = std::min(reply.size, mailbox.command.size);
    reply.bytes.assign(data_.data(), data_.data() + length);
  }
  return reply;
}

Reply Actor::send(std::span<const std::byte> bytes, Wait wait) {
  begin({.act = Command::send, .wait = wait, .size = bytes.size()}, bytes);
  return finish();
}

Reply Actor::receive(std::size_t buffer, Wait wait) {
  begin({.act = Command::receive, .wait = wait, .size = buffer});
  return finish();
}

Reply Actor::send_message(std::uint32_t id, std::size_t size, Wait wait) {
  begin({.act = Command::send_message, .wait = wait, .id = id, .size = size});
  return finish();
}

Reply Actor::receive_message(Wait wait) {
  begin({.act = Command::receive_message, .wait = wait});
  return finish();
}

Reply Actor::close() {
  begin({.act = Command::close});
  return finish();
}

void Actor::leave() {
  if (lost_) return;
  begin({.act = Command::leave});
  lost_ = true;
  EXPECT_TRUE(process().wait(Deadline::after(kCallPatience)).has_value())
      << "actor " << index_ << " did not end";
}

void Actor::kill() {
  lost_ = true;
  const std::int64_t at_ns = history::now_ns();
  stage_.context_.fault_planned();
  EXPECT_TRUE(stage_.crew_.kill(index_)) << "actor " << index_ << " had ended before its kill";
  stage_.deaths_.push_back({.process = static_cast<std::uint32_t>(index_), .at_ns = at_ns});
}

bool Actor::asleep() {
  if (lost_) return false;
  return process().await_asleep(Deadline::after(kCallPatience)).has_value() && !done();
}

Process& Actor::process() { return stage_.crew_.process(index_); }

Transfer transfer(Actor& sender, std::span<const std::byte> bytes, Actor& receiver,
                  std::size_t buffer) {
  const bool waits = sender.stage_.claims().synchronous;
  if (waits) receiver.begin({.act = Command::receive, .wait = kPatient, .size = buffer});
  Transfer both;
  both.sent = sender.send(bytes, kPatient);
  both.received = waits ? receiver.finish() : receiver.receive(buffer, kPatient);
  return both;
}

Transfer transfer_message(Actor& sender, std::uint32_t id, std::size_t size, Actor& receiver) {
  const bool waits = sender.stage_.claims().synchronous;
  if (waits) receiver.begin({.act = Command::receive_message, .wait = kPatient});
  Transfer both;
  both.sent = sender.send_message(id, size, kPatient);
  both.received = waits ? receiver.finish() : receiver.receive_message(kPatient);
  return both;
}

Stage::Stage(CaseContext& context, const ChannelOptions& options, std::uint32_t priorities)
    : context_(context),
      options_(options),
      priorities_(priorities),
      recorder_(history::Recorder::create(kMostActors, kMostCalls)),
      crew_(kMostActors) {
  options_.scope = context.scope();
  if (!recorder_.ok()) {
    context.error("no memory for the recorder: " + recorder_.error().message());
    return;
  }
  Result<std::unique_ptr<ChannelHost>> host = context.channel().create(options_);
  if (!host) {
    context.not_created(host.error());
    return;
  }
  host_ = std::move(*host);
}

Stage::~Stage() { end(); }

void Stage::vacate(Role role) {
  const bool one_only = role == Role::sender ? claims().senders == Multiplicity::one
                                             : claims().receivers == Multiplicity::one;
  if (!one_only) return;
  for (const auto& actor : actors_) {
    if (actor->role_ == role) actor->leave();
  }
}

Actor& Stage::add_newcomer(Role role) {
  vacate(role);
  return add(role);
}

Actor& Stage::add(Role role, Traced traced) {
  actors_.push_back(std::unique_ptr<Actor>(new Actor(*this, room_for(claims(), options_))));
  Actor& actor = *actors_.back();
  actor.role_ = role;
  Actor::Mailbox& mailbox = **actor.mailbox_;
  const std::size_t index = actors_.size() - 1;
  std::byte* const data = actor.data_.data();
  const Crew::Body body = [this, &mailbox, data, role, index](Worker& worker) {
    Actor::serve(worker, mailbox, *this, data, role, index);
  };
  const Result<std::size_t> added =
      traced == Traced::yes ? crew_.add_traced(body) : crew_.add(body);
  if (!added) {
    context_.error("no worker: " + describe(added.error()));
    actor.lost_ = true;
    return actor;
  }
  actor.index_ = *added;
  const Reply opened = actor.finish();
  if (!opened.ok) {
    actor.lost_ = true;
    ADD_FAILURE() << "open() in a new process: " << describe(opened);
  }
  return actor;
}

Result<SystemCallKill> Stage::kill_traced(Actor& victim, const Command& command,
                                          std::uint32_t stop) {
  victim.begin(command);
  const std::int64_t at_ns = history::now_ns();
  const Result<SystemCallKill> killed =
      kill_at_system_call(victim.process(), stop, Deadline::after(kCallPatience));
  if (killed && killed->fired) {
    context_.fault_planned();
    victim.lost_ = true;
    deaths_.push_back({.process = static_cast<std::uint32_t>(victim.index_), .at_ns = at_ns});
  }
  return killed;
}

bool Stage::end() {
  if (ended_ || host_ == nullptr) return true;
  ended_ = true;
  for (const auto& actor : actors_) {
    if (!actor->lost_) actor->begin({.act = Command::leave});
  }
  return context_.join(crew_);
}

history::History Stage::history() const {
  history::History history = recorder_.collect();
  for (const history::Death& death : deaths_) history.mark_killed(death.process, death.at_ns);
  return history;
}

bool begin_send_that_sleeps(const Stage& stage, Actor& sender, std::uint32_t& id, std::size_t size,
                            Wait wait) {
  constexpr int kMostFound = 1000;
  const auto begin = [&] {
    sender.begin({.act = Command::send_message, .wait = wait, .id = id, .size = size});
    return sender.asleep();
  };
  bool sleeps = begin();
  for (int found = 0; !sleeps && !stage.claims().exact_capacity && found < kMostFound; ++found) {
    if (!sender.finish().ok) return false;
    ++id;
    sleeps = begin();
  }
  return sleeps;
}

}  // namespace gauntlet::channel_suite
