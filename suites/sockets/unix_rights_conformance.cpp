// What unix(7) promises of descriptors in messages: whose they are, how many, and when they close.
#include <gmock/gmock.h>

#include "process/process.h"
#include "sockets/descriptor_passing.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"

namespace gauntlet {
namespace {

using testing::SizeIs;

constexpr std::size_t kMostInOneMessage = 253;  // unix(7): SCM_MAX_FD

// The receiver's descriptor is another number for the same open file.
GAUNTLET_CASE(SocketsConformance, ScmRights_ReceivedDescriptor_IsTheSameOpenFile,
              .clause = "unix(7) SCM_RIGHTS (as though created with dup(2))") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  const UniqueFd file(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  ASSERT_THAT(send_descriptor(pair->first, file), SyscallSucceedsWithValue(1));
  const Taken taken = take_descriptors(pair->second, 1);
  ASSERT_THAT(taken.descriptors, SizeIs(1));
  EXPECT_NE(taken.descriptors[0].get(), file.get());
  ASSERT_EQ(::lseek(file.get(), 7, SEEK_SET), 7);
  EXPECT_EQ(::lseek(taken.descriptors[0].get(), 0, SEEK_CUR), 7) << "the offset is not shared";
}

GAUNTLET_CASE(SocketsConformance, Recvmsg_MsgCmsgCloexec_SetsCloseOnExecAndElseItIsClear,
              .clause = "recvmsg(2) MSG_CMSG_CLOEXEC; POSIX.1-2024 recvmsg()") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  for (const int flags : {static_cast<int>(MSG_CMSG_CLOEXEC), 0}) {
    ASSERT_THAT(send_descriptor(pair->first, pair->first), SyscallSucceeds());
    const Taken taken = take_descriptors(pair->second, 1, flags);
    ASSERT_THAT(taken.descriptors, SizeIs(1));
    EXPECT_EQ(::fcntl(taken.descriptors[0].get(), F_GETFD), flags != 0 ? FD_CLOEXEC : 0);
  }
}

GAUNTLET_CASE(SocketsConformance, ScmRights_253Descriptors_ArriveAnd254FailWithEinval,
              .clause = "unix(7) SCM_RIGHTS (SCM_MAX_FD 253; EINVAL above)") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_cur < kMostInOneMessage + 64) {
    return context.not_run("RLIMIT_NOFILE of 317", "ulimit -n 1024");
  }
  std::vector<int> many(kMostInOneMessage + 1, pair->first.get());
  EXPECT_THAT(send_descriptors(pair->first, many), SyscallFailsWithErrno(EINVAL));
  many.pop_back();
  ASSERT_THAT(send_descriptors(pair->first, many), SyscallSucceeds());
  const Taken taken = take_descriptors(pair->second, kMostInOneMessage);
  EXPECT_THAT(taken.descriptors, SizeIs(kMostInOneMessage));
  EXPECT_EQ(taken.flags & MSG_CTRUNC, 0);
}

// One bad descriptor refuses the message, and none of the others is on its way.
GAUNTLET_CASE(SocketsConformance, ScmRights_OneOfThemClosed_FailsWithEbadfAndSendsNothing,
              .clause = "sendmsg(2) ERRORS [EBADF]; unix(7) ERRORS") {
  const auto pair = SocketPair::open(SOCK_STREAM, SOCK_NONBLOCK);
  auto witness = Witness::open();
  if (!pair) return context.not_created(pair.error());
  if (!witness) return context.not_created(witness.error());
  const int two[] = {witness->writer.get(), -1};
  EXPECT_THAT(send_descriptors(pair->first, two), SyscallFailsWithErrno(EBADF));
  EXPECT_EQ(receive_text(pair->second), "<EAGAIN>");
  witness->writer.reset();
  EXPECT_TRUE(witness->writer_is_gone_now()) << "the refused message kept a descriptor";
}

