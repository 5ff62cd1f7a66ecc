// process_vm_readv() and process_vm_writev() in any parts, by several at once, against processes
// that die, and at their limits.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "message_passing/remote_memory.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/property.h"

namespace gauntlet {
namespace {

using Parts = std::vector<iovec>;

/// Parts of these sizes, one behind the other.
Parts parts_of(std::byte* base, const std::vector<int>& sizes) {
  Parts parts;
  for (const int size : sizes) {
    parts.push_back(part(base, static_cast<std::size_t>(size)));
    base += size;
  }
  return parts;
}

// However both sides are cut, the stream is the same, and as long as the shorter side.
GAUNTLET_CASE(MessagePassingProperties, ProcessVmReadv_AnyPartsOnBothSides_MoveOneStream,
              .clause = "process_vm_readv(2) DESCRIPTION (array order)", .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  RemoteMemory remote(context, 4);
  if (!remote.ready()) return;
  check_property(context, {.tests = context.amount(60, 600, 6000), .size = 30}, [&] {
    const auto sizes = rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 500));
    const auto local_sizes = *sizes.as("parts here");
    const auto remote_sizes = *sizes.as("parts there");
    const int here_total = std::accumulate(local_sizes.begin(), local_sizes.end(), 0);
    const int there_total = std::accumulate(remote_sizes.begin(), remote_sizes.end(), 0);
    RC_PRE(static_cast<std::size_t>(there_total) <= remote.size());
    std::vector<std::byte> here(static_cast<std::size_t>(here_total) + 1);
    const long moved = std::min(here_total, there_total);
    RC_ASSERT(read_remote(remote.pid(), parts_of(here.data(), local_sizes),
                          parts_of(remote.at(0), remote_sizes)) == moved);
    for (std::size_t at = 0; at < here.size(); ++at) {
      const bool came = at < static_cast<std::size_t>(moved);
      RC_ASSERT(here[at] == (came ? RemoteMemory::expected(at) : std::byte{0}));
    }
  });
  remote.finish();
}

