// What shm_open(), shm_unlink() and ftruncate() promise of shared memory objects.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include <climits>
#include <csignal>
#include <string>

#include "cases/context.h"
#include "shared_memory/shared_objects.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

using testing::AnyOf;

/// shm_open() for a name that is to be refused; what is opened all the same is closed.
int try_open(const char* name, int flags, mode_t mode = 0600) {
  const UniqueFd fd(::shm_open(name, flags, mode));
  return fd.valid() ? 0 : -1;
}

GAUNTLET_CASE(SharedMemoryConformance, ShmOpen_NewObject_HasSizeZeroAndGrowsToZeros,
              .clause = "POSIX.1-2024 shm_open() O_CREAT (size of zero); ftruncate()") {
  const auto object = ShmObject::create(context.scope(), 0);
  if (!object) return context.not_created(object.error());
  EXPECT_EQ(size_of(object->fd()), 0);
  ASSERT_THAT(::ftruncate(object->fd(), 5000), SyscallSucceeds());
  EXPECT_EQ(size_of(object->fd()), 5000);
  const Mapping memory(object->fd(), 5000);
  ASSERT_TRUE(memory.mapped());
  for (std::size_t i = 0; i < 5000; ++i) ASSERT_EQ(memory[i], std::byte{0}) << "byte " << i;
}

// Mode less the umask, the owner that of the caller, FD_CLOEXEC set, O_RDWR as asked.
GAUNTLET_CASE(SharedMemoryConformance, ShmOpen_NewObject_HasModeOwnerAndCloexec,
              .clause = "POSIX.1-2024 shm_open() DESCRIPTION (FD_CLOEXEC; O_CREAT)") {
  const mode_t before = ::umask(027);
  const auto object = ShmObject::create(context.scope(), 1, 0666);
  ::umask(before);
  if (!object) return context.not_created(object.error());
  struct stat status {};
  ASSERT_THAT(::fstat(object->fd(), &status), SyscallSucceeds());
  EXPECT_EQ(status.st_mode & 0777, 0640U);
  EXPECT_EQ(status.st_uid, ::geteuid());
  EXPECT_THAT(::fcntl(object->fd(), F_GETFD), SyscallSucceedsWithValue(FD_CLOEXEC));
  EXPECT_EQ(::fcntl(object->fd(), F_GETFL) & O_ACCMODE, O_RDWR);
}

GAUNTLET_CASE(SharedMemoryConformance, ShmOpen_Twice_IsTheSameObject,
              .clause = "POSIX.1-2024 shm_open() DESCRIPTION") {
  const auto object = ShmObject::create(context.scope(), memory_page());
  if (!object) return context.not_created(object.error());
  const UniqueFd again(::shm_open(object->name(), O_RDWR, 0));
  ASSERT_TRUE(again.valid());
  const Mapping one(object->fd(), memory_page());
  const Mapping other(again.get(), memory_page());
  ASSERT_TRUE(one.mapped() && other.mapped());
  one[17] = std::byte{42};
  EXPECT_EQ(other[17], std::byte{42});
  const UniqueFd created(::shm_open(object->name(), O_RDWR | O_CREAT, 0600));
  EXPECT_EQ(size_of(created.get()), static_cast<long>(memory_page())) << "O_CREAT made it anew";
}

GAUNTLET_CASE(SharedMemoryConformance, ShmOpen_UnknownNameWithoutCreat_FailsWithEnoent,
              .clause = "POSIX.1-2024 shm_open() ERRORS [ENOENT]") {
  const std::string name = "/" + unique_name(context.scope());
  EXPECT_THAT(try_open(name.c_str(), O_RDWR), SyscallFailsWithErrno(ENOENT));
}

GAUNTLET_CASE(SharedMemoryConformance, ShmOpen_ExclusiveAndNameTaken_FailsWithEexist,
              .clause = "POSIX.1-2024 shm_open() ERRORS [EEXIST]") {
  const auto object = ShmObject::create(context.scope(), 1);
  if (!object) return context.not_created(object.error());
  EXPECT_THAT(try_open(object->name(), O_RDWR | O_CREAT | O_EXCL), SyscallFailsWithErrno(EEXIST));
}

