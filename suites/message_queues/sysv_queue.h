// A System V message queue of one case: removed when its owner goes.
#pragma once

#include <sys/ipc.h>
#include <sys/msg.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/seed.h"

namespace gauntlet {

/// A message as msgsnd(2) wants it.
struct SysvMessage {
  static constexpr std::size_t kMost = 256;
  long type = 1;
  char text[kMost] = {};
};

/// A queue, without a key (IPC_PRIVATE) unless made with one.
class SysvQueue {
 public:
  static Result<SysvQueue> create(int mode = 0600) {
    const int id = ::msgget(IPC_PRIVATE, IPC_CREAT | mode);
    if (id < 0) return fail_system("msgget");
    return SysvQueue(id);
  }
  /// With a key that nobody used, drawn from `seed`.
  static Result<SysvQueue> create_with_key(std::uint32_t seed, int mode = 0600) {
    Random random(seed);
    for (int tries = 0; tries < kMostKeys; ++tries) {
      const auto key = static_cast<key_t>(random.between(1, INT32_MAX));
      const int id = ::msgget(key, IPC_CREAT | IPC_EXCL | mode);
      if (id >= 0) return SysvQueue(id, key);
      if (errno != EEXIST) break;
    }
    return fail_system("msgget");
  }
  SysvQueue(SysvQueue&& other) noexcept : id_(std::exchange(other.id_, -1)), key_(other.key_) {}
  SysvQueue& operator=(SysvQueue&&) = delete;
  ~SysvQueue() { remove(); }

  int id() const { return id_; }
  key_t key() const { return key_; }
  /// IPC_RMID; nothing to do for one that the case has removed by other means.
  void remove() {
    if (id_ >= 0) ::msgctl(std::exchange(id_, -1), IPC_RMID, nullptr);
  }
  /// Sends without waiting; what msgsnd answered.
  int send(long type, std::string_view text) const {
    SysvMessage message;
    message.type = type;
    std::copy_n(text.begin(), std::min(text.size(), SysvMessage::kMost), message.text);
    return ::msgsnd(id_, &message, text.size(), IPC_NOWAIT);
  }
  /// Receives without waiting; "nothing: <errno>" when there is none that fits `type`.
  std::string take(long type = 0, int flags = 0) const {
    SysvMessage message;
    const ssize_t size = ::msgrcv(id_, &message, sizeof message.text, type, flags | IPC_NOWAIT);
    if (size < 0) return "nothing: " + errno_name(errno);
    return std::string(message.text, static_cast<std::size_t>(size));
  }
  /// What IPC_STAT says; `msg_qnum` and friends.
  Result<msqid_ds> status() const {
    msqid_ds status = {};
    if (::msgctl(id_, IPC_STAT, &status) != 0) return fail_system("msgctl");
    return status;
  }
  /// Messages that wait, or -1.
  long waiting() const {
    const auto now = status();
    return now ? static_cast<long>(now->msg_qnum) : -1;
  }
  /// Lowers the most bytes that it holds.
  int set_most_bytes(msglen_t bytes) const {
    auto now = status();
    if (!now) return -1;
    now->msg_qbytes = bytes;
    return ::msgctl(id_, IPC_SET, &*now);
  }

 private:
  static constexpr int kMostKeys = 100;
  explicit SysvQueue(int id, key_t key = IPC_PRIVATE) : id_(id), key_(key) {}
  int id_ = -1;
  key_t key_ = IPC_PRIVATE;
};

}  // namespace gauntlet
