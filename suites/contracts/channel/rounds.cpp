// Workers that go through programs in step, and the watch over them.
#include "contracts/channel/rounds.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <memory>

#include "base/limits.h"
#include "contracts/channel/judge.h"
#include "history/recorder.h"
#include "history/rendezvous.h"
#include "process/crew.h"
#include "process/futex.h"
#include "process/shared.h"
#include "support/quiet.h"

namespace gauntlet::channel_suite {
namespace {

constexpr std::size_t kMostLanes = 16;
constexpr std::size_t kMostRounds = 4096;
constexpr std::size_t kMostFlaws = 16;

/// Turns of an empty loop before a worker sleeps that waits for the others: some microseconds. Most
/// of them wait for somebody who needs their CPU.
constexpr int kSpinTurns = 200;

/// How long workers that are awake wait for those that are not yet, so that they begin within a
/// fraction of a microsecond of each other: several times what a wake-up takes. Where there are
/// more of them than CPUs they cannot all be running, and go soon.
constexpr std::int64_t kLongMeetingNs = 1'000'000;
constexpr std::int64_t kShortMeetingNs = 5'000;

/// Nobody has moved for so long, and everybody sleeps: the program is stuck, for nobody is left to
/// wake anybody. Sleepers that look again by themselves do so several times in this.
constexpr std::chrono::milliseconds kStillness{400};

struct Flaw {
  std::uint32_t round;
  Sentence text;
};

struct Board {
  FutexWord round{0};                   ///< the round that may start, counted from 1
  FutexWord finished{0};                ///< lanes done with their program, over all rounds
  FutexWord drained{0};                 ///< rounds that are over
  std::atomic<std::uint32_t> ready{0};  ///< lanes that have begun a round with calls, over all
  std::atomic<std::uint32_t> moves{0};
  std::atomic<std::uint32_t> flaw_count{0};
  std::atomic<bool> in_call[kMostLanes];
  std::int64_t began_ns[kMostRounds];
  Flaw flaws[kMostFlaws];
};

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/// Until the word is at least `value`; the process is killed by its parent when that never comes.
void await_at_least(FutexWord& word, std::uint32_t value) {
  for (int turn = 0; turn < kSpinTurns; ++turn) {
    if (word.load(std::memory_order_acquire) >= value) return;
    relax();
  }
  while (true) {
    const std::uint32_t seen = word.load(std::memory_order_acquire);
    if (seen >= value) return;
    futex_wait(word, seen);
  }
}

void raise_by(FutexWord& word, std::uint32_t by) {
  word.fetch_add(by, std::memory_order_acq_rel);
  futex_wake_all(word);
}

/// Waits awake until `ready` is `everybody`, or for as long as it is worth.
void meet(std::atomic<std::uint32_t>& ready, std::uint32_t everybody, std::int64_t longest_ns) {
  ready.fetch_add(1, std::memory_order_acq_rel);
  const std::int64_t enough = monotonic_ns() + longest_ns;
  while (ready.load(std::memory_order_acquire) < everybody && monotonic_ns() < enough) relax();
}

/// The CPUs that this process may use, each with a set of its own.
std::vector<cpu_set_t> single_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<cpu_set_t> cpus;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return cpus;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    cpus.push_back(one);
  }
  return cpus;
}

/// Lanes that make calls in a program.
std::uint32_t active_lanes(const Program& program) {
  return static_cast<std::uint32_t>(
      std::count_if(program.lanes.begin(), program.lanes.end(),
                    [](const LaneProgram& lane) { return !lane.steps.empty(); }));
}

/// One worker's part: its lane of every program.
class Runner {
 public:
  Runner(Board& board, MessageLink& link, std::uint32_t lane)
      : board_(board), link_(link), lane_(lane) {}

  /// False: something so wrong came that the stream cannot be read on.
  void run(const LaneProgram& program, std::uint32_t round) {
    for (std::uint32_t turn = 0; turn < program.pauses; ++turn) relax();
    for (const Step& step : program.steps) {
      board_.in_call[lane_].store(true, std::memory_order_relaxed);
      const Passage passage = step.act == Step::send
                                  ? link_.send(step.id, step.size, step.wait.deadline())
                                  : link_.receive(step.wait.deadline());
      board_.in_call[lane_].store(false, std::memory_order_relaxed);
      board_.moves.fetch_add(1, std::memory_order_relaxed);
      note(passage, step.act == Step::send ? "send" : "receive", round);
    }
  }

  void drain(std::size_t most, std::uint32_t round) {
    for (std::size_t turn = 0; turn <= most; ++turn) {
      const Passage passage = link_.receive(Deadline::immediate());
      if (passage.outcome != history::Outcome::ok) return note(passage, "receive", round);
      note(passage, "receive", round);
    }
    flaw(round, fmt::format("more than {} messages came out of a channel into which no more than "
                            "that were sent",
                            most));
  }

