// What mq_open(), mq_close(), mq_unlink() and the attributes promise.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases/context.h"
#include "message_queues/posix_queue.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"
#include "support/system_setting.h"

namespace gauntlet {
namespace {

constexpr const char* kSettings = "/proc/sys/fs/mqueue/";

/// mq_open that makes a queue nobody has, closed and unlinked at once when it succeeded.
CallOutcome make_and_remove(const std::string& name, const mq_attr* attributes) {
  const mqd_t queue = ::mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, attributes);
  const CallOutcome outcome = outcome_of(queue);
  if (!outcome.failed) {
    ::mq_close(queue);
    ::mq_unlink(name.c_str());
  }
  return outcome;
}

mq_attr attributes_of(long messages, long bytes) {
  mq_attr attributes = {};
  attributes.mq_maxmsg = messages;
  attributes.mq_msgsize = bytes;
  return attributes;
}

GAUNTLET_CASE(MessageQueuesConformance, MqOpen_NewQueue_HasTheAttributesAskedForAndIsEmpty,
              .clause = "POSIX.1-2024 mq_open() O_CREAT, mq_getattr()") {
  const auto queue = PosixQueue::create(context.scope(), {5, 48});
  if (!queue) return context.not_created(queue.error());
  mq_attr seen = {};
  ASSERT_THAT(::mq_getattr(queue->get(), &seen), SyscallSucceeds());
  EXPECT_EQ(seen.mq_maxmsg, 5);
  EXPECT_EQ(seen.mq_msgsize, 48);
  EXPECT_EQ(seen.mq_curmsgs, 0);
  EXPECT_EQ(seen.mq_flags, O_NONBLOCK);
}

// Without attributes the system's defaults are taken, bounded by its ceilings.
GAUNTLET_CASE(MessageQueuesConformance, MqOpen_WithoutAttributes_TakesTheSystemsDefaults,
              .clause = "mq_overview(7) msg_default, msgsize_default") {
  const auto messages = system_number(kSettings + std::string("msg_default"));
  const auto bytes = system_number(kSettings + std::string("msgsize_default"));
  const auto most_messages = system_number(kSettings + std::string("msg_max"));
  const auto most_bytes = system_number(kSettings + std::string("msgsize_max"));
  if (!messages || !bytes || !most_messages || !most_bytes) {
    return context.unsupported(kSettings, "nothing to read");
  }
  const std::string name = "/" + unique_name(context.scope());
  const QueueDescriptor queue(::mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, nullptr));
  if (!queue.valid()) return context.not_created(system_error("mq_open"));
  ::mq_unlink(name.c_str());
  mq_attr seen = {};
  ASSERT_THAT(::mq_getattr(queue.get(), &seen), SyscallSucceeds());
  EXPECT_EQ(seen.mq_maxmsg, std::min(*messages, *most_messages));
  EXPECT_EQ(seen.mq_msgsize, std::min(*bytes, *most_bytes));
}

// Attributes are for the one who makes the queue; whoever opens it later gets what there is.
GAUNTLET_CASE(MessageQueuesConformance, MqOpen_ExistingQueueWithOtherAttributes_IgnoresThem,
              .clause = "POSIX.1-2024 mq_open() O_CREAT (no effect if the queue exists)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  mq_attr other = attributes_of(1, 16);
  const QueueDescriptor again(::mq_open(queue->name().c_str(), O_RDWR | O_CREAT, 0600, &other));
  ASSERT_TRUE(again.valid()) << errno_name(errno);
  mq_attr seen = {};
  ASSERT_THAT(::mq_getattr(again.get(), &seen), SyscallSucceeds());
  EXPECT_EQ(seen.mq_maxmsg, QueueShape{}.messages);
  EXPECT_EQ(seen.mq_msgsize, QueueShape{}.bytes);
}

GAUNTLET_CASE(MessageQueuesConformance, MqOpen_ExclusiveAndNameTaken_FailsWithEexist,
              .clause = "POSIX.1-2024 mq_open() ERRORS [EEXIST]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const mq_attr attributes = attributes_of(1, 16);
  EXPECT_THAT(::mq_open(queue->name().c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, &attributes),
              SyscallFailsWithErrno(EEXIST));
}

