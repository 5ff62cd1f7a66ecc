// What mmap(), mprotect() and munmap() promise of shared memory objects.
#include <gmock/gmock.h>

#include <csignal>

#include "cases/context.h"
#include "contracts/region/touch.h"
#include "shared_memory/shared_objects.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

/// The signal that a load or store of one byte raises; 0: none.
int signal_of_load(const std::byte* at) {
  std::byte seen{};
  return region_suite::load(at, {&seen, 1}).signal;
}
int signal_of_store(std::byte* at) {
  const std::byte byte{1};
  return region_suite::store({&byte, 1}, at).signal;
}

GAUNTLET_CASE(SharedMemoryConformance, Mmap_Private_StoresAreSeenByNobodyElse,
              .clause = "POSIX.1-2024 mmap() MAP_PRIVATE") {
  const auto object = ShmObject::create(context.scope(), memory_page());
  if (!object) return context.not_created(object.error());
  const Mapping shared(object->fd(), memory_page());
  const Mapping copy(object->fd(), memory_page(), PROT_READ | PROT_WRITE, MAP_PRIVATE);
  ASSERT_TRUE(shared.mapped() && copy.mapped());
  copy[0] = std::byte{1};
  EXPECT_EQ(shared[0], std::byte{0});
  shared[0] = std::byte{2};
  EXPECT_EQ(copy[0], std::byte{1}) << "a page that was stored to follows the object";
}

