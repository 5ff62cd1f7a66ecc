// What memfd_create() promises, and the seals of fcntl().
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <array>
#include <climits>
#include <csignal>
#include <string>

#include "cases/context.h"
#include "contracts/region/touch.h"
#include "shared_memory/shared_objects.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

/// A sealable file of `pages` pages; -1 with errno when it could not be made.
UniqueFd sealable(std::size_t pages = 2) {
  UniqueFd file(::memfd_create("gauntlet", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (file.valid() && ::ftruncate(file.get(), static_cast<off_t>(pages * memory_page())) != 0) {
    file.reset();
  }
  return file;
}

int seal(const UniqueFd& file, int seals) { return ::fcntl(file.get(), F_ADD_SEALS, seals); }
int seals_of(const UniqueFd& file) { return ::fcntl(file.get(), F_GET_SEALS); }

GAUNTLET_CASE(SharedMemoryConformance, MemfdCreate_NewFile_IsEmptyWritableAndHasNoName,
              .clause = "memfd_create(2) DESCRIPTION") {
  const UniqueFd file(::memfd_create("some name", MFD_CLOEXEC));
  if (!file.valid()) return context.not_created(system_error("memfd_create"));
  EXPECT_EQ(size_of(file.get()), 0);
  EXPECT_EQ(::fcntl(file.get(), F_GETFL) & O_ACCMODE, O_RDWR);
  EXPECT_THAT(::fcntl(file.get(), F_GETFD), SyscallSucceedsWithValue(FD_CLOEXEC));
  struct stat status {};
  ASSERT_THAT(::fstat(file.get(), &status), SyscallSucceeds());
  EXPECT_EQ(status.st_nlink, 0U);
  std::array<char, 128> target{};
  const std::string link = "/proc/self/fd/" + std::to_string(file.get());
  ASSERT_THAT(::readlink(link.c_str(), target.data(), target.size() - 1), SyscallSucceeds());
  EXPECT_STREQ(target.data(), "/memfd:some name (deleted)");
  const UniqueFd kept(::memfd_create("some name", 0));
  EXPECT_THAT(::fcntl(kept.get(), F_GETFD), SyscallSucceedsWithValue(0)) << "without MFD_CLOEXEC";
}

GAUNTLET_CASE(SharedMemoryConformance, MemfdCreate_SameNameTwice_MakesTwoFiles,
              .clause = "memfd_create(2) DESCRIPTION (multiple files can have the same name)") {
  const UniqueFd one = sealable();
  const UniqueFd other = sealable();
  if (!one.valid() || !other.valid()) return context.not_created(system_error("memfd_create"));
  ASSERT_THAT(::pwrite(one.get(), "x", 1, 0), SyscallSucceedsWithValue(1));
  char seen = 'y';
  ASSERT_THAT(::pread(other.get(), &seen, 1, 0), SyscallSucceedsWithValue(1));
  EXPECT_EQ(seen, '\0');
}

GAUNTLET_CASE(SharedMemoryConformance, MemfdCreate_NameUpTo249Bytes_IsTakenAndOneMoreIsEinval,
              .clause = "memfd_create(2) ERRORS [EINVAL] (name too long: 249 bytes)") {
  const std::string longest(249, 'n');
  const UniqueFd file(::memfd_create(longest.c_str(), MFD_CLOEXEC));
  EXPECT_THAT(file.get(), SyscallSucceeds());
  EXPECT_THAT(::memfd_create((longest + "n").c_str(), MFD_CLOEXEC), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SharedMemoryConformance, MemfdCreate_UnknownFlag_FailsWithEinval,
              .clause = "memfd_create(2) ERRORS [EINVAL]") {
  constexpr unsigned kUnknown = 1U << 24;
  EXPECT_THAT(::memfd_create("gauntlet", kUnknown), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SharedMemoryConformance, MemfdCreate_NameOutsideMemory_FailsWithEfault,
              .clause = "memfd_create(2) ERRORS [EFAULT]") {
  const Mapping nothing(-1, memory_page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
  ASSERT_TRUE(nothing.mapped());
  EXPECT_THAT(::memfd_create(reinterpret_cast<const char*>(nothing.data()), 0),
              SyscallFailsWithErrno(EFAULT));
}

GAUNTLET_CASE(SharedMemoryConformance, MemfdCreate_NoDescriptorLeft_FailsWithEmfile,
              .clause = "memfd_create(2) ERRORS [EMFILE]") {
  const LoweredLimit none(RLIMIT_NOFILE, 0);
  ASSERT_TRUE(none.lowered());
  EXPECT_THAT(::memfd_create("gauntlet", MFD_CLOEXEC), SyscallFailsWithErrno(EMFILE));
}

// Who can look into the process's descriptors can open the file again, and sees the same pages.
GAUNTLET_CASE(SharedMemoryConformance, Memfd_OpenedAgainThroughProc_IsTheSameFile,
              .clause = "memfd_create(2) NOTES, EXAMPLES (/proc/PID/fd/FD)") {
  const UniqueFd file = sealable();
  if (!file.valid()) return context.not_created(system_error("memfd_create"));
  const std::string link = "/proc/self/fd/" + std::to_string(file.get());
  const UniqueFd again(::open(link.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_THAT(again.get(), SyscallSucceeds());
  const Mapping one(file.get(), memory_page());
  const Mapping other(again.get(), memory_page());
  ASSERT_TRUE(one.mapped() && other.mapped());
  one[5] = std::byte{5};
  EXPECT_EQ(other[5], std::byte{5});
}

// Without MFD_ALLOW_SEALING the first seal is there already: none can follow.
GAUNTLET_CASE(SharedMemoryConformance, AddSeals_FileNotMadeForIt_FailsWithEperm,
              .clause = "memfd_create(2) MFD_ALLOW_SEALING; fcntl(2) F_ADD_SEALS [EPERM]") {
  const UniqueFd file(::memfd_create("gauntlet", MFD_CLOEXEC));
  if (!file.valid()) return context.not_created(system_error("memfd_create"));
  EXPECT_THAT(seals_of(file), SyscallSucceedsWithValue(F_SEAL_SEAL));
  EXPECT_THAT(seal(file, F_SEAL_GROW), SyscallFailsWithErrno(EPERM));
}

GAUNTLET_CASE(SharedMemoryConformance, AddSeals_OneAfterTheOther_AddUpAndStay,
              .clause = "fcntl(2) F_ADD_SEALS, F_GET_SEALS") {
  const UniqueFd file = sealable();
  if (!file.valid()) return context.not_created(system_error("memfd_create"));
  EXPECT_THAT(seals_of(file), SyscallSucceedsWithValue(0));
  ASSERT_THAT(seal(file, F_SEAL_GROW), SyscallSucceeds());
  ASSERT_THAT(seal(file, F_SEAL_SHRINK), SyscallSucceeds());
  ASSERT_THAT(seal(file, F_SEAL_GROW), SyscallSucceeds()) << "the same again has no effect";
  ASSERT_THAT(seal(file, 0), SyscallSucceeds());
  EXPECT_THAT(seals_of(file), SyscallSucceedsWithValue(F_SEAL_GROW | F_SEAL_SHRINK));
  const UniqueFd copy(::dup(file.get()));
  EXPECT_THAT(seals_of(copy), SyscallSucceedsWithValue(F_SEAL_GROW | F_SEAL_SHRINK));
}

GAUNTLET_CASE(SharedMemoryConformance, SealSeal_FurtherSeals_FailWithEperm,
              .clause = "fcntl(2) F_SEAL_SEAL; F_ADD_SEALS [EPERM]") {
  const UniqueFd file = sealable();
  if (!file.valid()) return context.not_created(system_error("memfd_create"));
  ASSERT_THAT(seal(file, F_SEAL_SEAL), SyscallSucceeds());
  EXPECT_THAT(seal(file, F_SEAL_WRITE), SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(::ftruncate(file.get(), 1), SyscallSucceeds()) << "nothing but sealing is sealed";
}

GAUNTLET_CASE(
    SharedMemoryConformance, AddSeals_NotASeal_FailsWithEinval,
    .clause = "fcntl(2) F_ADD_SEALS [EINVAL] (not a seal; no support in the file system)") {
  const UniqueFd file = sealable();
  if (!file.valid()) return context.not_created(system_error("memfd_create"));
  EXPECT_THAT(seal(file, 1 << 20), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(seals_of(file), SyscallSucceedsWithValue(0));
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_THAT(seal(null, F_SEAL_GROW), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(seals_of(null), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SharedMemoryConformance, AddSeals_DescriptorNotWritable_FailsWithEperm,
              .clause = "fcntl(2) F_ADD_SEALS [EPERM] (the descriptor must be writable)") {
  const UniqueFd file = sealable();
  if (!file.valid()) return context.not_created(system_error("memfd_create"));
  const std::string link = "/proc/self/fd/" + std::to_string(file.get());
  const UniqueFd reader(::open(link.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_THAT(reader.get(), SyscallSucceeds());
  EXPECT_THAT(seal(reader, F_SEAL_GROW), SyscallFailsWithErrno(EPERM));
}

GAUNTLET_CASE(SharedMemoryConformance, SealShrink_SmallerSize_FailsWithEperm,
              .clause = "fcntl(2) F_SEAL_SHRINK") {
  const UniqueFd file = sealable();
  if (!file.valid()) return context.not_created(system_error("memfd_create"));
  const auto size = static_cast<off_t>(2 * memory_page());
  ASSERT_THAT(seal(file, F_SEAL_SHRINK), SyscallSucceeds());
  EXPECT_THAT(::ftruncate(file.get(), size - 1), SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(::ftruncate(file.get(), size), SyscallSucceeds());
  EXPECT_THAT(::ftruncate(file.get(), size + 1), SyscallSucceeds()) << "growing is not sealed";
}

GAUNTLET_CASE(SharedMemoryConformance, SealGrow_LargerSizeByAnyWay_FailsWithEperm,
              .clause = "fcntl(2) F_SEAL_GROW (write, ftruncate, fallocate)") {
  const UniqueFd file = sealable();
  if (!file.valid()) return context.not_created(system_error("memfd_create"));
  const auto size = static_cast<off_t>(2 * memory_page());
  ASSERT_THAT(seal(file, F_SEAL_GROW), SyscallSucceeds());
  EXPECT_THAT(::ftruncate(file.get(), size + 1), SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(::fallocate(file.get(), 0, 0, size + 1), SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(::pwrite(file.get(), "x", 1, size), SyscallFailsWithErrno(EPERM));
  EXPECT_EQ(size_of(file.get()), size);
  EXPECT_THAT(::pwrite(file.get(), "x", 1, size - 1), SyscallSucceedsWithValue(1));
  EXPECT_THAT(::ftruncate(file.get(), 1), SyscallSucceeds()) << "shrinking is not sealed";
}

GAUNTLET_CASE(SharedMemoryConformance, SealWrite_WithAWritableMapping_FailsWithEbusy,
              .clause = "fcntl(2) F_ADD_SEALS [EBUSY]") {
  const UniqueFd file = sealable();
  if (!file.valid()) return context.not_created(system_error("memfd_create"));
  {
    const Mapping writable(file.get(), memory_page());
    ASSERT_TRUE(writable.mapped());
    EXPECT_THAT(seal(file, F_SEAL_WRITE), SyscallFailsWithErrno(EBUSY));
    EXPECT_THAT(seals_of(file), SyscallSucceedsWithValue(0));
  }
  const Mapping copy(file.get(), memory_page(), PROT_READ | PROT_WRITE, MAP_PRIVATE);
  ASSERT_TRUE(copy.mapped());
  EXPECT_THAT(seal(file, F_SEAL_WRITE), SyscallSucceeds())
      << "a private mapping is no way to write";
}

GAUNTLET_CASE(SharedMemoryConformance, SealWrite_EveryWayToWrite_FailsWithEperm,
              .clause = "fcntl(2) F_SEAL_WRITE (write, mmap, fallocate FALLOC_FL_PUNCH_HOLE)") {
  const UniqueFd file = sealable();
  if (!file.valid()) return context.not_created(system_error("memfd_create"));
  ASSERT_THAT(::pwrite(file.get(), "text", 4, 0), SyscallSucceedsWithValue(4));
  ASSERT_THAT(seal(file, F_SEAL_WRITE), SyscallSucceeds());
  EXPECT_THAT(::pwrite(file.get(), "x", 1, 0), SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(try_map(file.get(), memory_page(), PROT_READ | PROT_WRITE),
              SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                          static_cast<off_t>(memory_page())),
              SyscallFailsWithErrno(EPERM));
  char seen[5] = {};
  EXPECT_THAT(::pread(file.get(), seen, 4, 0), SyscallSucceedsWithValue(4));
  EXPECT_STREQ(seen, "text");
  EXPECT_THAT(try_map(file.get(), memory_page(), PROT_READ | PROT_WRITE, MAP_PRIVATE),
              SyscallSucceeds());
}

// Those who can write already go on; nobody new can.
GAUNTLET_CASE(SharedMemoryConformance, SealFutureWrite_MappingOfBefore_CanStillBeStoredTo,
              .clause = "fcntl(2) F_SEAL_FUTURE_WRITE (since Linux 5.1)") {
  const UniqueFd file = sealable();
  if (!file.valid()) return context.not_created(system_error("memfd_create"));
  const Mapping before(file.get(), memory_page());
  ASSERT_TRUE(before.mapped());
  if (seal(file, F_SEAL_FUTURE_WRITE) != 0) {
    return context.unsupported("F_SEAL_FUTURE_WRITE", errno_name(errno));
  }
  before[0] = std::byte{1};
  EXPECT_THAT(try_map(file.get(), memory_page(), PROT_READ | PROT_WRITE),
              SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(::pwrite(file.get(), "x", 1, 0), SyscallFailsWithErrno(EPERM));
  const Mapping after(file.get(), memory_page(), PROT_READ);
  ASSERT_TRUE(after.mapped());
  EXPECT_EQ(after[0], std::byte{1});
  EXPECT_THAT(::mprotect(after.data(), memory_page(), PROT_READ | PROT_WRITE),
              SyscallFailsWithErrno(EACCES));
}

}  // namespace
}  // namespace gauntlet
