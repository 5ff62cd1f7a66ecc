// A subject of one's own: a ring of messages in shared memory under one process-shared mutex, with
// condition variables to wait on. It promises nothing about a process that dies inside a call.
#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>

#include "contracts/registry.h"

namespace {

using namespace gauntlet;

constexpr std::size_t kMostMessages = 64;
constexpr std::size_t kMostBytes = 4096;

struct Ring {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  std::size_t capacity = 0;
  std::size_t message_size = 0;
  std::size_t head = 0;
  std::size_t count = 0;
  struct {
    std::size_t size;
    std::byte bytes[kMostBytes];
  } slots[kMostMessages];
};

struct Unmap {
  void operator()(Ring* ring) const { ::munmap(ring, sizeof(Ring)); }
};
using RingPtr = std::unique_ptr<Ring, Unmap>;

class RingChannel : public Channel {
 public:
  explicit RingChannel(Ring& ring) : ring_(ring) {}

  Result<std::size_t> send(std::span<const std::byte> bytes, Deadline deadline) override {
    if (closed_) return fail_with(Code::closed, "send");
    if (bytes.size() > ring_.message_size) return fail_with(Code::too_large, "send");
    ::pthread_mutex_lock(&ring_.mutex);
    while (ring_.count == ring_.capacity) {
      if (const Status slept = sleep(deadline, "send"); !slept) {
        return tl::unexpected(slept.error());
      }
    }
    auto& slot = ring_.slots[(ring_.head + ring_.count) % ring_.capacity];
    slot.size = bytes.size();
    std::copy(bytes.begin(), bytes.end(), slot.bytes);
    ++ring_.count;
    leave();
    return bytes.size();
  }

  Result<std::size_t> receive(std::span<std::byte> buffer, Deadline deadline) override {
    if (closed_) return fail_with(Code::closed, "receive");
    ::pthread_mutex_lock(&ring_.mutex);
    while (ring_.count == 0) {
      if (const Status slept = sleep(deadline, "receive"); !slept) {
        return tl::unexpected(slept.error());
      }
    }
    const auto& slot = ring_.slots[ring_.head];
    const std::size_t size = slot.size;
    if (size > buffer.size()) {
      leave();
      return fail_with(Code::too_large, "receive");
    }
    std::copy_n(slot.bytes, size, buffer.begin());
    ring_.head = (ring_.head + 1) % ring_.capacity;
    --ring_.count;
    leave();
    return size;
  }

  Status close() override {
    closed_ = true;
    return {};
  }

 private:
  void leave() {
    ::pthread_cond_broadcast(&ring_.changed);
    ::pthread_mutex_unlock(&ring_.mutex);
  }

  /// With the mutex held; on an error it is held no more.
  Status sleep(Deadline deadline, const char* call) {
    int answer = ETIMEDOUT;
    if (!deadline.is_immediate()) {
      const timespec until = deadline.on_monotonic();
      answer = ::pthread_cond_timedwait(&ring_.changed, &ring_.mutex, &until);
    }
    if (answer == 0) return {};
    ::pthread_mutex_unlock(&ring_.mutex);
    return fail_with(deadline.is_immediate() ? Code::would_block : Code::timed_out, call);
  }

  Ring& ring_;
  bool closed_ = false;
};

class RingHost : public ChannelHost {
 public:
  explicit RingHost(RingPtr ring) : ring_(std::move(ring)) {}
  Result<std::unique_ptr<Channel>> open(Role) override {
    return std::make_unique<RingChannel>(*ring_);
  }
  void let_go() override {}

 private:
  RingPtr ring_;
};

Result<std::unique_ptr<ChannelHost>> create(const ChannelOptions& options) {
  if (options.capacity > kMostMessages || options.message_size > kMostBytes) {
    return fail_with(Code::exhausted, "create");
  }
  void* memory =
      ::mmap(nullptr, sizeof(Ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return fail_system("mmap");
  RingPtr ring(::new (memory) Ring);
  ring->capacity = options.capacity;
  ring->message_size = options.message_size;
  pthread_mutexattr_t mutex;
  ::pthread_mutexattr_init(&mutex);
  ::pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
  ::pthread_mutex_init(&ring->mutex, &mutex);
  pthread_condattr_t condition;
  ::pthread_condattr_init(&condition);
  ::pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
  ::pthread_condattr_setclock(&condition, CLOCK_MONOTONIC);
  ::pthread_cond_init(&ring->changed, &condition);
  return std::make_unique<RingHost>(std::move(ring));
}

}  // namespace

GAUNTLET_SUBJECT(locked_ring, registry) {
  ChannelClaims claims;
  claims.exact_capacity = true;
  claims.largest_capacity = kMostMessages;
  claims.message_size_is_limit = true;
  claims.empty_messages = true;
  claims.short_buffer_keeps_message = true;
  claims.sender_death = DeathDamage::unclaimed;
  claims.receiver_death = DeathDamage::unclaimed;
  registry.add(ChannelSubject{.name = "locked_ring",
                              .method = "message_queues",
                              .description = "a ring under one process-shared mutex",
                              .source = "this file",
                              .claims = claims,
                              .create = create});
}
