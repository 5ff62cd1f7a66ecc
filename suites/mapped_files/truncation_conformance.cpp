// What happens below a mapping: the file gets another size, a hole, or no room.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>

#include "cases/context.h"
#include "mapped_files/access_fault.h"
#include "mapped_files/file_mapping.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

using testing::AnyOf;

bool resize(const MappableFile& file, std::size_t size) {
  return ::ftruncate(file.fd(), static_cast<off_t>(size)) == 0;
}

/// Pages past the new end raise SIGBUS, the page that is cut reads zero behind the end, and what is
/// extended again is zero, whatever had been there.
void expect_truncation_is_seen(CaseContext& context, FileSystem where) {
  const std::size_t page = page_bytes();
  const auto file = MappableFile::create(context, 3 * page, where);
  if (!file) return;
  const Mapping mapping(*file, 3 * page);
  ASSERT_TRUE(mapping.valid());
  mapping.fill(0, 'm', 3 * page);
  const std::size_t end = page / 2;
  ASSERT_TRUE(resize(*file, end));
  const AccessFaults faults;
  EXPECT_TRUE(mapping.all(0, 'm', end));
  EXPECT_TRUE(mapping.all(end, 0, page - end)) << "the rest of the last page";
  EXPECT_TRUE(is_past_the_end(faults.of_load(&mapping[page]), &mapping[page]));
  EXPECT_TRUE(is_past_the_end(faults.of_store(&mapping[2 * page], 'x'), &mapping[2 * page]));
  ASSERT_TRUE(resize(*file, 3 * page));
  ASSERT_TRUE(was_made(faults.of_load(&mapping[2 * page])));
  EXPECT_TRUE(mapping.all(0, 'm', end));
  EXPECT_TRUE(mapping.all(end, 0, 3 * page - end)) << "what was cut off came back";
}

GAUNTLET_CASE(MappedFilesConformance,
              TruncatedUnderTheMapping_SigbusPastTheEndAndZerosAfterwardsOnTmpfs,
              .clause = "POSIX.1-2024 ftruncate() DESCRIPTION; mmap() (SIGBUS); tmpfs(5)") {
  expect_truncation_is_seen(context, FileSystem::memory);
}

GAUNTLET_CASE(MappedFilesConformance,
              TruncatedUnderTheMapping_SigbusPastTheEndAndZerosAfterwardsOnDisk,
              .clause = "POSIX.1-2024 ftruncate() DESCRIPTION; mmap() (SIGBUS)") {
  expect_truncation_is_seen(context, FileSystem::disk);
}

// A private copy goes with the page of the file that it was a copy of.
GAUNTLET_CASE(MappedFilesConformance, TruncatedUnderAPrivateMapping_CopyPastTheEndRaisesSigbus,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (SIGBUS); mmap(2)") {
  const std::size_t page = page_bytes();
  const auto file = MappableFile::create(context, 2 * page);
  if (!file) return;
  const Mapping mapping({.size = 2 * page, .fd = file->fd(), .flags = MAP_PRIVATE});
  ASSERT_TRUE(mapping.valid());
  mapping.fill(0, 'p', 2 * page);
  ASSERT_TRUE(resize(*file, page));
  const AccessFaults faults;
  EXPECT_TRUE(mapping.all(0, 'p', page));
  EXPECT_TRUE(is_past_the_end(faults.of_load(&mapping[page]), &mapping[page]));
}

/// What is stored behind the end, in the last page, is not a part of the file, also not when the
/// file grows over it.
void expect_tail_is_not_written(CaseContext& context, FileSystem where) {
  const std::size_t page = page_bytes();
  const std::size_t end = page / 4;
  const auto file = MappableFile::create(context, end, where);
  if (!file) return;
  const Mapping mapping(*file, page);
  ASSERT_TRUE(mapping.valid());
  EXPECT_TRUE(mapping.all(0, 0, page)) << "the last page behind the end";
  mapping.fill(end, 't', page - end);
  ASSERT_THAT(::msync(mapping.data(), page, MS_SYNC), SyscallSucceeds());
  EXPECT_EQ(file->size(), static_cast<off_t>(end));
  EXPECT_EQ(file->byte_at(end), -1) << "a byte behind the end can be read";
  ASSERT_TRUE(resize(*file, page));
  EXPECT_EQ(file->byte_at(end), 0);
  EXPECT_EQ(file->byte_at(page - 1), 0);
}

GAUNTLET_CASE(
    MappedFilesConformance, StoredBehindTheEndInTheLastPage_IsZeroWhenTheFileGrowsOnTmpfs,
    .clause = "POSIX.1-2024 mmap() (not written out), ftruncate() (appears zero-filled)") {
  expect_tail_is_not_written(context, FileSystem::memory);
}

