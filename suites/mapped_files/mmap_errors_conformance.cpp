// What mmap() refuses, and with which error.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>

#include <limits>

#include "cases/context.h"
#include "mapped_files/file_mapping.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

using testing::AnyOf;

GAUNTLET_CASE(MappedFilesConformance, MmapDescriptorNotOpen_FailsWithEbadf,
              .clause = "POSIX.1-2024 mmap() ERRORS [EBADF]") {
  EXPECT_THAT(outcome_of_mmap({.size = page_bytes(), .fd = -1}), SyscallFailsWithErrno(EBADF));
  const int closed = ::dup(0);
  ASSERT_GE(closed, 0);
  ::close(closed);
  EXPECT_THAT(outcome_of_mmap({.size = page_bytes(), .fd = closed}), SyscallFailsWithErrno(EBADF));
}

// A descriptor that is not open for reading cannot be mapped, whatever protection is asked for.
GAUNTLET_CASE(MappedFilesConformance, MmapDescriptorOpenForWritingOnly_FailsWithEacces,
              .clause = "POSIX.1-2024 mmap() ERRORS [EACCES] (not open for read)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const UniqueFd writer = file->reopen(O_WRONLY);
  ASSERT_TRUE(writer.valid());
  for (const int protection : {PROT_READ, PROT_WRITE, PROT_NONE}) {
    for (const int flags : {MAP_SHARED, MAP_PRIVATE}) {
      EXPECT_THAT(
          outcome_of_mmap(
              {.size = page_bytes(), .fd = writer.get(), .protection = protection, .flags = flags}),
          SyscallFailsWithErrno(EACCES))
          << "protection " << protection << ", flags " << flags;
    }
  }
}

GAUNTLET_CASE(MappedFilesConformance, MmapSharedWritableOfAReadOnlyDescriptor_FailsWithEacces,
              .clause = "POSIX.1-2024 mmap() ERRORS [EACCES] (PROT_WRITE with MAP_SHARED)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const UniqueFd reader = file->reopen(O_RDONLY);
  ASSERT_TRUE(reader.valid());
  EXPECT_THAT(outcome_of_mmap({.size = page_bytes(), .fd = reader.get()}),
              SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(outcome_of_mmap({.size = page_bytes(), .fd = reader.get(), .protection = PROT_READ}),
              SyscallSucceeds());
  EXPECT_THAT(outcome_of_mmap({.size = page_bytes(), .fd = reader.get(), .flags = MAP_PRIVATE}),
              SyscallSucceeds())
      << "a private copy needs no right to write";
}

// POSIX says ENODEV for a type of file that cannot be mapped; mmap(2) also says EACCES for one that
// is not a regular file.
GAUNTLET_CASE(MappedFilesConformance, MmapFileThatCannotBeMapped_FailsWithEnodev,
              .clause = "POSIX.1-2024 mmap() ERRORS [ENODEV]; mmap(2) ERRORS EACCES, ENODEV") {
  int ends[2];
  ASSERT_THAT(::pipe2(ends, O_CLOEXEC), SyscallSucceeds());
  const UniqueFd pipe_out(ends[0]);
  const UniqueFd pipe_in(ends[1]);
  const UniqueFd directory(::open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(directory.valid());
  for (const int fd : {pipe_out.get(), directory.get()}) {
    EXPECT_THAT(
        outcome_of_mmap(
            {.size = page_bytes(), .fd = fd, .protection = PROT_READ, .flags = MAP_PRIVATE}),
        SyscallFailsWithErrno(AnyOf(ENODEV, EACCES)));
  }
}

GAUNTLET_CASE(MappedFilesConformance, MmapLengthZero_FailsWithEinval,
              .clause = "POSIX.1-2024 mmap() ERRORS [EINVAL] (len is zero)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  EXPECT_THAT(outcome_of_mmap({.size = 0, .fd = file->fd()}), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MappedFilesConformance, MmapWithoutSharedOrPrivate_FailsWithEinval,
              .clause = "POSIX.1-2024 mmap() ERRORS [EINVAL] (flags); mmap(2) ERRORS EINVAL") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  EXPECT_THAT(outcome_of_mmap({.size = page_bytes(), .fd = file->fd(), .flags = 0}),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MappedFilesConformance, MmapOffsetNotAMultipleOfThePage_FailsWithEinval,
              .clause = "POSIX.1-2024 mmap() ERRORS [EINVAL] (off); mmap(2) ERRORS EINVAL") {
  const auto file = MappableFile::create(context, 2 * page_bytes());
  if (!file) return;
  for (const off_t offset : {off_t{1}, static_cast<off_t>(page_bytes()) - 1}) {
    EXPECT_THAT(outcome_of_mmap({.size = page_bytes(), .fd = file->fd(), .offset = offset}),
                SyscallFailsWithErrno(EINVAL));
  }
}

GAUNTLET_CASE(MappedFilesConformance, MmapFixedAddressNotAligned_FailsWithEinval,
              .clause = "POSIX.1-2024 mmap() ERRORS [EINVAL] (addr with MAP_FIXED)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping room({.size = 2 * page_bytes(), .flags = MAP_PRIVATE | MAP_ANONYMOUS});
  ASSERT_TRUE(room.valid());
  for (const int fixed : {MAP_FIXED, MAP_FIXED_NOREPLACE}) {
    EXPECT_THAT(outcome_of_mmap({.size = page_bytes(),
                                 .fd = file->fd(),
                                 .flags = MAP_SHARED | fixed,
                                 .address = room.data() + 1}),
                SyscallFailsWithErrno(EINVAL));
  }
}

// Larger than any address space: refused, also where rounding up to a page wraps around to zero.
GAUNTLET_CASE(MappedFilesConformance, MmapLargerThanTheAddressSpace_FailsWithEnomem,
              .clause = "POSIX.1-2024 mmap() ERRORS [ENOMEM]") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  for (const std::size_t size : {kMost, kMost - page_bytes() + 1, kMost / 2}) {
    EXPECT_THAT(outcome_of_mmap({.size = size, .fd = file->fd()}), SyscallFailsWithErrno(ENOMEM))
        << "size " << size;
  }
}

GAUNTLET_CASE(MappedFilesConformance, MmapOverTheAddressSpaceLimit_FailsWithEnomem,
              .clause = "POSIX.1-2024 mmap() ERRORS [ENOMEM]; getrlimit(2) RLIMIT_AS") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  constexpr rlim_t kRoom = rlim_t{4} << 30;  // over what any build of this suite has mapped
  CallOutcome over;
  {
    const LoweredLimit limit(RLIMIT_AS, kRoom);
    if (!limit.lowered()) return context.not_run("RLIMIT_AS to be lowered", "run unconfined");
    over = outcome_of_mmap({.size = kRoom, .fd = file->fd()});
  }
  EXPECT_THAT(over, SyscallFailsWithErrno(ENOMEM));
  EXPECT_THAT(outcome_of_mmap({.size = kRoom, .fd = file->fd()}), SyscallSucceeds())
      << "without the limit";
}

