// mprotect(), mincore() and mlock() on mapped files.
#include <fcntl.h>
#include <gmock/gmock.h>

#include "cases/context.h"
#include "mapped_files/access_fault.h"
#include "mapped_files/file_mapping.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

// Who could not open the file for writing does not get to write by a detour.
GAUNTLET_CASE(MappedFilesConformance, MprotectWiderThanTheDescriptor_FailsWithEacces,
              .clause = "POSIX.1-2024 mprotect() ERRORS [EACCES]") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const UniqueFd reader = file->reopen(O_RDONLY);
  const Mapping shared({.size = page_bytes(), .fd = reader.get(), .protection = PROT_READ});
  const Mapping copied(
      {.size = page_bytes(), .fd = reader.get(), .protection = PROT_READ, .flags = MAP_PRIVATE});
  ASSERT_TRUE(shared.valid() && copied.valid());
  EXPECT_THAT(::mprotect(shared.data(), page_bytes(), PROT_READ | PROT_WRITE),
              SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(::mprotect(copied.data(), page_bytes(), PROT_READ | PROT_WRITE), SyscallSucceeds());
  copied[0] = 'p';
  EXPECT_EQ(file->byte_at(0), 0);
}

GAUNTLET_CASE(MappedFilesConformance, MprotectAddressNotAligned_FailsWithEinval,
              .clause = "POSIX.1-2024 mprotect() ERRORS [EINVAL]; mprotect(2)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  EXPECT_THAT(::mprotect(mapping.data() + 1, 1, PROT_READ), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MappedFilesConformance, MprotectUnknownProtection_FailsWithEinval,
              .clause = "mprotect(2) ERRORS EINVAL (invalid flags in prot)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  for (const int protection : {PROT_READ | 0x4000, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP}) {
    EXPECT_THAT(::mprotect(mapping.data(), page_bytes(), protection),
                SyscallFailsWithErrno(EINVAL));
  }
}

