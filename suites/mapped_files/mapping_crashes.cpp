// What is left in a mapped file when a process is killed at its work: every store that was made, in
// program order, and none that was not.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <set>
#include <vector>

#include "base/limits.h"
#include "cases/context.h"
#include "faults/instruction_kill.h"
#include "faults/system_call_kill.h"
#include "mapped_files/file_mapping.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

constexpr std::uint64_t kNew = 0x6e65'776e'6577'6e65;

/// The small update: body first, then the word that says that it is whole.
struct Record {
  static constexpr std::size_t kWords = 6;
  std::uint64_t body[kWords];
  std::uint64_t whole;
};

Record& record_in(const Mapping& mapping) { return *reinterpret_cast<Record*>(mapping.data()); }

/// Release stores: neither compiler nor machine puts them in another order.
void store(std::uint64_t& word, std::uint64_t value) {
  std::atomic_ref(word).store(value, std::memory_order_release);
}

void store_body(Record& record) {
  for (std::uint64_t& word : record.body) store(word, kNew);
}

/// How many stores of the update are there, from the first on; kWords + 2 when one is there without
/// those before it, or is none that was made.
std::size_t stores_there(const MappableFile& file) {
  constexpr std::size_t kAll = Record::kWords + 1;
  std::array<std::uint64_t, kAll> words{};
  if (::pread(file.fd(), words.data(), sizeof words, 0) != sizeof words) return kAll + 1;
  std::size_t there = 0;
  while (there < kAll && words[there] == kNew) ++there;
  for (std::size_t later = there; later < kAll; ++later) {
    if (words[later] != 0) return kAll + 1;
  }
  return there;
}

/// The update is killed after each of its instructions. It could fail if a store could be seen
/// before one that was made earlier, or went with the process that made it.
void kill_at_each_instruction(CaseContext& context, FileSystem where) {
  constexpr std::size_t kAll = Record::kWords + 1;
  constexpr std::uint32_t kMostInstructions = 3000;
  std::set<std::size_t> seen;
  for (std::uint32_t instruction = 1; instruction < kMostInstructions; ++instruction) {
    const auto file = MappableFile::create(context, page_bytes(), where);
    if (!file) return;
    const Mapping mapping(*file, page_bytes());
    ASSERT_TRUE(mapping.valid());
    const auto kill = kill_at_instruction(
        [&] {
          store_body(record_in(mapping));
          store(record_in(mapping).whole, kNew);
        },
        instruction);
    if (!kill) return context.error("single step: " + describe(kill.error()));
    context.fault_planned(kill->fired ? 1 : 0);
    context.fault_fired(kill->fired ? 1 : 0);
    const std::size_t there = stores_there(*file);
    ASSERT_LE(there, kAll) << "killed after instruction " << instruction
                           << ": a later store is there without an earlier one";
    if (!seen.empty()) {
      ASSERT_GE(there, *seen.rbegin()) << "killed after instruction " << instruction
                                       << ": a store that an earlier kill found is not there";
    }
    seen.insert(there);
    if (there == kAll) break;
  }
  EXPECT_THAT(seen, testing::SizeIs(kAll + 1))
      << "killed before, between and after the stores: each number of them is to be seen";
}

GAUNTLET_CASE(MappedFilesCrashes,
              UpdateKilledAtEachInstruction_StoresAreAPrefixInProgramOrderOnTmpfs,
              .clause = "mmap(2) MAP_SHARED (updates are visible to other processes); tmpfs(5)",
              .needs = {Need::ptrace}) {
  kill_at_each_instruction(context, FileSystem::memory);
}

GAUNTLET_CASE(MappedFilesCrashes,
              UpdateKilledAtEachInstruction_StoresAreAPrefixInProgramOrderOnDisk,
              .clause = "mmap(2) MAP_SHARED (updates are visible to other processes)",
              .needs = {Need::ptrace}) {
  kill_at_each_instruction(context, FileSystem::disk);
}

/// The same update with msync() and the last word by pwrite(), killed before and after each of its
/// system calls: what must be there is known exactly.
void kill_at_each_system_call(CaseContext& context, FileSystem where) {
  constexpr std::uint32_t kMostStops = 64;
  std::uint32_t at_stop = 1;
  for (; at_stop < kMostStops; ++at_stop) {
    const auto file = MappableFile::create(context, page_bytes(), where);
    if (!file) return;
    const Mapping mapping(*file, page_bytes());
    ASSERT_TRUE(mapping.valid());
    Crew crew;
    const auto added = crew.add_traced([&](Worker& worker) {
      worker.arm();
      store_body(record_in(mapping));
      ::msync(mapping.data(), page_bytes(), MS_SYNC);
      const std::uint64_t whole = kNew;
      const auto at = static_cast<off_t>(offsetof(Record, whole));
      static_cast<void>(!::pwrite(file->fd(), &whole, sizeof whole, at));
      worker.disarm();
    });
    if (!added) return context.error("no child: " + describe(added.error()));
    const auto kill = kill_at_system_call(crew.process(0), at_stop, Deadline::after(kCallPatience));
    if (!kill) return context.error("ptrace: " + describe(kill.error()));
    context.fault_planned(kill->fired ? 1 : 0);
    context.join(crew);
    const bool before_pwrite =
        kill->fired &&
        (kill->call_number == SYS_msync || (kill->call_number == SYS_pwrite64 && kill->at_entry));
    EXPECT_EQ(stores_there(*file), Record::kWords + (before_pwrite ? 0 : 1))
        << "killed " << kill->place();
    if (!kill->fired) break;
  }
  EXPECT_GT(at_stop, 4U) << "two calls have four stops";
}

