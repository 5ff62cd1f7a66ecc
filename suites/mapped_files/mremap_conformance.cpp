// mremap(): growing, shrinking, moving, and what it refuses.
#include <gmock/gmock.h>

#include "cases/context.h"
#include "mapped_files/access_fault.h"
#include "mapped_files/file_mapping.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

// With it the fifth argument is looked at: glibc hands on whatever is in the register.
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/// A mapping of `pages` pages of a new file; both are there, or the case was told why not.
struct Mapped {
  std::optional<MappableFile> file;
  std::optional<Mapping> mapping;

  Mapped(CaseContext& context, std::size_t pages)
      : file(MappableFile::create(context, pages * page_bytes())) {
    if (!file) return;
    mapping.emplace(*file, pages * page_bytes());
    if (!mapping->valid()) context.error("mmap: " + errno_name(errno));
  }
  bool ready() const { return mapping && mapping->valid(); }
  unsigned char* data() const { return mapping->data(); }
};

/// The answer of mremap(2) as an outcome, which stays where it is when it fails.
CallOutcome outcome_of_mremap(void* old, std::size_t old_size, std::size_t size, int flags,
                              void* to = nullptr) {
  void* const answer = ::mremap(old, old_size, size, flags, to);
  const int error = errno;
  CallOutcome outcome;
  outcome.failed = answer == MAP_FAILED;
  outcome.value = outcome.failed ? -1 : 0;
  outcome.error = outcome.failed ? error : 0;
  return outcome;
}

GAUNTLET_CASE(MappedFilesConformance, MremapGrown_ShowsTheOldBytesAndThoseBehindThem,
              .clause = "mremap(2) DESCRIPTION, MREMAP_MAYMOVE") {
  Mapped mapped(context, 1);
  if (!mapped.ready()) return;
  mapped.mapping->fill(0, 'o', page_bytes());
  ASSERT_THAT(::ftruncate(mapped.file->fd(), static_cast<off_t>(3 * page_bytes())),
              SyscallSucceeds());
  ASSERT_TRUE(mapped.file->write(page_bytes(), 'n', 2 * page_bytes()));
  unsigned char* const old = mapped.mapping->release();
  void* const moved = ::mremap(old, page_bytes(), 3 * page_bytes(), MREMAP_MAYMOVE);
  ASSERT_NE(moved, MAP_FAILED) << errno_name(errno);
  const Mapping grown = Mapping::adopt(moved, 3 * page_bytes());
  EXPECT_TRUE(grown.all(0, 'o', page_bytes()));
  EXPECT_TRUE(grown.all(page_bytes(), 'n', 2 * page_bytes()));
  grown[2 * page_bytes()] = 's';
  EXPECT_EQ(mapped.file->byte_at(2 * page_bytes()), 's');
}

GAUNTLET_CASE(MappedFilesConformance, MremapShrunk_StaysInPlaceAndUnmapsTheTail,
              .clause = "mremap(2) DESCRIPTION (shrinks)") {
  const Mapped mapped(context, 3);
  if (!mapped.ready()) return;
  mapped.mapping->fill(0, 'k', 3 * page_bytes());
  ASSERT_EQ(::mremap(mapped.data(), 3 * page_bytes(), page_bytes(), 0), mapped.data());
  EXPECT_TRUE(mapped.mapping->all(0, 'k', page_bytes()));
  const AccessFaults faults;
  const auto* tail = &(*mapped.mapping)[page_bytes()];
  EXPECT_TRUE(raised(faults.of_load(tail), SIGSEGV, SEGV_MAPERR, tail));
}

// MREMAP_FIXED puts the mapping exactly there, over what was there, and leaves nothing behind.
GAUNTLET_CASE(MappedFilesConformance, MremapFixed_MovesExactlyThereAndUnmapsTheOldPlace,
              .clause = "mremap(2) MREMAP_FIXED") {
  const Mapped mapped(context, 2);
  if (!mapped.ready()) return;
  mapped.mapping->fill(0, 'm', 2 * page_bytes());
  const Mapping room({.size = 4 * page_bytes(), .flags = MAP_PRIVATE | MAP_ANONYMOUS});
  ASSERT_TRUE(room.valid());
  room.fill(0, 'r', room.size());
  void* const to = room.data() + page_bytes();
  ASSERT_EQ(::mremap(mapped.data(), 2 * page_bytes(), 2 * page_bytes(),
                     MREMAP_MAYMOVE | MREMAP_FIXED, to),
            to);
  EXPECT_TRUE(room.all(0, 'r', page_bytes()));
  EXPECT_TRUE(room.all(page_bytes(), 'm', 2 * page_bytes()));
  EXPECT_TRUE(room.all(3 * page_bytes(), 'r', page_bytes()));
  const AccessFaults faults;
  const auto* old = &(*mapped.mapping)[0];
  EXPECT_TRUE(raised(faults.of_load(old), SIGSEGV, SEGV_MAPERR, old));
}

