// What process_vm_readv() and process_vm_writev() promise.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <limits.h>

#include <array>

#include "message_passing/remote_memory.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

using Parts = std::vector<iovec>;

// The bytes of the other process, where this one has others at the same address.
GAUNTLET_CASE(MessagePassingConformance, ProcessVmReadv_OfAnotherProcess_BringsItsBytes,
              .clause = "process_vm_readv(2) DESCRIPTION", .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  RemoteMemory remote(context, 1);
  if (!remote.ready()) return;
  std::vector<std::byte> here(remote.size());
  ASSERT_THAT(read_remote(remote.pid(), Parts{part(here.data(), here.size())},
                          Parts{part(remote.at(0), remote.size())}),
              SyscallSucceedsWithValue(static_cast<long>(remote.size())));
  std::size_t wrong = 0;
  for (std::size_t at = 0; at < here.size(); ++at) {
    wrong += here[at] == RemoteMemory::expected(at) ? 0 : 1;
  }
  EXPECT_EQ(wrong, 0U) << "bytes are not those of the other process";
  EXPECT_EQ(*remote.at(5), std::byte{0}) << "it wrote here";
  remote.finish();
}

// Exactly the bytes named, in the other process only.
GAUNTLET_CASE(MessagePassingConformance, ProcessVmWritev_ToAnotherProcess_ChangesTheBytesNamedOnly,
              .clause = "process_vm_readv(2) DESCRIPTION (process_vm_writev)",
              .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  RemoteMemory remote(context, 1);
  if (!remote.ready()) return;
  const std::vector<std::byte> bytes(100, std::byte{0xee});
  ASSERT_THAT(write_remote(remote.pid(), Parts{part(bytes.data(), bytes.size())},
                           Parts{part(remote.at(200), bytes.size())}),
              SyscallSucceedsWithValue(100));
  EXPECT_EQ(*remote.at(200), std::byte{0}) << "it wrote here";
  const auto seen = remote.finish();
  std::size_t wrong = 0;
  for (std::size_t at = 0; at < seen.size(); ++at) {
    const bool named = at >= 200 && at < 300;
    wrong += seen[at] == (named ? std::byte{0xee} : RemoteMemory::expected(at)) ? 0 : 1;
  }
  EXPECT_EQ(wrong, 0U);
}

// Both lists are gone through in their order, as if each were one piece.
GAUNTLET_CASE(MessagePassingConformance, ProcessVmReadv_PartsOfOtherSizesOnEachSide_AreOneStream,
              .clause = "process_vm_readv(2) DESCRIPTION (array order)", .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  RemoteMemory remote(context, 1);
  if (!remote.ready()) return;
  std::array<std::byte, 60> here{};
  const Parts local{part(here.data() + 50, 10), part(here.data(), 50)};
  const Parts there{part(remote.at(300), 5), part(remote.at(100), 35), part(remote.at(0), 20)};
  ASSERT_THAT(read_remote(remote.pid(), local, there), SyscallSucceedsWithValue(60));
  const auto source = [](std::size_t n) { return n < 5 ? 300 + n : n < 40 ? 95 + n : n - 40; };
  for (std::size_t n = 0; n < 60; ++n) {
    const std::size_t place = n < 10 ? 50 + n : n - 10;
    EXPECT_EQ(here[place], RemoteMemory::expected(source(n))) << "byte " << n << " of the stream";
  }
  remote.finish();
}

