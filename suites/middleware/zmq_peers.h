// ZeroMQ sockets for clauses: made and used by workers, for the library has threads.
#pragma once

#include "cases/context.h"
#include "contracts/component.h"

#if GAUNTLET_HAS_ZEROMQ
#include <gtest/gtest.h>
#include <zmq.h>

#include <functional>
#include <memory>
#include <string>

#include "base/limits.h"
#include "isolation/sandbox.h"
#include "process/crew.h"

namespace gauntlet {

inline constexpr int kZmqPatienceMs = static_cast<int>(kCallPatience.count()) * 1000;

/// A context and the sockets of one worker. Receives and sends wait with patience unless told
/// otherwise.
class ZmqPeer {
 public:
  ZmqPeer() : context_(::zmq_ctx_new()) {}
  ZmqPeer(const ZmqPeer&) = delete;
  ~ZmqPeer() {
    for (void* socket : sockets_) ::zmq_close(socket);
    ::zmq_ctx_term(context_);
  }
  void* socket(int type) {
    void* made = ::zmq_socket(context_, type);
    set(made, ZMQ_LINGER, 0);
    set(made, ZMQ_RCVTIMEO, kZmqPatienceMs);
    set(made, ZMQ_SNDTIMEO, kZmqPatienceMs);
    set(made, ZMQ_RECONNECT_IVL, 1);
    sockets_.push_back(made);
    return made;
  }
  static int set(void* socket, int option, int value) {
    return ::zmq_setsockopt(socket, option, &value, sizeof value);
  }
  static bool send(void* socket, std::string_view text, int flags = 0) {
    return ::zmq_send(socket, text.data(), text.size(), flags) == static_cast<int>(text.size());
  }
  /// "(EAGAIN)" and the like for an error.
  static std::string receive(void* socket, int flags = 0) {
    char buffer[256];
    const int size = ::zmq_recv(socket, buffer, sizeof buffer, flags);
    if (size < 0) return "(" + std::string(::zmq_strerror(::zmq_errno())) + ")";
    return {buffer, static_cast<std::size_t>(std::min<int>(size, sizeof buffer))};
  }
  void* context() const { return context_; }

 private:
  void* context_;
  std::vector<void*> sockets_;
};

/// Runs `body` in a worker; what it expects fails the case.
inline void in_zmq_worker(CaseContext& context, const std::function<void(Worker&)>& body) {
  Crew crew(1);
  ASSERT_TRUE(crew.add(body));
  context.join(crew, Deadline::after(kCallPatience * 2));
}

}  // namespace gauntlet

#endif
