// Drawing, describing and shrinking of programs.
#include "contracts/channel/program.h"

#include <fmt/format.h>

#include <algorithm>

namespace gauntlet::channel_suite {
namespace {

bool insists(const Step& step) {
  return step.wait.kind == Wait::patient || step.wait.kind == Wait::endless;
}

/// Messages that must, may and cannot pass.
struct Balance {
  std::size_t sends = 0, maybe_sends = 0, receives = 0, maybe_receives = 0;
};

Balance balance_of(const Program& program) {
  Balance balance;
  for (const LaneProgram& lane : program.lanes) {
    for (const Step& step : lane.steps) {
      if (step.act == Step::send) {
        ++(insists(step) ? balance.sends : balance.maybe_sends);
      } else {
        ++(insists(step) ? balance.receives : balance.maybe_receives);
      }
    }
  }
  return balance;
}

Wait hasty(Random& random, const Shape& shape) {
  const std::uint64_t both = shape.tries_in_ten + shape.briefs_in_ten;
  if (random.below(std::max<std::uint64_t>(both, 1)) < shape.tries_in_ten) return kAttempt;
  return at_most(
      std::chrono::nanoseconds(random.between(1'000, static_cast<std::uint64_t>(shape.brief_ns))));
}

Step draw_send(Random& random, const Shape& shape, Wait wait) {
  const std::uint64_t largest = std::max(shape.message_size, kHeaderBytes);
  // Small, any and the largest: the size decides how long a copy takes.
  const std::uint64_t choice = random.below(3);
  const std::uint64_t size = choice == 0   ? kHeaderBytes + random.below(48)
                             : choice == 1 ? random.between(kHeaderBytes, largest)
                                           : largest;
  return {.act = Step::send,
          .wait = wait,
          .id = 0,
          .size = static_cast<std::uint32_t>(std::min(size, largest))};
}

void shuffle(Random& random, std::vector<Step>& steps) {
  for (std::size_t at = steps.size(); at > 1; --at) {
    std::swap(steps[at - 1], steps[random.below(at)]);
  }
}

Step& append_to_any(Random& random, Program& program, Role role, const Shape& shape,
                    const Step& step) {
  std::vector<LaneProgram*> fitting;
  for (LaneProgram& lane : program.lanes) {
    if (lane.role == role && lane.steps.size() < shape.most_calls) fitting.push_back(&lane);
  }
  // All full: the first of the role takes it; most_calls is a wish, the balance is not.
  if (fitting.empty()) {
    for (LaneProgram& lane : program.lanes) {
      if (lane.role == role) fitting.push_back(&lane);
    }
  }
  LaneProgram& lane = *fitting[random.below(fitting.size())];
  lane.steps.push_back(step);
  return lane.steps.back();
}

void number(Program& program, std::uint32_t first_id) {
  for (LaneProgram& lane : program.lanes) {
    for (Step& step : lane.steps) {
      if (step.act == Step::send) step.id = first_id++;
    }
  }
}

/// Calls that insist, on the lanes that do one thing only, and as many hasty ones as the balance
/// can bear.
void draw_insisting(Random& random, const Shape& shape, Program& program) {
  const Step receive{.act = Step::receive, .wait = kPatient, .id = 0, .size = 0};
  const bool drained = random.below(10) < shape.drained_in_ten;
  const std::size_t most =
      drained ? shape.capacity
              : std::max<std::size_t>(
                    1, std::min(shape.senders, shape.receivers * 2) * shape.most_calls);
  const std::size_t sends = random.between(drained ? (most + 1) / 2 : 1, most);
  const std::size_t slack = drained ? sends : random.below(std::min(sends, shape.capacity) + 1);
  for (std::size_t i = 0; i < sends; ++i) {
    append_to_any(random, program, Role::sender, shape, draw_send(random, shape, kPatient));
  }
  for (std::size_t i = 0; i < sends - slack; ++i) {
    append_to_any(random, program, Role::receiver, shape, receive);
  }
  for (std::size_t i = drained ? 0 : random.below(slack + 1); i > 0; --i) {
    Step& step = append_to_any(random, program, Role::receiver, shape, receive);
    step.wait = hasty(random, shape);
  }
  for (std::size_t i = random.below(shape.capacity - slack + 1); i > 0; --i) {
    append_to_any(random, program, Role::sender, shape,
                  draw_send(random, shape, hasty(random, shape)));
  }
}

/// Nobody insists: any calls in any order.
void draw_hasty(Random& random, const Shape& shape, Program& program) {
  for (LaneProgram& lane : program.lanes) {
    for (std::size_t i = random.between(1, shape.most_calls); i > 0; --i) {
      const bool sends =
          lane.role == Role::sender || (lane.role == Role::both && random.chance(0.5));
      const Wait wait = hasty(random, shape);
      lane.steps.push_back(sends ? draw_send(random, shape, wait)
                                 : Step{.act = Step::receive, .wait = wait, .id = 0, .size = 0});
    }
  }
}

}  // namespace

std::size_t Program::calls() const {
  std::size_t count = 0;
  for (const LaneProgram& lane : lanes) count += lane.steps.size();
  return count;
}

bool cannot_get_stuck(const Program& program, std::size_t capacity) {
  const Balance balance = balance_of(program);
  if (balance.sends == 0 && balance.receives == 0) return true;
  for (const LaneProgram& lane : program.lanes) {
    const auto insists_here = std::any_of(lane.steps.begin(), lane.steps.end(), insists);
    // A lane that waits for what it would do itself later may wait for ever.
    if (lane.role == Role::both && insists_here) return false;
  }
  return balance.receives + balance.maybe_receives <= balance.sends &&
         balance.sends + balance.maybe_sends <= capacity + balance.receives;
}

Program draw_program(Random& random, const Shape& shape, std::uint32_t first_id) {
  Program program;
  program.priorities = shape.priorities;
  const auto add = [&](std::size_t count, Role role) {
    for (std::size_t i = 0; i < count; ++i) {
      program.lanes.push_back(
          {.role = role, .pauses = static_cast<std::uint32_t>(random.below(100)), .steps = {}});
    }
  };
  add(shape.senders, Role::sender);
  add(shape.receivers, Role::receiver);
  add(shape.mixed, Role::both);
  const bool one_way = shape.senders > 0 && shape.receivers > 0 && shape.mixed == 0;
  if (one_way && random.below(10) >= (shape.tries_in_ten + shape.briefs_in_ten) / 2) {
    draw_insisting(random, shape, program);
  } else {
    draw_hasty(random, shape, program);
  }
  for (LaneProgram& lane : program.lanes) shuffle(random, lane.steps);
  number(program, first_id);
  return program;
}

std::vector<Program> smaller(const Program& program, std::size_t capacity) {
  std::vector<Program> candidates;
  const auto offer = [&](Program candidate) {
    if (candidate.calls() > 0 && cannot_get_stuck(candidate, capacity)) {
      candidates.push_back(std::move(candidate));
    }
  };
  for (std::size_t lane = 0; lane < program.lanes.size(); ++lane) {
    Program candidate = program;
    if (candidate.lanes[lane].steps.empty()) continue;
    candidate.lanes[lane].steps.clear();
    offer(std::move(candidate));
  }
  const auto without = [](Program candidate, std::size_t lane, std::size_t step) {
    auto& steps = candidate.lanes[lane].steps;
    steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(step));
    return candidate;
  };
  for (std::size_t lane = 0; lane < program.lanes.size(); ++lane) {
    for (std::size_t step = 0; step < program.lanes[lane].steps.size(); ++step) {
      const Program one_less = without(program, lane, step);
      offer(one_less);
      // A send that insists often leaves only with a receive that does.
      if (program.lanes[lane].steps[step].act != Step::send) continue;
      for (std::size_t other = 0; other < program.lanes.size(); ++other) {
        const auto& steps = program.lanes[other].steps;
        const auto receive = std::find_if(steps.begin(), steps.end(), [](const Step& candidate) {
          return candidate.act == Step::receive;
        });
        if (other == lane || receive == steps.end()) continue;
        offer(without(one_less, other, static_cast<std::size_t>(receive - steps.begin())));
      }
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Program& a, const Program& b) { return a.calls() < b.calls(); });
  return candidates;
}

std::string describe(const Program& program) {
  std::string text;
  for (std::size_t lane = 0; lane < program.lanes.size(); ++lane) {
    if (program.lanes[lane].steps.empty()) continue;
    text += fmt::format("{}p{}:", text.empty() ? "" : "; ", lane);
    for (const Step& step : program.lanes[lane].steps) {
      const std::string wait = step.wait.kind == Wait::attempt ? " try"
                               : step.wait.kind == Wait::limited
                                   ? fmt::format(" {} us", step.wait.limit_ns / 1000)
                                   : "";
      text += step.act == Step::send
                  ? fmt::format(" send {} ({} B{})", step.id, step.size, wait)
                  : fmt::format(" receive{}", wait.empty() ? "" : " (" + wait.substr(1) + ")");
    }
  }
  return text;
}

}  // namespace gauntlet::channel_suite