// The shorter of both sides decides.
GAUNTLET_CASE(MessagePassingConformance, ProcessVmReadv_LessRoomHereThanAskedThere_FillsTheRoom,
              .clause = "process_vm_readv(2) RETURN VALUE (number of bytes read)",
              .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  RemoteMemory remote(context, 1);
  if (!remote.ready()) return;
  std::array<std::byte, 16> here{};
  EXPECT_THAT(
      read_remote(remote.pid(), Parts{part(here.data(), 10)}, Parts{part(remote.at(0), 16)}),
      SyscallSucceedsWithValue(10));
  EXPECT_EQ(here[10], std::byte{0}) << "written behind the room";
  EXPECT_THAT(read_remote(remote.pid(), Parts{part(here.data(), 16)}, Parts{part(remote.at(0), 4)}),
              SyscallSucceedsWithValue(4));
  EXPECT_THAT(read_remote(remote.pid(), Parts{part(here.data(), 16)}, Parts{}),
              SyscallSucceedsWithValue(0));
  remote.finish();
}

// What lies before a part that cannot be read has been read.
GAUNTLET_CASE(MessagePassingConformance, ProcessVmReadv_SecondPartIsNotThere_BringsTheFirst,
              .clause = "process_vm_readv(2) NOTES (partial read/write)", .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  RemoteMemory remote(context, 1);
  if (!remote.ready()) return;
  std::array<std::byte, 64> here{};
  EXPECT_THAT(read_remote(remote.pid(), Parts{part(here.data(), 64)},
                          Parts{part(remote.at(8), 32), part(remote.at(remote.size()), 32)}),
              SyscallSucceedsWithValue(32));
  EXPECT_EQ(here[31], RemoteMemory::expected(39));
  EXPECT_EQ(here[32], std::byte{0});
  remote.finish();
}

// A transfer that stops early stops between two parts: one part is moved whole or not at all.
GAUNTLET_CASE(MessagePassingConformance, ProcessVmReadv_PartThatEndsOutsideMemory_IsNotSplit,
              .clause = "process_vm_readv(2) RETURN VALUE (granularity of iovec elements)",
              .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  RemoteMemory remote(context, 2);
  if (!remote.ready()) return;
  const std::size_t page = PrivatePages::page();
  std::vector<std::byte> here(3 * page);
  const ssize_t size = read_remote(remote.pid(), Parts{part(here.data(), 3 * page)},
                                   Parts{part(remote.at(0), 16), part(remote.at(page), 2 * page)});
  EXPECT_THAT(size, SyscallSucceedsWithValue(16))
      << "the first part has 16 bytes, the second one page inside memory and one outside";
  remote.finish();
}

GAUNTLET_CASE(MessagePassingConformance, ProcessVm_MemoryThatIsNotThere_FailsWithEfault,
              .clause = "process_vm_readv(2) ERRORS [EFAULT]", .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  RemoteMemory remote(context, 1);
  if (!remote.ready()) return;
  std::array<std::byte, 16> here{};
  const Parts outside_there{part(remote.at(remote.size()), 16)};
  const Parts inside{part(here.data(), 16)};
  EXPECT_THAT(read_remote(remote.pid(), inside, outside_there), SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(write_remote(remote.pid(), inside, outside_there), SyscallFailsWithErrno(EFAULT));
  const Parts outside_here{part(remote.at(remote.size()), 16)};
  EXPECT_THAT(read_remote(remote.pid(), outside_here, Parts{part(remote.at(0), 16)}),
              SyscallFailsWithErrno(EFAULT));
  remote.finish();
}

// The protection of the other process counts, too.
GAUNTLET_CASE(MessagePassingConformance, ProcessVmWritev_ToAReadOnlyPage_FailsWithEfault,
              .clause = "process_vm_readv(2) ERRORS [EFAULT]; mprotect(2)",
              .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  const PrivatePages pages(1);
  pages.data()[0] = std::byte{1};
  Crew crew(1);
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    ::mprotect(pages.data(), pages.size(), PROT_READ);
    worker.arrive(0);
    worker.await(1);
    worker.expect(pages.data()[0] == std::byte{1}, "a read-only page was written");
  }));
  ASSERT_TRUE(crew.await_arrival(0, 0, Deadline::after(kCallPatience)));
  std::array<std::byte, 16> here{};
  const Parts there{part(pages.data(), 16)};
  const pid_t pid = crew.process(0).pid();
  EXPECT_THAT(write_remote(pid, Parts{part(here.data(), 16)}, there),
              SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(read_remote(pid, Parts{part(here.data(), 16)}, there), SyscallSucceedsWithValue(16));
  crew.proceed(0, 1);
  context.join(crew);
}

