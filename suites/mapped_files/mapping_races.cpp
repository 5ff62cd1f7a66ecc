// Mappings that several processes or threads change at the same time.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/limits.h"
#include "cases/context.h"
#include "mapped_files/access_fault.h"
#include "mapped_files/file_mapping.h"
#include "support/errno_matchers.h"
#include "support/own_cpu.h"

namespace gauntlet {
namespace {

/// Starts the workers together and tells how they ended.
void run(CaseContext& context, Crew& crew) {
  const Status started = crew.start(Deadline::after(kCallPatience));
  if (!started) return context.error("the workers did not start: " + describe(started.error()));
  context.join(crew, Deadline::after(3 * kCallPatience));
}

bool add(CaseContext& context, Crew& crew, const Crew::Body& body) {
  const auto added = crew.add([body](Worker& worker) {
    take_own_cpu(worker.index());
    worker.await_start();
    body(worker);
  });
  if (!added) context.error("no child: " + describe(added.error()));
  return added.has_value();
}

std::atomic_ref<std::uint64_t> word_at(const Mapping& mapping, std::size_t offset) {
  return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(mapping.data() + offset));
}

constexpr unsigned char kMark = 0x5a;
constexpr std::size_t kRacePages = 4;

/// One process changes the size, another stores its mark, a third loads: a load gives zero or the
/// mark, or raises SIGBUS. It could fail if a page that the file gave up were still stored to, or
/// came back with what somebody else had in it.
void race_truncation_against_stores(CaseContext& context, FileSystem where) {
  const std::size_t page = page_bytes();
  const auto file = MappableFile::create(context, kRacePages * page, where);
  if (!file) return;
  const Mapping mapping(*file, kRacePages * page);
  ASSERT_TRUE(mapping.valid());
  const std::uint64_t accesses = context.amount(6000, 100000, 1000000);
  constexpr std::uint64_t kAccessors = 2;
  struct Seen {
    std::atomic<std::uint64_t> made;
    std::atomic<std::uint64_t> refused;
    std::atomic<std::uint64_t> over;
  };
  const Shared<Seen> seen;
  Crew crew;
  bool forked = add(context, crew, [&](Worker& worker) {
    for (std::uint64_t round = 0; round < kLoopBound && seen->over.load() < kAccessors; ++round) {
      for (const std::size_t size : {std::size_t{0}, page + page / 2, kRacePages * page}) {
        worker.expect(::ftruncate(file->fd(), static_cast<off_t>(size)) == 0, "ftruncate failed");
      }
    }
  });
  /// Goes on until it has met the file both short and long.
  const auto access = [&](Worker& worker, std::size_t stride, bool stores) {
    const AccessFaults faults;
    std::uint64_t made = 0;
    std::uint64_t refused = 0;
    for (std::uint64_t each = 0; each < kLoopBound; ++each) {
      if (each >= accesses && made > 0 && refused > 0) break;
      volatile unsigned char* const byte = &mapping[each * stride % mapping.size()];
      volatile unsigned char value = kMark;
      const auto fault = faults.of([&] { stores ? * byte = kMark : value = *byte; });
      const auto verdict = is_past_the_end(fault, byte);
      if (!worker.expect(fault.signal == 0 || verdict, verdict.message())) break;
      if (!worker.expect(value == 0 || value == kMark,
                         "loaded the foreign byte " + std::to_string(value))) {
        break;
      }
      ++(fault.signal == 0 ? made : refused);
    }
    seen->made.fetch_add(made);
    seen->refused.fetch_add(refused);
    seen->over.fetch_add(1);
  };
  forked = forked && add(context, crew, [&](Worker& worker) { access(worker, 509, true); });
  forked = forked && add(context, crew, [&](Worker& worker) { access(worker, 251, false); });
  if (!forked) return;
  run(context, crew);
  context.measured("accesses_made", static_cast<double>(seen->made.load()));
  context.measured("accesses_refused", static_cast<double>(seen->refused.load()));
  EXPECT_GT(seen->made.load(), 0U);
  EXPECT_GT(seen->refused.load(), 0U);
}

GAUNTLET_CASE(MappedFilesRaces, TruncationAgainstStores_OnlySigbusOrOwnBytesOnTmpfs,
              .clause = "POSIX.1-2024 mmap() (SIGBUS), ftruncate() (zero-filled)") {
  race_truncation_against_stores(context, FileSystem::memory);
}

GAUNTLET_CASE(MappedFilesRaces, TruncationAgainstStores_OnlySigbusOrOwnBytesOnDisk,
              .clause = "POSIX.1-2024 mmap() (SIGBUS), ftruncate() (zero-filled)") {
  race_truncation_against_stores(context, FileSystem::disk);
}

/// A write() that has returned is loaded by everybody: the writer numbers its writes and publishes
/// a number when the write is done; a load that began after it never gives an older one. It could
/// fail if write() and the mapping had pages of their own.
void race_writes_against_loads(CaseContext& context, FileSystem where) {
  constexpr std::size_t kReaders = 2;
  const std::size_t page = page_bytes();
  const auto file = MappableFile::create(context, page, where);
  if (!file) return;
  const std::uint64_t writes = context.amount(4000, 60000, 600000);
  const Shared<std::atomic<std::uint64_t>> done;
  Crew crew;
  bool forked = add(context, crew, [&](Worker& worker) {
    for (std::uint64_t number = 1; number <= writes; ++number) {
      const bool whole = file->write(0, static_cast<char>(number), page);
      if (!worker.expect(whole, "a write of one page was not whole")) break;
      done->store(number);
    }
    done->store(writes);
  });
  for (std::size_t reader = 0; reader < kReaders; ++reader) {
    forked = forked && add(context, crew, [&, reader](Worker& worker) {
               const Mapping mapping(*file, page);
               if (!worker.expect(mapping.valid(), "mmap failed")) return;
               std::size_t at = reader;
               for (std::uint64_t look = 0; look < kLoopBound; ++look) {
                 const std::uint64_t before = done->load();
                 // One byte, because nothing promises that a load of more is not torn by a write().
                 const unsigned char low = mapping[at];
                 const std::uint64_t after = done->load() + 1;  // the one that may be under way
                 const bool possible = after - before >= 256 ||
                                       static_cast<unsigned char>(low - before) <= after - before;
                 if (!worker.expect(possible, "write " + std::to_string(before) +
                                                  " had returned, and a load gave an older byte " +
                                                  std::to_string(low))) {
                   return;
                 }
                 if (before == writes) return;
                 at = (at + 71) % page;
               }
             });
  }
  if (forked) run(context, crew);
}

GAUNTLET_CASE(MappedFilesRaces, WriteThatReturned_IsLoadedByEveryMappingOnTmpfs,
              .clause = "POSIX.1-2024 mmap() (MAP_SHARED), write() (visible after it returned)") {
  race_writes_against_loads(context, FileSystem::memory);
}

GAUNTLET_CASE(MappedFilesRaces, WriteThatReturned_IsLoadedByEveryMappingOnDisk,
              .clause = "POSIX.1-2024 mmap() (MAP_SHARED), write() (visible after it returned)") {
  race_writes_against_loads(context, FileSystem::disk);
}

/// Processes that fault in the same new pages at the same time get the same pages. It could fail if
/// two faults in a hole each brought a page: one process's stores would be in neither file nor
/// mapping.
void race_first_stores(CaseContext& context, FileSystem where) {
  constexpr std::size_t kWriters = 4;
  const std::size_t pages = context.amount(300, 4000, 20000);
  const std::size_t page = page_bytes();
  const auto file = MappableFile::create(context, pages * page, where);
  if (!file) return;
  Crew crew;
  for (std::size_t writer = 0; writer < kWriters; ++writer) {
    const bool forked = add(context, crew, [&](Worker& worker) {
      const Mapping mapping(*file, pages * page);
      if (!worker.expect(mapping.valid(), "mmap failed")) return;
      for (std::size_t each = 0; each < pages; ++each) {
        mapping[each * page + worker.index()] = static_cast<unsigned char>(worker.index() + 1);
      }
    });
    if (!forked) return;
  }
  run(context, crew);
  const Mapping mapping(*file, pages * page);
  ASSERT_TRUE(mapping.valid());
  for (std::size_t each = 0; each < pages; ++each) {
    for (std::size_t writer = 0; writer < kWriters; ++writer) {
      ASSERT_EQ(mapping[each * page + writer], writer + 1)
          << "the store of process " << writer << " to page " << each << " is lost";
    }
  }
}

GAUNTLET_CASE(MappedFilesRaces, FirstStoresToTheSameNewPages_NoneIsLostOnTmpfs,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (MAP_SHARED)") {
  race_first_stores(context, FileSystem::memory);
}

GAUNTLET_CASE(MappedFilesRaces, FirstStoresToTheSameNewPages_NoneIsLostOnDisk,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (MAP_SHARED)") {
  race_first_stores(context, FileSystem::disk);
}

// Atomic additions through mappings that each process made by itself, at addresses of their own,
// are additions to one word.
GAUNTLET_CASE(MappedFilesRaces, AtomicAdditionsThroughSeparateMappings_LoseNone,
              .clause = "POSIX.1-2024 mmap() (MAP_SHARED); atomic_fetch_add() on lock-free words") {
  constexpr std::size_t kAdders = 3;
  const std::uint64_t additions = context.amount(100000, 1000000, 10000000);
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  Crew crew;
  for (std::size_t adder = 0; adder < kAdders; ++adder) {
    const bool forked = add(context, crew, [&](Worker& worker) {
      const Mapping mapping(*file, page_bytes());
      if (!worker.expect(mapping.valid(), "mmap failed")) return;
      for (std::uint64_t each = 0; each < additions; ++each) word_at(mapping, 64).fetch_add(1);
    });
    if (!forked) return;
  }
  run(context, crew);
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  EXPECT_EQ(word_at(mapping, 64).load(), kAdders * additions);
}

// One thread grows, moves and shrinks its mapping while another loads and stores through its own,
// which lies right beside it. It could fail if moving page tables took a neighbour's with them.
GAUNTLET_CASE(MappedFilesRaces, MremapInOneThread_LeavesTheMappingOfAnotherAlone,
              .clause = "mremap(2); POSIX.1-2024 mmap()") {
  const std::size_t page = page_bytes();
  const std::uint64_t rounds = context.amount(3000, 40000, 400000);
  const auto file = MappableFile::create(context, 8 * page);
  const auto other = MappableFile::create(context, 2 * page);
  if (!file || !other) return;
  ASSERT_TRUE(file->write(0, 'm', 8 * page));
  Crew crew;
  const auto added = crew.add([&](Worker& worker) {
    Mapping moving(*file, 2 * page);
    const Mapping still(*other, 2 * page);
    if (!worker.expect(moving.valid() && still.valid(), "mmap failed")) return;
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> wrong{0};
    std::thread beside([&] {
      for (std::uint64_t look = 1; look < kLoopBound && !over.load(); ++look) {
        const auto mark = static_cast<unsigned char>(look);
        still[look % (2 * page)] = mark;
        if (still[look % (2 * page)] != mark) wrong.fetch_add(1);
      }
    });
    std::size_t size = 2 * page;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      const std::size_t next = (round % 4 == 0 ? 8 : round % 4) * page;
      unsigned char* const old = moving.release();
      void* const moved = ::mremap(old, size, next, MREMAP_MAYMOVE);
      moving = Mapping::adopt(moved == MAP_FAILED ? old : moved, moved == MAP_FAILED ? size : next);
      if (!worker.expect(moved != MAP_FAILED, "mremap failed: " + errno_name(errno))) break;
      size = next;
      if (!worker.expect(moving[0] == 'm' && moving[size - 1] == 'm',
                         "a moved mapping shows other bytes")) {
        break;
      }
    }
    over.store(true);
    beside.join();
    worker.expect(wrong.load() == 0, std::to_string(wrong.load()) +
                                         " loads beside it gave another byte than was stored");
  });
  if (!added) return context.error("no child: " + describe(added.error()));
  context.join(crew, Deadline::after(3 * kCallPatience));
}