// Old size zero of a shared mapping makes a second one of the same pages.
GAUNTLET_CASE(MappedFilesConformance, MremapOldSizeZeroOfASharedMapping_MapsTheSamePagesTwice,
              .clause = "mremap(2) DESCRIPTION (old_size is zero)") {
  const Mapped mapped(context, 1);
  if (!mapped.ready()) return;
  void* const twin = ::mremap(mapped.data(), 0, page_bytes(), MREMAP_MAYMOVE);
  ASSERT_NE(twin, MAP_FAILED) << errno_name(errno);
  const Mapping second = Mapping::adopt(twin, page_bytes());
  (*mapped.mapping)[1] = 't';
  EXPECT_EQ(second[1], 't');
}

// MREMAP_DONTUNMAP leaves the old range mapped: its pages are found in the file again.
GAUNTLET_CASE(MappedFilesConformance, MremapDontunmap_MovesThePagesAndKeepsTheOldRangeMapped,
              .clause = "mremap(2) MREMAP_DONTUNMAP (since Linux 5.7; shared mappings: 5.13)") {
  const Mapped mapped(context, 2);
  if (!mapped.ready()) return;
  mapped.mapping->fill(0, 'd', 2 * page_bytes());
  void* const moved = ::mremap(mapped.data(), 2 * page_bytes(), 2 * page_bytes(),
                               MREMAP_MAYMOVE | MREMAP_DONTUNMAP, nullptr);
  if (moved == MAP_FAILED && errno == EINVAL) {
    return context.unsupported("mremap(MREMAP_DONTUNMAP) of a shared mapping", "EINVAL");
  }
  ASSERT_NE(moved, MAP_FAILED) << errno_name(errno);
  const Mapping second = Mapping::adopt(moved, 2 * page_bytes());
  EXPECT_TRUE(second.all(0, 'd', second.size()));
  const AccessFaults faults;
  ASSERT_TRUE(was_made(faults.of_load(&(*mapped.mapping)[0])));
  EXPECT_TRUE(mapped.mapping->all(0, 'd', 2 * page_bytes()));
  second[0] = 's';
  EXPECT_EQ((*mapped.mapping)[0], 's');
}

GAUNTLET_CASE(MappedFilesConformance, MremapDontunmapOfAPrivateMapping_LeavesTheFilesBytesBehind,
              .clause = "mremap(2) MREMAP_DONTUNMAP (old range: as if freshly mapped)") {
  const Mapped mapped(context, 1);
  if (!mapped.ready()) return;
  mapped.mapping->fill(0, 'f', page_bytes());
  const Mapping copied({.size = page_bytes(), .fd = mapped.file->fd(), .flags = MAP_PRIVATE});
  ASSERT_TRUE(copied.valid());
  copied[0] = 'p';
  void* const moved = ::mremap(copied.data(), page_bytes(), page_bytes(),
                               MREMAP_MAYMOVE | MREMAP_DONTUNMAP, nullptr);
  if (moved == MAP_FAILED && errno == EINVAL) {
    return context.unsupported("mremap(MREMAP_DONTUNMAP) of a file mapping", "EINVAL");
  }
  ASSERT_NE(moved, MAP_FAILED) << errno_name(errno);
  const Mapping second = Mapping::adopt(moved, page_bytes());
  EXPECT_EQ(second[0], 'p') << "the private copy moves with the mapping";
  const AccessFaults faults;
  ASSERT_TRUE(was_made(faults.of_load(&copied[0])));
  EXPECT_EQ(copied[0], 'f');
}

GAUNTLET_CASE(MappedFilesConformance, MremapBadArguments_FailWithEinvalAndKeepTheMapping,
              .clause = "mremap(2) ERRORS EINVAL") {
  const Mapped mapped(context, 2);
  if (!mapped.ready()) return;
  const std::size_t page = page_bytes();
  const Mapping room({.size = 4 * page, .flags = MAP_PRIVATE | MAP_ANONYMOUS});
  ASSERT_TRUE(room.valid());
  (*mapped.mapping)[0] = 'k';
  struct Bad {
    const char* what;
    std::size_t from;  ///< offset in the mapping
    std::size_t old_size;
    std::size_t size;
    int flags;
    unsigned char* to;
  };
  constexpr int kThere = MREMAP_MAYMOVE | MREMAP_FIXED;
  const Bad all[] = {
      {"old address not aligned", 1, page, page, MREMAP_MAYMOVE, nullptr},
      {"new size zero", 0, page, 0, MREMAP_MAYMOVE, nullptr},
      {"an unknown flag", 0, page, page, MREMAP_MAYMOVE | 0x100, nullptr},
      {"MREMAP_FIXED without MREMAP_MAYMOVE", 0, page, page, MREMAP_FIXED, room.data()},
      {"new address not aligned", 0, page, page, kThere, room.data() + 1},
      {"old and new range overlap", 0, 2 * page, 2 * page, kThere, mapped.data() + page},
      {"MREMAP_DONTUNMAP without MREMAP_MAYMOVE", 0, page, page, MREMAP_DONTUNMAP, nullptr},
      {"MREMAP_DONTUNMAP with another size", 0, page, 2 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
       nullptr},
  };
  for (const Bad& bad : all) {
    EXPECT_THAT(
        outcome_of_mremap(mapped.data() + bad.from, bad.old_size, bad.size, bad.flags, bad.to),
        SyscallFailsWithErrno(EINVAL))
        << bad.what;
  }
  EXPECT_EQ((*mapped.mapping)[0], 'k');
}

