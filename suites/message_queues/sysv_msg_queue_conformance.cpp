// What msgget() and msgctl() promise: keys, permissions, limits, and the facts kept about a queue.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ctime>
#include <vector>

#include "cases/context.h"
#include "message_queues/sysv_queue.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/system_setting.h"

namespace gauntlet {
namespace {

using testing::AnyOf;

GAUNTLET_CASE(MessageQueuesConformance, Msgget_Private_MakesANewQueueEachTime,
              .clause = "POSIX.1-2024 msgget() DESCRIPTION (IPC_PRIVATE)") {
  const auto one = SysvQueue::create();
  const auto two = SysvQueue::create();
  if (!one || !two) return context.not_created(one ? two.error() : one.error());
  EXPECT_NE(one->id(), two->id());
}

GAUNTLET_CASE(MessageQueuesConformance, Msgget_SameKeyTwice_AnswersTheSameQueue,
              .clause = "POSIX.1-2024 msgget() DESCRIPTION") {
  const auto queue = SysvQueue::create_with_key(context.seed(), 0600);
  if (!queue) return context.not_created(queue.error());
  const key_t key = queue->key();
  EXPECT_THAT(::msgget(key, 0600), SyscallSucceedsWithValue(queue->id()));
  EXPECT_THAT(::msgget(key, IPC_CREAT | 0600), SyscallSucceedsWithValue(queue->id()));
}

GAUNTLET_CASE(MessageQueuesConformance, Msgget_ExclusiveAndKeyTaken_FailsWithEexist,
              .clause = "POSIX.1-2024 msgget() ERRORS [EEXIST]") {
  const auto queue = SysvQueue::create_with_key(context.seed(), 0600);
  if (!queue) return context.not_created(queue.error());
  const key_t key = queue->key();
  EXPECT_THAT(::msgget(key, IPC_CREAT | IPC_EXCL | 0600), SyscallFailsWithErrno(EEXIST));
}

GAUNTLET_CASE(MessageQueuesConformance, Msgget_UnknownKeyWithoutCreat_FailsWithEnoent,
              .clause = "POSIX.1-2024 msgget() ERRORS [ENOENT]") {
  auto queue = SysvQueue::create_with_key(context.seed(), 0600);
  if (!queue) return context.not_created(queue.error());
  const key_t key = queue->key();
  queue->remove();
  EXPECT_THAT(::msgget(key, 0600), SyscallFailsWithErrno(ENOENT));
}

GAUNTLET_CASE(MessageQueuesConformance, Msgget_ModeForbidsIt_FailsWithEacces,
              .clause = "POSIX.1-2024 msgget() ERRORS [EACCES]") {
  const auto queue = SysvQueue::create_with_key(context.seed(), 0400);
  if (!queue) return context.not_created(queue.error());
  const key_t key = queue->key();
  EXPECT_THAT(call_without_capabilities(context, [&] { return ::msgget(key, 0200); }),
              SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(call_without_capabilities(context, [&] { return ::msgget(key, 0400); }),
              SyscallSucceedsWithValue(queue->id()));
}

GAUNTLET_CASE(MessageQueuesConformance, Msgget_QueueLimitReached_FailsWithEnospc,
              .clause = "POSIX.1-2024 msgget() ERRORS [ENOSPC]; msgget(2) MSGMNI",
              .needs = {Need::private_ipc}) {
  const PrivateIpcSetting two_queues(context, "/proc/sys/kernel/msgmni", "2");
  if (!two_queues.set()) return;
  const auto one = SysvQueue::create();
  const auto two = SysvQueue::create();
  if (!one || !two) return context.not_created(one ? two.error() : one.error());
  EXPECT_THAT(::msgget(IPC_PRIVATE, IPC_CREAT | 0600), SyscallFailsWithErrno(ENOSPC));
}

// A new queue is empty, ours, and holds as many bytes as the system allows.
GAUNTLET_CASE(MessageQueuesConformance, Msgget_NewQueue_HasTheFactsOfAFreshOne,
              .clause = "POSIX.1-2024 msgget() DESCRIPTION (the data structure is initialized)") {
  const std::time_t before = std::time(nullptr);
  const auto queue = SysvQueue::create(0640);
  if (!queue) return context.not_created(queue.error());
  const auto status = queue->status();
  ASSERT_TRUE(status.has_value()) << describe(status.error());
  EXPECT_EQ(status->msg_perm.uid, ::geteuid());
  EXPECT_EQ(status->msg_perm.cuid, ::geteuid());
  EXPECT_EQ(status->msg_perm.gid, ::getegid());
  EXPECT_EQ(status->msg_perm.mode & 0777, 0640);
  EXPECT_EQ(status->msg_qnum, 0u);
  EXPECT_EQ(status->msg_lspid, 0);
  EXPECT_EQ(status->msg_lrpid, 0);
  EXPECT_EQ(status->msg_stime, 0);
  EXPECT_EQ(status->msg_rtime, 0);
  EXPECT_GE(status->msg_ctime, before);
  if (const auto most = system_number("/proc/sys/kernel/msgmnb")) {
    EXPECT_EQ(static_cast<std::int64_t>(status->msg_qbytes), *most);
  }
}

// Who sent and received last, and when, is kept.
GAUNTLET_CASE(
    MessageQueuesConformance, MsgctlStat_AfterTraffic_TellsWhoAndWhen,
    .clause = "POSIX.1-2024 msgsnd(), msgrcv() DESCRIPTION (msg_lspid, msg_lrpid, msg_qnum)") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  const std::time_t before = std::time(nullptr);
  ChildCall sender(context,
                   [&] { return queue->send(1, "x") == 0 ? static_cast<long>(::getpid()) : -1; });
  const CallOutcome sent = sender.finish();
  ASSERT_THAT(sent, SyscallSucceeds());
  auto status = queue->status();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->msg_qnum, 1u);
  EXPECT_EQ(status->msg_lspid, sent.value);
  EXPECT_GE(status->msg_stime, before);
  EXPECT_EQ(queue->take(), "x");
  status = queue->status();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->msg_qnum, 0u);
  EXPECT_EQ(status->msg_lrpid, ::getpid());
  EXPECT_GE(status->msg_rtime, before);
}

