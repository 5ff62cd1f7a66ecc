// Calls that pass a message through an object of the reference, as scenarios make them: the message
// is its id.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "history/call.h"
#include "model/reference_process.h"
#include "reference/deadline.h"
#include "schedule/scenario.h"

namespace gauntlet::schedule {

template <class Sender>
history::Outcome send(Self& self, Sender& sender, std::uint64_t id, reference::Deadline deadline) {
  return self
      .call(history::Op::send, id,
            [&] {
              std::array<std::byte, sizeof(id)> bytes{};
              std::memcpy(bytes.data(), &id, sizeof(id));
              return Response{outcome_of(sender.send(bytes, deadline)), id};
            })
      .outcome;
}

template <class Receiver>
history::Outcome receive(Self& self, Receiver& receiver, reference::Deadline deadline) {
  return self
      .call(history::Op::receive, 0,
            [&] {
              std::array<std::byte, sizeof(std::uint64_t)> bytes{};
              const auto received = receiver.receive(bytes, deadline);
              std::uint64_t id = 0;
              std::memcpy(&id, bytes.data(), sizeof(id));
              return Response{outcome_of(received.status), id};
            })
      .outcome;
}

/// When all others are done, takes all places, the dead ones' included, and what is left, and finds
/// every buffer of as many rings.
template <class Handle>
ProcessPlan drain_of_all_places(std::uint32_t places, std::uint32_t rings = 1) {
  return {.name = "drain",
          .body =
              [places, rings](Self& self) {
                std::vector<Handle> handles;
                for (std::uint32_t place = 0; place < places; ++place) {
                  handles.push_back(attached<Handle>(self));
                }
                Handle& first = handles.front();
                while (receive(self, first, reference::kDoNotWait) == history::Outcome::ok) {
                }
                self.expect(first.free_buffers() == rings * (first.capacity() + places),
                            "a buffer is lost");
              },
          .starts = Starts::at_the_end};
}

}  // namespace gauntlet::schedule
