// What the kernel takes back when a process that had shared memory is killed.
#include <gmock/gmock.h>
#include <sys/statvfs.h>

#include "cases/context.h"
#include "shared_memory/shared_objects.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using testing::AnyOf;

/// Sleeps until it is killed.
long sleep_for_good() { return ::pause(); }

// A killed process's views are detached and counted down. It could fail if only shmdt() counted.
GAUNTLET_CASE(SharedMemoryCrashes, AttachedProcessKilled_IsNotCountedAnyMore,
              .clause = "POSIX.1-2024 _Exit() (shm_nattch is decremented); shmop(2)") {
  const auto segment = SysvSegment::create(memory_page());
  if (!segment) return context.not_created(segment.error());
  ChildCall child(context, [&]() -> long {
    void* one = nullptr;
    void* two = nullptr;
    if (attach(segment->id(), one) != 0 || attach(segment->id(), two) != 0) return -1;
    *static_cast<char*>(one) = 'k';
    return sleep_for_good();
  });
  ASSERT_TRUE(child.is_asleep());
  ASSERT_EQ(segment->views(), 2U);
  ASSERT_TRUE(child.kill());
  EXPECT_EQ(segment->views(), 0U);
  void* view = nullptr;
  ASSERT_THAT(attach(segment->id(), view), SyscallSucceeds());
  EXPECT_EQ(*static_cast<char*>(view), 'k') << "what it stored";
  ASSERT_THAT(::shmdt(view), SyscallSucceeds());
}

// A segment that is marked for removal goes with its last holder, however that one ends. It could
// fail if the mark were only looked at by shmdt().
GAUNTLET_CASE(SharedMemoryCrashes, LastHolderOfAMarkedSegmentKilled_SegmentIsGone,
              .clause = "shmctl(2) IPC_RMID (destroyed after the last process detaches it)") {
  const auto segment = SysvSegment::create(memory_page());
  if (!segment) return context.not_created(segment.error());
  const int id = segment->id();
  ChildCall child(context, [&]() -> long {
    void* view = nullptr;
    return attach(id, view) != 0 ? -1 : sleep_for_good();
  });
  ASSERT_TRUE(child.is_asleep());
  ASSERT_THAT(::shmctl(id, IPC_RMID, nullptr), SyscallSucceeds());
  EXPECT_THAT(try_attach(id), SyscallSucceeds()) << "the holder lives";
  ASSERT_TRUE(child.kill());
  EXPECT_THAT(try_attach(id), SyscallFailsWithErrno(AnyOf(EINVAL, EIDRM)));
}

// The memory of an unlinked object is free when the last process that had it mapped is killed. It
// could fail if a reference were only dropped by close() or munmap().
GAUNTLET_CASE(SharedMemoryCrashes, LastHolderOfAnUnlinkedObjectKilled_MemoryIsFree,
              .clause = "POSIX.1-2024 shm_unlink(), _Exit() (memory mappings are unmapped)",
              .needs = {Need::private_mount}) {
  constexpr std::size_t kPages = 16;
  const auto free_blocks = [] {
    struct statvfs status {};
    return ::statvfs("/dev/shm", &status) == 0 ? static_cast<long>(status.f_bfree) : -1;
  };
  const long before = free_blocks();
  auto object = ShmObject::create(context.scope(), kPages * memory_page());
  if (!object) return context.not_created(object.error());
  ChildCall child(context, [&]() -> long {
    const Mapping memory(object->fd(), kPages * memory_page());
    if (!memory.mapped()) return -1;
    for (std::size_t page = 0; page < kPages; ++page) memory[page * memory_page()] = std::byte{1};
    return sleep_for_good();
  });
  ASSERT_TRUE(child.is_asleep());
  ASSERT_THAT(::shm_unlink(object->name()), SyscallSucceeds());
  object->close();
  EXPECT_LT(free_blocks(), before) << "the memory of a mapped object is free";
  ASSERT_TRUE(child.kill());
  EXPECT_EQ(free_blocks(), before) << "the memory of the dead is still in use";
}

}  // namespace
}  // namespace gauntlet
