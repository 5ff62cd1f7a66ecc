// What mmap() maps: where, which bytes, for whom and for how long.
#include <fcntl.h>
#include <gmock/gmock.h>

#include "cases/context.h"
#include "mapped_files/access_fault.h"
#include "mapped_files/file_mapping.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/scratch_directory.h"

namespace gauntlet {
namespace {

/// Every page of the file begins with its own letter: 'a', 'b', …
bool letter_pages(const MappableFile& file, std::size_t pages) {
  for (std::size_t page = 0; page < pages; ++page) {
    if (!file.write(page * page_bytes(), static_cast<char>('a' + page), 1)) return false;
  }
  return true;
}

GAUNTLET_CASE(MappedFilesConformance, MmapAtAnOffset_ShowsTheBytesFromThereOn,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (off)") {
  const auto file = MappableFile::create(context, 4 * page_bytes());
  if (!file) return;
  ASSERT_TRUE(letter_pages(*file, 4));
  const Mapping mapping(
      {.size = 2 * page_bytes(), .fd = file->fd(), .offset = static_cast<off_t>(2 * page_bytes())});
  ASSERT_TRUE(mapping.valid());
  EXPECT_EQ(mapping[0], 'c');
  EXPECT_EQ(mapping[page_bytes()], 'd');
  mapping[page_bytes() + 1] = 'x';
  EXPECT_EQ(file->byte_at(3 * page_bytes() + 1), 'x');
}

// MAP_FIXED takes exactly the pages asked for out of what was mapped there, and no others.
GAUNTLET_CASE(MappedFilesConformance, MmapFixed_ReplacesExactlyItsPages,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (MAP_FIXED)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  ASSERT_TRUE(file->write(0, 'f', page_bytes()));
  const Mapping room({.size = 3 * page_bytes(), .flags = MAP_PRIVATE | MAP_ANONYMOUS});
  ASSERT_TRUE(room.valid());
  room.fill(0, 'r', room.size());
  void* at = ::mmap(room.data() + page_bytes(), page_bytes(), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_FIXED, file->fd(), 0);
  ASSERT_EQ(at, room.data() + page_bytes());
  EXPECT_TRUE(room.all(0, 'r', page_bytes()));
  EXPECT_TRUE(room.all(page_bytes(), 'f', page_bytes()));
  EXPECT_TRUE(room.all(2 * page_bytes(), 'r', page_bytes()));
}

GAUNTLET_CASE(MappedFilesConformance, MmapFixedNoreplaceOnFreePages_MapsExactlyThere,
              .clause = "mmap(2) MAP_FIXED_NOREPLACE") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  Mapping room({.size = page_bytes(), .flags = MAP_PRIVATE | MAP_ANONYMOUS});
  ASSERT_TRUE(room.valid());
  unsigned char* const free_pages = room.data();
  room.reset();
  const Mapping mapping({.size = page_bytes(),
                         .fd = file->fd(),
                         .flags = MAP_SHARED | MAP_FIXED_NOREPLACE,
                         .address = free_pages});
  EXPECT_EQ(mapping.data(), free_pages);
}

// An address without MAP_FIXED is a hint: what is mapped there stays.
GAUNTLET_CASE(MappedFilesConformance, MmapHintThatIsTaken_MapsElsewhereAndKeepsWhatIsThere,
              .clause = "mmap(2) DESCRIPTION (addr is taken as a hint)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping taken({.size = page_bytes(), .flags = MAP_PRIVATE | MAP_ANONYMOUS});
  ASSERT_TRUE(taken.valid());
  taken[0] = 't';
  const Mapping mapping({.size = page_bytes(), .fd = file->fd(), .address = taken.data()});
  ASSERT_TRUE(mapping.valid());
  EXPECT_NE(mapping.data(), taken.data());
  EXPECT_EQ(taken[0], 't');
}

GAUNTLET_CASE(MappedFilesConformance, StoreToAReadOnlyMapping_RaisesSigsegvAndStoresNothing,
              .clause = "POSIX.1-2024 mmap() (PROT_READ); <signal.h> SEGV_ACCERR") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping mapping(
        {.size = page_bytes(), .fd = file->fd(), .protection = PROT_READ, .flags = flags});
    ASSERT_TRUE(mapping.valid());
    const AccessFaults faults;
    EXPECT_TRUE(raised(faults.of_store(&mapping[7], 'x'), SIGSEGV, SEGV_ACCERR, &mapping[7]));
    EXPECT_EQ(mapping[7], 0);
  }
  EXPECT_EQ(file->byte_at(7), 0);
}