GAUNTLET_CASE(MappedFilesCrashes, UpdateKilledAtEachSystemCall_WhatWasDoneIsThereExactlyOnTmpfs,
              .clause = "mmap(2) MAP_SHARED; POSIX.1-2024 msync(), write()",
              .needs = {Need::ptrace}) {
  kill_at_each_system_call(context, FileSystem::memory);
}

GAUNTLET_CASE(MappedFilesCrashes, UpdateKilledAtEachSystemCall_WhatWasDoneIsThereExactlyOnDisk,
              .clause = "mmap(2) MAP_SHARED; POSIX.1-2024 msync(), write()",
              .needs = {Need::ptrace}) {
  kill_at_each_system_call(context, FileSystem::disk);
}

/// Lets a worker run until it has done `steps` steps of a loop that has no end, and kills it.
void kill_in_mid_work(CaseContext& context, std::uint64_t steps, const Crew::Body& work) {
  Crew crew;
  const auto added = crew.add(work);
  if (!added) return context.error("no child: " + describe(added.error()));
  context.fault_planned();
  const Status reached = crew.await_progress(0, steps, Deadline::after(kCallPatience));
  EXPECT_TRUE(reached) << "the writer did not get so far: " << describe(reached.error());
  crew.kill(0);
  context.join(crew);
}

constexpr std::size_t kLogPages = 16;

/// A writer that numbers the words of the file in order, over and over, synchronising as it goes
/// where that is wanted.
void write_log(Worker& worker, const MappableFile& file, bool synchronise) {
  const Mapping mapping(file, kLogPages * page_bytes());
  if (!worker.expect(mapping.valid(), "mmap failed")) return;
  auto* const words = reinterpret_cast<std::uint64_t*>(mapping.data());
  const std::size_t count = mapping.size() / sizeof(std::uint64_t);
  for (std::uint64_t number = 1; number < kLoopBound; ++number) {
    store(words[(number - 1) % count], number);
    if (synchronise && number % 512 == 0) ::msync(mapping.data(), mapping.size(), MS_SYNC);
    worker.step();
  }
}

/// The newest number is found, and every word has the newest number that it could have by then.
void expect_log_is_whole(const MappableFile& file, std::uint64_t at_least) {
  const std::size_t count = kLogPages * page_bytes() / sizeof(std::uint64_t);
  std::vector<std::uint64_t> words(count);
  ASSERT_THAT(::pread(file.fd(), words.data(), count * sizeof(std::uint64_t), 0),
              SyscallSucceedsWithValue(static_cast<long>(count * sizeof(std::uint64_t))));
  const std::uint64_t newest = *std::max_element(words.begin(), words.end());
  EXPECT_GE(newest, at_least) << "the writer had done more than is there";
  for (std::uint64_t slot = 0; slot < count; ++slot) {
    // The largest number n ≤ newest with (n - 1) % count == slot; 0: not yet written.
    const std::uint64_t number =
        slot + 1 > newest ? 0 : newest - ((newest - 1) % count + count - slot) % count;
    ASSERT_EQ(words[slot], number) << "word " << slot << ", the newest is " << newest;
  }
}

void kill_a_log_writer(CaseContext& context, FileSystem where, bool synchronise) {
  const std::uint64_t kills = context.amount(3, 40, 400);
  Random random = context.random();
  for (std::uint64_t round = 0; round < kills; ++round) {
    const auto file = MappableFile::create(context, kLogPages * page_bytes(), where);
    if (!file) return;
    const std::uint64_t steps = random.between(1, synchronise ? 4000 : 30000);
    kill_in_mid_work(context, steps,
                     [&](Worker& worker) { write_log(worker, *file, synchronise); });
    expect_log_is_whole(*file, steps);
    if (testing::Test::HasFailure()) return;
  }
}

// Killed anywhere in a stream of stores: no store is missing before the last one that is there, and
// none is rolled back. It could fail if pages went with the process, or came back older.
GAUNTLET_CASE(MappedFilesCrashes, WriterKilledBetweenStores_NoneIsMissingBeforeTheNewestOnTmpfs,
              .clause = "mmap(2) MAP_SHARED; tmpfs(5)") {
  kill_a_log_writer(context, FileSystem::memory, false);
}

GAUNTLET_CASE(MappedFilesCrashes, WriterKilledBetweenStores_NoneIsMissingBeforeTheNewestOnDisk,
              .clause = "mmap(2) MAP_SHARED") {
  kill_a_log_writer(context, FileSystem::disk, false);
}

