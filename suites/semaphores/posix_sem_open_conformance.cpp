// What sem_open(), sem_close() and sem_unlink() promise about names.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <limits.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>

#include "cases/context.h"
#include "semaphores/posix_semaphore.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

OpenSemaphore create(const SemaphoreName& name, unsigned value, mode_t mode = 0600) {
  return OpenSemaphore(::sem_open(name.text(), O_CREAT | O_EXCL, mode, value));
}

GAUNTLET_CASE(SemaphoresConformance, SemOpen_NewName_HasTheValueAskedFor,
              .clause = "POSIX.1-2024 sem_open() DESCRIPTION (O_CREAT)") {
  const SemaphoreName name(context.scope());
  const OpenSemaphore semaphore = create(name, 3);
  if (!semaphore.valid()) return context.not_created(system_error("sem_open"));
  EXPECT_EQ(semaphore.value(), 3);
}

// A value is for the one who makes the semaphore; whoever opens it later finds what there is.
GAUNTLET_CASE(
    SemaphoresConformance, SemOpen_ExistingNameWithOtherValue_IgnoresIt,
    .clause = "POSIX.1-2024 sem_open() DESCRIPTION (O_CREAT has no effect if it exists)") {
  const SemaphoreName name(context.scope());
  const OpenSemaphore semaphore = create(name, 3);
  if (!semaphore.valid()) return context.not_created(system_error("sem_open"));
  const OpenSemaphore again(::sem_open(name.text(), O_CREAT, 0600, 9));
  ASSERT_TRUE(again.valid()) << errno_name(errno);
  EXPECT_EQ(again.value(), 3);
}

GAUNTLET_CASE(SemaphoresConformance, SemOpen_ExclusiveAndNameTaken_FailsWithEexist,
              .clause = "POSIX.1-2024 sem_open() ERRORS [EEXIST]") {
  const SemaphoreName name(context.scope());
  const OpenSemaphore semaphore = create(name, 1);
  if (!semaphore.valid()) return context.not_created(system_error("sem_open"));
  EXPECT_THAT(::sem_open(name.text(), O_CREAT | O_EXCL, 0600, 1), SyscallFailsWithErrno(EEXIST));
}

GAUNTLET_CASE(SemaphoresConformance, SemOpen_UnknownName_FailsWithEnoent,
              .clause = "POSIX.1-2024 sem_open() ERRORS [ENOENT]") {
  const SemaphoreName name(context.scope());
  EXPECT_THAT(::sem_open(name.text(), 0), SyscallFailsWithErrno(ENOENT));
}