GAUNTLET_CASE(MappedFilesConformance, LoadOfAMappingWithoutAccess_RaisesSigsegv,
              .clause = "POSIX.1-2024 mmap() (PROT_NONE); <signal.h> SEGV_ACCERR") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping({.size = page_bytes(), .fd = file->fd(), .protection = PROT_NONE});
  ASSERT_TRUE(mapping.valid());
  const AccessFaults faults;
  EXPECT_TRUE(raised(faults.of_load(&mapping[3]), SIGSEGV, SEGV_ACCERR, &mapping[3]));
}

// Stores to a private mapping are seen by nobody else: not by read(), not by another mapping of the
// same process, not by another process.
GAUNTLET_CASE(MappedFilesConformance, StoreToAPrivateMapping_IsSeenByNobodyElse,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (MAP_PRIVATE)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  ASSERT_TRUE(file->write(0, 'o', page_bytes()));
  const Mapping shared(*file, page_bytes());
  const Mapping one({.size = page_bytes(), .fd = file->fd(), .flags = MAP_PRIVATE});
  const Mapping other({.size = page_bytes(), .fd = file->fd(), .flags = MAP_PRIVATE});
  ASSERT_TRUE(shared.valid() && one.valid() && other.valid());
  one.fill(0, 'p', page_bytes());
  EXPECT_TRUE(one.all(0, 'p', page_bytes()));
  EXPECT_TRUE(shared.all(0, 'o', page_bytes()));
  EXPECT_TRUE(other.all(0, 'o', page_bytes()));
  EXPECT_EQ(file->byte_at(0), 'o');
  ChildCall elsewhere(context, [&]() -> long {
    const Mapping fresh(*file, page_bytes());
    return fresh.valid() ? fresh[0] : -1;
  });
  EXPECT_THAT(elsewhere.finish(), SyscallSucceedsWithValue('o'));
}

// Two private mappings of one page part at the first store, each with its own copy.
GAUNTLET_CASE(MappedFilesConformance, PrivateCopy_KeepsItsBytesWhenTheFileIsWritten,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (MAP_PRIVATE); mmap(2)") {
  const auto file = MappableFile::create(context, 2 * page_bytes());
  if (!file) return;
  const Mapping mapping({.size = 2 * page_bytes(), .fd = file->fd(), .flags = MAP_PRIVATE});
  ASSERT_TRUE(mapping.valid());
  mapping[5] = 'p';
  ASSERT_TRUE(file->write(0, 'w', page_bytes()));
  EXPECT_EQ(mapping[5], 'p');
  EXPECT_EQ(mapping[6], 0) << "the whole page was copied at the first store";
}