// What does not fit into the control buffer is closed, never leaked into the receiver, and it is
// told. A message bus leaked them (CVE-2020-12049).
GAUNTLET_CASE(SocketsConformance, ScmRights_ShortControlBuffer_IsToldAndTheExcessIsClosed,
              .clause = "unix(7) SCM_RIGHTS (excess file descriptors closed, MSG_CTRUNC)") {
  for (const std::size_t room : {0, 1}) {
    SCOPED_TRACE("room for " + std::to_string(room));
    const auto pair = SocketPair::open(SOCK_STREAM);
    auto witness = Witness::open();
    if (!pair) return context.not_created(pair.error());
    if (!witness) return context.not_created(witness.error());
    const int two[] = {pair->first.get(), witness->writer.get()};
    ASSERT_THAT(send_descriptors(pair->first, two), SyscallSucceeds());
    witness->writer.reset();
    EXPECT_FALSE(witness->writer_is_gone_now()) << "closed while it was in flight";
    const Taken taken = take_descriptors(pair->second, room);
    EXPECT_EQ(taken.flags & MSG_CTRUNC, MSG_CTRUNC);
    EXPECT_THAT(taken.descriptors, SizeIs(room));
    EXPECT_TRUE(witness->writer_goes()) << "the descriptor that did not fit was not closed";
  }
}

// The receiver's limit on descriptors counts: those that it may not have are closed.
GAUNTLET_CASE(SocketsConformance, ScmRights_OverTheReceiversLimit_IsToldAndTheExcessIsClosed,
              .clause = "unix(7) SCM_RIGHTS (RLIMIT_NOFILE: excess closed, MSG_CTRUNC)") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  auto witness = Witness::open();
  if (!pair) return context.not_created(pair.error());
  if (!witness) return context.not_created(witness.error());
  const int three[] = {pair->first.get(), pair->first.get(), witness->writer.get()};
  ASSERT_THAT(send_descriptors(pair->first, three), SyscallSucceeds());
  const int free_one = witness->writer.get();
  witness->writer.reset();
  Taken taken;
  {
    const LoweredLimit limit(RLIMIT_NOFILE, static_cast<rlim_t>(free_one) + 1);
    if (!limit.lowered()) return context.not_run("RLIMIT_NOFILE to be lowered", "run unconfined");
    taken = take_descriptors(pair->second, 3);
  }
  EXPECT_EQ(taken.size, 1) << errno_name(taken.error);
  EXPECT_EQ(taken.flags & MSG_CTRUNC, MSG_CTRUNC);
  EXPECT_THAT(taken.descriptors, SizeIs(1));
  EXPECT_TRUE(witness->writer_goes());
}

// In flight a descriptor is open, though no process has it.
GAUNTLET_CASE(SocketsConformance, ScmRights_InFlight_StaysOpenUntilItIsReceivedAndClosed,
              .clause = "unix(7) SCM_RIGHTS; POSIX.1-2024 close() (open file description)") {
  auto pair = SocketPair::open(SOCK_STREAM);
  auto witness = Witness::open();
  if (!pair) return context.not_created(pair.error());
  if (!witness) return context.not_created(witness.error());
  ASSERT_THAT(send_descriptor(pair->first, witness->writer), SyscallSucceeds());
  witness->writer.reset();
  pair->first.reset();
  EXPECT_FALSE(witness->writer_is_gone_now());
  Taken taken = take_descriptors(pair->second, 1);
  ASSERT_THAT(taken.descriptors, SizeIs(1));
  EXPECT_THAT(::write(taken.descriptors[0].get(), "x", 1), SyscallSucceedsWithValue(1));
  char byte = 0;
  EXPECT_THAT(::read(witness->reader.get(), &byte, 1), SyscallSucceedsWithValue(1));
  taken.descriptors.clear();
  EXPECT_TRUE(witness->writer_goes());
}

