// What shmat() and shmdt() promise: addresses, protection, counting, and what a child inherits.
#include <gmock/gmock.h>

#include <csignal>
#include <ctime>

#include "cases/context.h"
#include "contracts/region/touch.h"
#include "shared_memory/shared_objects.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

// SHMLBA-aligned room for two pages where nothing is mapped.
char* free_place() {
  const Mapping hole(-1, 4 * static_cast<std::size_t>(SHMLBA), PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS);
  const auto lba = static_cast<std::uintptr_t>(SHMLBA);
  const std::uintptr_t at = (reinterpret_cast<std::uintptr_t>(hole.data()) + lba - 1) / lba * lba;
  return reinterpret_cast<char*>(at);
}

GAUNTLET_CASE(SharedMemoryConformance, Shmat_NewSegment_IsZeroAndCounted,
              .clause = "POSIX.1-2024 shmat() DESCRIPTION; shmget() (initialized with all zero)") {
  const auto segment = SysvSegment::create(5000);
  if (!segment) return context.not_created(segment.error());
  const std::time_t before = std::time(nullptr);
  void* view = nullptr;
  ASSERT_THAT(attach(segment->id(), view), SyscallSucceeds());
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(static_cast<char*>(view)[i], 0) << i;
  const shmid_ds status = segment->status();
  EXPECT_EQ(status.shm_nattch, 1U);
  EXPECT_EQ(status.shm_lpid, ::getpid());
  EXPECT_GE(status.shm_atime, before);
  ASSERT_THAT(::shmdt(view), SyscallSucceeds());
  EXPECT_EQ(segment->status().shm_nattch, 0U);
  EXPECT_GE(segment->status().shm_dtime, before);
}

GAUNTLET_CASE(SharedMemoryConformance, Shmat_AtAnAddress_IsThereOrRoundedDown,
              .clause = "POSIX.1-2024 shmat() DESCRIPTION (SHM_RND, SHMLBA); ERRORS [EINVAL]") {
  const auto segment = SysvSegment::create(memory_page());
  if (!segment) return context.not_created(segment.error());
  char* const place = free_place();
  void* view = nullptr;
  ASSERT_THAT(attach(segment->id(), view, place), SyscallSucceeds());
  EXPECT_EQ(view, place);
  ASSERT_THAT(::shmdt(view), SyscallSucceeds());
  EXPECT_THAT(try_attach(segment->id(), place + 1), SyscallFailsWithErrno(EINVAL));
  ASSERT_THAT(attach(segment->id(), view, place + 1, SHM_RND), SyscallSucceeds());
  EXPECT_EQ(view, place);
  ASSERT_THAT(::shmdt(view), SyscallSucceeds());
}