// Of several threads that want the same free pages with MAP_FIXED_NOREPLACE exactly one gets them.
// It could fail if the look for free pages and the mapping were two steps.
GAUNTLET_CASE(MappedFilesRaces, FixedNoreplaceByManyThreads_ExactlyOneGetsThePages,
              .clause = "mmap(2) MAP_FIXED_NOREPLACE") {
  constexpr std::size_t kThreads = 3;
  const std::size_t page = page_bytes();
  const std::uint64_t rounds = context.amount(300, 4000, 40000);
  const auto file = MappableFile::create(context, page);
  if (!file) return;
  Crew crew;
  const auto added = crew.add([&](Worker& worker) {
    Mapping room({.size = page, .flags = MAP_PRIVATE | MAP_ANONYMOUS});
    if (!worker.expect(room.valid(), "mmap failed")) return;
    unsigned char* const wanted = room.release();
    std::atomic<std::uint64_t> turn{0};
    std::atomic<std::uint64_t> winners{0};
    std::atomic<std::uint64_t> finished{0};
    std::vector<std::thread> threads;
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&] {
        for (std::uint64_t round = 1; round <= rounds; ++round) {
          while (turn.load() < round) std::this_thread::yield();
          void* const got =
              ::mmap(wanted, page, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, file->fd(), 0);
          if (got == wanted) winners.fetch_add(1);
          finished.fetch_add(1);
        }
      });
    }
    std::uint64_t unfair = 0;
    for (std::uint64_t round = 1; round <= rounds; ++round) {
      ::munmap(wanted, page);
      winners.store(0);
      finished.store(0);
      turn.store(round);
      while (finished.load() < kThreads) std::this_thread::yield();
      if (winners.load() != 1) ++unfair;
    }
    for (std::thread& thread : threads) thread.join();
    ::munmap(wanted, page);
    worker.expect(unfair == 0, std::to_string(unfair) + " of " + std::to_string(rounds) +
                                   " rounds had none or several winners");
  });
  if (!added) return context.error("no child: " + describe(added.error()));
  context.join(crew, Deadline::after(3 * kCallPatience));
}

}  // namespace
}  // namespace gauntlet