GAUNTLET_CASE(SharedMemoryConformance, Mmap_BadArguments_FailWithEinval,
              .clause = "POSIX.1-2024 mmap() ERRORS [EINVAL] (length, offset, flags)") {
  const auto object = ShmObject::create(context.scope(), 2 * memory_page());
  if (!object) return context.not_created(object.error());
  EXPECT_THAT(try_map(object->fd(), 0, PROT_READ), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(try_map(object->fd(), memory_page(), PROT_READ, 0), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(try_map(object->fd(), memory_page(), PROT_READ, MAP_SHARED, 1),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SharedMemoryConformance, Mmap_DescriptorNotOpen_FailsWithEbadf,
              .clause = "POSIX.1-2024 mmap() ERRORS [EBADF]") {
  EXPECT_THAT(try_map(-1, memory_page(), PROT_READ), SyscallFailsWithErrno(EBADF));
}

GAUNTLET_CASE(SharedMemoryConformance, MmapFixedNoreplace_PlaceInUse_FailsWithEexist,
              .clause = "mmap(2) MAP_FIXED_NOREPLACE; ERRORS [EEXIST]") {
  const auto object = ShmObject::create(context.scope(), memory_page());
  if (!object) return context.not_created(object.error());
  const Mapping memory(object->fd(), memory_page());
  ASSERT_TRUE(memory.mapped());
  memory[0] = std::byte{5};
  void* const again = ::mmap(memory.data(), memory_page(), PROT_READ,
                             MAP_SHARED | MAP_FIXED_NOREPLACE, object->fd(), 0);
  EXPECT_THAT(again == MAP_FAILED ? -1 : 0, SyscallFailsWithErrno(EEXIST));
  EXPECT_EQ(memory[0], std::byte{5});
}

// MAP_FIXED puts the new mapping where it was asked for, in place of what was there.
GAUNTLET_CASE(SharedMemoryConformance, MmapFixed_PlaceInUse_IsReplaced,
              .clause = "POSIX.1-2024 mmap() MAP_FIXED") {
  const auto object = ShmObject::create(context.scope(), memory_page());
  if (!object) return context.not_created(object.error());
  const Mapping place(-1, memory_page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  const Mapping memory(object->fd(), memory_page());
  ASSERT_TRUE(place.mapped() && memory.mapped());
  memory[3] = std::byte{6};
  ASSERT_EQ(::mmap(place.data(), memory_page(), PROT_READ, MAP_SHARED | MAP_FIXED, object->fd(), 0),
            place.data());
  EXPECT_EQ(place[3], std::byte{6});
}

// Past the page in which the object ends there is nothing: SIGBUS. The rest of that page is zero.
GAUNTLET_CASE(SharedMemoryConformance, Mmap_LongerThanTheObject_PastItsLastPageRaisesSigbus,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (SIGBUS; the remainder is zero-filled)") {
  const auto object = ShmObject::create(context.scope(), memory_page() + 10);
  if (!object) return context.not_created(object.error());
  const Mapping memory(object->fd(), 4 * memory_page());
  ASSERT_TRUE(memory.mapped());
  EXPECT_EQ(signal_of_load(&memory[memory_page() + 9]), 0);
  EXPECT_EQ(signal_of_load(&memory[2 * memory_page() - 1]), 0);
  EXPECT_EQ(memory[2 * memory_page() - 1], std::byte{0});
  EXPECT_EQ(signal_of_load(&memory[2 * memory_page()]), SIGBUS);
  EXPECT_EQ(signal_of_store(&memory[4 * memory_page() - 1]), SIGBUS);
  ASSERT_THAT(::ftruncate(object->fd(), static_cast<off_t>(4 * memory_page())), SyscallSucceeds());
  EXPECT_EQ(signal_of_store(&memory[4 * memory_page() - 1]), 0);
}

GAUNTLET_CASE(SharedMemoryConformance, Mmap_DescriptorClosed_MappingStays,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (an extra reference to the file)") {
  auto object = ShmObject::create(context.scope(), memory_page());
  if (!object) return context.not_created(object.error());
  const Mapping memory(object->fd(), memory_page());
  const Mapping second(object->fd(), memory_page());
  ASSERT_TRUE(memory.mapped() && second.mapped());
  object->close();
  memory[8] = std::byte{3};
  EXPECT_EQ(second[8], std::byte{3});
}

GAUNTLET_CASE(SharedMemoryConformance, Mmap_Shared_ChildInheritsTheMapping,
              .clause = "POSIX.1-2024 fork(): memory mappings; MAP_SHARED") {
  const Mapping memory(-1, memory_page(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  ASSERT_TRUE(memory.mapped());
  memory[0] = std::byte{1};
  ChildCall child(context, [&]() -> long {
    const bool seen = memory[0] == std::byte{1};
    memory[1] = std::byte{2};
    return seen ? 0 : 1;
  });
  EXPECT_THAT(child.finish(), SyscallSucceedsWithValue(0));
  EXPECT_EQ(memory[1], std::byte{2});
}

GAUNTLET_CASE(SharedMemoryConformance, Mprotect_Protection_IsObeyedAtOnce,
              .clause = "POSIX.1-2024 mprotect() DESCRIPTION (SIGSEGV)") {
  const auto object = ShmObject::create(context.scope(), 2 * memory_page());
  if (!object) return context.not_created(object.error());
  const Mapping memory(object->fd(), 2 * memory_page());
  ASSERT_TRUE(memory.mapped());
  ASSERT_THAT(::mprotect(memory.data(), memory_page(), PROT_READ), SyscallSucceeds());
  EXPECT_EQ(signal_of_store(&memory[0]), SIGSEGV);
  EXPECT_EQ(signal_of_load(&memory[0]), 0);
  EXPECT_EQ(signal_of_store(&memory[memory_page()]), 0) << "the page behind it";
  ASSERT_THAT(::mprotect(memory.data(), memory_page(), PROT_NONE), SyscallSucceeds());
  EXPECT_EQ(signal_of_load(&memory[0]), SIGSEGV);
  ASSERT_THAT(::mprotect(memory.data(), memory_page(), PROT_READ | PROT_WRITE), SyscallSucceeds());
  EXPECT_EQ(signal_of_store(&memory[0]), 0);
}

GAUNTLET_CASE(SharedMemoryConformance, Mprotect_BadRange_FailsWithEinvalOrEnomem,
              .clause = "POSIX.1-2024 mprotect() ERRORS [EINVAL], [ENOMEM]") {
  const auto object = ShmObject::create(context.scope(), 2 * memory_page());
  if (!object) return context.not_created(object.error());
  const Mapping memory(object->fd(), 2 * memory_page());
  ASSERT_TRUE(memory.mapped());
  EXPECT_THAT(::mprotect(memory.data() + 1, 10, PROT_READ), SyscallFailsWithErrno(EINVAL));
  ASSERT_THAT(::munmap(memory.data() + memory_page(), memory_page()), SyscallSucceeds());
  EXPECT_THAT(::mprotect(memory.data(), 2 * memory_page(), PROT_READ),
              SyscallFailsWithErrno(ENOMEM));
}

// Any whole pages can go, and what stands beside them stays.
GAUNTLET_CASE(SharedMemoryConformance, Munmap_PageInTheMiddle_OthersStay,
              .clause = "POSIX.1-2024 munmap() DESCRIPTION (SIGSEGV); ERRORS [EINVAL]") {
  const auto object = ShmObject::create(context.scope(), 3 * memory_page());
  if (!object) return context.not_created(object.error());
  const Mapping memory(object->fd(), 3 * memory_page());
  ASSERT_TRUE(memory.mapped());
  memory[0] = std::byte{1};
  memory[2 * memory_page()] = std::byte{3};
  EXPECT_THAT(::munmap(memory.data() + 1, memory_page()), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::munmap(memory.data(), 0), SyscallFailsWithErrno(EINVAL));
  ASSERT_THAT(::munmap(memory.data() + memory_page(), memory_page()), SyscallSucceeds());
  EXPECT_EQ(signal_of_load(&memory[memory_page()]), SIGSEGV);
  EXPECT_EQ(memory[0], std::byte{1});
  EXPECT_EQ(memory[2 * memory_page()], std::byte{3});
}

}  // namespace
}  // namespace gauntlet