// Where something is mapped nothing is attached, unless SHM_REMAP asks for it.
GAUNTLET_CASE(SharedMemoryConformance, Shmat_PlaceInUse_IsRefusedOrReplacedWithShmRemap,
              .clause = "POSIX.1-2024 shmat() ERRORS [EINVAL]; shmat(2) SHM_REMAP") {
  const auto segment = SysvSegment::create(memory_page());
  if (!segment) return context.not_created(segment.error());
  void* first = nullptr;
  void* second = nullptr;
  ASSERT_THAT(attach(segment->id(), first), SyscallSucceeds());
  EXPECT_THAT(try_attach(segment->id(), first), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(try_attach(segment->id(), nullptr, SHM_REMAP), SyscallFailsWithErrno(EINVAL));
  const auto other = SysvSegment::create(memory_page());
  if (!other) return context.not_created(other.error());
  static_cast<char*>(first)[0] = 'x';
  ASSERT_THAT(attach(other->id(), second, first, SHM_REMAP), SyscallSucceeds());
  EXPECT_EQ(second, first);
  EXPECT_EQ(static_cast<char*>(second)[0], 0);
  EXPECT_EQ(segment->views(), 0U);
  EXPECT_EQ(other->views(), 1U);
  ASSERT_THAT(::shmdt(second), SyscallSucceeds());
}

GAUNTLET_CASE(SharedMemoryConformance, Shmat_ReadOnly_StoreRaisesSigsegv,
              .clause = "POSIX.1-2024 shmat() DESCRIPTION (SHM_RDONLY)") {
  const auto segment = SysvSegment::create(memory_page());
  if (!segment) return context.not_created(segment.error());
  void* view = nullptr;
  ASSERT_THAT(attach(segment->id(), view, nullptr, SHM_RDONLY), SyscallSucceeds());
  auto* const bytes = static_cast<std::byte*>(view);
  const std::byte one{1};
  std::byte seen{1};
  EXPECT_EQ(region_suite::store({&one, 1}, bytes).signal, SIGSEGV);
  EXPECT_EQ(region_suite::load(bytes, {&seen, 1}).signal, 0);
  EXPECT_EQ(seen, std::byte{0});
  EXPECT_THAT(::mprotect(view, memory_page(), PROT_READ | PROT_WRITE),
              SyscallFailsWithErrno(EACCES));
  ASSERT_THAT(::shmdt(view), SyscallSucceeds());
}

GAUNTLET_CASE(SharedMemoryConformance, Shmat_UnknownId_FailsWithEinval,
              .clause = "POSIX.1-2024 shmat() ERRORS [EINVAL]") {
  EXPECT_THAT(try_attach(-1), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SharedMemoryConformance, Shmat_ModeForbidsIt_FailsWithEacces,
              .clause = "POSIX.1-2024 shmat() ERRORS [EACCES]") {
  const auto segment = SysvSegment::create(1, 0400);
  if (!segment) return context.not_created(segment.error());
  const int id = segment->id();
  EXPECT_THAT(call_without_capabilities(context, [=] { return try_attach(id); }),
              SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(
      call_without_capabilities(context, [=] { return try_attach(id, nullptr, SHM_RDONLY); }),
      SyscallSucceeds());
}

// A forked child inherits the views, and its end detaches them.
GAUNTLET_CASE(SharedMemoryConformance, Shmat_ChildForked_InheritsTheViewAndItsEndDetaches,
              .clause = "POSIX.1-2024 fork(), _Exit() (shared memory is detached); shmop(2)") {
  const auto segment = SysvSegment::create(memory_page());
  if (!segment) return context.not_created(segment.error());
  void* view = nullptr;
  ASSERT_THAT(attach(segment->id(), view), SyscallSucceeds());
  ChildCall child(context, [&]() -> long {
    static_cast<char*>(view)[0] = 'c';
    return static_cast<long>(segment->views());
  });
  EXPECT_THAT(child.finish(), SyscallSucceedsWithValue(2));
  EXPECT_EQ(static_cast<char*>(view)[0], 'c');
  EXPECT_EQ(segment->views(), 1U);
  ASSERT_THAT(::shmdt(view), SyscallSucceeds());
}

GAUNTLET_CASE(SharedMemoryConformance, Shmdt_NothingAttachedThere_FailsWithEinval,
              .clause = "POSIX.1-2024 shmdt() ERRORS [EINVAL]") {
  const auto segment = SysvSegment::create(memory_page());
  if (!segment) return context.not_created(segment.error());
  void* view = nullptr;
  ASSERT_THAT(attach(segment->id(), view), SyscallSucceeds());
  EXPECT_THAT(::shmdt(static_cast<char*>(view) + 1), SyscallFailsWithErrno(EINVAL));
  EXPECT_EQ(segment->views(), 1U);
  ASSERT_THAT(::shmdt(view), SyscallSucceeds());
  EXPECT_THAT(::shmdt(view), SyscallFailsWithErrno(EINVAL)) << "detached twice";
  const Mapping memory(-1, memory_page(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
  EXPECT_THAT(::shmdt(memory.data()), SyscallFailsWithErrno(EINVAL)) << "no segment";
}

GAUNTLET_CASE(SharedMemoryConformance, Shmdt_View_IsNotMappedAnyMore,
              .clause = "POSIX.1-2024 shmdt() DESCRIPTION") {
  const auto segment = SysvSegment::create(memory_page());
  if (!segment) return context.not_created(segment.error());
  void* view = nullptr;
  ASSERT_THAT(attach(segment->id(), view), SyscallSucceeds());
  ASSERT_THAT(::shmdt(view), SyscallSucceeds());
  std::byte seen{};
  EXPECT_EQ(region_suite::load(static_cast<std::byte*>(view), {&seen, 1}).signal, SIGSEGV);
}

}  // namespace
}  // namespace gauntlet
