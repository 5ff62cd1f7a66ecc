// A channel and the actors on it: workers that do one call after another as the body tells them.
//
// The body of a case reads as a script. Nobody but an actor ever calls the subject, so a subject
// that gets stuck stops an actor and never the body.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cases/context.h"
#include "contracts/channel/link.h"
#include "faults/system_call_kill.h"
#include "history/recorder.h"
#include "process/crew.h"
#include "process/shared.h"

namespace gauntlet::channel_suite {

/// Options that the subject's claims allow: what is asked, cut to its limits.
ChannelOptions options_for(const ChannelClaims& claims, std::size_t capacity = 4,
                           std::size_t message_size = 1024);

/// What an actor's call came to.
struct Reply {
  bool answered = false;  ///< false: the actor died, or was still in the call after its patience
  bool ok = false;
  Error error;                   ///< when not ok
  std::size_t size = 0;          ///< what send or receive answered
  std::vector<std::byte> bytes;  ///< what receive put into the buffer
  std::chrono::nanoseconds elapsed{};
  Passage passage;  ///< for calls on messages
};
/// "ok, 12 bytes", "would_block (EAGAIN)", "no answer".
std::string describe(const Reply& reply);
void PrintTo(const Reply& reply, std::ostream* out);

/// One call for an actor to do.
struct Command {
  enum Act : std::uint8_t { send, receive, send_message, receive_message, close, leave };
  Act act = send;
  Wait wait{};
  std::uint32_t id = 0;  ///< send_message
  std::size_t size = 0;  ///< of the message; of the buffer for receive
  bool armed = false;    ///< between Worker::arm() and disarm()
};

struct Transfer;

/// A worker of the stage, in the body's hands. Valid as long as the stage.
class Actor {
 public:
  /// In lanes and messages it is called by its index.
  std::size_t index() const { return index_; }

  Reply send(std::span<const std::byte> bytes, Wait wait);
  Reply receive(std::size_t buffer, Wait wait);
  Reply send_message(std::uint32_t id, std::size_t size, Wait wait);
  Reply receive_message(Wait wait);
  Reply close();
  /// The process ends by itself, cleanly; awaited.
  void leave();
  /// SIGKILL, a planned fault.
  void kill();

  /// The same in two steps: begin() returns when the actor is about to make the call.
  void begin(const Command& command, std::span<const std::byte> bytes = {});
  Reply finish();
  /// True when it really sleeps inside the call that was begun.
  bool asleep();
  /// True when the call that was begun has ended.
  bool done() const;
  Process& process();

 private:
  friend class Stage;
  friend Transfer transfer(Actor& sender, std::span<const std::byte> bytes, Actor& receiver,
                           std::size_t buffer);
  friend Transfer transfer_message(Actor& sender, std::uint32_t id, std::size_t size,
                                   Actor& receiver);
  struct Mailbox;
  Actor(class Stage& stage, std::size_t largest);
  static void serve(Worker& worker, Mailbox& mailbox, const Stage& stage, std::byte* data,
                    Role role, std::size_t index);
  bool await_done();

  Stage& stage_;
  Role role_ = Role::both;
  std::size_t index_ = 0;
  Shared<Mailbox>* mailbox_ = nullptr;
  std::unique_ptr<Shared<Mailbox>> mailbox_owner_;
  SharedBytes data_;
  bool lost_ = false;  ///< dead, or never came back from a call
};

/// One message passed on, and what both sides answered.
struct Transfer {
  Reply sent;
  Reply received;
};
/// Sent and then received; where a send waits for its receiver, both at once.
Transfer transfer(Actor& sender, std::span<const std::byte> bytes, Actor& receiver,
                  std::size_t buffer);
Transfer transfer_message(Actor& sender, std::uint32_t id, std::size_t size, Actor& receiver);

enum class Traced : std::uint8_t { no, yes };

/// Makes the channel of the case's subject. When that fails the context has been told, and
/// ready() is false.
class Stage {
 public:
  explicit Stage(CaseContext& context) : Stage(context, options_for(context.channel().claims)) {}
  /// With more than one of `priorities`, messages are sent with those of their ids (priority_of).
  Stage(CaseContext& context, const ChannelOptions& options, std::uint32_t priorities = 1);
  Stage(const Stage&) = delete;
  /// Ends what is still there, like end().
  ~Stage();

  bool ready() const { return host_ != nullptr; }
  const ChannelClaims& claims() const { return context_.channel().claims; }
  const ChannelOptions& options() const { return options_; }
  ChannelHost& host() { return *host_; }
  CaseContext& context() { return context_; }

  /// Forks an actor that has opened its end of the channel. A failure fails the case; the actor
  /// then answers nothing.
  Actor& add(Role role, Traced traced = Traced::no);
  /// Where only one process at a time can have this role, whoever has it leaves.
  void vacate(Role role);
  /// An actor that comes later than others of its role: add() after vacate().
  Actor& add_newcomer(Role role);
  /// Begins `command` in an actor that was added with Traced::yes and kills it at its `stop`-th
  /// system-call stop inside (faults/system_call_kill.h). A fault is planned only where it fired,
  /// for the sweep ends with the first stop that is not reached.
  Result<SystemCallKill> kill_traced(Actor& victim, const Command& command, std::uint32_t stop);
  /// All actors leave, and what was not right is told. Answers true when all was right.
  bool end();
  /// All messages sent and received so far, with the deaths.
  history::History history() const;

 private:
  friend class Actor;
  static constexpr std::size_t kMostActors = 24;
  static constexpr std::size_t kMostCalls = 4096;

  CaseContext& context_;
  ChannelOptions options_;
  std::uint32_t priorities_;
  std::unique_ptr<ChannelHost> host_;
  history::Recorder recorder_;
  Crew crew_;
  std::vector<std::unique_ptr<Actor>> actors_;
  std::vector<history::Death> deaths_;
  bool ended_ = false;
};

/// Begins sends of `size` bytes with the ids `id`, `id` + 1, … until one sleeps; false when none
/// does. `id` is then that of the one that sleeps; those before it are in the channel. Where the
/// system chose the capacity, it may find room after it had none.
bool begin_send_that_sleeps(const Stage& stage, Actor& sender, std::uint32_t& id, std::size_t size,
                            Wait wait);

}  // namespace gauntlet::channel_suite