GAUNTLET_CASE(SocketsConformance, ScmRights_ReceiverClosesUnread_ClosesWhatWasInFlight,
              .clause = "unix(7) SCM_RIGHTS; POSIX.1-2024 close()") {
  auto pair = SocketPair::open(SOCK_STREAM);
  auto witness = Witness::open();
  if (!pair) return context.not_created(pair.error());
  if (!witness) return context.not_created(witness.error());
  ASSERT_THAT(send_descriptor(pair->first, witness->writer), SyscallSucceeds());
  witness->writer.reset();
  pair->second.reset();
  EXPECT_TRUE(witness->writer_goes());
}

// A look at a message brings copies of its descriptors each time and leaves them in it.
GAUNTLET_CASE(SocketsConformance, ScmRights_Peeked_BringsCopiesAndStays,
              .clause = "recv(2) MSG_PEEK; unix(7) SCM_RIGHTS") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  auto witness = Witness::open();
  if (!pair) return context.not_created(pair.error());
  if (!witness) return context.not_created(witness.error());
  ASSERT_THAT(send_descriptor(pair->first, witness->writer), SyscallSucceeds());
  witness->writer.reset();
  for (const int flags : {static_cast<int>(MSG_PEEK), static_cast<int>(MSG_PEEK), 0}) {
    Taken taken = take_descriptors(pair->second, 1, flags | MSG_CMSG_CLOEXEC);
    ASSERT_THAT(taken.descriptors, SizeIs(1));
    EXPECT_EQ(taken.text, "d");
    EXPECT_FALSE(witness->writer_is_gone_now());
  }
  EXPECT_TRUE(witness->writer_goes());
}

// On a stream the bytes before, with and after descriptors never come in one receive with those of
// another set: who reads them knows where each belongs.
GAUNTLET_CASE(SocketsConformance, ScmRights_InAStream_AreABarrierBetweenTheBytes,
              .clause = "unix(7) BUGS, Ancillary messages (a barrier for the received data)") {
  const auto pair = SocketPair::open(SOCK_STREAM, SOCK_NONBLOCK);
  if (!pair) return context.not_created(pair.error());
  ASSERT_THAT(send_descriptor(pair->first, pair->first, "one"), SyscallSucceedsWithValue(3));
  ASSERT_THAT(send_descriptor(pair->first, pair->first, "two"), SyscallSucceedsWithValue(3));
  const Taken first = take_descriptors(pair->second, 4);
  const Taken second = take_descriptors(pair->second, 4);
  EXPECT_EQ(first.text, "one");
  EXPECT_EQ(second.text, "two");
  EXPECT_THAT(first.descriptors, SizeIs(1));
  EXPECT_THAT(second.descriptors, SizeIs(1));
}

GAUNTLET_CASE(SocketsConformance, ScmRights_WithAnEmptyDatagram_Arrive,
              .clause = "unix(7) NOTES (datagram: without real data)") {
  const auto pair = SocketPair::open(SOCK_DGRAM);
  if (!pair) return context.not_created(pair.error());
  ASSERT_THAT(send_descriptor(pair->first, pair->first, ""), SyscallSucceedsWithValue(0));
  const Taken taken = take_descriptors(pair->second, 1);
  EXPECT_EQ(taken.size, 0);
  EXPECT_THAT(taken.descriptors, SizeIs(1));
}