 private:
  void note(const Passage& passage, const char* call, std::uint32_t round) {
    if (passage.flawed()) flaw(round, passage.flaw.data());
    if (passage.outcome == history::Outcome::error) {
      flaw(round, fmt::format("p{}: {} answered {}", lane_, call, describe(passage.error)));
    }
  }

  void flaw(std::uint32_t round, std::string_view text) {
    const std::uint32_t at = board_.flaw_count.fetch_add(1);
    if (at < kMostFlaws) board_.flaws[at] = {.round = round, .text = sentence(text)};
  }

  Board& board_;
  MessageLink& link_;
  std::uint32_t lane_;
};

/// The last lane that can receive goes last: it waits for the others, drains, starts the next.
std::size_t conductor_of(const Program& program) {
  for (std::size_t lane = program.lanes.size(); lane > 0; --lane) {
    if (program.lanes[lane - 1].role != Role::sender) return lane - 1;
  }
  return 0;
}

class RoundsOnOneChannel {
 public:
  RoundsOnOneChannel(const ChannelSubject& subject, const ChannelOptions& options,
                     const std::vector<Program>& programs)
      : subject_(subject),
        options_(options),
        programs_(programs),
        lanes_(static_cast<std::uint32_t>(programs.front().lanes.size())),
        conductor_(conductor_of(programs.front())),
        recorder_(history::Recorder::create(lanes_, calls_of_busiest_lane())),
        crew_(kMostLanes) {}

  Batch run() {
    Batch batch;
    if (!recorder_.ok() || lanes_ > kMostLanes || programs_.size() > kMostRounds) {
      batch.broken = "the programs do not fit into the recorder";
      return batch;
    }
    Result<std::unique_ptr<ChannelHost>> host = subject_.create(options_);
    if (!host) {
      batch.created = false;
      batch.not_created = host.error();
      return batch;
    }
    for (std::size_t lane = 0; lane < lanes_; ++lane) {
      const Result<std::size_t> added =
          crew_.add([&, lane](Worker& worker) { work(worker, **host, lane); });
      if (!added) {
        batch.broken = "no worker: " + describe(added.error());
        return batch;
      }
    }
    if (const Status started = crew_.start(Deadline::after(kCallPatience)); !started) {
      batch.broken = "the workers did not start: " + describe(started.error());
      return batch;
    }
    raise_by(board_->round, 1);
    const std::string stuck = watch();
    const std::string died = stuck.empty() ? dead() : "";
    if (!stuck.empty() || !died.empty()) {
      // Where they are is known: killed here, they are not looked at again by join().
      for (std::size_t lane = 0; lane < lanes_; ++lane) crew_.kill(lane);
    }
    const Crew::End end = crew_.join(Deadline::after(kCallPatience));
    collect(batch, stuck, died.empty() && !end.clean ? end.summary() : died);
    return batch;
  }

 private:
  std::size_t calls_of_busiest_lane() const {
    // Everything may come out in the drain of one lane, and each drain ends with an empty receive.
    std::size_t most = 0;
    for (const Program& program : programs_) most += 2 * program.calls() + 2;
    return most;
  }

  void work(Worker& worker, ChannelHost& host, std::size_t lane) {
    const Result<std::unique_ptr<Channel>> channel = host.open(programs_.front().lanes[lane].role);
    if (!worker.expect(channel.has_value(), "open() in a new process failed")) return;
    MessageLink link(**channel, subject_.claims.framing, recorder_.lane(lane),
                     std::max<std::size_t>(options_.message_size, 4096),
                     programs_.front().priorities);
    Runner runner(*board_, link, static_cast<std::uint32_t>(lane));
    worker.await_start();
    // Woken together, two processes are often put on the CPU of the one who wakes them, and then
    // never run at the same time. Where a CPU cannot be had, the scheduler decides.
    const std::vector<cpu_set_t> cpus = single_cpus();
    if (!cpus.empty()) ::sched_setaffinity(0, sizeof(cpu_set_t), &cpus[lane % cpus.size()]);
    std::uint32_t everybody = 0;
    for (std::uint32_t round = 1; round <= programs_.size(); ++round) {
      const Program& program = programs_[round - 1];
      const std::uint32_t active = active_lanes(program);
      everybody += active;
      await_at_least(board_->round, round);
      if (!program.lanes[lane].steps.empty()) {
        meet(board_->ready, everybody, active <= cpus.size() ? kLongMeetingNs : kShortMeetingNs);
        runner.run(program.lanes[lane], round);
      }
      if (round == programs_.size()) worker.step();
      if (lane != conductor_) {
        raise_by(board_->finished, 1);
        continue;
      }
      await_at_least(board_->finished, (lanes_ - 1) * round);
      runner.drain(program.calls(), round);
      if (round < programs_.size()) board_->began_ns[round] = history::now_ns();
      raise_by(board_->drained, 1);
      raise_by(board_->round, 1);
    }
  }

