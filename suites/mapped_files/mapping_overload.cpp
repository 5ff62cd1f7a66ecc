// Mapped files when there is too much of something: mappings, address space, processes, pages.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <vector>

#include "base/limits.h"
#include "cases/context.h"
#include "mapped_files/access_fault.h"
#include "mapped_files/file_mapping.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"
#include "support/system_setting.h"

namespace gauntlet {
namespace {

/// What a child saw at the limit of the number of mappings.
struct AtTheLimit {
  std::uint64_t made = 0;
  CallOutcome refused;
  CallOutcome split;  ///< munmap() of a page in the middle of a mapping
  CallOutcome after_one_went;
  std::uint64_t changed = 0;  ///< older mappings that show something else
};

// One mapping after another until the system has enough: the refusal is ENOMEM, also for what would
// make two mappings of one, and those that are there are as they were.
GAUNTLET_CASE(MappedFilesOverload, MappingsUntilTheLimit_EnomemAndTheOlderAreIntact,
              .clause = "mmap(2), munmap(2) ERRORS ENOMEM; proc(5) vm.max_map_count",
              .deadline = std::chrono::seconds(120)) {
  constexpr std::int64_t kMostTried = 300'000;
  const auto limit = system_number("/proc/sys/vm/max_map_count");
  if (!limit || *limit > kMostTried) {
    return context.not_run("a vm.max_map_count of at most " + std::to_string(kMostTried),
                           "sysctl vm.max_map_count=65530 (the kernel's default)");
  }
  const std::size_t page = page_bytes();
  const auto file = MappableFile::create(context, 3 * page);
  if (!file) return;
  for (std::size_t each = 0; each < 3; ++each) {
    ASSERT_TRUE(file->write(each * page, static_cast<char>('a' + each), page));
  }
  const Shared<AtTheLimit> seen;
  Crew crew;
  const auto added = crew.add([&](Worker&) {
    std::vector<unsigned char*> mappings;
    mappings.reserve(static_cast<std::size_t>(*limit) + 16);
    const Mapping three(*file, 3 * page);
    // Always the same page: mappings of it that lie side by side are not merged into one.
    const auto map_one = [&] {
      CallOutcome outcome;
      Mapping one(*file, page);
      outcome.failed = !one.valid();
      outcome.error = outcome.failed ? errno : 0;
      if (one.valid()) mappings.push_back(one.release());
      return outcome;
    };
    while (!seen->refused.failed && mappings.size() < static_cast<std::size_t>(*limit) + 8) {
      seen->refused = map_one();
    }
    seen->made = mappings.size();
    seen->split = outcome_of(::munmap(three.data() + page, page));
    for (std::size_t each = 0; each < mappings.size(); each += 64) {
      if (*mappings[each] != 'a') ++seen->changed;
    }
    if (three[0] != 'a' || three[page] != 'b' || three[2 * page] != 'c') ++seen->changed;
    ::munmap(mappings.back(), page);
    mappings.pop_back();
    seen->after_one_went = map_one();
  });
  if (!added) return context.error("no child: " + describe(added.error()));
  context.join(crew, Deadline::after(4 * kCallPatience));
  context.measured("mappings_made", static_cast<double>(seen->made));
  EXPECT_THAT(seen->refused, SyscallFailsWithErrno(ENOMEM));
  EXPECT_THAT(seen->split, SyscallFailsWithErrno(ENOMEM));
  EXPECT_THAT(seen->after_one_went, SyscallSucceeds());
  EXPECT_EQ(seen->changed, 0U);
  EXPECT_GT(seen->made, static_cast<std::uint64_t>(*limit) / 2);
}

// The same with the address space as the limit, which comes back as mappings go.
GAUNTLET_CASE(MappedFilesOverload, AddressSpaceUsedUp_EnomemAndAllOfItComesBack,
              .clause = "mmap(2) ERRORS ENOMEM; getrlimit(2) RLIMIT_AS") {
  constexpr std::size_t kStep = std::size_t{64} << 20;
  constexpr rlim_t kLimit = rlim_t{4} << 30;
  const auto file = MappableFile::create(context, kStep);
  if (!file) return;
  const Shared<std::array<std::uint64_t, 3>> made;
  const Shared<CallOutcome> refused;
  Crew crew;
  const auto added = crew.add([&](Worker& worker) {
    const LoweredLimit limit(RLIMIT_AS, kLimit);
    if (!worker.expect(limit.lowered(), "RLIMIT_AS was not lowered")) return;
    for (std::uint64_t& count : *made) {
      std::vector<Mapping> mappings;
      mappings.reserve(kLimit / kStep + 1);
      for (std::uint64_t each = 0; each <= kLimit / kStep; ++each) {
        Mapping mapping({.size = kStep, .fd = file->fd()}, &*refused);
        if (refused->failed) break;
        mapping[each] = static_cast<unsigned char>(each + 1);
        mappings.push_back(std::move(mapping));
      }
      count = mappings.size();
      for (std::uint64_t each = 0; each < count; ++each) {
        worker.expect(mappings[0][each] == static_cast<unsigned char>(each + 1),
                      "an older mapping shows another byte");
      }
    }
  });
  if (!added) return context.error("no child: " + describe(added.error()));
  context.join(crew);
  EXPECT_THAT(*refused, SyscallFailsWithErrno(ENOMEM));
  EXPECT_GT((*made)[0], 0U);
  EXPECT_EQ((*made)[1], (*made)[0]) << "what was unmapped did not come back";
  EXPECT_EQ((*made)[2], (*made)[0]);
}

// More processes than processors on one file, each mapping and unmapping it all the time: no
// addition is lost, however they are scheduled.
GAUNTLET_CASE(MappedFilesOverload, ManyProcessesOnOneFile_NoAdditionIsLost,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (MAP_SHARED)") {
  constexpr std::size_t kPages = 4;
  const std::uint64_t processes = context.amount(24, 60, 60);
  const std::uint64_t rounds = context.amount(40, 600, 6000);
  const auto file = MappableFile::create(context, kPages * page_bytes());
  if (!file) return;
  Crew crew;
  for (std::uint64_t each = 0; each < processes; ++each) {
    const auto added = crew.add([&](Worker& worker) {
      worker.await_start();
      for (std::uint64_t round = 0; round < rounds; ++round) {
        const Mapping mapping(*file, kPages * page_bytes());
        if (!worker.expect(mapping.valid(), "mmap failed: " + errno_name(errno))) return;
        for (std::size_t page = 0; page < kPages; ++page) {
          auto* const word = reinterpret_cast<std::uint64_t*>(mapping.data() + page * page_bytes());
          std::atomic_ref(*word).fetch_add(1);
        }
      }
    });
    if (!added) return context.not_created(added.error());
  }
  const Status started = crew.start(Deadline::after(kCallPatience));
  if (!started) return context.error("the workers did not start: " + describe(started.error()));
  context.join(crew, Deadline::after(3 * kCallPatience));
  for (std::size_t page = 0; page < kPages; ++page) {
    std::uint64_t sum = 0;
    ASSERT_THAT(::pread(file->fd(), &sum, sizeof sum, static_cast<off_t>(page * page_bytes())),
                SyscallSucceedsWithValue(8));
    EXPECT_EQ(sum, processes * rounds) << "page " << page;
  }
}

// Several processes fill one small file system through mappings of sparse files: each gets pages
// or SIGBUS, all of the room is given out, and no page that was stored to is lost.
GAUNTLET_CASE(MappedFilesOverload, ManyWritersOnAFullTmpfs_StoresThatWereMadeStay,
              .clause = "mmap(2) (SIGBUS); tmpfs(5) (size)") {
  constexpr std::size_t kWriters = 4;
  constexpr std::size_t kRoom = 256;  // pages
  const std::size_t page = page_bytes();
  const auto mount = SmallTmpfs::mount(context, kRoom * page);
  if (!mount) return;
  std::vector<MappableFile> files;
  for (std::size_t each = 0; each < kWriters; ++each) {
    auto file = MappableFile::create_in(mount->path(), context.scope(), kRoom * page);
    if (!file) return context.not_created(file.error());
    files.push_back(std::move(*file));
  }
  const Shared<std::array<std::uint64_t, kWriters>> stored;
  Crew crew;
  for (std::size_t each = 0; each < kWriters; ++each) {
    const auto added = crew.add([&](Worker& worker) {
      const Mapping mapping(files[worker.index()], kRoom * page);
      if (!worker.expect(mapping.valid(), "mmap failed")) return;
      worker.await_start();
      const AccessFaults faults;
      for (std::size_t at = 0; at < kRoom; ++at) {
        const AccessFault fault = faults.of_store(&mapping[at * page], 's');
        if (fault.signal != 0) {
          const auto verdict = is_past_the_end(fault, &mapping[at * page]);
          worker.expect(verdict, verdict.message());
          return;
        }
        ++(*stored)[worker.index()];
      }
    });
    if (!added) return context.error("no child: " + describe(added.error()));
  }
  const Status started = crew.start(Deadline::after(kCallPatience));
  if (!started) return context.error("the workers did not start: " + describe(started.error()));
  context.join(crew);
  std::uint64_t sum = 0;
  for (std::size_t each = 0; each < kWriters; ++each) {
    sum += (*stored)[each];
    for (std::size_t at = 0; at < (*stored)[each]; ++at) {
      ASSERT_EQ(files[each].byte_at(at * page), 's') << "page " << at << " of writer " << each;
    }
  }
  EXPECT_LE(sum, kRoom);
  EXPECT_GE(sum, kRoom - kWriters) << "room was left when stores were refused";
}

}  // namespace
}  // namespace gauntlet