GAUNTLET_CASE(MessageQueuesConformance, MsgctlStat_ModeForbidsReading_FailsWithEacces,
              .clause = "POSIX.1-2024 msgctl() ERRORS [EACCES]") {
  const auto queue = SysvQueue::create(0200);
  if (!queue) return context.not_created(queue.error());
  EXPECT_THAT(call_without_capabilities(context,
                                        [&] {
                                          msqid_ds status = {};
                                          return ::msgctl(queue->id(), IPC_STAT, &status);
                                        }),
              SyscallFailsWithErrno(EACCES));
}

GAUNTLET_CASE(MessageQueuesConformance, MsgctlStat_BufferOutsideMemory_FailsWithEfault,
              .clause = "msgctl(2) ERRORS [EFAULT]") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const unmapped = ::mmap(nullptr, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(unmapped, MAP_FAILED);
  auto* const buffer = static_cast<msqid_ds*>(unmapped);
  EXPECT_THAT(::msgctl(queue->id(), IPC_STAT, buffer), SyscallFailsWithErrno(EFAULT));
  EXPECT_THAT(::msgctl(queue->id(), IPC_SET, buffer), SyscallFailsWithErrno(EFAULT));
  ::munmap(unmapped, page);
}

GAUNTLET_CASE(MessageQueuesConformance, Msgctl_UnknownIdOrCommand_FailsWithEinval,
              .clause = "POSIX.1-2024 msgctl() ERRORS [EINVAL]") {
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  msqid_ds status = {};
  EXPECT_THAT(::msgctl(-1, IPC_STAT, &status), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::msgctl(queue->id(), 0x7fff, &status), SyscallFailsWithErrno(EINVAL));
}