GAUNTLET_CASE(SemaphoresConformance, SemOpen_LoneSlash_FailsWithEinval,
              .clause = "sem_open(3) ERRORS [EINVAL] (name consists of just \"/\")") {
  EXPECT_THAT(::sem_open("/", O_CREAT, 0600, 1), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SemaphoresConformance, SemOpen_ValueAboveSemValueMax_FailsWithEinvalAndMakesNothing,
              .clause = "POSIX.1-2024 sem_open() ERRORS [EINVAL] (SEM_VALUE_MAX)") {
  const SemaphoreName name(context.scope());
  EXPECT_THAT(::sem_open(name.text(), O_CREAT, 0600, static_cast<unsigned>(SEM_VALUE_MAX) + 1),
              SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::sem_open(name.text(), 0), SyscallFailsWithErrno(ENOENT));
}

/// "/" and so many characters.
std::string name_of(std::size_t length) { return "/" + std::string(length, 'n'); }

// A name may have NAME_MAX - 4 characters (whether the slash counts is left open); the rest is for
// "sem.".
GAUNTLET_CASE(SemaphoresConformance, SemOpen_NameAtAndOverTheLimit_IsTakenThenFailsWithEnametoolong,
              .clause = "sem_open(3) ERRORS [ENAMETOOLONG]; sem_overview(7) NAME_MAX-4") {
  std::string name = "/" + unique_name(context.scope()) + ".";
  name.resize(NAME_MAX - 4, 'n');
  const OpenSemaphore longest(::sem_open(name.c_str(), O_CREAT | O_EXCL, 0600, 1));
  EXPECT_TRUE(longest.valid()) << errno_name(errno);
  ::sem_unlink(name.c_str());
  EXPECT_THAT(::sem_open(name_of(NAME_MAX - 3).c_str(), O_CREAT, 0600, 1),
              SyscallFailsWithErrno(ENAMETOOLONG));
}

// Longer than any file name may be is too long as well. glibc answers EINVAL (seen in 2.36).
GAUNTLET_CASE(SemaphoresConformance, SemOpen_NameOverNameMax_FailsWithEnametoolong,
              .clause = "sem_open(3) ERRORS [ENAMETOOLONG]; POSIX.1-2024 sem_open()") {
  EXPECT_THAT(::sem_open(name_of(NAME_MAX + 1).c_str(), O_CREAT, 0600, 1),
              SyscallFailsWithErrno(ENAMETOOLONG));
}

GAUNTLET_CASE(SemaphoresConformance, SemOpen_ModeForbidsIt_FailsWithEacces,
              .clause = "POSIX.1-2024 sem_open() ERRORS [EACCES]") {
  const SemaphoreName name(context.scope());
  const OpenSemaphore semaphore = create(name, 1, 0);
  if (!semaphore.valid()) return context.not_created(system_error("sem_open"));
  EXPECT_THAT(call_without_capabilities(
                  context, [&] { return ::sem_open(name.text(), 0) == SEM_FAILED ? -1 : 0; }),
              SyscallFailsWithErrno(EACCES));
}

GAUNTLET_CASE(SemaphoresConformance, SemOpen_DescriptorLimitReached_FailsWithEmfile,
              .clause = "POSIX.1-2024 sem_open() ERRORS [EMFILE]") {
  const SemaphoreName name(context.scope());
  OpenSemaphore semaphore = create(name, 1);
  if (!semaphore.valid()) return context.not_created(system_error("sem_open"));
  // One that is open already may be answered without a descriptor.
  semaphore.close();
  CallOutcome outcome;
  {
    const LoweredLimit limit(RLIMIT_NOFILE, 0);
    if (!limit.lowered()) return context.not_run("RLIMIT_NOFILE to be lowered", "run unconfined");
    outcome = outcome_of(::sem_open(name.text(), 0));
  }
  EXPECT_THAT(outcome, SyscallFailsWithErrno(EMFILE));
}

// One name is one object in a process: opened twice, it has one address, and one close leaves it.
GAUNTLET_CASE(SemaphoresConformance, SemOpen_SameNameTwiceInAProcess_AnswersTheSameAddress,
              .clause = "POSIX.1-2024 sem_open() DESCRIPTION (same semaphore address)") {
  const SemaphoreName name(context.scope());
  OpenSemaphore one = create(name, 2);
  if (!one.valid()) return context.not_created(system_error("sem_open"));
  const OpenSemaphore two(::sem_open(name.text(), 0));
  EXPECT_EQ(one.get(), two.get());
  one.close();
  EXPECT_THAT(::sem_trywait(two.get()), SyscallSucceeds());
  EXPECT_EQ(two.value(), 1);
}

// The value is kept by the system, not by the processes that have the semaphore open.
GAUNTLET_CASE(
    SemaphoresConformance, SemClose_ByTheLastUser_KeepsTheValue,
    .clause = "POSIX.1-2024 sem_close() DESCRIPTION; sem_overview(7) (kernel persistence)") {
  const SemaphoreName name(context.scope());
  OpenSemaphore semaphore = create(name, 3);
  if (!semaphore.valid()) return context.not_created(system_error("sem_open"));
  ASSERT_THAT(::sem_wait(semaphore.get()), SyscallSucceeds());
  semaphore.close();
  const OpenSemaphore again(::sem_open(name.text(), 0));
  ASSERT_TRUE(again.valid()) << errno_name(errno);
  EXPECT_EQ(again.value(), 2);
}

// A process that opens the name by itself, not by inheritance, reaches the same semaphore.
GAUNTLET_CASE(SemaphoresConformance, SemOpen_ByAnotherProcess_IsTheSameSemaphore,
              .clause = "POSIX.1-2024 sem_open() DESCRIPTION (between processes)") {
  const SemaphoreName name(context.scope());
  const OpenSemaphore semaphore = create(name, 0);
  if (!semaphore.valid()) return context.not_created(system_error("sem_open"));
  ChildCall poster(context, [&]() -> long {
    const OpenSemaphore own(::sem_open(name.text(), 0));
    return own.valid() ? ::sem_post(own.get()) : -1;
  });
  EXPECT_THAT(poster.finish(), SyscallSucceeds());
  EXPECT_EQ(semaphore.value(), 1);
}

GAUNTLET_CASE(SemaphoresConformance, SemOpen_NewName_HasTheModeWithoutTheUmask,
              .clause = "POSIX.1-2024 sem_open() DESCRIPTION (mode, file mode creation mask)") {
  const SemaphoreName name(context.scope());
  const mode_t before = ::umask(027);
  const OpenSemaphore semaphore = create(name, 1, 0666);
  const Error failure = system_error("sem_open");
  ::umask(before);
  if (!semaphore.valid()) return context.not_created(failure);
  struct stat status = {};
  const std::string path = std::string("/dev/shm/sem.") + (name.text() + 1);
  if (::stat(path.c_str(), &status) != 0) {
    return context.unsupported("stat of the semaphore's file " + path, errno_name(errno));
  }
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

GAUNTLET_CASE(SemaphoresConformance, SemUnlink_UnknownName_FailsWithEnoent,
              .clause = "POSIX.1-2024 sem_unlink() ERRORS [ENOENT]") {
  const SemaphoreName name(context.scope());
  EXPECT_THAT(::sem_unlink(name.text()), SyscallFailsWithErrno(ENOENT));
}

GAUNTLET_CASE(SemaphoresConformance, SemUnlink_NameOverTheLimit_FailsWithEnametoolong,
              .clause = "sem_unlink(3) ERRORS [ENAMETOOLONG]") {
  EXPECT_THAT(::sem_unlink(name_of(NAME_MAX - 3).c_str()), SyscallFailsWithErrno(ENAMETOOLONG));
}

// The same, longer than any file name may be. glibc answers ENOENT (seen in 2.36).
GAUNTLET_CASE(SemaphoresConformance, SemUnlink_NameOverNameMax_FailsWithEnametoolong,
              .clause = "sem_unlink(3) ERRORS [ENAMETOOLONG]") {
  EXPECT_THAT(::sem_unlink(name_of(NAME_MAX + 1).c_str()), SyscallFailsWithErrno(ENAMETOOLONG));
}

GAUNTLET_CASE(SemaphoresConformance, SemUnlink_OfAnotherUsersSemaphore_FailsWithEacces,
              .clause = "POSIX.1-2024 sem_unlink() ERRORS [EACCES]") {
  const SemaphoreName name(context.scope());
  const OpenSemaphore semaphore = create(name, 1);
  if (!semaphore.valid()) return context.not_created(system_error("sem_open"));
  const auto outcome = call_as_stranger(context, [&] { return ::sem_unlink(name.text()); });
  if (!outcome) return;
  EXPECT_THAT(*outcome, SyscallFailsWithErrno(EACCES));
  EXPECT_TRUE(OpenSemaphore(::sem_open(name.text(), 0)).valid()) << "it is gone all the same";
}

// The name goes at once; whoever has it open goes on, and the name is free for another semaphore.
GAUNTLET_CASE(SemaphoresConformance, SemUnlink_WhileOpen_FreesTheNameAndKeepsTheSemaphore,
              .clause = "POSIX.1-2024 sem_unlink() DESCRIPTION") {
  const SemaphoreName name(context.scope());
  const OpenSemaphore semaphore = create(name, 1);
  if (!semaphore.valid()) return context.not_created(system_error("sem_open"));
  ASSERT_THAT(::sem_unlink(name.text()), SyscallSucceeds());
  EXPECT_THAT(::sem_open(name.text(), 0), SyscallFailsWithErrno(ENOENT));
  EXPECT_THAT(::sem_post(semaphore.get()), SyscallSucceeds());
  EXPECT_EQ(semaphore.value(), 2);
  const OpenSemaphore other = create(name, 7);
  ASSERT_TRUE(other.valid()) << errno_name(errno);
  EXPECT_NE(other.get(), semaphore.get());
  EXPECT_EQ(other.value(), 7);
  EXPECT_EQ(semaphore.value(), 2);
}

}  // namespace
}  // namespace gauntlet