GAUNTLET_CASE(SharedMemoryConformance, ShmOpen_ModeForbidsIt_FailsWithEacces,
              .clause = "POSIX.1-2024 shm_open() ERRORS [EACCES]") {
  const auto object = ShmObject::create(context.scope(), 1, 0400);
  if (!object) return context.not_created(object.error());
  const char* const name = object->name();
  EXPECT_THAT(call_without_capabilities(context, [=] { return try_open(name, O_RDWR); }),
              SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(call_without_capabilities(context, [=] { return try_open(name, O_RDONLY); }),
              SyscallSucceeds());
  const auto stranger = call_as_stranger(context, [=] { return try_open(name, O_RDONLY); });
  if (stranger) {
    EXPECT_THAT(*stranger, SyscallFailsWithErrno(EACCES));
  }
}

GAUNTLET_CASE(SharedMemoryConformance, ShmOpen_Truncate_CutsTheObjectToNothing,
              .clause = "POSIX.1-2024 shm_open() O_TRUNC") {
  const auto object = ShmObject::create(context.scope(), memory_page());
  if (!object) return context.not_created(object.error());
  const UniqueFd cut(::shm_open(object->name(), O_RDWR | O_TRUNC, 0));
  ASSERT_TRUE(cut.valid());
  EXPECT_EQ(size_of(object->fd()), 0);
}

// A name with a slash inside, and one of nothing but the slash, name no shared memory object.
GAUNTLET_CASE(SharedMemoryConformance, ShmOpen_MalformedName_FailsWithEinval,
              .clause = "shm_open(3) ERRORS [EINVAL]") {
  for (const char* name : {"/", "", "/one/two"}) {
    EXPECT_THAT(try_open(name, O_RDWR | O_CREAT), SyscallFailsWithErrno(EINVAL))
        << "'" << name << "'";
  }
}

GAUNTLET_CASE(SharedMemoryConformance, ShmOpen_NameOverPathMax_FailsWithEnametoolong,
              .clause = "shm_open(3) ERRORS [ENAMETOOLONG]: the length of name exceeds PATH_MAX") {
  const std::string name = "/" + std::string(PATH_MAX, 'n');
  EXPECT_THAT(try_open(name.c_str(), O_RDWR | O_CREAT), SyscallFailsWithErrno(ENAMETOOLONG));
}

GAUNTLET_CASE(SharedMemoryConformance, ShmOpen_NoDescriptorLeft_FailsWithEmfile,
              .clause = "POSIX.1-2024 shm_open() ERRORS [EMFILE]") {
  const auto object = ShmObject::create(context.scope(), 1);
  if (!object) return context.not_created(object.error());
  const LoweredLimit none(RLIMIT_NOFILE, 0);
  ASSERT_TRUE(none.lowered());
  EXPECT_THAT(try_open(object->name(), O_RDWR), SyscallFailsWithErrno(EMFILE));
}

// What was opened to read cannot be mapped to write, nor made larger, nor made writable later.
GAUNTLET_CASE(SharedMemoryConformance, ShmOpen_ReadOnly_GivesNoWayToWrite,
              .clause = "POSIX.1-2024 mmap() ERRORS [EACCES]; mprotect() [EACCES]; ftruncate()") {
  const auto object = ShmObject::create(context.scope(), memory_page());
  if (!object) return context.not_created(object.error());
  const UniqueFd reader(::shm_open(object->name(), O_RDONLY, 0));
  ASSERT_TRUE(reader.valid());
  EXPECT_THAT(try_map(reader.get(), memory_page(), PROT_READ | PROT_WRITE),
              SyscallFailsWithErrno(EACCES));
  const Mapping memory(reader.get(), memory_page(), PROT_READ);
  ASSERT_TRUE(memory.mapped());
  EXPECT_THAT(::mprotect(memory.data(), memory_page(), PROT_READ | PROT_WRITE),
              SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(::ftruncate(reader.get(), 0), SyscallFailsWithErrno(AnyOf(EBADF, EINVAL)));
  EXPECT_EQ(size_of(object->fd()), static_cast<long>(memory_page()));
}

// The name goes at once, the object when nobody has it open or mapped.
GAUNTLET_CASE(SharedMemoryConformance, ShmUnlink_ObjectInUse_NameGoesAndMemoryStays,
              .clause = "POSIX.1-2024 shm_unlink() DESCRIPTION") {
  auto object = ShmObject::create(context.scope(), memory_page());
  if (!object) return context.not_created(object.error());
  const Mapping memory(object->fd(), memory_page());
  ASSERT_TRUE(memory.mapped());
  memory[0] = std::byte{1};
  ASSERT_THAT(::shm_unlink(object->name()), SyscallSucceeds());
  EXPECT_THAT(try_open(object->name(), O_RDWR), SyscallFailsWithErrno(ENOENT));
  const Mapping second(object->fd(), memory_page());
  object->close();
  EXPECT_EQ(memory[0], std::byte{1});
  memory[1] = std::byte{2};
  ASSERT_TRUE(second.mapped());
  EXPECT_EQ(second[1], std::byte{2});
}

// With the last reference the memory goes: the file system has its blocks back, and not before.
GAUNTLET_CASE(
    SharedMemoryConformance, ShmUnlink_LastReferenceGone_MemoryIsFree,
    .clause = "POSIX.1-2024 shm_unlink() (removal postponed until references are removed)",
    .needs = {Need::private_mount}) {
  constexpr std::size_t kPages = 16;
  const auto free_blocks = [] {
    struct statvfs status {};
    return ::statvfs("/dev/shm", &status) == 0 ? static_cast<long>(status.f_bfree) : -1;
  };
  const long before = free_blocks();
  auto object = ShmObject::create(context.scope(), kPages * memory_page());
  if (!object) return context.not_created(object.error());
  Mapping memory(object->fd(), kPages * memory_page());
  ASSERT_TRUE(memory.mapped());
  for (std::size_t page = 0; page < kPages; ++page) memory[page * memory_page()] = std::byte{1};
  ASSERT_THAT(::shm_unlink(object->name()), SyscallSucceeds());
  object->close();
  EXPECT_LT(free_blocks(), before) << "the memory of a mapped object is free";
  ASSERT_THAT(memory.unmap(), SyscallSucceeds());
  EXPECT_EQ(free_blocks(), before) << "the memory is still in use";
}

GAUNTLET_CASE(SharedMemoryConformance, ShmUnlink_NameMadeAnew_IsAnotherObject,
              .clause = "POSIX.1-2024 shm_unlink() DESCRIPTION (reuse of the name)") {
  const auto object = ShmObject::create(context.scope(), memory_page());
  if (!object) return context.not_created(object.error());
  const Mapping memory(object->fd(), memory_page());
  ASSERT_TRUE(memory.mapped());
  memory[0] = std::byte{7};
  ASSERT_THAT(::shm_unlink(object->name()), SyscallSucceeds());
  const UniqueFd anew(::shm_open(object->name(), O_RDWR | O_CREAT | O_EXCL, 0600));
  ASSERT_TRUE(anew.valid());
  EXPECT_EQ(size_of(anew.get()), 0);
  ASSERT_THAT(::ftruncate(anew.get(), static_cast<off_t>(memory_page())), SyscallSucceeds());
  const Mapping other(anew.get(), memory_page());
  ASSERT_TRUE(other.mapped());
  EXPECT_EQ(other[0], std::byte{0});
  EXPECT_EQ(memory[0], std::byte{7});
}

GAUNTLET_CASE(SharedMemoryConformance, ShmUnlink_UnknownName_FailsWithEnoent,
              .clause = "POSIX.1-2024 shm_unlink() ERRORS [ENOENT]") {
  const std::string name = "/" + unique_name(context.scope());
  EXPECT_THAT(::shm_unlink(name.c_str()), SyscallFailsWithErrno(ENOENT));
}

GAUNTLET_CASE(SharedMemoryConformance, ShmUnlink_OfAnotherUsersObject_FailsWithEacces,
              .clause = "POSIX.1-2024 shm_unlink() ERRORS [EACCES]") {
  const auto object = ShmObject::create(context.scope(), 1, 0666);
  if (!object) return context.not_created(object.error());
  const char* const name = object->name();
  const auto outcome = call_as_stranger(context, [=] { return ::shm_unlink(name); });
  if (!outcome) return;
  EXPECT_THAT(*outcome, SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(try_open(name, O_RDWR), SyscallSucceeds()) << "it is gone all the same";
}

GAUNTLET_CASE(SharedMemoryConformance, Ftruncate_ShrunkAndGrown_CutBytesAreZero,
              .clause = "POSIX.1-2024 ftruncate() DESCRIPTION (shared memory object)") {
  const auto object = ShmObject::create(context.scope(), 2 * memory_page());
  if (!object) return context.not_created(object.error());
  const Mapping memory(object->fd(), 2 * memory_page());
  ASSERT_TRUE(memory.mapped());
  for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = std::byte{9};
  ASSERT_THAT(::ftruncate(object->fd(), 100), SyscallSucceeds());
  ASSERT_THAT(::ftruncate(object->fd(), static_cast<off_t>(memory.size())), SyscallSucceeds());
  EXPECT_EQ(memory[99], std::byte{9});
  for (std::size_t i = 100; i < memory.size(); ++i) ASSERT_EQ(memory[i], std::byte{0}) << i;
}

GAUNTLET_CASE(SharedMemoryConformance, Ftruncate_NegativeLength_FailsWithEinval,
              .clause = "POSIX.1-2024 ftruncate() ERRORS [EINVAL]") {
  const auto object = ShmObject::create(context.scope(), 10);
  if (!object) return context.not_created(object.error());
  EXPECT_THAT(::ftruncate(object->fd(), -1), SyscallFailsWithErrno(EINVAL));
  EXPECT_EQ(size_of(object->fd()), 10);
}

// Past the limit on file sizes: EFBIG, and SIGXFSZ as well, which the caller here ignores.
GAUNTLET_CASE(SharedMemoryConformance, Ftruncate_OverTheFileSizeLimit_FailsWithEfbig,
              .clause = "POSIX.1-2024 ftruncate() ERRORS [EFBIG] (SIGXFSZ)") {
  const auto object = ShmObject::create(context.scope(), 10);
  if (!object) return context.not_created(object.error());
  ::signal(SIGXFSZ, SIG_IGN);
  const LoweredLimit small(RLIMIT_FSIZE, 4096);
  ASSERT_TRUE(small.lowered());
  EXPECT_THAT(::ftruncate(object->fd(), 4096), SyscallSucceeds());
  EXPECT_THAT(::ftruncate(object->fd(), 4097), SyscallFailsWithErrno(EFBIG));
  EXPECT_EQ(size_of(object->fd()), 4096);
}

}  // namespace
}  // namespace gauntlet