// A removed queue is gone at once, messages and all. msgctl(2) calls it EIDRM, POSIX an id that is
// not valid; both are accepted.
GAUNTLET_CASE(MessageQueuesConformance, MsgctlRmid_QueueWithMessages_IsGoneForEveryCall,
              .clause = "POSIX.1-2024 msgctl() IPC_RMID; ERRORS [EINVAL], msgctl(2) [EIDRM]") {
  auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(queue->send(1, "lost"), SyscallSucceeds());
  const int id = queue->id();
  ASSERT_THAT(::msgctl(id, IPC_RMID, nullptr), SyscallSucceeds());
  msqid_ds status = {};
  SysvMessage message;
  const auto gone = SyscallFailsWithErrno(AnyOf(EINVAL, EIDRM));
  EXPECT_THAT(::msgctl(id, IPC_STAT, &status), gone);
  EXPECT_THAT(::msgsnd(id, &message, 1, IPC_NOWAIT), gone);
  EXPECT_THAT(::msgrcv(id, &message, 1, 0, IPC_NOWAIT), gone);
}

GAUNTLET_CASE(MessageQueuesConformance, MsgctlRmid_OfAnotherUsersQueue_FailsWithEperm,
              .clause = "POSIX.1-2024 msgctl() ERRORS [EPERM]") {
  const auto queue = SysvQueue::create(0666);
  if (!queue) return context.not_created(queue.error());
  const auto outcome =
      call_as_stranger(context, [&] { return ::msgctl(queue->id(), IPC_RMID, nullptr); });
  if (!outcome) return;
  EXPECT_THAT(*outcome, SyscallFailsWithErrno(EPERM));
  EXPECT_EQ(queue->waiting(), 0) << "the queue is gone all the same";
}

GAUNTLET_CASE(MessageQueuesConformance, MsgctlSet_OfAnotherUsersQueue_FailsWithEperm,
              .clause = "POSIX.1-2024 msgctl() ERRORS [EPERM]") {
  const auto queue = SysvQueue::create(0666);
  if (!queue) return context.not_created(queue.error());
  const auto outcome = call_as_stranger(context, [&] { return queue->set_most_bytes(1); });
  if (!outcome) return;
  EXPECT_THAT(*outcome, SyscallFailsWithErrno(EPERM));
}

// The owner may lower the most bytes and raise them again up to the system's limit, not beyond.
GAUNTLET_CASE(MessageQueuesConformance, MsgctlSet_BytesAboveTheLimitUnprivileged_FailsWithEperm,
              .clause = "POSIX.1-2024 msgctl() ERRORS [EPERM] (msg_qbytes); msgctl(2) MSGMNB") {
  const auto most = system_number("/proc/sys/kernel/msgmnb");
  if (!most) return context.unsupported("/proc/sys/kernel/msgmnb", "nothing to read");
  const auto queue = SysvQueue::create();
  if (!queue) return context.not_created(queue.error());
  const auto set = [&](std::int64_t bytes) {
    return call_without_capabilities(
        context, [&, bytes] { return queue->set_most_bytes(static_cast<msglen_t>(bytes)); });
  };
  EXPECT_THAT(set(*most - 1), SyscallSucceeds());
  EXPECT_THAT(set(*most + 1), SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(set(*most), SyscallSucceeds());
}

// IPC_SET changes permissions, and they bind at once.
GAUNTLET_CASE(MessageQueuesConformance, MsgctlSet_NewMode_BindsTheNextCall,
              .clause = "POSIX.1-2024 msgctl() IPC_SET (msg_perm.mode)") {
  const auto queue = SysvQueue::create(0600);
  if (!queue) return context.not_created(queue.error());
  auto status = queue->status();
  ASSERT_TRUE(status.has_value());
  status->msg_perm.mode = 0400;
  ASSERT_THAT(::msgctl(queue->id(), IPC_SET, &*status), SyscallSucceeds());
  EXPECT_THAT(call_without_capabilities(context, [&] { return queue->send(1, "x"); }),
              SyscallFailsWithErrno(EACCES));
}

}  // namespace
}  // namespace gauntlet
