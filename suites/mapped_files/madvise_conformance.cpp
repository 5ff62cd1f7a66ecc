// madvise() and posix_madvise(): advice that changes what is seen, and advice that must not.
#include <fcntl.h>
#include <gmock/gmock.h>

#include "cases/context.h"
#include "mapped_files/access_fault.h"
#include "mapped_files/file_mapping.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/// Tells that the kernel is older than the advice; answers whether it is.
bool not_known(CaseContext& context, const void* at, std::size_t size, int advice,
               const char* name) {
  if (::madvise(const_cast<void*>(at), size, advice) == 0 || errno != EINVAL) return false;
  context.unsupported(std::string("madvise(") + name + ")", "EINVAL");
  return true;
}

GAUNTLET_CASE(MappedFilesConformance, MadviseBadArguments_FailWithEinval,
              .clause = "madvise(2) ERRORS EINVAL; POSIX.1-2024 posix_madvise() ERRORS [EINVAL]") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  constexpr int kUnknown = 9999;
  EXPECT_THAT(::madvise(mapping.data() + 1, page_bytes(), MADV_NORMAL),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::madvise(mapping.data(), page_bytes(), kUnknown), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::posix_madvise(mapping.data(), page_bytes(), kUnknown), ReturnsErrno(EINVAL));
}