// The last byte asked for would have an offset that no file can have.
GAUNTLET_CASE(MappedFilesConformance, MmapPastTheLargestOffset_FailsWithEoverflow,
              .clause = "POSIX.1-2024 mmap() ERRORS [EOVERFLOW]") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const auto page = static_cast<off_t>(page_bytes());
  const off_t last_page = std::numeric_limits<off_t>::max() / page * page;
  EXPECT_THAT(outcome_of_mmap({.size = 2 * page_bytes(), .fd = file->fd(), .offset = last_page}),
              SyscallFailsWithErrno(EOVERFLOW));
}

GAUNTLET_CASE(MappedFilesConformance, MmapFixedNoreplaceOverAMapping_FailsWithEexistAndKeepsIt,
              .clause = "mmap(2) MAP_FIXED_NOREPLACE; ERRORS EEXIST") {
  const auto file = MappableFile::create(context, 3 * page_bytes());
  if (!file) return;
  const Mapping taken(*file, 3 * page_bytes());
  ASSERT_TRUE(taken.valid());
  taken.fill(0, 'k', taken.size());
  for (const std::size_t page : {0U, 1U, 2U}) {
    EXPECT_THAT(outcome_of_mmap({.size = page_bytes(),
                                 .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                                 .address = taken.data() + page * page_bytes()}),
                SyscallFailsWithErrno(EEXIST));
  }
  EXPECT_TRUE(taken.all(0, 'k', taken.size()));
}

// With MAP_SHARED_VALIDATE a flag that the file system does not know is refused, not ignored:
// MAP_SYNC on a tmpfs.
GAUNTLET_CASE(MappedFilesConformance, MmapSharedValidateWithAnUnknownFlag_FailsWithEopnotsupp,
              .clause = "mmap(2) MAP_SHARED_VALIDATE; MAP_SYNC; ERRORS EOPNOTSUPP") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  EXPECT_THAT(
      outcome_of_mmap(
          {.size = page_bytes(), .fd = file->fd(), .flags = MAP_SHARED_VALIDATE | MAP_SYNC}),
      SyscallFailsWithErrno(EOPNOTSUPP));
  EXPECT_THAT(
      outcome_of_mmap({.size = page_bytes(), .fd = file->fd(), .flags = MAP_SHARED_VALIDATE}),
      SyscallSucceeds());
}

GAUNTLET_CASE(MappedFilesConformance, MmapExecutableOnANoexecMount_FailsWithEperm,
              .clause = "mmap(2) ERRORS EPERM (no-exec mount)") {
  const auto mount = SmallTmpfs::mount(context, 16 * page_bytes(), MS_NOEXEC);
  if (!mount) return;
  const auto file = MappableFile::create_in(mount->path(), context.scope(), page_bytes());
  if (!file) return context.not_created(file.error());
  EXPECT_THAT(outcome_of_mmap(
                  {.size = page_bytes(), .fd = file->fd(), .protection = PROT_READ | PROT_EXEC}),
              SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(outcome_of_mmap({.size = page_bytes(), .fd = file->fd(), .protection = PROT_READ}),
              SyscallSucceeds());
}

GAUNTLET_CASE(MappedFilesConformance, MmapLockedOverTheLimit_FailsWithEagain,
              .clause = "mmap(2) ERRORS EAGAIN (too much memory has been locked)") {
  const auto file = MappableFile::create(context, 8 * page_bytes());
  if (!file) return;
  const LoweredLimit limit(RLIMIT_MEMLOCK, 2 * page_bytes());
  if (!limit.lowered()) return context.not_run("RLIMIT_MEMLOCK to be lowered", "run unconfined");
  const auto lock = [&](std::size_t pages) {
    return call_without_capabilities(context, [&]() -> long {
      const CallOutcome outcome = outcome_of_mmap(
          {.size = pages * page_bytes(), .fd = file->fd(), .flags = MAP_SHARED | MAP_LOCKED});
      errno = outcome.error;
      return outcome.value;
    });
  };
  EXPECT_THAT(lock(3), SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(lock(2), SyscallSucceeds());
}

}  // namespace
}  // namespace gauntlet