GAUNTLET_CASE(
    MappedFilesConformance, StoredBehindTheEndInTheLastPage_IsZeroWhenTheFileGrowsOnDisk,
    .clause = "POSIX.1-2024 mmap() (not written out), ftruncate() (appears zero-filled)") {
  expect_tail_is_not_written(context, FileSystem::disk);
}

/// A punched hole reads zero through mappings that had the pages, whole pages and parts alike, and
/// can be stored to.
void expect_hole_reads_zero(CaseContext& context, FileSystem where) {
  const std::size_t page = page_bytes();
  const auto file = MappableFile::create(context, 4 * page, where);
  if (!file) return;
  const Mapping mapping(*file, 4 * page);
  ASSERT_TRUE(mapping.valid());
  mapping.fill(0, 'm', 4 * page);
  const std::size_t from = page + page / 2;
  const std::size_t length = 2 * page;
  if (::fallocate(file->fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                  static_cast<off_t>(length)) != 0) {
    return context.unsupported("fallocate(FALLOC_FL_PUNCH_HOLE)", errno_name(errno));
  }
  EXPECT_EQ(file->size(), static_cast<off_t>(4 * page));
  EXPECT_TRUE(mapping.all(0, 'm', from));
  EXPECT_TRUE(mapping.all(from, 0, length));
  EXPECT_TRUE(mapping.all(from + length, 'm', 4 * page - from - length));
  mapping[2 * page] = 'n';
  EXPECT_EQ(file->byte_at(2 * page), 'n');
}

GAUNTLET_CASE(MappedFilesConformance, HolePunched_ReadsZeroThroughTheMappingOnTmpfs,
              .clause = "fallocate(2) FALLOC_FL_PUNCH_HOLE") {
  expect_hole_reads_zero(context, FileSystem::memory);
}

GAUNTLET_CASE(MappedFilesConformance, HolePunched_ReadsZeroThroughTheMappingOnDisk,
              .clause = "fallocate(2) FALLOC_FL_PUNCH_HOLE") {
  expect_hole_reads_zero(context, FileSystem::disk);
}

GAUNTLET_CASE(MappedFilesConformance, PunchHoleWithoutKeepSize_FailsWithEopnotsupp,
              .clause = "fallocate(2) FALLOC_FL_PUNCH_HOLE (must be ORed with KEEP_SIZE)") {
  const auto file = MappableFile::create(context, 2 * page_bytes());
  if (!file) return;
  EXPECT_THAT(::fallocate(file->fd(), FALLOC_FL_PUNCH_HOLE, 0, static_cast<off_t>(page_bytes())),
              SyscallFailsWithErrno(EOPNOTSUPP));
}

// A sparse file is larger than its file system: no page can be had for the store. Reserving says
// so beforehand.
GAUNTLET_CASE(
    MappedFilesConformance, FullTmpfs_StoreRaisesSigbusAndPosixFallocateFailsWithEnospc,
    .clause = "POSIX.1-2024 posix_fallocate() ERRORS [ENOSPC]; mmap() (SIGBUS); tmpfs(5)") {
  constexpr std::size_t kPages = 8;
  const std::size_t page = page_bytes();
  const auto mount = SmallTmpfs::mount(context, kPages * page);
  if (!mount) return;
  const auto file = MappableFile::create_in(mount->path(), context.scope(), 4 * kPages * page);
  ASSERT_TRUE(file) << "ftruncate() takes no room: " << describe(file.error());
  EXPECT_THAT(::posix_fallocate(file->fd(), 0, static_cast<off_t>(4 * kPages * page)),
              ReturnsErrno(ENOSPC));
  const Mapping mapping(*file, 4 * kPages * page);
  ASSERT_TRUE(mapping.valid());
  const AccessFaults faults;
  std::size_t stored = 0;
  AccessFault fault;
  while (stored < 4 * kPages) {
    fault = faults.of_store(&mapping[stored * page], 's');
    if (fault.signal != 0) break;
    ++stored;
  }
  EXPECT_LE(stored, kPages);
  EXPECT_GT(stored, 0U);
  EXPECT_TRUE(is_past_the_end(fault, &mapping[stored * page]));
  for (std::size_t each = 0; each < stored; ++each) EXPECT_EQ(mapping[each * page], 's');
}