GAUNTLET_CASE(MappedFilesConformance, MadviseOfAnUnmappedRange_FailsWithEnomem,
              .clause = "madvise(2) ERRORS ENOMEM; POSIX.1-2024 posix_madvise() ERRORS [ENOMEM]") {
  const auto file = MappableFile::create(context, 3 * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, 3 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  ASSERT_THAT(::munmap(mapping.data() + page_bytes(), page_bytes()), SyscallSucceeds());
  EXPECT_THAT(::madvise(mapping.data(), mapping.size(), MADV_RANDOM),
              SyscallFailsWithErrno(ENOMEM));
  EXPECT_THAT(::posix_madvise(mapping.data(), mapping.size(), POSIX_MADV_RANDOM),
              ReturnsErrno(ENOMEM));
}

GAUNTLET_CASE(MappedFilesConformance, MadviseDontneedOfASharedMapping_LosesNothing,
              .clause = "madvise(2) MADV_DONTNEED (shared: repopulated from the mapped file)") {
  const auto file = MappableFile::create(context, 2 * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, 2 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  mapping.fill(0, 's', mapping.size());
  EXPECT_THAT(::madvise(mapping.data(), mapping.size(), MADV_DONTNEED), SyscallSucceeds());
  EXPECT_TRUE(mapping.all(0, 's', mapping.size()));
}

GAUNTLET_CASE(MappedFilesConformance, MadviseDontneedOfAPrivateMapping_ShowsTheFileAgain,
              .clause = "madvise(2) MADV_DONTNEED (private: up-to-date contents of the file)") {
  const auto file = MappableFile::create(context, 2 * page_bytes());
  if (!file) return;
  ASSERT_TRUE(file->write(0, 'f', 2 * page_bytes()));
  const Mapping mapping({.size = 2 * page_bytes(), .fd = file->fd(), .flags = MAP_PRIVATE});
  ASSERT_TRUE(mapping.valid());
  mapping.fill(0, 'p', mapping.size());
  EXPECT_THAT(::madvise(mapping.data(), page_bytes(), MADV_DONTNEED), SyscallSucceeds());
  EXPECT_TRUE(mapping.all(0, 'f', page_bytes()));
  EXPECT_TRUE(mapping.all(page_bytes(), 'p', page_bytes())) << "only the range loses its copies";
}

// The POSIX advice says nothing about what the bytes are: none of it may change them.
GAUNTLET_CASE(MappedFilesConformance, PosixMadviseOfAPrivateMapping_ChangesNoByte,
              .clause = "POSIX.1-2024 posix_madvise() (no effect on the semantics of access)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping({.size = page_bytes(), .fd = file->fd(), .flags = MAP_PRIVATE});
  ASSERT_TRUE(mapping.valid());
  mapping.fill(0, 'p', page_bytes());
  for (const int advice : {POSIX_MADV_NORMAL, POSIX_MADV_RANDOM, POSIX_MADV_SEQUENTIAL,
                           POSIX_MADV_WILLNEED, POSIX_MADV_DONTNEED}) {
    EXPECT_THAT(::posix_madvise(mapping.data(), page_bytes(), advice), ReturnsErrno(0));
    EXPECT_TRUE(mapping.all(0, 'p', page_bytes())) << "advice " << advice;
  }
}

GAUNTLET_CASE(MappedFilesConformance, MadviseDontneedOfLockedPages_FailsWithEinval,
              .clause = "madvise(2) ERRORS EINVAL (locked pages)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping(*file, page_bytes());
  ASSERT_TRUE(mapping.valid());
  if (::mlock(mapping.data(), page_bytes()) != 0) {
    return context.not_run("mlock of one page: " + errno_name(errno), "raise RLIMIT_MEMLOCK");
  }
  EXPECT_THAT(::madvise(mapping.data(), page_bytes(), MADV_DONTNEED),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MappedFilesConformance, MadviseDontfork_ChildHasNotGotThePages,
              .clause = "madvise(2) MADV_DONTFORK, MADV_DOFORK") {
  const auto file = MappableFile::create(context, 2 * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, 2 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  mapping.fill(0, 'd', mapping.size());
  const auto signal_in_child = [&] {
    ChildCall child(context, [&]() -> long {
      const AccessFaults faults;
      if (mapping[page_bytes()] != 'd') return -1;
      return faults.of_load(&mapping[0]).signal;
    });
    return child.finish();
  };
  ASSERT_THAT(::madvise(mapping.data(), page_bytes(), MADV_DONTFORK), SyscallSucceeds());
  EXPECT_THAT(signal_in_child(), SyscallSucceedsWithValue(SIGSEGV));
  EXPECT_EQ(mapping[0], 'd');
  ASSERT_THAT(::madvise(mapping.data(), page_bytes(), MADV_DOFORK), SyscallSucceeds());
  EXPECT_THAT(signal_in_child(), SyscallSucceedsWithValue(0));
}

GAUNTLET_CASE(MappedFilesConformance, MadviseWipeonfork_IsForPrivateAnonymousPagesOnly,
              .clause = "madvise(2) MADV_WIPEONFORK (since Linux 4.14)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping shared(*file, page_bytes());
  const Mapping copied({.size = page_bytes(), .fd = file->fd(), .flags = MAP_PRIVATE});
  const Mapping anonymous({.size = page_bytes(), .flags = MAP_PRIVATE | MAP_ANONYMOUS});
  ASSERT_TRUE(shared.valid() && copied.valid() && anonymous.valid());
  if (not_known(context, anonymous.data(), page_bytes(), MADV_WIPEONFORK, "MADV_WIPEONFORK")) {
    return;
  }
  anonymous.fill(0, 'w', page_bytes());
  EXPECT_THAT(::madvise(shared.data(), page_bytes(), MADV_WIPEONFORK),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::madvise(copied.data(), page_bytes(), MADV_WIPEONFORK),
              SyscallFailsWithErrno(EINVAL));
  ChildCall child(context, [&]() -> long { return anonymous.all(0, 0, page_bytes()) ? 1 : 0; });
  EXPECT_THAT(child.finish(), SyscallSucceedsWithValue(1));
  EXPECT_TRUE(anonymous.all(0, 'w', page_bytes()));
}

// The pages go from the file itself: everybody reads zero, and the file keeps its size.
GAUNTLET_CASE(MappedFilesConformance, MadviseRemove_PunchesAHoleInTheFile,
              .clause = "madvise(2) MADV_REMOVE") {
  const auto file = MappableFile::create(context, 3 * page_bytes());
  if (!file) return;
  const Mapping mapping(*file, 3 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  mapping.fill(0, 'r', mapping.size());
  struct stat before {};
  ASSERT_THAT(::fstat(file->fd(), &before), SyscallSucceeds());
  if (::madvise(mapping.data() + page_bytes(), page_bytes(), MADV_REMOVE) != 0) {
    return context.unsupported("madvise(MADV_REMOVE)", errno_name(errno));
  }
  EXPECT_TRUE(mapping.all(0, 'r', page_bytes()));
  EXPECT_TRUE(mapping.all(page_bytes(), 0, page_bytes()));
  EXPECT_TRUE(mapping.all(2 * page_bytes(), 'r', page_bytes()));
  struct stat after {};
  ASSERT_THAT(::fstat(file->fd(), &after), SyscallSucceeds());
  EXPECT_EQ(after.st_size, before.st_size);
  EXPECT_EQ(file->byte_at(page_bytes()), 0);
}

GAUNTLET_CASE(MappedFilesConformance, MadviseRemoveOfOtherThanSharedWritable_FailsWithEacces,
              .clause = "madvise(2) ERRORS EACCES (MADV_REMOVE, not shared writable)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  ASSERT_TRUE(file->write(0, 'f', page_bytes()));
  const UniqueFd reader = file->reopen(O_RDONLY);
  const Mapping read_only({.size = page_bytes(), .fd = reader.get(), .protection = PROT_READ});
  const Mapping copied({.size = page_bytes(), .fd = file->fd(), .flags = MAP_PRIVATE});
  ASSERT_TRUE(read_only.valid() && copied.valid());
  EXPECT_THAT(::madvise(read_only.data(), page_bytes(), MADV_REMOVE),
              SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(::madvise(copied.data(), page_bytes(), MADV_REMOVE), SyscallFailsWithErrno(EACCES));
  EXPECT_EQ(file->byte_at(0), 'f');
}

// Populating faults pages in without an access, and tells with an error what an access would have
// raised as SIGBUS.
GAUNTLET_CASE(MappedFilesConformance, MadvisePopulatePastTheEnd_FailsWithEfaultInsteadOfSigbus,
              .clause = "madvise(2) MADV_POPULATE_READ, MADV_POPULATE_WRITE; ERRORS EFAULT") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping mapping(*file, 2 * page_bytes());
  ASSERT_TRUE(mapping.valid());
  if (not_known(context, mapping.data(), page_bytes(), MADV_POPULATE_READ, "MADV_POPULATE_READ")) {
    return;
  }
  unsigned char resident = 0;
  ASSERT_THAT(::mincore(mapping.data(), page_bytes(), &resident), SyscallSucceeds());
  EXPECT_EQ(resident & 1, 1);
  for (const int advice : {MADV_POPULATE_READ, MADV_POPULATE_WRITE}) {
    EXPECT_THAT(::madvise(mapping.data(), page_bytes(), advice), SyscallSucceeds());
    EXPECT_THAT(::madvise(mapping.data(), 2 * page_bytes(), advice), SyscallFailsWithErrno(EFAULT));
  }
}

}  // namespace
}  // namespace gauntlet
