// Descriptors as messages when several receive, when somebody dies, and when there are too many.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <vector>

#include "base/limits.h"
#include "cases/context.h"
#include "message_passing/passed_descriptor.h"
#include "process/shared.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/property.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

// However many times and over how many hands it goes, it is the same file.
GAUNTLET_CASE(MessagePassingProperties, DescriptorPassedOnAnyTimes_IsStillTheSameFile,
              .clause = "unix(7) SCM_RIGHTS") {
  const auto pair = MessagePair::open();
  if (!pair) return context.not_created(pair.error());
  check_property(context, {.tests = context.amount(30, 300, 3000), .size = 20}, [&] {
    const auto directions = *rc::gen::container<std::vector<bool>>(rc::gen::arbitrary<bool>());
    UniqueFd file = memory_file();
    RC_ASSERT(file.valid());
    struct stat before {};
    RC_ASSERT(::fstat(file.get(), &before) == 0);
    for (const bool there : directions) {
      const int from = there ? pair->ours.get() : pair->theirs.get();
      const int to = there ? pair->theirs.get() : pair->ours.get();
      RC_ASSERT(send_descriptor(from, file.get()) == 1);
      file.reset();
      file = receive_descriptor(to).descriptor;
      RC_ASSERT(file.valid());
    }
    struct stat after {};
    RC_ASSERT(::fstat(file.get(), &after) == 0);
    RC_ASSERT(before.st_ino == after.st_ino);
    RC_ASSERT(::write(file.get(), "x", 1) == 1);
  });
}

// Two who receive from one socket: each descriptor goes to one of them. It could fail if a message
// were seen by both before it is taken off the queue, or its descriptor installed twice.
GAUNTLET_CASE(MessagePassingRaces, SeveralReceiveDescriptors_EachGoesToOneOfThem,
              .clause = "unix(7) SCM_RIGHTS, SOCK_SEQPACKET") {
  const auto pair = MessagePair::open();
  if (!pair) return context.not_created(pair.error());
  constexpr std::size_t kReceivers = 3;
  const auto messages = static_cast<std::size_t>(context.amount(300, 3000, 30'000));
  SharedBytes counts(messages);
  Crew crew(kReceivers + 1);
  for (std::size_t n = 0; n < kReceivers; ++n) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      worker.await_start();
      for (std::size_t turn = 0; turn <= messages; ++turn) {
        const Arrival arrival = receive_descriptor(pair->theirs.get(), MSG_CMSG_CLOEXEC);
        std::uint32_t id = 0;
        if (::pread(arrival.descriptor.get(), &id, sizeof id, 0) != sizeof id) return;  // the end
        auto& count = reinterpret_cast<std::atomic<std::uint8_t>&>(counts.data()[id]);
        count.fetch_add(1);
      }
    }));
  }
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    worker.await_start();
    for (std::uint32_t id = 0; id < messages; ++id) {
      const UniqueFd file = memory_file();
      worker.expect(::write(file.get(), &id, sizeof id) == sizeof id, "write failed");
      if (!worker.expect(send_control(pair->ours.get(), SCM_RIGHTS, file.get(), 0) == 1,
                         "sendmsg failed with " + errno_name(errno))) {
        return;
      }
    }
    const UniqueFd end = memory_file();  // an empty file each
    for (std::size_t n = 0; n < kReceivers; ++n) {
      send_control(pair->ours.get(), SCM_RIGHTS, end.get(), 0);
    }
  }));
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  if (!context.join(crew)) return;
  for (std::size_t id = 0; id < messages; ++id) {
    ASSERT_EQ(counts.data()[id], std::byte{1}) << "how often descriptor " << id << " came";
  }
}

