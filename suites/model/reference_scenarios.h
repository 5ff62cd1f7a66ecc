// The reference's objects as scenarios, compiled for the model engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reference/broadcast.h"
#include "reference/line.h"
#include "schedule/scenario.h"

namespace gauntlet::schedule {

/// What each process calls, a letter a call: small enough to see all that can come of it. Whoever
/// must wait sleeps at once, and who has to reckon with a death gives up after two looks at who is
/// alive. The processes have attached before anything else happens, and have made the calls before
/// a kReady; each may die anywhere after.
using Workload = std::vector<std::string>;
inline constexpr char kReady = '|';

/// s sends, r receives. At the end somebody takes what is left. Nobody waits for ever in a workload
/// with as many sends as receives where nobody receives before he has sent.
Scenario channel_calls(std::uint32_t capacity, const Workload& workload, std::uint32_t deaths);

struct SemaphoreShape {
  std::uint32_t units = 1;
  std::uint32_t places = 4;
  bool returned_on_death = false;
  bool fair = false;
};
/// a acquires a unit, r releases one, v looks at the value. Fair, with one unit: q looks how many
/// wait, and the next acquire of who saw somebody must not be served before him.
Scenario semaphore_calls(const SemaphoreShape& shape, const Workload& workload,
                         std::uint32_t deaths);
/// One holds the unit and releases it; one waits for it, gives up at some time and tries once more,
/// and releases what it was given. In the end all units are there.
Scenario semaphore_whose_waiter_gives_up(const SemaphoreShape& shape);
/// One dies with the unit, another looks after it, and a third comes into the dead one's place and
/// acquires it: it keeps it.
Scenario semaphore_with_an_heir();
/// One does four acts and begins a fifth: without a serial its word would read as at first, while
/// another still goes by what it read there.
Scenario semaphore_word_that_comes_again();

/// s sets, f fails (both make it a setter's process), w waits, t looks without waiting.
Scenario promise_calls(const Workload& workload, std::uint32_t deaths);

/// s sends, r receives; each process does one of them. With more of the one than of the other, who
/// meets nobody gives up.
Scenario rendezvous_calls(const Workload& workload, std::uint32_t deaths);
/// A sender takes back what it offered and offers something else in the same buffer, while somebody
/// may still be copying the first.
Scenario rendezvous_offer_that_is_taken_back();

/// So many processes acquire and release the one unit of a semaphore; with deaths, any one of them
/// dies and its unit comes back. With fewer `places` than processes, somebody must come into a dead
/// one's.
Scenario semaphore_of_one(std::size_t processes, bool deaths, std::uint32_t places = 4);

/// Senders that send `messages` each, one receiver that takes them all; with deaths, any one dies.
/// Afterwards somebody takes what is left.
Scenario channel_of(std::uint32_t capacity, std::uint32_t senders, std::uint32_t messages,
                    bool deaths);

struct LineScenario {
  std::uint32_t capacity = 1;
  std::uint32_t messages = 2;
  bool deaths = false;  ///< any one dies
  /// Somebody who tries to take this side after a death, and to send or receive once.
  std::optional<reference::LineSide> heir = std::nullopt;
  /// Who goes to sleep fences for the others; else each call makes its own fence.
  bool membarrier = true;
  /// Messages are of 8 bytes. As the largest ones they are packed, seven in a cache line.
  std::uint32_t largest_message = 8;
};

/// One sender and one receiver of so many messages. Afterwards somebody takes what is left.
Scenario line_of(const LineScenario& plan);

/// The receiver closes while the sender sends: what was acknowledged must come out, no more.
Scenario line_closed_in_traffic(const LineScenario& plan);

/// l and h send a message of low and of high priority, r receives, t receives if something is
/// there, c closes. At the end somebody takes what is left and all places, and finds every buffer.
struct PriorityScenario {
  std::uint32_t capacity = 1;  ///< of each of the two priorities
  Workload workload;
  std::uint32_t deaths = 0;
  bool heir = false;  ///< after a death somebody comes into the dead one's place and sends
};
Scenario priority_calls(const PriorityScenario& plan);

/// Of a client: c calls, d calls and gives up soon, t calls and gives up at once. Of a server: s
/// receives and replies, p the same if something is asked, r receives and does not reply. x closes.
/// The processes have attached before the first call. At the end somebody takes both sides, and
/// finds that nothing is asked.
struct DialogueScenario {
  Workload workload;
  std::uint32_t deaths = 0;
  std::string heir = {};  ///< after a death, who comes for that side, does this
  /// Of a request and of a reply, up to four words: more than three lie behind the object.
  std::uint32_t bytes = 8;
  bool somebody_gives_up = false;  ///< a server without a request, though nobody has died
  std::uint32_t time_outs = 0;     ///< sleeps that may be over early
};
Scenario dialogue_calls(const DialogueScenario& plan);

/// s sends, r receives, t receives if something is there; each process does one side's. Everybody
/// has attached before the first call. At the end somebody takes all places, and finds every buffer
/// and a ring that works.
struct BroadcastScenario {
  std::uint32_t capacity = 1;
  reference::BroadcastClaim claim = reference::BroadcastClaim::held_back;
  Workload workload;
  std::uint32_t deaths = 0;
  bool heir = false;         ///< after a death somebody comes and sends
  bool newcomer = false;     ///< in the middle somebody comes, looks twice for a message and leaves
  std::uint32_t places = 3;  ///< fewer free ones than newcomers: they take over the dead one's

  std::vector<std::uint32_t> receivers() const;  ///< which processes
};
Scenario broadcast_calls(const BroadcastScenario& plan);

/// The same with capacity 1, by loan and borrow. The borrower holds each message until the next has
/// come, and a newcomer takes the dead one's place in the middle of the traffic.
Scenario channel_in_place(std::uint32_t senders, std::uint32_t messages, bool deaths);

/// Senders of one message each, and receivers that share them out evenly; with deaths, any one
/// dies.
Scenario rendezvous_of(std::uint32_t senders, std::uint32_t receivers, bool deaths);

/// Setters that set a value of their own, and those who wait; with deaths, any one dies.
Scenario promise_of(std::uint32_t setters, bool deaths, std::uint32_t waiters = 1);

}  // namespace gauntlet::schedule