// The same while it synchronises: most kills find it inside msync().
GAUNTLET_CASE(MappedFilesCrashes, WriterKilledWhileItSynchronises_NoneIsMissingBeforeTheNewest,
              .clause = "POSIX.1-2024 msync(); mmap(2) MAP_SHARED") {
  kill_a_log_writer(context, FileSystem::disk, true);
}

/// A process that changes the size is killed: the file has one of the sizes, what is in it is the
/// mark or zero, and the next one can change the size and map it.
void kill_a_truncater(CaseContext& context, FileSystem where) {
  const std::size_t page = page_bytes();
  const std::uint64_t kills = context.amount(4, 60, 600);
  Random random = context.random();
  const auto file = MappableFile::create(context, 8 * page, where);
  if (!file) return;
  const std::array<off_t, 3> sizes{0, static_cast<off_t>(page + 100), static_cast<off_t>(8 * page)};
  for (std::uint64_t round = 0; round < kills; ++round) {
    kill_in_mid_work(context, random.between(1, 300), [&](Worker& worker) {
      for (std::uint64_t step = 0; step < kLoopBound; ++step) {
        const off_t size = sizes[step % sizes.size()];
        if (!worker.expect(::ftruncate(file->fd(), size) == 0, "ftruncate failed")) return;
        if (size == sizes[2]) worker.expect(file->write(page, 'm', 2 * page), "write failed");
        worker.step();
      }
    });
    ASSERT_THAT(sizes, testing::Contains(file->size()));
    ASSERT_THAT(::ftruncate(file->fd(), sizes[2]), SyscallSucceeds());
    const Mapping mapping(*file, 8 * page);
    ASSERT_TRUE(mapping.valid());
    for (std::size_t at = 0; at < 8 * page; ++at) {
      const bool may_be_marked = at >= page && at < 3 * page;
      ASSERT_TRUE(mapping[at] == 0 || (mapping[at] == 'm' && may_be_marked)) << "byte " << at;
    }
  }
}

GAUNTLET_CASE(MappedFilesCrashes, TruncaterKilled_FileHasOneOfItsSizesAndNoForeignByteOnTmpfs,
              .clause = "POSIX.1-2024 ftruncate() DESCRIPTION; tmpfs(5)") {
  kill_a_truncater(context, FileSystem::memory);
}

GAUNTLET_CASE(MappedFilesCrashes, TruncaterKilled_FileHasOneOfItsSizesAndNoForeignByteOnDisk,
              .clause = "POSIX.1-2024 ftruncate() DESCRIPTION") {
  kill_a_truncater(context, FileSystem::disk);
}

// The copies of a private mapping die with the process: nothing of them gets into the file.
GAUNTLET_CASE(MappedFilesCrashes, PrivateWriterKilled_NothingOfItIsInTheFile,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (MAP_PRIVATE)") {
  const std::size_t size = 4 * page_bytes();
  const auto file = MappableFile::create(context, size);
  if (!file) return;
  ASSERT_TRUE(file->write(0, 'o', size));
  kill_in_mid_work(context, 1000, [&](Worker& worker) {
    const Mapping mapping({.size = size, .fd = file->fd(), .flags = MAP_PRIVATE});
    if (!worker.expect(mapping.valid(), "mmap failed")) return;
    for (std::uint64_t step = 0; step < kLoopBound; ++step) {
      mapping[step * 61 % size] = 'p';
      worker.step();
    }
  });
  const Mapping mapping(*file, size);
  ASSERT_TRUE(mapping.valid());
  EXPECT_TRUE(mapping.all(0, 'o', size));
}

// A file that only the dead had open and mapped is gone with them, and its room is free again. It
// could fail if the mapping's reference to the file were not given back.
GAUNTLET_CASE(MappedFilesCrashes, OnlyHolderOfANamelessFileKilled_ItsRoomIsFreeAgain,
              .clause = "POSIX.1-2024 unlink(), _Exit(); tmpfs(5)",
              .needs = {Need::private_mount}) {
  constexpr std::size_t kPages = 64;
  const auto free_blocks = [] {
    struct statvfs room {};
    return ::statvfs("/dev/shm", &room) == 0 ? room.f_bfree : 0;
  };
  const auto before = free_blocks();
  ASSERT_GT(before, kPages);
  decltype(free_blocks()) during = 0;
  Crew crew;
  const auto added = crew.add([&](Worker& worker) {
    auto file = MappableFile::create_in("/dev/shm", context.scope(), kPages * page_bytes());
    if (!worker.expect(file.has_value(), "no file")) return;
    const Mapping mapping(*file, kPages * page_bytes());
    mapping.fill(0, 'h', mapping.size());
    worker.arrive(0);
    worker.await(1);
  });
  if (!added) return context.error("no child: " + describe(added.error()));
  context.fault_planned();
  ASSERT_TRUE(crew.await_arrival(0, 0, Deadline::after(kCallPatience)));
  during = free_blocks();
  crew.kill(0);
  context.join(crew);
  EXPECT_LE(during + kPages, before);
  EXPECT_EQ(free_blocks(), before);
}

}  // namespace
}  // namespace gauntlet
