// The search for a failing program and the way to a smaller one.
#include "contracts/channel/hunt.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "contracts/channel/claims.h"
#include "contracts/channel/judge.h"
#include "contracts/channel/rounds.h"
#include "contracts/channel/stage.h"
#include "history/lanes.h"

namespace gauntlet::channel_suite {
namespace {

using history::Verdict;

struct Find {
  Program program;
  Round round;
  Verdict verdict;
};

/// The first round of the batch that cannot be explained, and how many were undecided before it.
std::optional<Find> find_in(const CaseContext& context, const ChannelOptions& options,
                            const std::vector<Program>& programs, const Batch& batch,
                            std::uint64_t& undecided) {
  for (std::size_t i = 0; i < batch.rounds.size(); ++i) {
    Verdict verdict = verdict_of(context.channel().claims, options, batch.rounds[i]);
    if (verdict.kind == Verdict::unknown) ++undecided;
    if (verdict.kind != Verdict::violation) continue;
    return Find{.program = programs[i], .round = batch.rounds[i], .verdict = std::move(verdict)};
  }
  return std::nullopt;
}

/// Small ids, of the priorities that the messages had.
void renumber(Program& program) {
  std::uint32_t id = 1;
  for (LaneProgram& lane : program.lanes) {
    for (Step& step : lane.steps) {
      if (step.act != Step::send) continue;
      step.id = id++ * program.priorities + priority_of(step.id, program.priorities);
    }
  }
}

/// The same program several times, each with other pauses before its lanes.
std::vector<Program> repeated(const Program& program, Random& random) {
  std::vector<Program> copies(kRunsACandidate, program);
  for (std::size_t i = 1; i < copies.size(); ++i) {
    for (LaneProgram& lane : copies[i].lanes) {
      lane.pauses = static_cast<std::uint32_t>(random.below(100));
    }
  }
  return copies;
}

/// Small numbers for people where no smaller program was found; the verdict is asked again, so that
/// it speaks of the same ones.
void renumber(const CaseContext& context, const ChannelOptions& options, Find& find) {
  if (!find.round.flaws.empty()) return;  // what came torn names the messages as they were
  std::map<std::uint64_t, std::uint64_t> names;
  for (const LaneProgram& lane : find.program.lanes) {
    for (const Step& step : lane.steps) {
      if (step.act != Step::send) continue;
      const std::uint32_t priorities = find.program.priorities;
      const std::uint64_t name = names.size() + 1;
      names[step.id] = name * priorities + priority_of(step.id, priorities);
    }
  }
  Find renamed = find;
  for (history::Call& call : renamed.round.history.calls) {
    if (call.value == 0) continue;
    const auto name = names.find(call.value);
    if (name == names.end()) return;  // a message from an earlier program: that is the find
    call.value = name->second;
  }
  renumber(renamed.program);
  renamed.verdict = verdict_of(context.channel().claims, options, renamed.round);
  if (renamed.verdict.kind == Verdict::violation) find = std::move(renamed);
}

struct Shrunk {
  Find find;
  std::size_t times = 0;
};

Shrunk shrink(const CaseContext& context, const ChannelOptions& options, Find find) {
  Shrunk best{.find = std::move(find)};
  Random random = context.random(0x5321);
  // A candidate that gets stuck takes most of a second to be known as stuck.
  const std::uint64_t short_ms = best.find.round.stuck.empty() ? 500 : 100;
  const Deadline enough =
      Deadline::after(std::chrono::milliseconds(context.amount(short_ms, 6000, 20000)));
  bool smaller_found = true;
  while (smaller_found && !enough.expired()) {
    smaller_found = false;
    for (Program& candidate : smaller(best.find.program, options.capacity)) {
      if (enough.expired()) break;
      renumber(candidate);
      const std::vector<Program> copies = repeated(candidate, random);
      const Batch batch = run_rounds(context.channel(), options, copies);
      std::uint64_t undecided = 0;
      std::optional<Find> again = find_in(context, options, copies, batch, undecided);
      if (!again) continue;
      best.find = std::move(*again);
      ++best.times;
      smaller_found = true;
      break;
    }
  }
  renumber(context, options, best.find);
  return best;
}

void report(CaseContext& context, const Shrunk& shrunk, std::uint64_t at, std::uint64_t of) {
  const Find& find = shrunk.find;
  ADD_FAILURE_AT(context.info().file.c_str(), context.info().line)
      << context.channel().name << ": " << find.verdict.message << "\n"
      << history::draw_lanes(find.round.history, find.verdict.culprits)
      << fmt::format("  found      case {} of {}, shrunk {} times, {} runs a case\n", at, of,
                     shrunk.times, kRunsACandidate)
      << "  program    " << describe(find.program);
  context.lanes(history::draw_lanes(find.round.history, find.verdict.culprits));
}

}  // namespace

HuntAmount hunt_amount(const CaseContext& context, HuntAmount smoke, HuntAmount full) {
  // Channels that are costly to make share what there is.
  const auto batches = [&](std::uint64_t many) {
    return few_if_costly(context.channel().claims, many);
  };
  return {.batches = context.amount(batches(smoke.batches), batches(full.batches),
                                    batches(8 * full.batches)),
          .programs = context.amount(smoke.programs, full.programs, 2 * full.programs)};
}

void hunt(CaseContext& context, HuntAmount amount,
          const std::function<Shape(Random&)>& draw_shape) {
  const std::uint64_t of = amount.batches * amount.programs;
  std::uint64_t tried = 0;
  std::uint64_t undecided = 0;
  std::uint64_t number = 0;
  while (context.another(number, amount.batches)) {
    Random random = context.random(++number);
    Shape shape = draw_shape(random);
    ChannelOptions options =
        options_for(context.channel().claims, shape.capacity, shape.message_size);
    options.scope = context.scope();
    shape.capacity = options.capacity;
    shape.message_size = options.message_size;
    std::vector<Program> programs;
    std::uint32_t next_id = 1;
    for (std::uint64_t i = 0; i < amount.programs; ++i) {
      programs.push_back(draw_program(random, shape, next_id));
      next_id += static_cast<std::uint32_t>(programs.back().calls());
    }
    const Batch batch = run_rounds(context.channel(), options, programs);
    if (!batch.created) return context.not_created(batch.not_created);
    if (!batch.broken.empty()) return context.error(batch.broken);
    std::optional<Find> find = find_in(context, options, programs, batch, undecided);
    if (find) {
      const std::uint64_t at = tried + batch.rounds.size();
      return report(context, shrink(context, options, std::move(*find)), at, of);
    }
    tried += batch.rounds.size();
  }
  EXPECT_EQ(tried, number * amount.programs) << "programs were left out";
  context.measured("programs", static_cast<double>(tried));
  context.measured("undecided_histories", static_cast<double>(undecided));
  if (undecided * 10 > tried) {
    context.error(fmt::format("{} of {} histories could not be decided", undecided, tried));
  }
}

}  // namespace gauntlet::channel_suite
