// What a mailbox with an address promises: messages find it by name, and say where they come from.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "cases/context.h"
#include "message_passing/mailbox.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/scratch_directory.h"

namespace gauntlet {
namespace {

UniqueFd nameless() { return UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }

// The sender's address comes with the message, and a reply to it arrives there.
GAUNTLET_CASE(MessagePassingConformance, LetterToAMailbox_BringsTheAddressForTheReply,
              .clause = "unix(7); recvfrom(2) src_addr; sendto(2)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const auto server = Mailbox::open(directory->file("server"));
  const auto client = Mailbox::open(directory->file("client"));
  ASSERT_TRUE(server && client);
  ASSERT_THAT(send_to(client->get(), server->path(), "question"), SyscallSucceedsWithValue(8));
  const Letter letter = take_letter(server->get());
  EXPECT_EQ(letter.text, "question");
  ASSERT_EQ(letter.sender, client->path());
  ASSERT_THAT(send_to(server->get(), letter.sender, "answer"), SyscallSucceedsWithValue(6));
  const Letter reply = take_letter(client->get());
  EXPECT_EQ(reply.text, "answer");
  EXPECT_EQ(reply.sender, server->path());
}

// A sender without an address can be heard and not answered.
GAUNTLET_CASE(MessagePassingConformance, LetterOfANamelessSender_HasNoAddress,
              .clause = "unix(7) (unnamed socket); recvfrom(2)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const auto mailbox = Mailbox::open(directory->file("mailbox"));
  ASSERT_TRUE(mailbox);
  ASSERT_THAT(send_to(nameless().get(), mailbox->path(), "x"), SyscallSucceedsWithValue(1));
  const Letter letter = take_letter(mailbox->get());
  EXPECT_EQ(letter.text, "x");
  EXPECT_EQ(letter.sender, "");
}

GAUNTLET_CASE(MessagePassingConformance, LetterToAnAddressThatIsNotThere_FailsWithEnoent,
              .clause = "unix(7) ERRORS [ENOENT]") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  EXPECT_THAT(send_to(nameless().get(), directory->file("nobody"), "x"),
              SyscallFailsWithErrno(ENOENT));
}

// The name stays when its owner is gone, and says so.
GAUNTLET_CASE(MessagePassingConformance, LetterToAClosedMailbox_FailsWithEconnrefused,
              .clause = "unix(7) ERRORS [ECONNREFUSED]") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  auto mailbox = Mailbox::open(directory->file("mailbox"));
  ASSERT_TRUE(mailbox);
  mailbox->close();
  EXPECT_THAT(send_to(nameless().get(), mailbox->path(), "x"), SyscallFailsWithErrno(ECONNREFUSED));
  // Nobody else can have the address before the name is removed.
  const auto heir = Mailbox::open(mailbox->path());
  ASSERT_FALSE(heir.has_value());
  EXPECT_EQ(heir.error().system_errno, EADDRINUSE);
}

GAUNTLET_CASE(MessagePassingConformance, LetterToAStreamSocket_FailsWithEprototype,
              .clause = "unix(7) ERRORS [EPROTOTYPE]") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const UniqueFd stream(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = mailbox_address(directory->file("stream"));
  ASSERT_THAT(::bind(stream.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              SyscallSucceeds());
  EXPECT_THAT(send_to(nameless().get(), address.sun_path, "x"), SyscallFailsWithErrno(EPROTOTYPE));
}

// Sending needs write permission on the name.
GAUNTLET_CASE(MessagePassingConformance, LetterToAMailboxWithoutPermission_FailsWithEacces,
              .clause = "unix(7) (write permission on the socket file); sendto(2) [EACCES]") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const auto mailbox = Mailbox::open(directory->file("mailbox"));
  ASSERT_TRUE(mailbox);
  ASSERT_THAT(::chmod(mailbox->path().c_str(), 0400), SyscallSucceeds());
  EXPECT_THAT(call_without_capabilities(
                  context, [&] { return send_to(nameless().get(), mailbox->path(), "x"); }),
              SyscallFailsWithErrno(EACCES));
  EXPECT_THAT(take_letter(mailbox->get()).call, SyscallFailsWithErrno(EAGAIN));
}

// Connected, a mailbox hears one sender only.
GAUNTLET_CASE(MessagePassingConformance, LetterToAMailboxConnectedToAnother_FailsWithEperm,
              .clause = "connect(2) SOCK_DGRAM (only address from which datagrams are received)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const auto mailbox = Mailbox::open(directory->file("mailbox"));
  const auto friendly = Mailbox::open(directory->file("friend"));
  ASSERT_TRUE(mailbox && friendly);
  const sockaddr_un address = mailbox_address(friendly->path());
  ASSERT_THAT(
      ::connect(mailbox->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
      SyscallSucceeds());
  EXPECT_THAT(send_to(nameless().get(), mailbox->path(), "x"), SyscallFailsWithErrno(EPERM));
  EXPECT_THAT(send_to(friendly->get(), mailbox->path(), "y"), SyscallSucceedsWithValue(1));
  EXPECT_EQ(take_letter(mailbox->get()).text, "y");
}

// Each mailbox has a queue of its own: one that is full holds up nobody else's.
GAUNTLET_CASE(MessagePassingConformance, FullMailbox_RefusesAndOthersStillReceive,
              .clause = "unix(7) (max_dgram_qlen); send(2) ERRORS [EAGAIN]") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const auto full = Mailbox::open(directory->file("full"));
  const auto other = Mailbox::open(directory->file("other"));
  ASSERT_TRUE(full && other);
  const UniqueFd sender = nameless();
  long fit = 0;
  while (fit < 100'000 && send_to(sender.get(), full->path(), "x") == 1) ++fit;
  EXPECT_THAT(send_to(sender.get(), full->path(), "x"), SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(send_to(sender.get(), other->path(), "y"), SyscallSucceedsWithValue(1));
  EXPECT_EQ(take_letter(other->get()).text, "y");
  EXPECT_EQ(take_letter(full->get()).text, "x");
  EXPECT_THAT(send_to(sender.get(), full->path(), "z"), SyscallSucceedsWithValue(1));
  context.observed("letters_that_fit", std::to_string(fit));
}

// A name without a choice: the kernel gives an abstract address that nobody else has.
GAUNTLET_CASE(MessagePassingConformance, AutobindTwice_GivesTwoAbstractAddresses,
              .clause = "unix(7) Autobind feature") {
  const UniqueFd first = nameless();
  const UniqueFd second = nameless();
  sockaddr_un addresses[2]{};
  const int sockets[2] = {first.get(), second.get()};
  for (int n = 0; n < 2; ++n) {
    sockaddr_un none{};
    none.sun_family = AF_UNIX;
    ASSERT_THAT(::bind(sockets[n], reinterpret_cast<const sockaddr*>(&none), sizeof(sa_family_t)),
                SyscallSucceeds());
    socklen_t length = sizeof addresses[n];
    ASSERT_THAT(::getsockname(sockets[n], reinterpret_cast<sockaddr*>(&addresses[n]), &length),
                SyscallSucceeds());
    // unix(7): a null byte and 5 bytes of [0-9a-f].
    EXPECT_EQ(length, offsetof(sockaddr_un, sun_path) + 6);
    EXPECT_EQ(addresses[n].sun_path[0], '\0');
  }
  EXPECT_NE(std::memcmp(addresses[0].sun_path, addresses[1].sun_path, 6), 0);
}

}  // namespace
}  // namespace gauntlet
