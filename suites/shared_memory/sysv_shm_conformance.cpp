// What shmget() and shmctl() promise: keys, sizes, permissions, limits, and the facts of a segment.
#include <gmock/gmock.h>

#include <ctime>

#include "cases/context.h"
#include "shared_memory/shared_objects.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/system_setting.h"

namespace gauntlet {
namespace {

using testing::AnyOf;

GAUNTLET_CASE(SharedMemoryConformance, Shmget_Private_MakesANewSegmentEachTime,
              .clause = "POSIX.1-2024 shmget() DESCRIPTION (IPC_PRIVATE)") {
  const auto one = SysvSegment::create(1);
  const auto two = SysvSegment::create(1);
  if (!one || !two) return context.not_created(one ? two.error() : one.error());
  EXPECT_NE(one->id(), two->id());
}

GAUNTLET_CASE(SharedMemoryConformance, Shmget_SameKeyTwice_AnswersTheSameSegment,
              .clause = "POSIX.1-2024 shmget() DESCRIPTION") {
  const auto segment = SysvSegment::create_with_key(context.seed(), 100);
  if (!segment) return context.not_created(segment.error());
  const key_t key = segment->key();
  EXPECT_THAT(::shmget(key, 100, 0600), SyscallSucceedsWithValue(segment->id()));
  EXPECT_THAT(::shmget(key, 0, 0), SyscallSucceedsWithValue(segment->id()));
  EXPECT_THAT(::shmget(key, 50, IPC_CREAT | 0600), SyscallSucceedsWithValue(segment->id()));
}

GAUNTLET_CASE(SharedMemoryConformance, Shmget_ExclusiveAndKeyTaken_FailsWithEexist,
              .clause = "POSIX.1-2024 shmget() ERRORS [EEXIST]") {
  const auto segment = SysvSegment::create_with_key(context.seed(), 100);
  if (!segment) return context.not_created(segment.error());
  EXPECT_THAT(::shmget(segment->key(), 100, IPC_CREAT | IPC_EXCL | 0600),
              SyscallFailsWithErrno(EEXIST));
}

GAUNTLET_CASE(SharedMemoryConformance, Shmget_UnknownKeyWithoutCreat_FailsWithEnoent,
              .clause = "POSIX.1-2024 shmget() ERRORS [ENOENT]") {
  auto segment = SysvSegment::create_with_key(context.seed(), 100);
  if (!segment) return context.not_created(segment.error());
  segment->remove();
  EXPECT_THAT(::shmget(segment->key(), 100, 0600), SyscallFailsWithErrno(ENOENT));
}

// Nothing, more than SHMMAX, or more than the segment of that key has.
GAUNTLET_CASE(SharedMemoryConformance, Shmget_SizeOutOfRange_FailsWithEinval,
              .clause = "POSIX.1-2024 shmget() ERRORS [EINVAL]; shmget(2) SHMMIN, SHMMAX") {
  EXPECT_THAT(::shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::shmget(IPC_PRIVATE, SIZE_MAX, IPC_CREAT | 0600), SyscallFailsWithErrno(EINVAL));
  const auto segment = SysvSegment::create_with_key(context.seed(), 100);
  if (!segment) return context.not_created(segment.error());
  EXPECT_THAT(::shmget(segment->key(), 101, 0600), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SharedMemoryConformance, Shmget_ModeForbidsIt_FailsWithEacces,
              .clause = "POSIX.1-2024 shmget() ERRORS [EACCES]") {
  const auto segment = SysvSegment::create_with_key(context.seed(), 1, 0400);
  if (!segment) return context.not_created(segment.error());
  const key_t key = segment->key();
  EXPECT_THAT(call_without_capabilities(context, [=] { return ::shmget(key, 1, 0200); }),
              SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(call_without_capabilities(context, [=] { return ::shmget(key, 1, 0400); }),
              SyscallSucceedsWithValue(segment->id()));
}

GAUNTLET_CASE(SharedMemoryConformance, Shmget_NewSegment_HasTheFactsOfAFreshOne,
              .clause = "POSIX.1-2024 shmget() DESCRIPTION (the data structure is initialized)") {
  const std::time_t before = std::time(nullptr);
  const auto segment = SysvSegment::create(5001, 0640);
  if (!segment) return context.not_created(segment.error());
  const shmid_ds status = segment->status();
  EXPECT_EQ(status.shm_segsz, 5001U);
  EXPECT_EQ(status.shm_nattch, 0U);
  EXPECT_EQ(status.shm_lpid, 0);
  EXPECT_EQ(status.shm_cpid, ::getpid());
  EXPECT_EQ(status.shm_atime, 0);
  EXPECT_EQ(status.shm_dtime, 0);
  EXPECT_GE(status.shm_ctime, before);
  EXPECT_EQ(status.shm_perm.mode & 0777, 0640);
  EXPECT_EQ(status.shm_perm.cuid, ::geteuid());
  EXPECT_EQ(status.shm_perm.uid, ::geteuid());
  EXPECT_EQ(status.shm_perm.cgid, ::getegid());
}

GAUNTLET_CASE(SharedMemoryConformance, ShmctlSet_OwnerAndMode_AreChangedAndNothingElse,
              .clause = "POSIX.1-2024 shmctl() IPC_SET") {
  const auto segment = SysvSegment::create(100);
  if (!segment) return context.not_created(segment.error());
  shmid_ds status = segment->status();
  status.shm_perm.mode = 0444;
  status.shm_segsz = 1;
  ASSERT_THAT(::shmctl(segment->id(), IPC_SET, &status), SyscallSucceeds());
  EXPECT_EQ(segment->status().shm_perm.mode & 0777, 0444);
  EXPECT_EQ(segment->status().shm_segsz, 100U);
}

GAUNTLET_CASE(SharedMemoryConformance, Shmctl_OfAnotherUsersSegment_FailsWithEperm,
              .clause = "POSIX.1-2024 shmctl() ERRORS [EPERM]") {
  const auto segment = SysvSegment::create(100, 0666);
  if (!segment) return context.not_created(segment.error());
  const int id = segment->id();
  const auto removed = call_as_stranger(context, [=] { return ::shmctl(id, IPC_RMID, nullptr); });
  if (!removed) return;
  EXPECT_THAT(*removed, SyscallFailsWithErrno(EPERM));
  shmid_ds status = segment->status();
  const auto set = call_as_stranger(context, [&] { return ::shmctl(id, IPC_SET, &status); });
  EXPECT_THAT(*set, SyscallFailsWithErrno(EPERM));
  EXPECT_EQ(segment->views(), 0U) << "it is gone all the same";
}

GAUNTLET_CASE(SharedMemoryConformance, ShmctlStat_WithoutReadPermission_FailsWithEacces,
              .clause = "POSIX.1-2024 shmctl() ERRORS [EACCES]") {
  const auto segment = SysvSegment::create(100, 0200);
  if (!segment) return context.not_created(segment.error());
  shmid_ds status{};
  EXPECT_THAT(call_without_capabilities(context,
                                        [&] { return ::shmctl(segment->id(), IPC_STAT, &status); }),
              SyscallFailsWithErrno(EACCES));
}

GAUNTLET_CASE(SharedMemoryConformance, Shmctl_UnknownIdOrCommand_FailsWithEinval,
              .clause = "POSIX.1-2024 shmctl() ERRORS [EINVAL]") {
  const auto segment = SysvSegment::create(100);
  if (!segment) return context.not_created(segment.error());
  shmid_ds status{};
  EXPECT_THAT(::shmctl(-1, IPC_STAT, &status), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::shmctl(segment->id(), 0x7fff, &status), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SharedMemoryConformance, Shmctl_BufferOutsideMemory_FailsWithEfault,
              .clause = "shmctl(2) ERRORS [EFAULT]") {
  const auto segment = SysvSegment::create(100);
  if (!segment) return context.not_created(segment.error());
  const Mapping nothing(-1, memory_page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
  ASSERT_TRUE(nothing.mapped());
  auto* const outside = reinterpret_cast<shmid_ds*>(nothing.data());
  EXPECT_THAT(::shmctl(segment->id(), IPC_STAT, outside), SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(::shmctl(segment->id(), IPC_SET, outside), SyscallFailsWithErrno(EFAULT));
}

// The limits that IPC_INFO tells are those of the namespace.
GAUNTLET_CASE(SharedMemoryConformance, ShmctlInfo_Limits_AreThoseOfProc,
              .clause = "shmctl(2) IPC_INFO; proc(5) shmmax, shmall, shmmni") {
  shminfo limits{};
  if (::shmctl(0, IPC_INFO, reinterpret_cast<shmid_ds*>(&limits)) < 0) {
    return context.unsupported("shmctl(IPC_INFO)", errno_name(errno));
  }
  const auto most = system_number("/proc/sys/kernel/shmmni");
  if (!most) return context.unsupported("/proc/sys/kernel/shmmni", "nothing to read");
  EXPECT_EQ(limits.shmmni, static_cast<unsigned long>(*most));
  EXPECT_EQ(limits.shmmin, 1U);
}

// SHM_INFO counts segments and pages, and what was removed is not counted any more.
GAUNTLET_CASE(SharedMemoryConformance, ShmctlShmInfo_Segments_AreCounted,
              .clause = "shmctl(2) SHM_INFO (used_ids, shm_tot)", .needs = {Need::private_ipc}) {
  const auto counted = [] {
    shm_info info{};
    static_cast<void>(::shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&info)));
    return info;
  };
  const shm_info before = counted();
  auto segment = SysvSegment::create(3 * memory_page() + 1);
  if (!segment) return context.not_created(segment.error());
  EXPECT_EQ(counted().used_ids, before.used_ids + 1);
  EXPECT_EQ(counted().shm_tot, before.shm_tot + 4);
  ASSERT_THAT(segment->remove(), SyscallSucceeds());
  EXPECT_EQ(counted().used_ids, before.used_ids);
  EXPECT_EQ(counted().shm_tot, before.shm_tot);
}

// Every segment is found by walking the kernel's table from 0 to the index that SHM_INFO answers.
GAUNTLET_CASE(SharedMemoryConformance, ShmctlShmStat_WalkOverTheTable_FindsEverySegment,
              .clause = "shmctl(2) SHM_STAT; ERRORS [EINVAL] (an unused slot)",
              .needs = {Need::private_ipc}) {
  const auto one = SysvSegment::create(11);
  const auto two = SysvSegment::create(22);
  if (!one || !two) return context.not_created(one ? two.error() : one.error());
  shm_info info{};
  const int last = ::shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&info));
  ASSERT_THAT(last, SyscallSucceeds());
  std::size_t found = 0;
  for (int index = 0; index <= last; ++index) {
    shmid_ds status{};
    const int id = ::shmctl(index, SHM_STAT, &status);
    if (id == one->id() && status.shm_segsz == 11) ++found;
    if (id == two->id() && status.shm_segsz == 22) ++found;
  }
  EXPECT_EQ(found, 2U);
  shmid_ds status{};
  EXPECT_THAT(::shmctl(last + 1, SHM_STAT, &status), SyscallFailsWithErrno(EINVAL));
}

// SHM_STAT asks for read permission, SHM_STAT_ANY does not.
GAUNTLET_CASE(SharedMemoryConformance, ShmctlShmStatAny_WithoutReadPermission_Answers,
              .clause = "shmctl(2) SHM_STAT_ANY (since Linux 4.17); SHM_STAT [EACCES]",
              .needs = {Need::private_ipc}) {
#ifdef SHM_STAT_ANY
  const auto segment = SysvSegment::create(33, 0200);
  if (!segment) return context.not_created(segment.error());
  shm_info info{};
  const int last = ::shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&info));
  shmid_ds status{};
  EXPECT_THAT(call_without_capabilities(context, [&] { return ::shmctl(last, SHM_STAT, &status); }),
              SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(
      call_without_capabilities(context, [&] { return ::shmctl(last, SHM_STAT_ANY, &status); }),
      SyscallSucceedsWithValue(segment->id()));
#else
  context.unsupported("SHM_STAT_ANY", "not in this system's headers");
#endif
}

GAUNTLET_CASE(SharedMemoryConformance, ShmctlLock_Segment_IsMarkedLockedUntilUnlocked,
              .clause = "shmctl(2) SHM_LOCK, SHM_UNLOCK, SHM_LOCKED") {
  const auto segment = SysvSegment::create(memory_page());
  if (!segment) return context.not_created(segment.error());
  if (::shmctl(segment->id(), SHM_LOCK, nullptr) != 0) {
    return context.not_created(system_error("shmctl"));
  }
  EXPECT_NE(segment->status().shm_perm.mode & SHM_LOCKED, 0);
  ASSERT_THAT(::shmctl(segment->id(), SHM_UNLOCK, nullptr), SyscallSucceeds());
  EXPECT_EQ(segment->status().shm_perm.mode & SHM_LOCKED, 0);
}

// A removed segment that nobody has attached is gone for every call. shmctl(2) calls it EIDRM,
// POSIX an id that is not valid; both are accepted.
GAUNTLET_CASE(SharedMemoryConformance, ShmctlRmid_NotAttached_IsGoneForEveryCall,
              .clause = "POSIX.1-2024 shmctl() IPC_RMID; ERRORS [EINVAL], shmctl(2) [EIDRM]") {
  auto segment = SysvSegment::create_with_key(context.seed(), 100);
  if (!segment) return context.not_created(segment.error());
  const int id = segment->id();
  ASSERT_THAT(segment->remove(), SyscallSucceeds());
  const auto gone = SyscallFailsWithErrno(AnyOf(EINVAL, EIDRM));
  shmid_ds status{};
  EXPECT_THAT(::shmctl(id, IPC_STAT, &status), gone);
  EXPECT_THAT(::shmctl(id, IPC_RMID, nullptr), gone);
  EXPECT_THAT(try_attach(id), gone);
  EXPECT_THAT(::shmget(segment->key(), 0, 0), SyscallFailsWithErrno(ENOENT));
}

// Removed while attached: marked, its key is free at once, its bytes stay, and it goes when the
// last view does. Until then Linux lets others attach to it by its id.
GAUNTLET_CASE(SharedMemoryConformance, ShmctlRmid_Attached_StaysUntilTheLastDetach,
              .clause = "shmctl(2) IPC_RMID (SHM_DEST); shmop(2) VERSIONS") {
  const auto segment = SysvSegment::create_with_key(context.seed(), 100);
  if (!segment) return context.not_created(segment.error());
  const int id = segment->id();
  void* view = nullptr;
  ASSERT_THAT(attach(id, view), SyscallSucceeds());
  static_cast<char*>(view)[0] = 'x';
  ASSERT_THAT(::shmctl(id, IPC_RMID, nullptr), SyscallSucceeds());
  EXPECT_NE(segment->status().shm_perm.mode & SHM_DEST, 0);
  EXPECT_EQ(segment->status().shm_perm.__key, IPC_PRIVATE);
  EXPECT_THAT(::shmget(segment->key(), 0, 0), SyscallFailsWithErrno(ENOENT));
  void* second = nullptr;
  ASSERT_THAT(attach(id, second), SyscallSucceeds());
  EXPECT_EQ(static_cast<char*>(second)[0], 'x');
  ASSERT_THAT(::shmdt(view), SyscallSucceeds());
  EXPECT_EQ(static_cast<char*>(second)[0], 'x') << "one view is left";
  ASSERT_THAT(::shmdt(second), SyscallSucceeds());
  EXPECT_THAT(try_attach(id), SyscallFailsWithErrno(AnyOf(EINVAL, EIDRM)));
}

}  // namespace
}  // namespace gauntlet