GAUNTLET_CASE(MessagePassingConformance, ProcessVm_UnknownFlags_FailsWithEinval,
              .clause = "process_vm_readv(2) ERRORS [EINVAL] (flags is not 0)") {
  if (!has_process_vm(context)) return;
  std::array<std::byte, 4> here{};
  std::array<std::byte, 4> there{};
  const Parts local{part(here.data(), 4)};
  const Parts remote{part(there.data(), 4)};
  EXPECT_THAT(read_remote(::getpid(), local, remote, 1), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(write_remote(::getpid(), local, remote, 1), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MessagePassingConformance, ProcessVm_MorePartsThanIovMax_FailsWithEinval,
              .clause = "process_vm_readv(2) ERRORS [EINVAL] (liovcnt or riovcnt is too large)") {
  if (!has_process_vm(context)) return;
  const long most = ::sysconf(_SC_IOV_MAX);
  ASSERT_GT(most, 0);
  std::byte here{};
  const Parts many(static_cast<std::size_t>(most) + 1, part(&here, 1));
  const Parts one{part(&here, 1)};
  EXPECT_THAT(read_remote(::getpid(), many, one), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(read_remote(::getpid(), one, many), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MessagePassingConformance, ProcessVm_SizesThatOverflow_FailsWithEinval,
              .clause = "process_vm_readv(2) ERRORS [EINVAL] (sum overflows a ssize_t)") {
  if (!has_process_vm(context)) return;
  std::byte here{};
  const Parts one{part(&here, 1)};
  const Parts over{part(&here, SSIZE_MAX), part(&here, 1), part(&here, SSIZE_MAX)};
  const Parts negative{part(&here, static_cast<std::size_t>(SSIZE_MAX) + 1)};
  EXPECT_THAT(read_remote(::getpid(), negative, one), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(read_remote(::getpid(), one, negative), SyscallFailsWithErrno(EINVAL));
  context.observed("sum_of_parts_over_ssize_max",
                   outcome_of(read_remote(::getpid(), over, one)).failed ? "refused" : "cut");
}

GAUNTLET_CASE(MessagePassingConformance, ProcessVm_NoSuchProcess_FailsWithEsrch,
              .clause = "process_vm_readv(2) ERRORS [ESRCH]") {
  if (!has_process_vm(context)) return;
  ChildCall gone(context, [] { return 0; });
  const pid_t pid = gone.pid();
  gone.finish();
  std::byte here{};
  const Parts one{part(&here, 1)};
  EXPECT_THAT(read_remote(pid, one, one), SyscallFailsWithErrno(ESRCH));
  EXPECT_THAT(write_remote(pid, one, one), SyscallFailsWithErrno(ESRCH));
}

// Another user's process is none of ours.
GAUNTLET_CASE(MessagePassingConformance, ProcessVm_OfAnotherUsersProcess_FailsWithEperm,
              .clause = "process_vm_readv(2) ERRORS [EPERM]; ptrace(2) (access mode checking)",
              .needs = {Need::ptrace}) {
  if (!has_process_vm(context)) return;
  RemoteMemory remote(context, 1);
  if (!remote.ready()) return;
  const pid_t pid = remote.pid();
  const auto outcome = call_as_stranger(context, [&] {
    std::byte here{};
    return read_remote(pid, Parts{part(&here, 1)}, Parts{part(remote.at(0), 1)});
  });
  if (outcome) {
    EXPECT_THAT(*outcome, SyscallFailsWithErrno(EPERM));
  }
  remote.finish();
}

}  // namespace
}  // namespace gauntlet