GAUNTLET_CASE(MappedFilesConformance, MremapOldSizeZeroOfAPrivateMapping_FailsWithEinval,
              .clause = "mremap(2) ERRORS EINVAL (old_size zero, not a shareable mapping)") {
  const auto file = MappableFile::create(context, page_bytes());
  if (!file) return;
  const Mapping copied({.size = page_bytes(), .fd = file->fd(), .flags = MAP_PRIVATE});
  ASSERT_TRUE(copied.valid());
  EXPECT_THAT(outcome_of_mremap(copied.data(), 0, page_bytes(), MREMAP_MAYMOVE),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MappedFilesConformance, MremapWhereNothingIsMapped_FailsWithEfault,
              .clause = "mremap(2) ERRORS EFAULT") {
  const Mapped mapped(context, 2);
  if (!mapped.ready()) return;
  ASSERT_THAT(::munmap(mapped.data() + page_bytes(), page_bytes()), SyscallSucceeds());
  EXPECT_THAT(outcome_of_mremap(mapped.data() + page_bytes(), page_bytes(), 2 * page_bytes(),
                                MREMAP_MAYMOVE),
              SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(outcome_of_mremap(mapped.data(), 2 * page_bytes(), 4 * page_bytes(), MREMAP_MAYMOVE),
              SyscallFailsWithErrno(EFAULT))
      << "a range with a hole";
}

// Without leave to move, growing into what is mapped behind is refused; with leave it is not.
GAUNTLET_CASE(MappedFilesConformance, MremapCannotGrowInPlace_FailsWithEnomemUnlessItMayMove,
              .clause = "mremap(2) ERRORS ENOMEM; MREMAP_MAYMOVE") {
  const auto file = MappableFile::create(context, 2 * page_bytes());
  if (!file) return;
  const Mapping room({.size = 2 * page_bytes(), .flags = MAP_PRIVATE | MAP_ANONYMOUS});
  ASSERT_TRUE(room.valid());
  room[page_bytes()] = 'b';
  ASSERT_EQ(::mmap(room.data(), page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                   file->fd(), 0),
            room.data());
  room[0] = 'm';
  EXPECT_THAT(outcome_of_mremap(room.data(), page_bytes(), 2 * page_bytes(), 0),
              SyscallFailsWithErrno(ENOMEM));
  EXPECT_EQ(room[0], 'm');
  EXPECT_EQ(room[page_bytes()], 'b');
  void* const moved = ::mremap(room.data(), page_bytes(), 2 * page_bytes(), MREMAP_MAYMOVE);
  ASSERT_NE(moved, MAP_FAILED) << errno_name(errno);
  const Mapping grown = Mapping::adopt(moved, 2 * page_bytes());
  EXPECT_NE(grown.data(), room.data());
  EXPECT_EQ(grown[0], 'm');
  EXPECT_EQ(room[page_bytes()], 'b');
}

GAUNTLET_CASE(MappedFilesConformance, MremapOfALockedMappingOverTheLimit_FailsWithEagain,
              .clause = "mremap(2) ERRORS EAGAIN (RLIMIT_MEMLOCK)") {
  const Mapped mapped(context, 4);
  if (!mapped.ready()) return;
  const LoweredLimit limit(RLIMIT_MEMLOCK, page_bytes());
  if (!limit.lowered()) return context.not_run("RLIMIT_MEMLOCK to be lowered", "run unconfined");
  const CallOutcome outcome = call_without_capabilities(context, [&]() -> long {
    const Mapping locked({.size = page_bytes(), .fd = mapped.file->fd()});
    if (::mlock(locked.data(), page_bytes()) != 0) return -2;
    const CallOutcome grown =
        outcome_of_mremap(locked.data(), page_bytes(), 4 * page_bytes(), MREMAP_MAYMOVE);
    errno = grown.error;
    return grown.value;
  });
  EXPECT_THAT(outcome, SyscallFailsWithErrno(EAGAIN));
}

}  // namespace
}  // namespace gauntlet