// What posix_fallocate() reserved stays reserved when others fill the file system.
GAUNTLET_CASE(
    MappedFilesConformance, ReservedOnATmpfsThatOthersFill_StoresNeverRaiseSigbus,
    .clause = "POSIX.1-2024 posix_fallocate() (shall not fail due to lack of free space)") {
  constexpr std::size_t kPages = 16;
  const std::size_t page = page_bytes();
  const auto mount = SmallTmpfs::mount(context, kPages * page);
  if (!mount) return;
  const auto reserved = MappableFile::create_in(mount->path(), context.scope(), page);
  const auto filler = MappableFile::create_in(mount->path(), context.scope(), page);
  ASSERT_TRUE(reserved && filler);
  ASSERT_THAT(::posix_fallocate(reserved->fd(), 0, static_cast<off_t>(kPages / 2 * page)),
              ReturnsErrno(0));
  std::size_t filled = 0;
  while (filled < 2 * kPages && filler->write(filled * page, 'f', page)) ++filled;
  ASSERT_LT(filled, kPages) << "it is not full";
  const Mapping mapping(*reserved, kPages / 2 * page);
  ASSERT_TRUE(mapping.valid());
  const AccessFaults faults;
  for (std::size_t each = 0; each < kPages / 2; ++each) {
    EXPECT_TRUE(was_made(faults.of_store(&mapping[each * page], 's'))) << "page " << each;
  }
}

GAUNTLET_CASE(MappedFilesConformance, PosixFallocateBadArguments_AnswerTheirErrors,
              .clause = "POSIX.1-2024 posix_fallocate() ERRORS [EBADF], [EINVAL], [ESPIPE]") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const UniqueFd reader = file->reopen(O_RDONLY);
  int ends[2];
  ASSERT_THAT(::pipe2(ends, O_CLOEXEC), SyscallSucceeds());
  const UniqueFd out(ends[0]);
  const UniqueFd in(ends[1]);
  EXPECT_THAT(::posix_fallocate(file->fd(), 0, 0), ReturnsErrno(EINVAL));
  EXPECT_THAT(::posix_fallocate(file->fd(), -1, 1), ReturnsErrno(EINVAL));
  EXPECT_THAT(::posix_fallocate(file->fd(), 0, -1), ReturnsErrno(EINVAL));
  EXPECT_THAT(::posix_fallocate(reader.get(), 0, 1), ReturnsErrno(EBADF));
  EXPECT_THAT(::posix_fallocate(-1, 0, 1), ReturnsErrno(EBADF));
  EXPECT_THAT(::posix_fallocate(in.get(), 0, 1), ReturnsErrno(ESPIPE));
  EXPECT_EQ(file->size(), static_cast<off_t>(page_bytes()));
}

GAUNTLET_CASE(MappedFilesConformance, FtruncateBadArguments_FailWithTheirErrors,
              .clause = "POSIX.1-2024 ftruncate() ERRORS [EBADF], [EINVAL]; ftruncate(2)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const UniqueFd reader = file->reopen(O_RDONLY);
  EXPECT_THAT(::ftruncate(file->fd(), -1), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::ftruncate(reader.get(), 0), SyscallFailsWithErrno(AnyOf(EBADF, EINVAL)));
  EXPECT_THAT(::ftruncate(-1, 0), SyscallFailsWithErrno(EBADF));
  EXPECT_EQ(file->size(), static_cast<off_t>(page_bytes()));
}

// Past RLIMIT_FSIZE the file does not grow, and SIGXFSZ is sent; stores to a mapping of what is
// there are no business of the limit's.
GAUNTLET_CASE(MappedFilesConformance, FileSizeLimit_RefusesGrowthWithEfbigAndLeavesMappingsAlone,
              .clause = "POSIX.1-2024 ftruncate() ERRORS [EFBIG] (SIGXFSZ); getrlimit(2)") {
  const std::size_t page = page_bytes();
  const auto file = MappableFile::create(context, 4 * page);
  if (!file) return;
  const Mapping mapping(*file, 4 * page);
  ASSERT_TRUE(mapping.valid());
  ::signal(SIGXFSZ, SIG_IGN);
  CallOutcome grown;
  int reserved = 0;
  AccessFault fault;
  {
    const LoweredLimit limit(RLIMIT_FSIZE, 2 * page);
    if (!limit.lowered()) return context.not_run("RLIMIT_FSIZE to be lowered", "run unconfined");
    grown = outcome_of(::ftruncate(file->fd(), static_cast<off_t>(8 * page)));
    reserved = ::posix_fallocate(file->fd(), 0, static_cast<off_t>(8 * page));
    const AccessFaults faults;
    fault = faults.of_store(&mapping[3 * page], 'x');
  }
  ::signal(SIGXFSZ, SIG_DFL);
  EXPECT_THAT(grown, SyscallFailsWithErrno(EFBIG));
  EXPECT_THAT(reserved, ReturnsErrno(EFBIG));
  EXPECT_TRUE(was_made(fault));
  EXPECT_EQ(file->size(), static_cast<off_t>(4 * page));
}

}  // namespace
}  // namespace gauntlet
