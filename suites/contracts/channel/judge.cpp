// From claims to the checker's rules, and from its verdict to a failure that reads well.
#include "contracts/channel/judge.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "contracts/channel/message.h"
#include "history/lanes.h"

namespace gauntlet::channel_suite {

using history::FifoRules;
using history::History;
using history::Verdict;

namespace {

history::Order order_of(Order order) {
  switch (order) {
    case Order::fifo:
      return history::Order::fifo;
    case Order::per_sender_fifo:
      return history::Order::per_sender_fifo;
    case Order::priority:  // unless priorities are used, all messages are equals
      return history::Order::fifo;
    case Order::none:
      return history::Order::none;
  }
  return history::Order::none;
}

history::Delivery delivery_of(const ChannelClaims& claims) {
  if (claims.overflow == Overflow::drop) return history::Delivery::at_most_once;
  switch (claims.delivery) {
    case Delivery::exactly_once:
      return history::Delivery::exactly_once;
    case Delivery::at_most_once:
      return history::Delivery::at_most_once;
    case Delivery::at_least_once:
      return history::Delivery::at_least_once;
  }
  return history::Delivery::at_most_once;
}

}  // namespace

FifoRules rules_for(const ChannelClaims& claims, const ChannelOptions& options, bool drained,
                    std::uint32_t priorities) {
  FifoRules rules;
  rules.order = order_of(claims.order);
  rules.delivery = delivery_of(claims);
  if (claims.exact_capacity) {
    const bool of_each = priorities > 1 && claims.capacity_of_each_priority;
    (of_each ? rules.capacity_of_each : rules.capacity) = options.capacity;
  }
  rules.drained = drained;
  if (priorities > 1) {
    rules.order = history::Order::priority;
    rules.priority = [priorities](std::uint64_t id) { return priority_of(id, priorities); };
  }
  const bool linearizable = claims.order == Order::fifo || claims.order == Order::priority;
  rules.empty_is_exact = linearizable;
  rules.full_is_exact = linearizable && claims.exact_capacity;
  rules.timeouts_are_exact = linearizable;
  return rules;
}

Verdict check(const History& history, const FifoRules& rules) {
  Verdict verdict = history::check_fifo_channel(history, rules);
  if (verdict.kind != Verdict::unknown || !(rules.capacity || rules.capacity_of_each)) {
    return verdict;
  }
  FifoRules relaxed = rules;
  relaxed.capacity.reset();
  relaxed.capacity_of_each.reset();
  relaxed.full_is_exact = false;
  return history::check_fifo_channel(history, relaxed);
}

std::string explain(const History& history, const Verdict& verdict) {
  return verdict.message + "\n" + history::draw_lanes(history, verdict.culprits);
}

bool judge(CaseContext& context, const History& history, const FifoRules& rules,
           std::string_view circumstance) {
  const Verdict verdict = check(history, rules);
  if (verdict.kind == Verdict::valid) return true;
  const std::string where = circumstance.empty() ? "" : fmt::format(" ({})", circumstance);
  if (verdict.kind == Verdict::unknown) {
    context.error(fmt::format("a history of {} calls could not be decided{}: {}",
                              history.calls.size(), where, verdict.message));
    return false;
  }
  ADD_FAILURE() << context.channel().name << ": " << verdict.message << where;
  context.lanes(history::draw_lanes(history, verdict.culprits));
  return false;
}

}  // namespace gauntlet::channel_suite
