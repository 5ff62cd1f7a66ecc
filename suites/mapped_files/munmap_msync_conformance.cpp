// munmap() and msync(): what goes, what stays, what is refused.
#include <fcntl.h>
#include <gmock/gmock.h>

#include "cases/context.h"
#include "mapped_files/access_fault.h"
#include "mapped_files/file_mapping.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

GAUNTLET_CASE(MappedFilesConformance, MunmapAddressNotAligned_FailsWithEinvalAndKeepsTheMapping,
              .clause = "POSIX.1-2024 munmap() ERRORS [EINVAL]; munmap(2)") {
  const auto file = MappableFile::create(context, 2 * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, 2 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  EXPECT_THAT(::munmap(mapping.data() + 1, page_bytes()), SyscallFailsWithErrno(EINVAL));
  const AccessFaults faults;
  EXPECT_TRUE(was_made(faults.of_load(&mapping[0])));
  EXPECT_TRUE(was_made(faults.of_load(&mapping[page_bytes()])));
}

GAUNTLET_CASE(MappedFilesConformance, MunmapLengthZero_FailsWithEinval,
              .clause = "POSIX.1-2024 munmap() ERRORS [EINVAL] (len is 0)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  EXPECT_THAT(::munmap(mapping.data(), 0), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MappedFilesConformance, MunmapOutsideTheAddressSpace_FailsWithEinval,
              .clause = "POSIX.1-2024 munmap() ERRORS [EINVAL] (outside the valid range)") {
  void* const last_page = reinterpret_cast<void*>(~std::uintptr_t{0} - page_bytes() + 1);
  EXPECT_THAT(::munmap(last_page, page_bytes()), SyscallFailsWithErrno(EINVAL));
}

// Whole pages with any part in the range go; their neighbours stay.
GAUNTLET_CASE(MappedFilesConformance, MunmapOfAPartOfAPage_RemovesThatWholePageOnly,
              .clause = "POSIX.1-2024 munmap() DESCRIPTION") {
  const auto file = MappableFile::create(context, 3 * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, 3 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  mapping.fill(0, 'm', mapping.size());
  ASSERT_THAT(::munmap(mapping.data() + page_bytes(), 1), SyscallSucceeds());
  const AccessFaults faults;
  const std::size_t gone = 2 * page_bytes() - 1;
  EXPECT_TRUE(raised(faults.of_load(&mapping[gone]), SIGSEGV, SEGV_MAPERR, &mapping[gone]));
  EXPECT_TRUE(mapping.all(0, 'm', page_bytes()));
  EXPECT_TRUE(mapping.all(2 * page_bytes(), 'm', page_bytes()));
}

GAUNTLET_CASE(MappedFilesConformance, MunmapWhereNothingIsMapped_Succeeds,
              .clause = "POSIX.1-2024 munmap() (no mappings in the range: no effect)") {
  Mapping mapping({.size = page_bytes(), .flags = MAP_PRIVATE | MAP_ANONYMOUS});
  ASSERT_TRUE(mapping.valid());
  unsigned char* const at = mapping.data();
  mapping.reset();
  EXPECT_THAT(::munmap(at, page_bytes()), SyscallSucceeds());
}

GAUNTLET_CASE(MappedFilesConformance, Munmap_KeepsSharedStoresAndDiscardsPrivateOnes,
              .clause = "POSIX.1-2024 munmap() (MAP_PRIVATE: modifications discarded), mmap()") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  Mapping shared(*file, page_bytes());
  Mapping copied({.size = page_bytes(), .fd = file->fd(), .flags = MAP_PRIVATE});
  ASSERT_TRUE(shared.valid() && copied.valid());
  copied[1] = 'p';
  shared[0] = 's';
  shared.reset();
  copied.reset();
  const Mapping fresh({.size = page_bytes(), .fd = file->fd(), .flags = MAP_PRIVATE});
  ASSERT_TRUE(fresh.valid());
  EXPECT_EQ(fresh[0], 's');
  EXPECT_EQ(fresh[1], 0);
}

GAUNTLET_CASE(MappedFilesConformance, MsyncSyncAndAsyncTogether_FailsWithEinval,
              .clause = "POSIX.1-2024 msync() ERRORS [EINVAL] (flags); msync(2)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  EXPECT_THAT(::msync(mapping.data(), page_bytes(), MS_SYNC | MS_ASYNC),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MappedFilesConformance, MsyncUnknownFlag_FailsWithEinval,
              .clause = "POSIX.1-2024 msync() ERRORS [EINVAL] (flags); msync(2)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  EXPECT_THAT(::msync(mapping.data(), page_bytes(), MS_SYNC | 0x4000),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MappedFilesConformance, MsyncAddressNotAligned_FailsWithEinval,
              .clause = "POSIX.1-2024 msync() ERRORS [EINVAL] (addr); msync(2)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  EXPECT_THAT(::msync(mapping.data() + 1, 1, MS_SYNC), SyscallFailsWithErrno(EINVAL));
}

// A hole in the range is an error, wherever it is in it.
GAUNTLET_CASE(MappedFilesConformance, MsyncOfARangeWithAHole_FailsWithEnomem,
              .clause = "POSIX.1-2024 msync() ERRORS [ENOMEM]") {
  const auto file = MappableFile::create(context, 3 * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, 3 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  ASSERT_THAT(::munmap(mapping.data() + page_bytes(), page_bytes()), SyscallSucceeds());
  for (const int flags : {MS_SYNC, MS_ASYNC, MS_SYNC | MS_INVALIDATE}) {
    EXPECT_THAT(::msync(mapping.data(), mapping.size(), flags), SyscallFailsWithErrno(ENOMEM));
    EXPECT_THAT(::msync(mapping.data() + page_bytes(), page_bytes(), flags),
                SyscallFailsWithErrno(ENOMEM));
    EXPECT_THAT(::msync(mapping.data(), page_bytes(), flags), SyscallSucceeds());
  }
}

GAUNTLET_CASE(MappedFilesConformance, MsyncInvalidateOfLockedPages_FailsWithEbusy,
              .clause = "POSIX.1-2024 msync() ERRORS [EBUSY]") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  if (::mlock(mapping.data(), page_bytes()) != 0) {
    return context.not_run("mlock of one page: " + errno_name(errno), "raise RLIMIT_MEMLOCK");
  }
  EXPECT_THAT(::msync(mapping.data(), page_bytes(), MS_SYNC | MS_INVALIDATE),
              SyscallFailsWithErrno(EBUSY));
  ASSERT_THAT(::munlock(mapping.data(), page_bytes()), SyscallSucceeds());
  EXPECT_THAT(::msync(mapping.data(), page_bytes(), MS_SYNC | MS_INVALIDATE), SyscallSucceeds());
}

// Synchronising a private mapping writes nothing to the file.
GAUNTLET_CASE(MappedFilesConformance, MsyncOfAPrivateMapping_WritesNothing,
              .clause = "POSIX.1-2024 msync() (MAP_PRIVATE: not written to the object)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping({.size = page_bytes(), .fd = file->fd(), .flags = MAP_PRIVATE});
  ASSERT_TRUE(mapping.valid());
  mapping[0] = 'p';
  EXPECT_THAT(::msync(mapping.data(), page_bytes(), MS_SYNC), SyscallSucceeds());
  EXPECT_EQ(file->byte_at(0), 0);
  EXPECT_EQ(mapping[0], 'p');
}

/// Bytes that reached the device: read past the page cache. Empty where O_DIRECT is refused.
std::optional<unsigned char> byte_on_disk(const MappableFile& file) {
  const UniqueFd direct = file.reopen(O_RDONLY | O_DIRECT);
  const Mapping buffer({.size = page_bytes(), .flags = MAP_PRIVATE | MAP_ANONYMOUS});
  if (!direct.valid() || !buffer.valid()) return std::nullopt;
  const ssize_t got = ::pread(direct.get(), buffer.data(), page_bytes(), 0);
  if (got != static_cast<ssize_t>(page_bytes())) return std::nullopt;
  return buffer[0];
}

GAUNTLET_CASE(MappedFilesConformance, MsyncSync_StoresAreReadPastThePageCache,
              .clause = "POSIX.1-2024 msync() (MS_SYNC: I/O completion); open(2) O_DIRECT") {
  const auto file = MappableFile::create(context, page_bytes(), FileSystem::disk);
  if (!file) return;
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  for (const unsigned char mark : {'1', '2', '3'}) {
    mapping[0] = mark;
    ASSERT_THAT(::msync(mapping.data(), page_bytes(), MS_SYNC), SyscallSucceeds());
    const auto seen = byte_on_disk(*file);
    if (!seen) return context.unsupported("O_DIRECT read", errno_name(errno));
    EXPECT_EQ(*seen, mark);
  }
}

/// The times of a file say long ago; a store and msync() must bring them up to date.
void expect_times_marked(CaseContext& context, FileSystem where, int flags) {
  const auto file = MappableFile::create(context, page_bytes(), where);
  if (!file) return;
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  mapping[0] = 'a';
  ASSERT_THAT(::msync(mapping.data(), page_bytes(), MS_SYNC), SyscallSucceeds());
  const timespec long_ago[2] = {{1000, 0}, {1000, 0}};
  ASSERT_THAT(::futimens(file->fd(), long_ago), SyscallSucceeds());
  mapping[0] = 'b';
  ASSERT_THAT(::msync(mapping.data(), page_bytes(), flags), SyscallSucceeds());
  struct stat status {};
  ASSERT_THAT(::fstat(file->fd(), &status), SyscallSucceeds());
  EXPECT_NE(status.st_mtim.tv_sec, 1000)
      << "the modification was stored and synchronised, and the time of the last one is still old";
}

GAUNTLET_CASE(MappedFilesConformance, StoreThenMsync_MarksTheModificationTimeOnDisk,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (timestamps: write reference … msync())") {
  expect_times_marked(context, FileSystem::disk, MS_SYNC);
}

GAUNTLET_CASE(MappedFilesConformance, StoreThenMsync_MarksTheModificationTimeOnTmpfs,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (timestamps: write reference … msync())") {
  expect_times_marked(context, FileSystem::memory, MS_SYNC);
}

}  // namespace
}  // namespace gauntlet