// Writers of different ranges of one page do not undo each other. It could fail if the page were
// copied out, changed and copied back.
GAUNTLET_CASE(MessagePassingRaces, ProcessVmWritev_SeveralWritersOfOnePage_LoseNoWrite,
              .clause = "process_vm_readv(2) DESCRIPTION", .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  RemoteMemory remote(context, 1);
  if (!remote.ready()) return;
  constexpr std::size_t kWriters = 4;
  constexpr std::size_t kRange = 24;  // not the size of a cache line
  const auto rounds = static_cast<std::size_t>(context.amount(400, 4000, 40'000));
  const pid_t pid = remote.pid();
  Crew writers(kWriters);
  for (std::size_t n = 0; n < kWriters; ++n) {
    ASSERT_TRUE(writers.add([&, n](Worker& worker) {
      worker.await_start();
      std::array<std::byte, kRange> bytes{};
      for (std::size_t round = 1; round <= rounds; ++round) {
        bytes.fill(static_cast<std::byte>(round + n));
        const auto moved = write_remote(pid, Parts{part(bytes.data(), kRange)},
                                        Parts{part(remote.at(n * kRange), kRange)});
        if (!worker.expect(moved == static_cast<ssize_t>(kRange), "a write was not whole")) return;
        std::array<std::byte, kRange> back{};
        read_remote(pid, Parts{part(back.data(), kRange)},
                    Parts{part(remote.at(n * kRange), kRange)});
        if (!worker.expect(back == bytes, "what was written a moment ago is not there")) return;
      }
    }));
  }
  ASSERT_TRUE(writers.start(Deadline::after(kCallPatience)));
  if (!context.join(writers)) return;
  const auto seen = remote.finish();
  for (std::size_t at = 0; at < kWriters * kRange; ++at) {
    ASSERT_EQ(seen[at], static_cast<std::byte>(rounds + at / kRange)) << "byte " << at;
  }
  EXPECT_EQ(seen[kWriters * kRange], RemoteMemory::expected(kWriters * kRange));
}

// The other process dies while it is read, again and again: a call brings bytes of it or says that
// it is gone, and nothing else. It could fail by bytes of pages that were given to somebody else.
GAUNTLET_CASE(MessagePassingCrashes, ProcessVmReadv_TargetKilledInBetween_BringsItsBytesOrEsrch,
              .clause = "process_vm_readv(2) RETURN VALUE, ERRORS [ESRCH]",
              .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  const std::uint64_t rounds = context.amount(3, 30, 300);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    RemoteMemory remote(context, 64);
    if (!remote.ready()) return;
    const pid_t pid = remote.pid();
    Crew readers(1);
    ASSERT_TRUE(readers.add([&](Worker& worker) {
      std::vector<std::byte> here(remote.size());
      for (std::uint64_t turn = 0; turn < kLoopBound; ++turn) {
        std::fill(here.begin(), here.end(), std::byte{0});
        const CallOutcome outcome = outcome_of(read_remote(
            pid, Parts{part(here.data(), here.size())}, Parts{part(remote.at(0), here.size())}));
        worker.step();
        if (outcome.failed) {
          // EFAULT: its memory went between two parts of the call.
          if (outcome.error == EFAULT) continue;
          worker.expect(outcome.error == ESRCH, "failed with " + errno_name(outcome.error));
          return;
        }
        for (std::size_t at = 0; at < static_cast<std::size_t>(outcome.value); at += 61) {
          if (!worker.expect(here[at] == RemoteMemory::expected(at),
                             "a byte came that is not the other process's")) {
            return;
          }
        }
      }
    }));
    const Status reads = readers.await_progress(0, 5 + context.random(round).below(20),
                                                Deadline::after(kCallPatience));
    EXPECT_TRUE(reads) << "the reader made no progress";
    context.fault_planned();
    EXPECT_TRUE(remote.crew().kill(0));
    context.join(readers);
    context.join(remote.crew());
    if (testing::Test::HasFailure()) return;
  }
}

// The writer dies inside a large write: each byte there is an old or a new one, and the process
// that was written to goes on.
GAUNTLET_CASE(MessagePassingCrashes, ProcessVmWritev_WriterKilled_LeavesOldAndNewBytesOnly,
              .clause = "process_vm_readv(2) DESCRIPTION; kill(2)", .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  RemoteMemory remote(context, 256);
  if (!remote.ready()) return;
  const pid_t pid = remote.pid();
  Crew writers(1);
  ASSERT_TRUE(writers.add([&](Worker& worker) {
    std::vector<std::byte> bytes(remote.size());
    for (std::size_t at = 0; at < bytes.size(); ++at) bytes[at] = ~RemoteMemory::expected(at);
    for (std::uint64_t turn = 0; turn < kLoopBound; ++turn) {
      write_remote(pid, Parts{part(bytes.data(), bytes.size())},
                   Parts{part(remote.at(0), bytes.size())});
      worker.step();
    }
  }));
  ASSERT_TRUE(
      writers.await_progress(0, 1 + context.random().below(20), Deadline::after(kCallPatience)));
  context.fault_planned();
  EXPECT_TRUE(writers.kill(0));
  context.join(writers);
  const auto seen = remote.finish();
  std::size_t wrong = 0;
  for (std::size_t at = 0; at < seen.size(); ++at) {
    const std::byte old = RemoteMemory::expected(at);
    wrong += seen[at] == old || seen[at] == ~old ? 0 : 1;
  }
  EXPECT_EQ(wrong, 0U) << "bytes that nobody wrote";
}

// As many parts as the system allows, on both sides.
GAUNTLET_CASE(MessagePassingOverload, ProcessVmReadv_IovMaxPartsOnBothSides_MovesThemAll,
              .clause = "process_vm_readv(2) ERRORS [EINVAL] (IOV_MAX)", .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  const auto most = static_cast<std::size_t>(std::max(::sysconf(_SC_IOV_MAX), 16L));
  RemoteMemory remote(context, 3 * most / PrivatePages::page() + 1);
  if (!remote.ready()) return;
  std::vector<std::byte> here(3 * most);
  EXPECT_THAT(read_remote(remote.pid(), parts_of(here.data(), std::vector<int>(most, 3)),
                          parts_of(remote.at(0), std::vector<int>(most, 3))),
              SyscallSucceedsWithValue(static_cast<long>(3 * most)));
  EXPECT_EQ(here.back(), RemoteMemory::expected(3 * most - 1));
  remote.finish();
}

// More pages than the kernel pins at once.
GAUNTLET_CASE(MessagePassingOverload, ProcessVmReadv_ManyMegabytes_ComeWhole,
              .clause = "process_vm_readv(2) RETURN VALUE", .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  RemoteMemory remote(context, (std::size_t{4} << 20) / PrivatePages::page());
  if (!remote.ready()) return;
  std::vector<std::byte> here(remote.size());
  ASSERT_THAT(read_remote(remote.pid(), Parts{part(here.data(), here.size())},
                          Parts{part(remote.at(0), here.size())}),
              SyscallSucceedsWithValue(static_cast<long>(here.size())));
  std::size_t wrong = 0;
  for (std::size_t at = 0; at < here.size(); ++at) {
    wrong += here[at] == RemoteMemory::expected(at) ? 0 : 1;
  }
  EXPECT_EQ(wrong, 0U);
  remote.finish();
}

}  // namespace
}  // namespace gauntlet
