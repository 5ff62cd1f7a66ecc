// Mailboxes with many clients at once, with owners that die, and full ones.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <vector>

#include "base/limits.h"
#include "cases/context.h"
#include "message_passing/mailbox.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/quiet.h"
#include "support/scratch_directory.h"

namespace gauntlet {
namespace {

// Many ask one server by its address and each waits for its own answer. It could fail if the
// address of one message were given with another.
GAUNTLET_CASE(MessagePassingRaces, ManyClientsOfOneMailbox_EachGetsItsOwnAnswer,
              .clause = "unix(7); recvfrom(2) src_addr") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  constexpr std::size_t kClients = 4;
  const std::size_t questions = context.amount(100, 1000, 10'000);
  const auto server = Mailbox::open(directory->file("server"));
  ASSERT_TRUE(server);
  Crew crew(kClients + 1);
  for (std::size_t n = 0; n < kClients; ++n) {
    ASSERT_TRUE(crew.add([&, n](Worker& worker) {
      const auto own = Mailbox::open(directory->file(fmt::format("client{}", n)));
      if (!worker.expect(own.has_value(), "no mailbox")) return;
      worker.await_start();
      for (std::size_t question = 0; question < questions; ++question) {
        const std::string text = fmt::format("{}:{}", n, question);
        const bool asked =
            send_to(own->get(), server->path(), text, 0) == static_cast<ssize_t>(text.size());
        if (!worker.expect(asked, "could not ask: " + errno_name(errno))) return;
        const Letter answer = take_letter(own->get(), 0);
        if (!worker.expect(answer.text == text, "asked " + text + ", got " + answer.text)) return;
        worker.step();
      }
    }));
  }
  ASSERT_TRUE(crew.add([&](Worker& worker) {
    worker.await_start();
    for (std::size_t turn = 0; turn < kClients * questions; ++turn) {
      const Letter letter = take_letter(server->get(), 0);
      const auto answered = send_to(server->get(), letter.sender, letter.text, 0);
      if (!worker.expect(answered >= 0, "could not answer: " + errno_name(errno))) return;
      worker.step();
    }
  }));
  ASSERT_TRUE(crew.start(Deadline::after(kCallPatience)));
  if (await_end_or_stuck(context, crew, "a question or an answer was lost")) context.join(crew);
}

/// Sends until the mailbox is full; the next one sleeps.
void fill(const std::string& path, int socket) {
  for (int n = 0; n < 100'000 && send_to(socket, path, "x") == 1; ++n) {
  }
}

// The owner of a full mailbox dies while a sender sleeps before it: the sender is told. It could
// fail if only receiving, and not the end of the socket, woke those who wait for room.
GAUNTLET_CASE(MessagePassingCrashes, OwnerOfAFullMailboxKilled_SleepingSenderGetsEconnrefused,
              .clause = "unix(7) ERRORS [ECONNREFUSED]; sendto(2)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  auto mailbox = Mailbox::open(directory->file("mailbox"));
  ASSERT_TRUE(mailbox);
  ChildCall owner(context, [] { return ::pause(); });  // has the socket by the fork
  ASSERT_TRUE(owner.is_asleep());
  const std::string path = mailbox->path();
  mailbox->close();
  const UniqueFd sending(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  fill(path, sending.get());
  ChildCall sender(context, [&] { return send_to(sending.get(), path, "y", 0); });
  ASSERT_TRUE(sender.is_asleep());
  EXPECT_TRUE(owner.kill());
  EXPECT_THAT(sender.finish(), SyscallFailsWithErrno(ECONNREFUSED));
}

// What a sender put into a mailbox stays when it is killed.
GAUNTLET_CASE(MessagePassingCrashes, SenderKilledAfterSendingToAMailbox_ItsLettersStay,
              .clause = "unix(7) (reliable datagrams)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const auto mailbox = Mailbox::open(directory->file("mailbox"));
  ASSERT_TRUE(mailbox);
  ChildCall sender(context, [&] {
    const auto own = Mailbox::open(directory->file("sender"));
    if (!own || send_to(own->get(), mailbox->path(), "1") != 1) return -1;
    if (send_to(own->get(), mailbox->path(), "2") != 1) return -1;
    return ::pause();
  });
  ASSERT_TRUE(sender.is_asleep());
  EXPECT_TRUE(sender.kill());
  for (const char* text : {"1", "2"}) {
    const Letter letter = take_letter(mailbox->get());
    EXPECT_EQ(letter.text, text);
    EXPECT_EQ(letter.sender, directory->file("sender")) << "the address of a dead sender";
    EXPECT_THAT(send_to(mailbox->get(), letter.sender, "r"), SyscallFailsWithErrno(ECONNREFUSED));
  }
}

// Many senders asleep before one full mailbox: each gets in as it is emptied, and none is
// forgotten.
GAUNTLET_CASE(MessagePassingOverload, ManySendersBeforeAFullMailbox_AllGetIn,
              .clause = "unix(7) (max_dgram_qlen); send(2) (blocks when it does not fit)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const auto mailbox = Mailbox::open(directory->file("mailbox"));
  ASSERT_TRUE(mailbox);
  constexpr std::size_t kSenders = 12;
  const UniqueFd sending(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  fill(mailbox->path(), sending.get());
  Crew crew(kSenders);
  for (std::size_t n = 0; n < kSenders; ++n) {
    ASSERT_TRUE(crew.add([&](Worker& worker) {
      const UniqueFd own(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      worker.expect(send_to(own.get(), mailbox->path(), "late", 0) == 4, "the send failed");
    }));
  }
  for (std::size_t n = 0; n < kSenders; ++n) {
    ASSERT_TRUE(crew.process(n).await_asleep(Deadline::after(kCallPatience)));
  }
  std::size_t late = 0;
  const Deadline patience = Deadline::after(kCallPatience);
  while (late < kSenders && !patience.expired()) {
    const Letter letter = take_letter(mailbox->get());
    if (letter.text == "late") ++late;
  }
  EXPECT_EQ(late, kSenders);
  context.join(crew);
}

}  // namespace
}  // namespace gauntlet