// fork() gives the child the shared mapping itself, and a private one as it was.
GAUNTLET_CASE(MappedFilesConformance, Fork_ChildSharesTheSharedAndCopiesThePrivateMapping,
              .clause = "POSIX.1-2024 fork(); mmap(2) (preserved across fork)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping shared(*file, page_bytes());
  const Mapping copied({.size = page_bytes(), .fd = file->fd(), .flags = MAP_PRIVATE});
  ASSERT_TRUE(shared.valid() && copied.valid());
  copied[0] = 'p';
  ChildCall child(context, [&]() -> long {
    if (copied[0] != 'p') return 1;
    copied[0] = 'c';
    shared[1] = 'c';
    return 0;
  });
  EXPECT_THAT(child.finish(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(copied[0], 'p');
  EXPECT_EQ(shared[1], 'c');
}

GAUNTLET_CASE(MappedFilesConformance, DescriptorClosed_MappingStays,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (adds an extra reference); close()") {
  auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const UniqueFd other = file->reopen(O_RDWR);
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid() && other.valid());
  file.reset();
  mapping[9] = 'm';
  char byte = 0;
  EXPECT_THAT(::pread(other.get(), &byte, 1, 9), SyscallSucceedsWithValue(1));
  EXPECT_EQ(byte, 'm');
}

// The name goes, a new file takes it, and the mapping is still of the old one.
GAUNTLET_CASE(
    MappedFilesConformance, NameRemovedAndTakenByAnotherFile_MappingStaysWithItsFile,
    .clause = "POSIX.1-2024 unlink() (postponed until all references are closed); mmap()") {
  const auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const std::string path = directory->file("mapped");
  constexpr int kNew = O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC;
  UniqueFd fd(::open(path.c_str(), kNew, 0600));
  ASSERT_THAT(::ftruncate(fd.get(), static_cast<off_t>(page_bytes())), SyscallSucceeds());
  const Mapping first({.size = page_bytes(), .fd = fd.get()});
  const Mapping second({.size = page_bytes(), .fd = fd.get()});
  ASSERT_TRUE(first.valid() && second.valid());
  fd.reset();
  first[0] = 'o';
  ASSERT_THAT(::unlink(path.c_str()), SyscallSucceeds());
  const UniqueFd taker(::open(path.c_str(), kNew, 0600));
  ASSERT_THAT(::write(taker.get(), "new", 3), SyscallSucceedsWithValue(3));
  EXPECT_EQ(second[0], 'o');
  first[1] = 'x';
  EXPECT_EQ(second[1], 'x');
  char seen[3] = {};
  EXPECT_THAT(::pread(taker.get(), seen, 3, 0), SyscallSucceedsWithValue(3));
  EXPECT_EQ(std::string(seen, 3), "new");
}

// A mapping of one page more than the file has is made; its last page raises SIGBUS.
GAUNTLET_CASE(MappedFilesConformance, AccessPastTheLastPageOfTheFile_RaisesSigbusWithItsAddress,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (SIGBUS); mmap(2); BUS_ADRERR") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
    const Mapping mapping({.size = 3 * page_bytes(), .fd = file->fd(), .flags = flags});
    ASSERT_TRUE(mapping.valid());
    const AccessFaults faults;
    EXPECT_TRUE(was_made(faults.of_store(&mapping[page_bytes() - 1], 'x')));
    for (const std::size_t past : {page_bytes(), 2 * page_bytes() + 123}) {
      EXPECT_TRUE(is_past_the_end(faults.of_load(&mapping[past]), &mapping[past]));
      EXPECT_TRUE(is_past_the_end(faults.of_store(&mapping[past], 'x'), &mapping[past]));
    }
  }
}

// An empty file can be mapped: every page of it is past its end, until it grows.
GAUNTLET_CASE(MappedFilesConformance, EmptyFile_IsMappedAndGrowsUnderTheMapping,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (SIGBUS), ftruncate()") {
  const auto file = MappableFile::create(context, 0);
  if (!file) return;
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  const AccessFaults faults;
  EXPECT_TRUE(is_past_the_end(faults.of_load(&mapping[0]), &mapping[0]));
  ASSERT_THAT(::ftruncate(file->fd(), 1), SyscallSucceeds());
  EXPECT_TRUE(was_made(faults.of_store(&mapping[0], 'g')));
  EXPECT_EQ(file->byte_at(0), 'g');
}

// MAP_POPULATE faults the pages in: they are resident before anybody has touched them.
GAUNTLET_CASE(MappedFilesConformance, MmapPopulate_MakesEveryPageResident,
              .clause = "mmap(2) MAP_POPULATE; mincore(2)") {
  constexpr std::size_t kPages = 8;
  const auto file = MappableFile::create(context, kPages * page_bytes());
  if (!file) return;
  unsigned char resident[kPages] = {};
  const Mapping lazy(*file, kPages * page_bytes());
  ASSERT_TRUE(lazy.valid());
  ASSERT_THAT(::mincore(lazy.data(), lazy.size(), resident), SyscallSucceeds());
  for (const unsigned char each : resident) EXPECT_EQ(each & 1, 0) << "nobody touched it";
  const Mapping eager({.size = lazy.size(), .fd = file->fd(), .flags = MAP_SHARED | MAP_POPULATE});
  ASSERT_TRUE(eager.valid());
  ASSERT_THAT(::mincore(eager.data(), eager.size(), resident), SyscallSucceeds());
  for (const unsigned char each : resident) EXPECT_EQ(each & 1, 1);
}

}  // namespace
}  // namespace gauntlet