// A user without privileges may not have more descriptors in flight than it may have open.
// The kernel counts for each user what all of its processes have in flight, so the limit is well
// above what other processes may hold.
GAUNTLET_CASE(SocketsOverload, ScmRights_MoreInFlightThanTheLimit_FailsWithEtoomanyrefs,
              .clause = "unix(7) ERRORS [ETOOMANYREFS]") {
  constexpr std::size_t kLimit = 4096;
  constexpr std::size_t kSize = 250;  // of one message
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_max < kLimit) return context.not_run("RLIMIT_NOFILE of 4096", "ulimit -Hn 4096");
  std::vector<SocketPair> pairs;  // more than one, for a socket holds only so much
  for (int n = 0; n < 4; ++n) {
    auto pair = SocketPair::open(SOCK_STREAM, SOCK_NONBLOCK);
    if (!pair) return context.not_created(pair.error());
    pairs.push_back(std::move(*pair));
  }
  const Shared<std::size_t> sent;
  const CallOutcome refused = call_without_capabilities(context, [&]() -> long {
    const LoweredLimit lowered(RLIMIT_NOFILE, kLimit);
    const std::vector<int> many(kSize, pairs[0].first.get());
    for (const SocketPair& pair : pairs) {
      while (*sent <= 2 * kLimit && send_descriptors(pair.first, many) > 0) *sent += kSize;
      if (errno == ETOOMANYREFS) return -1;
    }
    errno = EAGAIN;
    return -1;
  });
  EXPECT_THAT(refused, SyscallFailsWithErrno(ETOOMANYREFS)) << *sent << " were in flight";
  EXPECT_LE(*sent, kLimit + kSize) << "one message may pass the limit, no more";
  if (*sent == 0) {
    return context.not_run("fewer than 4096 descriptors of this user in flight",
                           "end what holds them, or restart a kernel that lost them");
  }
  // What is received is no more in flight.
  std::size_t taken = 0;
  for (const SocketPair& pair : pairs) {
    for (;;) {
      const Taken one = take_descriptors(pair.second, kSize, MSG_CMSG_CLOEXEC, 1);
      if (one.size < 0) break;
      taken += one.descriptors.size();
    }
  }
  EXPECT_EQ(taken, *sent);
  EXPECT_THAT(call_without_capabilities(context,
                                        [&]() -> long {
                                          const LoweredLimit lowered(RLIMIT_NOFILE, kLimit);
                                          return send_descriptor(pairs[0].first, pairs[0].second);
                                        }),
              SyscallSucceeds());
}

// The sender's death does not take back what it has sent. It could fail if the descriptor were
// counted for the dead process.
GAUNTLET_CASE(SocketsCrashes, SenderOfADescriptorKilled_TheDescriptorArrives,
              .clause = "unix(7) SCM_RIGHTS; POSIX.1-2024 _Exit()") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  auto witness = Witness::open();
  if (!pair) return context.not_created(pair.error());
  if (!witness) return context.not_created(witness.error());
  ChildCall sender(context, [&]() -> long {
    if (send_descriptor(pair->first, witness->writer) < 0) return -1;
    return ::pause();
  });
  ASSERT_TRUE(sender.is_asleep());
  witness->writer.reset();
  EXPECT_TRUE(sender.kill());
  EXPECT_FALSE(witness->writer_is_gone_now());
  Taken taken = take_descriptors(pair->second, 1);
  ASSERT_THAT(taken.descriptors, SizeIs(1));
  EXPECT_THAT(::write(taken.descriptors[0].get(), "x", 1), SyscallSucceedsWithValue(1));
}

// A receiver that dies with unread descriptors closes them. It could fail if a queue were freed
// without what it holds.
GAUNTLET_CASE(SocketsCrashes, ReceiverKilledWithDescriptorsInItsQueue_ClosesThem,
              .clause = "unix(7) SCM_RIGHTS; POSIX.1-2024 _Exit()") {
  auto pair = SocketPair::open(SOCK_STREAM);
  auto witness = Witness::open();
  if (!pair) return context.not_created(pair.error());
  if (!witness) return context.not_created(witness.error());
  ChildCall receiver(context, [&]() -> long {
    pair->first.reset();
    witness->writer.reset();
    return ::pause();
  });
  ASSERT_TRUE(receiver.is_asleep());
  ASSERT_THAT(send_descriptor(pair->first, witness->writer), SyscallSucceeds());
  witness->writer.reset();
  pair->second.reset();
  EXPECT_FALSE(witness->writer_is_gone_now());
  EXPECT_TRUE(receiver.kill());
  EXPECT_TRUE(witness->writer_goes());
}

}  // namespace
}  // namespace gauntlet
