// What unix(7) promises of credentials: the kernel vouches for who is at the other end.
#include <gmock/gmock.h>

#include <cstring>
#include <optional>

#include "process/process.h"
#include "sockets/socket_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

std::optional<ucred> peer_of(const UniqueFd& fd) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return std::nullopt;
  return peer;
}

ucred own_credentials() { return {.pid = ::getpid(), .uid = ::getuid(), .gid = ::getgid()}; }

ssize_t send_credentials(const UniqueFd& to, const ucred& credentials) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
  char byte = 'c';
  iovec bytes{.iov_base = &byte, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_CREDENTIALS;
  header->cmsg_len = CMSG_LEN(sizeof(ucred));
  std::memcpy(CMSG_DATA(header), &credentials, sizeof credentials);
  return ::sendmsg(to.get(), &message, MSG_NOSIGNAL);
}

/// The credentials that came with the next message, if any did.
std::optional<ucred> take_credentials(const UniqueFd& from) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
  char byte = 0;
  iovec bytes{.iov_base = &byte, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(from.get(), &message, 0) < 0) return std::nullopt;
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_CREDENTIALS) return std::nullopt;
  ucred told{};
  std::memcpy(&told, CMSG_DATA(header), sizeof told);
  return told;
}

GAUNTLET_CASE(SocketsConformance, SoPeercred_OfAPair_IsWhoMadeIt,
              .clause = "unix(7) SO_PEERCRED (socketpair)") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  // A child that holds the end is not the one who made it.
  ChildCall holder(context, [&]() -> long {
    const auto peer = peer_of(pair->first);
    return peer ? peer->pid : -1;
  });
  EXPECT_THAT(holder.finish(), SyscallSucceedsWithValue(::getpid()));
  const auto peer = peer_of(pair->first);
  ASSERT_TRUE(peer.has_value());
  EXPECT_EQ(peer->uid, ::getuid());
  EXPECT_EQ(peer->gid, ::getgid());
}

// The server learns who called connect(), the client who called listen().
GAUNTLET_CASE(SocketsConformance, SoPeercred_OfAConnection_IsWhoConnectedAndWhoListened,
              .clause = "unix(7) SO_PEERCRED (connect(2), listen(2))") {
  const auto bound = Bound::listening(context, kUnixStream);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd client = bound->client();
  ChildCall connecting(context, [&] { return bound->connect(client); });
  const pid_t child = connecting.pid();
  ASSERT_THAT(connecting.finish(), SyscallSucceeds());
  const UniqueFd server = bound->accept();
  ASSERT_TRUE(server.valid());
  const auto at_server = peer_of(server);
  const auto at_client = peer_of(client);
  ASSERT_TRUE(at_server && at_client);
  EXPECT_EQ(at_server->pid, child);
  EXPECT_EQ(at_client->pid, ::getpid());
}

// Who asks for credentials gets them with each message, though the sender sent none.
GAUNTLET_CASE(SocketsConformance, SoPasscred_Set_EachMessageComesWithItsSender,
              .clause = "unix(7) SO_PASSCRED, SCM_CREDENTIALS") {
  const auto pair = SocketPair::open(SOCK_DGRAM);
  if (!pair) return context.not_created(pair.error());
  ASSERT_THAT(set_option(pair->second.get(), SO_PASSCRED, 1), SyscallSucceeds());
  ChildCall sender(context, [&] { return send_text(pair->first, "x"); });
  const pid_t child = sender.pid();
  ASSERT_THAT(sender.finish(), SyscallSucceedsWithValue(1));
  const auto told = take_credentials(pair->second);
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->pid, child);
  EXPECT_EQ(told->uid, ::getuid());
  EXPECT_EQ(told->gid, ::getgid());
}

GAUNTLET_CASE(SocketsConformance, SoPasscred_NotSet_NoCredentialsCome,
              .clause = "unix(7) SO_PASSCRED") {
  const auto pair = SocketPair::open(SOCK_DGRAM);
  if (!pair) return context.not_created(pair.error());
  ASSERT_THAT(send_credentials(pair->first, own_credentials()), SyscallSucceeds());
  EXPECT_FALSE(take_credentials(pair->second).has_value());
}

// Without privileges nobody can say that he is another.
GAUNTLET_CASE(SocketsConformance, ScmCredentials_ForgedWithoutCapabilities_FailWithEperm,
              .clause = "unix(7) SCM_CREDENTIALS, ERRORS [EPERM]") {
  const auto pair = SocketPair::open(SOCK_DGRAM, SOCK_NONBLOCK);
  if (!pair) return context.not_created(pair.error());
  const pid_t another = ::getpid();
  const auto forged = [&](const std::function<void(ucred&)>& forge) {
    return call_without_capabilities(context, [&]() -> long {
      ucred credentials = own_credentials();
      forge(credentials);
      return send_credentials(pair->first, credentials);
    });
  };
  // In a user namespace of one user there is no other: user_namespaces(7), EINVAL.
  const auto refused = SyscallFailsWithErrno(testing::AnyOf(EPERM, EINVAL));
  EXPECT_THAT(forged([](ucred& c) { c.uid += 1; }), refused);
  EXPECT_THAT(forged([](ucred& c) { c.gid += 1; }), refused);
  EXPECT_THAT(forged([&](ucred& c) { c.pid = another; }), SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(forged([](ucred&) {}), SyscallSucceedsWithValue(1));
}

}  // namespace
}  // namespace gauntlet