GAUNTLET_CASE(MessageQueuesConformance, MqOpen_UnknownName_FailsWithEnoent,
              .clause = "POSIX.1-2024 mq_open() ERRORS [ENOENT]") {
  const std::string name = "/" + unique_name(context.scope());
  EXPECT_THAT(::mq_open(name.c_str(), O_RDWR), SyscallFailsWithErrno(ENOENT));
}

GAUNTLET_CASE(MessageQueuesConformance, MqOpen_LoneSlash_FailsWithEnoent,
              .clause = "mq_open(3) ERRORS [ENOENT] (name was just \"/\")") {
  EXPECT_THAT(::mq_open("/", O_RDWR), SyscallFailsWithErrno(ENOENT));
}

GAUNTLET_CASE(MessageQueuesConformance, MqOpen_SecondSlashInTheName_FailsWithEacces,
              .clause = "mq_open(3) ERRORS [EACCES] (name contains more than one slash)") {
  const mq_attr attributes = attributes_of(1, 16);
  EXPECT_THAT(::mq_open("/gauntlet/queue", O_RDWR | O_CREAT, 0600, &attributes),
              SyscallFailsWithErrno(EACCES));
}

GAUNTLET_CASE(MessageQueuesConformance, MqOpen_NameWithoutSlash_FailsWithEinval,
              .clause = "mq_open(3) ERRORS [EINVAL] (name does not follow the format)") {
  const std::string name = unique_name(context.scope());
  EXPECT_THAT(::mq_open(name.c_str(), O_RDWR), SyscallFailsWithErrno(EINVAL));
}

// NAME_MAX characters after the slash are a name, one more is not.
GAUNTLET_CASE(MessageQueuesConformance, MqOpen_NameOverNameMax_FailsWithEnametoolong,
              .clause = "mq_open(3) ERRORS [ENAMETOOLONG]; mq_overview(7)") {
  const mq_attr attributes = attributes_of(1, 16);
  std::string name = "/" + unique_name(context.scope()) + ".";
  name.resize(1 + NAME_MAX, 'n');
  const CallOutcome longest = make_and_remove(name, &attributes);
  if (longest.failed && longest.error == EMFILE) {
    return context.not_created(system_error("mq_open", EMFILE));
  }
  EXPECT_THAT(longest, SyscallSucceeds());
  EXPECT_THAT(make_and_remove(name + "n", &attributes), SyscallFailsWithErrno(ENAMETOOLONG));
}

GAUNTLET_CASE(MessageQueuesConformance, MqOpen_AttributesNotPositive_FailsWithEinval,
              .clause = "POSIX.1-2024 mq_open() ERRORS [EINVAL] (mq_maxmsg or mq_msgsize)") {
  const std::string name = "/" + unique_name(context.scope());
  for (const mq_attr& attributes :
       {attributes_of(0, 16), attributes_of(-1, 16), attributes_of(1, 0), attributes_of(1, -1)}) {
    EXPECT_THAT(make_and_remove(name, &attributes), SyscallFailsWithErrno(EINVAL))
        << "mq_maxmsg " << attributes.mq_maxmsg << ", mq_msgsize " << attributes.mq_msgsize;
  }
}

