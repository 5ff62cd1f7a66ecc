// read() and write() of a file against mappings of it: one set of bytes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/uio.h>

#include <vector>

#include "cases/context.h"
#include "mapped_files/file_mapping.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

/// A store is read by the next read(), a write() is loaded by the next load, without any msync().
void expect_one_set_of_bytes(CaseContext& context, FileSystem where) {
  const std::size_t page = page_bytes();
  const auto file = MappableFile::create(context, 2 * page, where);
  if (!file) return;
  const Mapping mapping(*file, 2 * page);
  ASSERT_TRUE(mapping.valid());
  const UniqueFd other = file->reopen(O_RDWR);
  ASSERT_TRUE(other.valid());
  // Across the border of two pages, at odd offsets, both ways, several times.
  std::vector<unsigned char> read(101);
  for (unsigned char round = 1; round <= 5; ++round) {
    const std::size_t at = page - 50 + round;
    mapping.fill(at, round, read.size());
    ASSERT_THAT(::pread(other.get(), read.data(), read.size(), static_cast<off_t>(at)),
                SyscallSucceedsWithValue(static_cast<long>(read.size())));
    EXPECT_THAT(read, testing::Each(round));
    ASSERT_TRUE(file->write(at, static_cast<char>(100 + round), read.size()));
    EXPECT_TRUE(mapping.all(at, static_cast<unsigned char>(100 + round), read.size()));
  }
}

GAUNTLET_CASE(MappedFilesConformance, ReadAndWrite_SeeAndAreSeenByTheMappingOnTmpfs,
              .clause = "POSIX.1-2024 mmap() (MAP_SHARED: change the underlying object); mmap(2)") {
  expect_one_set_of_bytes(context, FileSystem::memory);
}

GAUNTLET_CASE(MappedFilesConformance, ReadAndWrite_SeeAndAreSeenByTheMappingOnDisk,
              .clause = "POSIX.1-2024 mmap() (MAP_SHARED: change the underlying object); mmap(2)") {
  expect_one_set_of_bytes(context, FileSystem::disk);
}

/// Bytes written past the end are loaded through a mapping that was made before they were there.
void expect_growth_is_seen(CaseContext& context, FileSystem where) {
  const std::size_t page = page_bytes();
  const auto file = MappableFile::create(context, 1, where);
  if (!file) return;
  const Mapping mapping(*file, 2 * page);
  ASSERT_TRUE(mapping.valid());
  const UniqueFd appending = file->reopen(O_WRONLY | O_APPEND);
  const std::vector<char> bytes(page, 'a');
  ASSERT_THAT(::write(appending.get(), bytes.data(), bytes.size()),
              SyscallSucceedsWithValue(static_cast<long>(page)));
  EXPECT_TRUE(mapping.all(1, 'a', page));
}

GAUNTLET_CASE(MappedFilesConformance, FileGrownByWrite_IsSeenByAnOlderMappingOnTmpfs,
              .clause = "POSIX.1-2024 mmap(), write() (O_APPEND); mmap(2)") {
  expect_growth_is_seen(context, FileSystem::memory);
}

GAUNTLET_CASE(MappedFilesConformance, FileGrownByWrite_IsSeenByAnOlderMappingOnDisk,
              .clause = "POSIX.1-2024 mmap(), write() (O_APPEND); mmap(2)") {
  expect_growth_is_seen(context, FileSystem::disk);
}

// Two mappings of one page at different addresses are the same bytes, also at different offsets of
// the mapping.
GAUNTLET_CASE(MappedFilesConformance, TwoMappingsOfOnePage_AreTheSameBytes,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (MAP_SHARED)") {
  const std::size_t page = page_bytes();
  const auto file = MappableFile::create(context, 2 * page);
  if (!file) return;
  const Mapping whole(*file, 2 * page);
  const Mapping second({.size = page, .fd = file->fd(), .offset = static_cast<off_t>(page)});
  ASSERT_TRUE(whole.valid() && second.valid());
  whole[page + 5] = 'w';
  EXPECT_EQ(second[5], 'w');
  second[6] = 's';
  EXPECT_EQ(whole[page + 6], 's');
}

// write() whose source is a mapping of the file itself, and read() into one: the pages it copies
// from and to are the same object's.
GAUNTLET_CASE(MappedFilesConformance, ReadAndWriteOfTheMappedFileItself_CopyItsBytes,
              .clause = "POSIX.1-2024 read(), write(), mmap()") {
  const std::size_t page = page_bytes();
  for (const FileSystem where : {FileSystem::memory, FileSystem::disk}) {
    const auto file = MappableFile::create(context, 4 * page, where);
    if (!file) return;
    const Mapping mapping(*file, 4 * page);
    ASSERT_TRUE(mapping.valid());
    mapping.fill(0, '1', page);
    ASSERT_THAT(::pwrite(file->fd(), mapping.data(), page, static_cast<off_t>(2 * page)),
                SyscallSucceedsWithValue(static_cast<long>(page)));
    EXPECT_TRUE(mapping.all(2 * page, '1', page));
    ASSERT_THAT(::pread(file->fd(), mapping.data() + 3 * page, page, 0),
                SyscallSucceedsWithValue(static_cast<long>(page)));
    EXPECT_TRUE(mapping.all(3 * page, '1', page));
  }
}

// A system call that is handed a page past the end answers EFAULT: no signal.
GAUNTLET_CASE(MappedFilesConformance, WriteFromAPagePastTheEnd_FailsWithEfaultAndRaisesNothing,
              .clause = "write(2) ERRORS EFAULT; mmap(2) (SIGBUS)") {
  const auto file = MappableFile::create(context, page_bytes());
  const auto sink = MappableFile::create(context, 0);
  if (!file || !sink) return;
  const Mapping mapping(*file, 2 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  EXPECT_THAT(::pwrite(sink->fd(), mapping.data() + page_bytes(), 1, 0),
              SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(::pread(file->fd(), mapping.data() + page_bytes(), 1, 0),
              SyscallFailsWithErrno(EFAULT));
}

// Stores of one process are loaded by another that opened and mapped the file by itself.
GAUNTLET_CASE(MappedFilesConformance, StoresOfAnotherProcess_AreSeenByOneThatMappedByItself,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (MAP_SHARED); mmap(2)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mine(*file, page_bytes());
  ASSERT_TRUE(mine.valid());
  mine[0] = 'q';
  ChildCall child(context, [&]() -> long {
    const UniqueFd own = file->reopen(O_RDWR);
    const Mapping theirs({.size = page_bytes(), .fd = own.get()});
    if (!theirs.valid() || theirs[0] != 'q') return -1;
    theirs[1] = 'a';
    return 0;
  });
  EXPECT_THAT(child.finish(), SyscallSucceeds());
  EXPECT_EQ(mine[1], 'a');
}

}  // namespace
}  // namespace gauntlet