GAUNTLET_CASE(MappedFilesConformance, MprotectOfAnUnmappedRange_FailsWithEnomem,
              .clause = "POSIX.1-2024 mprotect() ERRORS [ENOMEM]") {
  const auto file = MappableFile::create(context, 2 * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, 2 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  ASSERT_THAT(::munmap(mapping.data() + page_bytes(), page_bytes()), SyscallSucceeds());
  EXPECT_THAT(::mprotect(mapping.data() + page_bytes(), page_bytes(), PROT_READ),
              SyscallFailsWithErrno(ENOMEM));
  EXPECT_THAT(::mprotect(mapping.data(), 2 * page_bytes(), PROT_READ),
              SyscallFailsWithErrno(ENOMEM));
}

GAUNTLET_CASE(MappedFilesConformance, MprotectOfAMiddlePage_ChangesThatPageAtOnceAndNoOther,
              .clause = "POSIX.1-2024 mprotect() DESCRIPTION; <signal.h> SEGV_ACCERR") {
  const auto file = MappableFile::create(context, 3 * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, 3 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  mapping.fill(0, 'm', mapping.size());
  auto* const middle = &mapping[page_bytes()];
  const AccessFaults faults;
  ASSERT_THAT(::mprotect(mapping.data() + page_bytes(), page_bytes(), PROT_READ),
              SyscallSucceeds());
  EXPECT_TRUE(was_made(faults.of_load(middle)));
  EXPECT_TRUE(raised(faults.of_store(middle, 'x'), SIGSEGV, SEGV_ACCERR, middle));
  EXPECT_TRUE(was_made(faults.of_store(&mapping[page_bytes() - 1], 'n')));
  EXPECT_TRUE(was_made(faults.of_store(&mapping[2 * page_bytes()], 'n')));
  ASSERT_THAT(::mprotect(mapping.data() + page_bytes(), page_bytes(), PROT_NONE),
              SyscallSucceeds());
  EXPECT_TRUE(raised(faults.of_load(middle), SIGSEGV, SEGV_ACCERR, middle));
  ASSERT_THAT(::mprotect(mapping.data() + page_bytes(), page_bytes(), PROT_READ | PROT_WRITE),
              SyscallSucceeds());
  EXPECT_TRUE(mapping.all(page_bytes(), 'm', page_bytes())) << "what was there is there again";
}

// The protection is the mapping's, in the process that asked: others go on storing.
GAUNTLET_CASE(MappedFilesConformance, Mprotect_BindsThisMappingOnly,
              .clause = "POSIX.1-2024 mprotect() (of the process)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mine(*file, page_bytes());
  ASSERT_TRUE(mine.valid());
  ASSERT_THAT(::mprotect(mine.data(), page_bytes(), PROT_READ), SyscallSucceeds());
  ChildCall child(context, [&]() -> long {
    const Mapping own(*file, page_bytes());
    if (!own.valid()) return -1;
    own[0] = 'c';
    return 0;
  });
  EXPECT_THAT(child.finish(), SyscallSucceeds());
  EXPECT_EQ(mine[0], 'c');
}

GAUNTLET_CASE(MappedFilesConformance, MincoreBadArguments_FailWithTheirErrors,
              .clause = "mincore(2) ERRORS EINVAL, ENOMEM, EFAULT") {
  const auto file = MappableFile::create(context, 2 * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, 2 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  unsigned char resident[2] = {};
  EXPECT_THAT(::mincore(mapping.data() + 1, page_bytes(), resident), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::mincore(mapping.data(), page_bytes(), nullptr), SyscallFailsWithErrno(EFAULT));
  ASSERT_THAT(::munmap(mapping.data() + page_bytes(), page_bytes()), SyscallSucceeds());
  EXPECT_THAT(::mincore(mapping.data(), 2 * page_bytes(), resident), SyscallFailsWithErrno(ENOMEM));
}

// On a tmpfs a page that was stored to is resident, one that nobody touched is not.
GAUNTLET_CASE(MappedFilesConformance, Mincore_TellsTheTouchedPagesOfATmpfs,
              .clause = "mincore(2) DESCRIPTION") {
  constexpr std::size_t kPages = 6;
  const auto file = MappableFile::create(context, kPages * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, kPages * page_bytes());
  ASSERT_TRUE(mapping.valid());
  mapping[1 * page_bytes()] = 'x';
  mapping[4 * page_bytes()] = 'x';
  unsigned char resident[kPages] = {};
  ASSERT_THAT(::mincore(mapping.data(), mapping.size(), resident), SyscallSucceeds());
  for (std::size_t page = 0; page < kPages; ++page) {
    EXPECT_EQ(resident[page] & 1, page == 1 || page == 4 ? 1 : 0) << "page " << page;
  }
}

/// What mlock() of `pages` pages answers to a process without privilege.
CallOutcome mlock_under(CaseContext& context, const MappableFile& file, std::size_t pages) {
  return call_without_capabilities(context, [&, pages]() -> long {
    const Mapping mapping(file, pages * page_bytes());
    return ::mlock(mapping.data(), mapping.size());
  });
}

GAUNTLET_CASE(MappedFilesConformance, MlockOverTheLimit_FailsWithEnomemAndWithoutAnyWithEperm,
              .clause = "POSIX.1-2024 mlock() ERRORS [ENOMEM], [EPERM]; mlock(2)") {
  const auto file = MappableFile::create(context, 4 * page_bytes());
  if (!file) return;
  {
    const LoweredLimit limit(RLIMIT_MEMLOCK, 2 * page_bytes());
    if (!limit.lowered()) return context.not_run("RLIMIT_MEMLOCK to be lowered", "run unconfined");
    EXPECT_THAT(mlock_under(context, *file, 2), SyscallSucceeds());
    EXPECT_THAT(mlock_under(context, *file, 3), SyscallFailsWithErrno(ENOMEM));
  }
  const LoweredLimit none(RLIMIT_MEMLOCK, 0);
  if (!none.lowered()) return context.not_run("RLIMIT_MEMLOCK to be lowered", "run unconfined");
  EXPECT_THAT(mlock_under(context, *file, 1), SyscallFailsWithErrno(EPERM));
}

GAUNTLET_CASE(MappedFilesConformance, MlockOfAnUnmappedRange_FailsWithEnomem,
              .clause = "POSIX.1-2024 mlock() ERRORS [ENOMEM] (not mapped)") {
  const auto file = MappableFile::create(context, 2 * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, 2 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  ASSERT_THAT(::munmap(mapping.data() + page_bytes(), page_bytes()), SyscallSucceeds());
  EXPECT_THAT(::mlock(mapping.data() + page_bytes(), page_bytes()), SyscallFailsWithErrno(ENOMEM));
  EXPECT_THAT(::munlock(mapping.data() + page_bytes(), page_bytes()),
              SyscallFailsWithErrno(ENOMEM));
}

// Locked pages are there when mlock() returns; a forked child has the pages, and not the lock.
GAUNTLET_CASE(MappedFilesConformance, Mlock_MakesPagesResidentAndIsNotInherited,
              .clause = "mlock(2) DESCRIPTION, NOTES (not inherited by a child)") {
  constexpr std::size_t kPages = 2;
  const auto file = MappableFile::create(context, kPages * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, kPages * page_bytes());
  ASSERT_TRUE(mapping.valid());
  if (::mlock(mapping.data(), mapping.size()) != 0) {
    return context.not_run("mlock of two pages: " + errno_name(errno), "raise RLIMIT_MEMLOCK");
  }
  unsigned char resident[kPages] = {};
  ASSERT_THAT(::mincore(mapping.data(), mapping.size(), resident), SyscallSucceeds());
  EXPECT_EQ(resident[0] & resident[1] & 1, 1);
  // MADV_DONTNEED refuses locked pages: here, and no longer in the child.
  EXPECT_THAT(::madvise(mapping.data(), page_bytes(), MADV_DONTNEED),
              SyscallFailsWithErrno(EINVAL));
  ChildCall child(context, [&] { return ::madvise(mapping.data(), page_bytes(), MADV_DONTNEED); });
  EXPECT_THAT(child.finish(), SyscallSucceeds());
}

}  // namespace
}  // namespace gauntlet