// The ceilings bind whoever has no CAP_SYS_RESOURCE, exactly.
GAUNTLET_CASE(MessageQueuesConformance, MqOpen_AttributesAboveTheCeilings_FailsWithEinval,
              .clause = "mq_open(3) ERRORS [EINVAL]; mq_overview(7) msg_max, msgsize_max") {
  const auto messages = system_number(kSettings + std::string("msg_max"));
  const auto bytes = system_number(kSettings + std::string("msgsize_max"));
  if (!messages || !bytes) return context.unsupported(kSettings, "nothing to read");
  const std::string name = "/" + unique_name(context.scope());
  const auto made = [&](long most, long largest) {
    return call_without_capabilities(context, [&]() -> long {
      const mq_attr attributes = attributes_of(most, largest);
      const CallOutcome outcome = make_and_remove(name, &attributes);
      errno = outcome.error;
      return outcome.value;
    });
  };
  const CallOutcome at_ceiling = made(*messages, 16);
  if (at_ceiling.failed && at_ceiling.error == EMFILE) {
    return context.not_created(system_error("mq_open", EMFILE));
  }
  EXPECT_THAT(at_ceiling, SyscallSucceeds());
  EXPECT_THAT(made(*messages + 1, 16), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(made(1, *bytes + 1), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(MessageQueuesConformance, MqOpen_ModeForbidsIt_FailsWithEacces,
              .clause = "POSIX.1-2024 mq_open() ERRORS [EACCES]") {
  const std::string name = "/" + unique_name(context.scope());
  const mq_attr attributes = attributes_of(1, 16);
  const QueueDescriptor maker(
      ::mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0400, &attributes));
  if (!maker.valid()) return context.not_created(system_error("mq_open"));
  const auto opened = [&](int flags) {
    return call_without_capabilities(context,
                                     [&, flags] { return ::mq_open(name.c_str(), flags); });
  };
  EXPECT_THAT(opened(O_WRONLY), SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(opened(O_RDWR), SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(opened(O_RDONLY), SyscallSucceeds());
  ::mq_unlink(name.c_str());
}

GAUNTLET_CASE(MessageQueuesConformance, MqOpen_NewQueue_HasTheModeWithoutTheUmask,
              .clause = "POSIX.1-2024 mq_open() O_CREAT (file permission bits, file mode mask)") {
  const std::string name = "/" + unique_name(context.scope());
  const mq_attr attributes = attributes_of(1, 16);
  const mode_t before = ::umask(027);
  const QueueDescriptor queue(
      ::mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0666, &attributes));
  const Error failure = system_error("mq_open");
  ::umask(before);
  if (!queue.valid()) return context.not_created(failure);
  ::mq_unlink(name.c_str());
  struct stat status = {};
  ASSERT_THAT(::fstat(queue.get(), &status), SyscallSucceeds());  // Linux: it is a descriptor
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

GAUNTLET_CASE(MessageQueuesConformance, MqOpen_DescriptorLimitReached_FailsWithEmfile,
              .clause = "POSIX.1-2024 mq_open() ERRORS [EMFILE]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  CallOutcome outcome;
  {
    const LoweredLimit limit(RLIMIT_NOFILE, 0);
    if (!limit.lowered()) return context.not_run("RLIMIT_NOFILE to be lowered", "run unconfined");
    outcome = outcome_of(::mq_open(queue->name().c_str(), O_RDWR));
  }
  EXPECT_THAT(outcome, SyscallFailsWithErrno(EMFILE));
}

// The bytes that all queues of a user may take are limited; the answer is EMFILE, and a smaller
// queue is still possible.
GAUNTLET_CASE(MessageQueuesConformance, MqOpen_MoreThanRlimitMsgqueue_FailsWithEmfile,
              .clause = "getrlimit(2) RLIMIT_MSGQUEUE; mq_open(3) ERRORS [EMFILE]") {
  const std::string name = "/" + unique_name(context.scope());
  const mq_attr attributes = attributes_of(4, 256);
  const CallOutcome unlimited = make_and_remove(name, &attributes);
  if (unlimited.failed) return context.not_created(system_error("mq_open", unlimited.error));
  const LoweredLimit limit(RLIMIT_MSGQUEUE, 512);
  if (!limit.lowered()) return context.not_run("RLIMIT_MSGQUEUE to be lowered", "run unconfined");
  EXPECT_THAT(make_and_remove(name, &attributes), SyscallFailsWithErrno(EMFILE));
}

// The number of queues is limited for those without CAP_SYS_RESOURCE: ENOSPC.
GAUNTLET_CASE(MessageQueuesConformance, MqOpen_QueuesMaxReached_FailsWithEnospc,
              .clause = "POSIX.1-2024 mq_open() ERRORS [ENOSPC]; mq_overview(7) queues_max",
              .needs = {Need::private_ipc}) {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const PrivateIpcSetting one(context, kSettings + std::string("queues_max"), "1");
  if (!one.set()) return;
  const std::string name = "/" + unique_name(context.scope());
  const auto outcome = call_without_capabilities(context, [&]() -> long {
    const mq_attr attributes = attributes_of(1, 16);
    const CallOutcome made = make_and_remove(name, &attributes);
    errno = made.error;
    return made.value;
  });
  EXPECT_THAT(outcome, SyscallFailsWithErrno(ENOSPC));
}

// The descriptor does not survive exec, and a forked child has its own copy of it.
GAUNTLET_CASE(MessageQueuesConformance, MqOpen_Descriptor_ClosesOnExecAndIsInheritedByFork,
              .clause = "POSIX.1-2024 exec (message queue descriptors are closed), fork()") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  EXPECT_EQ(::fcntl(queue->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  ChildCall child(context, [&] { return ::mq_send(queue->get(), "from the child", 14, 0); });
  EXPECT_THAT(child.finish(), SyscallSucceeds());
  EXPECT_EQ(take(*queue), "from the child");
}

GAUNTLET_CASE(MessageQueuesConformance, MqClose_NotAQueueDescriptor_FailsWithEbadf,
              .clause = "POSIX.1-2024 mq_close() ERRORS [EBADF]") {
  auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const mqd_t closed = queue->get();
  queue->close();
  EXPECT_THAT(::mq_close(closed), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::mq_close(static_cast<mqd_t>(-1)), SyscallFailsWithErrno(EBADF));
}

// A queue and what is in it outlive everybody who had it open.
GAUNTLET_CASE(
    MessageQueuesConformance, MqClose_ByTheLastUser_KeepsTheQueueAndItsMessages,
    .clause = "POSIX.1-2024 mq_close(), mq_unlink(); mq_overview(7) (kernel persistence)") {
  auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(::mq_send(queue->get(), "kept", 4, 7), SyscallSucceeds());
  queue->close();
  const QueueDescriptor again = queue->open(O_RDWR | O_NONBLOCK);
  ASSERT_TRUE(again.valid()) << errno_name(errno);
  char buffer[QueueShape{}.bytes];
  unsigned priority = 0;
  EXPECT_THAT(::mq_receive(again.get(), buffer, sizeof buffer, &priority),
              SyscallSucceedsWithValue(4));
  EXPECT_EQ(priority, 7u);
}

GAUNTLET_CASE(MessageQueuesConformance, MqUnlink_UnknownName_FailsWithEnoent,
              .clause = "POSIX.1-2024 mq_unlink() ERRORS [ENOENT]") {
  const std::string name = "/" + unique_name(context.scope());
  EXPECT_THAT(::mq_unlink(name.c_str()), SyscallFailsWithErrno(ENOENT));
}

GAUNTLET_CASE(MessageQueuesConformance, MqUnlink_NameOverNameMax_FailsWithEnametoolong,
              .clause = "mq_unlink(3) ERRORS [ENAMETOOLONG]") {
  const std::string name = "/" + std::string(NAME_MAX + 1, 'n');
  EXPECT_THAT(::mq_unlink(name.c_str()), SyscallFailsWithErrno(ENAMETOOLONG));
}

// Somebody else's queue cannot be removed.
GAUNTLET_CASE(MessageQueuesConformance, MqUnlink_OfAnotherUsersQueue_FailsWithEacces,
              .clause = "POSIX.1-2024 mq_unlink() ERRORS [EACCES]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const auto outcome =
      call_as_stranger(context, [&] { return ::mq_unlink(queue->name().c_str()); });
  if (!outcome) return;
  EXPECT_THAT(*outcome, SyscallFailsWithErrno(EACCES));
  EXPECT_TRUE(queue->open(O_RDWR).valid()) << "the queue is gone all the same";
}

// The name goes at once; those who have the queue open go on with it, and the name is free for
// another.
GAUNTLET_CASE(MessageQueuesConformance, MqUnlink_WhileOpen_FreesTheNameAndKeepsTheQueue,
              .clause = "POSIX.1-2024 mq_unlink() DESCRIPTION") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  ASSERT_THAT(::mq_unlink(queue->name().c_str()), SyscallSucceeds());
  EXPECT_THAT(::mq_open(queue->name().c_str(), O_RDWR), SyscallFailsWithErrno(ENOENT));
  ASSERT_THAT(::mq_send(queue->get(), "on", 2, 0), SyscallSucceeds());
  const mq_attr attributes = attributes_of(1, 16);
  const QueueDescriptor other(
      ::mq_open(queue->name().c_str(), O_RDWR | O_CREAT | O_EXCL, 0600, &attributes));
  ASSERT_TRUE(other.valid()) << errno_name(errno);
  mq_attr seen = {};
  ASSERT_THAT(::mq_getattr(other.get(), &seen), SyscallSucceeds());
  EXPECT_EQ(seen.mq_curmsgs, 0);
  EXPECT_EQ(queue->waiting(), 1);
}

GAUNTLET_CASE(MessageQueuesConformance, MqGetattr_NotAQueueDescriptor_FailsWithEbadf,
              .clause = "POSIX.1-2024 mq_getattr(), mq_setattr() ERRORS [EBADF]") {
  mq_attr attributes = {};
  EXPECT_THAT(::mq_getattr(static_cast<mqd_t>(-1), &attributes), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::mq_setattr(static_cast<mqd_t>(-1), &attributes, nullptr),
              SyscallFailsWithErrno(EBADF));
}

// mq_setattr changes O_NONBLOCK alone, answers what was, and ignores the numbers.
GAUNTLET_CASE(MessageQueuesConformance, MqSetattr_OtherNumbers_ChangesTheFlagOnly,
              .clause = "POSIX.1-2024 mq_setattr() DESCRIPTION") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  mq_attr wanted = attributes_of(1, 1);
  wanted.mq_curmsgs = 99;
  mq_attr before = {};
  ASSERT_THAT(::mq_setattr(queue->get(), &wanted, &before), SyscallSucceeds());
  EXPECT_EQ(before.mq_flags, O_NONBLOCK);
  mq_attr after = {};
  ASSERT_THAT(::mq_getattr(queue->get(), &after), SyscallSucceeds());
  EXPECT_EQ(after.mq_flags, 0);
  EXPECT_EQ(after.mq_maxmsg, QueueShape{}.messages);
  EXPECT_EQ(after.mq_msgsize, QueueShape{}.bytes);
  EXPECT_EQ(after.mq_curmsgs, 0);
}

GAUNTLET_CASE(MessageQueuesConformance, MqSetattr_UnknownFlag_FailsWithEinval,
              .clause = "mq_setattr(3) ERRORS [EINVAL]") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  mq_attr wanted = {};
  wanted.mq_flags = O_NONBLOCK | O_APPEND;
  EXPECT_THAT(::mq_setattr(queue->get(), &wanted, nullptr), SyscallFailsWithErrno(EINVAL));
}

// O_NONBLOCK belongs to the open description, not to the queue.
GAUNTLET_CASE(
    MessageQueuesConformance, MqSetattr_OnOneDescriptor_LeavesAnotherAlone,
    .clause = "POSIX.1-2024 mq_setattr() DESCRIPTION (the open message queue description)") {
  const auto queue = PosixQueue::create(context.scope());
  if (!queue) return context.not_created(queue.error());
  const QueueDescriptor other = queue->open(O_RDWR);
  ASSERT_TRUE(other.valid());
  mq_attr blocking = {};
  ASSERT_THAT(::mq_setattr(queue->get(), &blocking, nullptr), SyscallSucceeds());
  mq_attr nonblocking = {};
  nonblocking.mq_flags = O_NONBLOCK;
  ASSERT_THAT(::mq_setattr(queue->get(), &nonblocking, nullptr), SyscallSucceeds());
  mq_attr seen = {};
  ASSERT_THAT(::mq_getattr(other.get(), &seen), SyscallSucceeds());
  EXPECT_EQ(seen.mq_flags, 0);
}

}  // namespace
}  // namespace gauntlet