// The sender dies at once after it sent: the descriptor, and with it a file that nobody else has
// open and that has no name, is still there for the receiver.
GAUNTLET_CASE(MessagePassingCrashes, SenderKilledAfterSending_TheDescriptorSurvives,
              .clause = "unix(7) SCM_RIGHTS; POSIX.1-2024 _Exit()") {
  const auto pair = MessagePair::open();
  const auto parked = MessagePair::open();
  if (!pair) return context.not_created(pair.error());
  if (!parked) return context.not_created(parked.error());
  ChildCall sender(context, [&] {
    const UniqueFd file = memory_file();
    if (::write(file.get(), "will", 4) != 4) return ssize_t{-1};
    if (send_descriptor(pair->ours.get(), file.get()) != 1) return ssize_t{-1};
    char byte = 0;
    return ::recv(parked->theirs.get(), &byte, 1, 0);
  });
  ASSERT_TRUE(sender.is_asleep());
  EXPECT_TRUE(sender.kill());
  const Arrival arrival = receive_descriptor(pair->theirs.get());
  ASSERT_TRUE(arrival.descriptor.valid());
  char text[5] = {};
  EXPECT_THAT(::pread(arrival.descriptor.get(), text, 4, 0), SyscallSucceedsWithValue(4));
  EXPECT_STREQ(text, "will");
}

// The only receiver dies with messages unread: what they carry is closed, which the other end of
// it is told. It could fail by descriptors that stay in a socket nobody can read.
GAUNTLET_CASE(MessagePassingCrashes, ReceiverKilledWithUnreadMessages_TheirDescriptorsAreClosed,
              .clause = "unix(7) SCM_RIGHTS; pipe(7)") {
  auto pair = MessagePair::open();
  const auto parked = MessagePair::open();
  if (!pair) return context.not_created(pair.error());
  if (!parked) return context.not_created(parked.error());
  int ends[2];
  ASSERT_THAT(::pipe2(ends, O_CLOEXEC), SyscallSucceeds());
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  ChildCall receiver(context, [&] {
    ::close(ends[1]);  // what the fork gave it
    char byte = 0;
    return ::recv(parked->theirs.get(), &byte, 1, 0);
  });
  ASSERT_TRUE(receiver.is_asleep());
  pair->theirs.reset();  // the child alone can receive
  ASSERT_THAT(send_descriptor(pair->ours.get(), write_end.get()), SyscallSucceedsWithValue(1));
  write_end.reset();
  ChildCall reader(context, [&] {
    char byte = 0;
    return ::read(read_end.get(), &byte, 1);
  });
  ASSERT_TRUE(reader.is_asleep());
  EXPECT_TRUE(receiver.kill());
  EXPECT_THAT(reader.finish(), SyscallSucceedsWithValue(0));
}

// Without a free number the message comes all the same, and says that something is missing.
GAUNTLET_CASE(MessagePassingOverload, NoNumberFreeForADescriptor_TheMessageComesWithoutIt,
              .clause = "unix(7) SCM_RIGHTS (RLIMIT_NOFILE exceeded: excess are closed)") {
  const auto pair = MessagePair::open();
  if (!pair) return context.not_created(pair.error());
  const UniqueFd file = memory_file();
  ASSERT_THAT(send_descriptor(pair->ours.get(), file.get()), SyscallSucceedsWithValue(1));
  ASSERT_THAT(send_descriptor(pair->ours.get(), file.get()), SyscallSucceedsWithValue(1));
  ChildCall receiver(context, [&]() -> long {
    {
      // Numbers are given out lowest first: every one below this is in use.
      const int lowest = ::dup(file.get());
      ::close(lowest);
      const LoweredLimit none(RLIMIT_NOFILE, static_cast<rlim_t>(lowest));
      const Arrival arrival = receive_descriptor(pair->theirs.get());
      if (arrival.call.failed || arrival.call.value != 1 || arrival.descriptor.valid()) return -1;
    }
    return receive_descriptor(pair->theirs.get()).descriptor.valid() ? 1 : -1;
  });
  EXPECT_THAT(receiver.finish(), SyscallSucceedsWithValue(1));
}

}  // namespace
}  // namespace gauntlet
