// What semget() and semctl() promise: keys, permissions, limits, values, and the facts of a set.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ctime>

#include "cases/context.h"
#include "semaphores/sysv_set.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/system_setting.h"

namespace gauntlet {
namespace {

using testing::AnyOf;

GAUNTLET_CASE(SemaphoresConformance, Semget_Private_MakesANewSetEachTime,
              .clause = "POSIX.1-2024 semget() DESCRIPTION (IPC_PRIVATE)") {
  const auto one = SysvSet::create({0});
  const auto two = SysvSet::create({0});
  if (!one || !two) return context.not_created(one ? two.error() : one.error());
  EXPECT_NE(one->id(), two->id());
}

GAUNTLET_CASE(SemaphoresConformance, Semget_SameKeyTwice_AnswersTheSameSet,
              .clause = "POSIX.1-2024 semget() DESCRIPTION") {
  const auto set = SysvSet::create_with_key(context.seed(), 2, 0600);
  if (!set) return context.not_created(set.error());
  const key_t key = set->key();
  EXPECT_THAT(::semget(key, 2, 0600), SyscallSucceedsWithValue(set->id()));
  EXPECT_THAT(::semget(key, 0, 0600), SyscallSucceedsWithValue(set->id()));
  EXPECT_THAT(::semget(key, 1, IPC_CREAT | 0600), SyscallSucceedsWithValue(set->id()));
}

GAUNTLET_CASE(SemaphoresConformance, Semget_ExclusiveAndKeyTaken_FailsWithEexist,
              .clause = "POSIX.1-2024 semget() ERRORS [EEXIST]") {
  const auto set = SysvSet::create_with_key(context.seed(), 1, 0600);
  if (!set) return context.not_created(set.error());
  const key_t key = set->key();
  EXPECT_THAT(::semget(key, 1, IPC_CREAT | IPC_EXCL | 0600), SyscallFailsWithErrno(EEXIST));
}

GAUNTLET_CASE(SemaphoresConformance, Semget_UnknownKeyWithoutCreat_FailsWithEnoent,
              .clause = "POSIX.1-2024 semget() ERRORS [ENOENT]") {
  auto set = SysvSet::create_with_key(context.seed(), 1, 0600);
  if (!set) return context.not_created(set.error());
  const key_t key = set->key();
  set->remove();
  EXPECT_THAT(::semget(key, 1, 0600), SyscallFailsWithErrno(ENOENT));
}

// More semaphores than the existing set has, none at all in a new one, or more than SEMMSL.
GAUNTLET_CASE(SemaphoresConformance, Semget_CountOutOfRange_FailsWithEinval,
              .clause = "POSIX.1-2024 semget() ERRORS [EINVAL]; semget(2) SEMMSL") {
  const auto most = system_number("/proc/sys/kernel/sem", 0);
  if (!most) return context.unsupported("/proc/sys/kernel/sem", "nothing to read");
  const auto set = SysvSet::create_with_key(context.seed(), 2, 0600);
  if (!set) return context.not_created(set.error());
  const key_t key = set->key();
  EXPECT_THAT(::semget(key, 3, 0600), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::semget(IPC_PRIVATE, 0, IPC_CREAT | 0600), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::semget(IPC_PRIVATE, -1, IPC_CREAT | 0600), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::semget(IPC_PRIVATE, static_cast<int>(*most + 1), IPC_CREAT | 0600),
              SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SemaphoresConformance, Semget_ModeForbidsIt_FailsWithEacces,
              .clause = "POSIX.1-2024 semget() ERRORS [EACCES]") {
  const auto set = SysvSet::create_with_key(context.seed(), 1, 0400);
  if (!set) return context.not_created(set.error());
  const key_t key = set->key();
  EXPECT_THAT(call_without_capabilities(context, [&] { return ::semget(key, 1, 0200); }),
              SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(call_without_capabilities(context, [&] { return ::semget(key, 1, 0400); }),
              SyscallSucceedsWithValue(set->id()));
}

// SEMMNI sets exist already; and, apart from that, SEMMNS semaphores.
GAUNTLET_CASE(SemaphoresConformance, Semget_SetOrSemaphoreLimitReached_FailsWithEnospc,
              .clause = "POSIX.1-2024 semget() ERRORS [ENOSPC]; semget(2) SEMMNI, SEMMNS",
              .needs = {Need::private_ipc}) {
  {
    const PrivateIpcSetting one_set(context, "/proc/sys/kernel/sem", "16 100 16 1");
    if (!one_set.set()) return;
    const auto set = SysvSet::create({0});
    if (!set) return context.not_created(set.error());
    EXPECT_THAT(::semget(IPC_PRIVATE, 1, IPC_CREAT | 0600), SyscallFailsWithErrno(ENOSPC))
        << "with SEMMNI 1 and one set";
  }
  const PrivateIpcSetting three_semaphores(context, "/proc/sys/kernel/sem", "16 3 16 100");
  if (!three_semaphores.set()) return;
  const auto set = SysvSet::create({0, 0});
  if (!set) return context.not_created(set.error());
  EXPECT_THAT(::semget(IPC_PRIVATE, 2, IPC_CREAT | 0600), SyscallFailsWithErrno(ENOSPC))
      << "with SEMMNS 3 and two semaphores";
}

GAUNTLET_CASE(SemaphoresConformance, Semget_NewSet_HasTheFactsOfAFreshOne,
              .clause = "POSIX.1-2024 semget() DESCRIPTION (the data structure is initialized)") {
  const std::time_t before = std::time(nullptr);
  const auto set = SysvSet::create_raw(3, 0640);
  if (!set) return context.not_created(set.error());
  const auto status = set->status();
  ASSERT_TRUE(status.has_value()) << describe(status.error());
  EXPECT_EQ(status->sem_nsems, 3u);
  EXPECT_EQ(status->sem_otime, 0);
  EXPECT_GE(status->sem_ctime, before);
  EXPECT_EQ(status->sem_perm.cuid, ::geteuid());
  EXPECT_EQ(status->sem_perm.mode & 0777, 0640);
  // semget(2): POSIX leaves the first values open, Linux makes them zero.
  context.observed("first_value_of_a_new_semaphore", std::to_string(set->value()));
}

// What SETVAL and SETALL write, GETVAL and GETALL read.
GAUNTLET_CASE(SemaphoresConformance, SemctlSet_Values_AreReadBack,
              .clause = "POSIX.1-2024 semctl() SETVAL, SETALL, GETVAL, GETALL") {
  const auto set = SysvSet::create({1, 2, 3});
  if (!set) return context.not_created(set.error());
  ASSERT_THAT(set->set_value(20, 1), SyscallSucceeds());
  unsigned short values[3] = {};
  SemctlArgument argument = {};
  argument.values = values;
  ASSERT_THAT(::semctl(set->id(), 0, GETALL, argument), SyscallSucceeds());
  EXPECT_THAT(values, testing::ElementsAre(1, 20, 3));
}

// Values end at SEMVMX, and a refused SETALL has changed nothing.
GAUNTLET_CASE(SemaphoresConformance, SemctlSet_ValueOutOfRange_FailsWithErangeAndChangesNothing,
              .clause = "POSIX.1-2024 semctl() ERRORS [ERANGE]; semctl(2) SEMVMX") {
  const auto limits = semaphore_limits();
  if (!limits) return context.unsupported("semctl(IPC_INFO)", errno_name(errno));
  const auto set = SysvSet::create({4, 5});
  if (!set) return context.not_created(set.error());
  EXPECT_THAT(set->set_value(-1), SyscallFailsWithErrno(ERANGE));
  EXPECT_THAT(set->set_value(limits->semvmx + 1), SyscallFailsWithErrno(ERANGE));
  const auto over = static_cast<unsigned short>(limits->semvmx + 1);
  if (over > limits->semvmx) {
    EXPECT_THAT(set->set_all({9, over}), SyscallFailsWithErrno(ERANGE));
  }
  EXPECT_EQ(set->value(0), 4);
  EXPECT_EQ(set->value(1), 5);
  EXPECT_THAT(set->set_value(limits->semvmx), SyscallSucceeds());
}

GAUNTLET_CASE(SemaphoresConformance, Semctl_UnknownIdNumberOrCommand_FailsWithEinval,
              .clause = "POSIX.1-2024 semctl() ERRORS [EINVAL]") {
  const auto set = SysvSet::create({0, 0});
  if (!set) return context.not_created(set.error());
  EXPECT_THAT(::semctl(-1, 0, GETVAL), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::semctl(set->id(), 2, GETVAL), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::semctl(set->id(), -1, GETVAL), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::semctl(set->id(), 0, 0x7fff), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SemaphoresConformance, Semctl_ArgumentOutsideMemory_FailsWithEfault,
              .clause = "semctl(2) ERRORS [EFAULT]") {
  const auto set = SysvSet::create({0});
  if (!set) return context.not_created(set.error());
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const unmapped = ::mmap(nullptr, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(unmapped, MAP_FAILED);
  SemctlArgument status = {};
  status.status = static_cast<semid_ds*>(unmapped);
  EXPECT_THAT(::semctl(set->id(), 0, IPC_STAT, status), SyscallFailsWithErrno(EFAULT));
  SemctlArgument values = {};
  values.values = static_cast<unsigned short*>(unmapped);
  EXPECT_THAT(::semctl(set->id(), 0, GETALL, values), SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(::semctl(set->id(), 0, SETALL, values), SyscallFailsWithErrno(EFAULT));
  ::munmap(unmapped, page);
}

GAUNTLET_CASE(SemaphoresConformance, Semctl_ModeForbidsIt_FailsWithEacces,
              .clause = "POSIX.1-2024 semctl() ERRORS [EACCES]") {
  const auto read_only = SysvSet::create_raw(1, 0400);
  if (!read_only) return context.not_created(read_only.error());
  EXPECT_THAT(call_without_capabilities(context, [&] { return read_only->set_value(2); }),
              SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(call_without_capabilities(context, [&] { return read_only->value(); }),
              SyscallSucceeds());
  const auto write_only = SysvSet::create({1}, 0200);
  if (!write_only) return context.not_created(write_only.error());
  EXPECT_THAT(call_without_capabilities(context, [&] { return write_only->value(); }),
              SyscallFailsWithErrno(EACCES));
}

GAUNTLET_CASE(SemaphoresConformance, SemctlRmid_OfAnotherUsersSet_FailsWithEperm,
              .clause = "POSIX.1-2024 semctl() ERRORS [EPERM]") {
  const auto set = SysvSet::create({3}, 0666);
  if (!set) return context.not_created(set.error());
  const auto outcome = call_as_stranger(context, [&] { return ::semctl(set->id(), 0, IPC_RMID); });
  if (!outcome) return;
  EXPECT_THAT(*outcome, SyscallFailsWithErrno(EPERM));
  EXPECT_EQ(set->value(), 3) << "the set is gone all the same";
}

// A removed set is gone for every call. semctl(2) calls it EIDRM, POSIX an id that is not valid;
// both are accepted.
GAUNTLET_CASE(SemaphoresConformance, SemctlRmid_Set_IsGoneForEveryCall,
              .clause = "POSIX.1-2024 semctl() IPC_RMID; ERRORS [EINVAL], semctl(2) [EIDRM]") {
  auto set = SysvSet::create({1});
  if (!set) return context.not_created(set.error());
  ASSERT_THAT(::semctl(set->id(), 0, IPC_RMID), SyscallSucceeds());
  const auto gone = SyscallFailsWithErrno(AnyOf(EINVAL, EIDRM));
  EXPECT_THAT(set->value(), gone);
  EXPECT_THAT(set->operate({{0, -1, IPC_NOWAIT}}), gone);
}

// Who operated last is kept, and when the set was last operated on.
GAUNTLET_CASE(SemaphoresConformance, SemctlGetpid_AfterAnOperation_TellsWhoDidIt,
              .clause = "POSIX.1-2024 semop() DESCRIPTION (sempid); semctl() GETPID") {
  const auto set = SysvSet::create({1});
  if (!set) return context.not_created(set.error());
  const std::time_t before = std::time(nullptr);
  ChildCall child(context, [&] {
    return set->operate({{0, -1, IPC_NOWAIT}}) == 0 ? static_cast<long>(::getpid()) : -1;
  });
  const CallOutcome done = child.finish();
  ASSERT_THAT(done, SyscallSucceeds());
  EXPECT_THAT(set->get(GETPID), SyscallSucceedsWithValue(done.value));
  const auto status = set->status();
  ASSERT_TRUE(status.has_value());
  EXPECT_GE(status->sem_otime, before);
}

// The processes that wait for a larger value and those that wait for zero are counted apart.
GAUNTLET_CASE(SemaphoresConformance, SemctlGetncntGetzcnt_WithWaiters_CountsThem,
              .clause = "POSIX.1-2024 semctl() GETNCNT, GETZCNT") {
  const auto set = SysvSet::create({0, 1});
  if (!set) return context.not_created(set.error());
  EXPECT_EQ(set->get(GETNCNT, 0), 0);
  ChildCall taker(context, [&] { return set->operate({{0, -1, 0}}); });
  ChildCall zero(context, [&] { return set->operate({{1, 0, 0}}); });
  ASSERT_TRUE(taker.is_asleep());
  ASSERT_TRUE(zero.is_asleep());
  EXPECT_EQ(set->get(GETNCNT, 0), 1);
  EXPECT_EQ(set->get(GETZCNT, 0), 0);
  EXPECT_EQ(set->get(GETNCNT, 1), 0);
  EXPECT_EQ(set->get(GETZCNT, 1), 1);
  ASSERT_THAT(set->operate({{0, 1, IPC_NOWAIT}, {1, -1, IPC_NOWAIT}}), SyscallSucceeds());
  EXPECT_THAT(taker.finish(), SyscallSucceeds());
  EXPECT_THAT(zero.finish(), SyscallSucceeds());
  EXPECT_EQ(set->get(GETNCNT, 0), 0);
  EXPECT_EQ(set->get(GETZCNT, 1), 0);
}

}  // namespace
}  // namespace gauntlet
