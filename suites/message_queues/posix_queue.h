// A POSIX message queue of one case: closed and unlinked when its owner goes.
#pragma once

#include <fcntl.h>
#include <mqueue.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "support/scratch_directory.h"

namespace gauntlet {

/// Owns one message queue descriptor of this process, or none. After fork both processes own
/// theirs.
class QueueDescriptor {
 public:
  QueueDescriptor() = default;
  explicit QueueDescriptor(mqd_t queue) : queue_(queue) {}
  QueueDescriptor(QueueDescriptor&& other) noexcept : queue_(std::exchange(other.queue_, kNone)) {}
  QueueDescriptor& operator=(QueueDescriptor&& other) noexcept {
    if (this != &other) {
      reset();
      queue_ = std::exchange(other.queue_, kNone);
    }
    return *this;
  }
  ~QueueDescriptor() { reset(); }

  mqd_t get() const { return queue_; }
  bool valid() const { return queue_ != kNone; }
  void reset() {
    if (valid()) ::mq_close(std::exchange(queue_, kNone));
  }

 private:
  static constexpr mqd_t kNone = static_cast<mqd_t>(-1);
  mqd_t queue_ = kNone;
};

/// The shape of a queue. Small, because all queues of a user are charged to one RLIMIT_MSGQUEUE.
struct QueueShape {
  long messages = 3;
  long bytes = 32;
};

/// A queue with a name of its own. The body's own descriptor does not block, so that a broken queue
/// cannot stop the case; who shall block opens another.
class PosixQueue {
 public:
  static Result<PosixQueue> create(std::string_view scope, QueueShape shape = {}) {
    std::string name = "/" + unique_name(scope);
    mq_attr attributes = {};
    attributes.mq_maxmsg = shape.messages;
    attributes.mq_msgsize = shape.bytes;
    const mqd_t queue =
        ::mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &attributes);
    if (queue == static_cast<mqd_t>(-1)) return fail_system("mq_open");
    return PosixQueue(std::move(name), QueueDescriptor(queue));
  }
  PosixQueue(PosixQueue&& other) noexcept
      : name_(std::exchange(other.name_, {})), queue_(std::move(other.queue_)) {}
  PosixQueue& operator=(PosixQueue&&) = delete;
  ~PosixQueue() {
    if (!name_.empty()) ::mq_unlink(name_.c_str());  // ENOENT when the case did it
  }

  mqd_t get() const { return queue_.get(); }
  const std::string& name() const { return name_; }
  QueueDescriptor open(int flags) const { return QueueDescriptor(::mq_open(name_.c_str(), flags)); }
  void close() { queue_.reset(); }
  /// Messages that wait, or -1.
  long waiting() const {
    mq_attr attributes = {};
    return ::mq_getattr(get(), &attributes) == 0 ? attributes.mq_curmsgs : -1;
  }
  /// Sends until it is full; answers how many went in.
  long fill() const {
    long sent = 0;
    while (sent <= kMost && ::mq_send(get(), "fill", 4, 0) == 0) ++sent;
    return sent;
  }

 private:
  static constexpr long kMost = 1000;
  PosixQueue(std::string name, QueueDescriptor queue)
      : name_(std::move(name)), queue_(std::move(queue)) {}
  std::string name_;
  QueueDescriptor queue_;
};

/// Takes one message without waiting; "nothing: <errno>" when there is none.
inline std::string take(const PosixQueue& queue) {
  mq_attr attributes = {};
  if (::mq_getattr(queue.get(), &attributes) != 0) return "nothing: " + errno_name(errno);
  std::string buffer(static_cast<std::size_t>(attributes.mq_msgsize), 0);
  const ssize_t size = ::mq_receive(queue.get(), buffer.data(), buffer.size(), nullptr);
  if (size < 0) return "nothing: " + errno_name(errno);
  buffer.resize(static_cast<std::size_t>(size));
  return buffer;
}

}  // namespace gauntlet