  /// Until all rounds are over, or nothing moves any more; then who is stuck where.
  std::string watch() {
    std::uint32_t moves = 0;
    Deadline still = Deadline::after(kStillness);
    Deadline patience = Deadline::after(kCallPatience);
    while (true) {
      const std::uint32_t drained = board_->drained.load(std::memory_order_acquire);
      if (drained == programs_.size()) return {};
      futex_wait(board_->drained, drained, std::chrono::milliseconds(20));
      const std::uint32_t now =
          board_->moves.load() + board_->drained.load() + board_->finished.load();
      if (now != moves) {
        moves = now;
        still = Deadline::after(kStillness);
        patience = Deadline::after(kCallPatience);
        continue;
      }
      if (!dead().empty()) return {};
      if (patience.expired()) return "nothing moved for a long time, and not everybody sleeps";
      if (!still.expired()) continue;
      const std::string stuck = sleepers();
      if (!stuck.empty()) return stuck;
    }
  }

  /// Who is gone before its last program was done, so that the others wait in vain; empty when
  /// nobody is.
  std::string dead() {
    for (std::size_t lane = 0; lane < lanes_; ++lane) {
      if (crew_.process(lane).running() || crew_.progress(lane) > 0) continue;
      const Result<ExitStatus> status = crew_.process(lane).wait(Deadline::after(kCallPatience));
      return fmt::format("p{} ended in the middle: {}", lane,
                         status ? describe(*status) : describe(status.error()));
    }
    return {};
  }

  /// Everybody in a call, when all workers sleep, there or at the line to the next round; empty
  /// when one of them may still go on. One that has the CPU taken from it between two calls does
  /// not sleep.
  std::string sleepers() {
    std::string text;
    const std::uint32_t moves = board_->moves.load();
    for (std::size_t lane = 0; lane < lanes_; ++lane) {
      const Status asleep =
          crew_.process(lane).await_asleep(Deadline::after(std::chrono::seconds(2)));
      // In the last round those who are done have ended, and wake nobody either.
      if (!asleep && !(asleep.error() == Code::closed)) return {};
      if (!board_->in_call[lane].load()) continue;
      text += fmt::format("{}p{}", text.empty() ? "" : ", ", lane);
    }
    // A broker that was not given the CPU yet, or waits for its disk, will still answer them.
    if (!all_descendants_asleep() || moves != board_->moves.load()) return {};
    return text;
  }

  void collect(Batch& batch, const std::string& stuck, const std::string& died) {
    const history::History all = recorder_.collect();
    const std::size_t over = board_->drained.load();
    const std::size_t count =
        std::min(over + (stuck.empty() && died.empty() ? 0 : 1), programs_.size());
    batch.rounds.resize(count);
    for (Round& round : batch.rounds) {
      round.history.cut = all.cut;
      round.priorities = programs_.front().priorities;
    }
    std::size_t round = 0;
    for (const history::Call& call : all.calls) {
      while (round + 1 < count && round < over && call.invoked_ns >= board_->began_ns[round + 1]) {
        ++round;
      }
      if (count > 0) batch.rounds[round].history.calls.push_back(call);
    }
    const std::uint32_t flaws = std::min<std::uint32_t>(board_->flaw_count.load(), kMostFlaws);
    for (std::uint32_t i = 0; i < flaws; ++i) {
      const Flaw& flaw = board_->flaws[i];
      if (flaw.round <= count) batch.rounds[flaw.round - 1].flaws.emplace_back(flaw.text.data());
    }
    if (count == 0) return;
    batch.rounds.back().stuck = stuck;
    batch.rounds.back().died = died;
  }

  const ChannelSubject& subject_;
  const ChannelOptions options_;
  const std::vector<Program>& programs_;
  const std::uint32_t lanes_;
  const std::size_t conductor_;
  Shared<Board> board_;
  history::Recorder recorder_;
  Crew crew_;
};

}  // namespace

Batch run_rounds(const ChannelSubject& subject, const ChannelOptions& options,
                 const std::vector<Program>& programs) {
  if (programs.empty()) return {};
  return RoundsOnOneChannel(subject, options, programs).run();
}

history::Verdict verdict_of(const ChannelClaims& claims, const ChannelOptions& options,
                            const Round& round) {
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < round.history.calls.size(); ++i) {
    if (history::never_returned(round.history.calls[i])) open.push_back(i);
  }
  if (!round.flaws.empty()) return history::Verdict::broken(round.flaws.front(), open);
  if (!round.died.empty()) return history::Verdict::broken(round.died, open);
  // A drain ends the round only when nobody is stuck in it.
  const bool drained = round.stuck.empty();
  const history::Verdict verdict =
      claims.synchronous
          ? history::check_rendezvous(round.history)
          : check(round.history, rules_for(claims, options, drained, round.priorities));
  if (verdict.kind == history::Verdict::violation) return verdict;
  if (!round.stuck.empty()) {
    return history::Verdict::broken(
        round.stuck +
            " still inside the call and asleep, although there are enough messages and "
            "room for everybody: a lost wake-up, message or slot",
        open);
  }
  return verdict;
}

}  // namespace gauntlet::channel_suite
