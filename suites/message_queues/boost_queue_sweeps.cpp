// Boost.Interprocess' message queue with one process stopped or killed at each instruction of send
// and receive.
#include <gtest/gtest.h>

#include "cases/context.h"
#include "support/instruction_sweep.h"

#if GAUNTLET_HAS_BOOST
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <boost/interprocess/ipc/message_queue.hpp>
#include <cstring>
#include <memory>
#include <optional>

#include "base/unique_fd.h"
#endif

namespace gauntlet {
namespace {

#if GAUNTLET_HAS_BOOST
namespace ipc = boost::interprocess;
using schedule::Scenario;
using schedule::Self;

constexpr std::size_t kMessages = 2;

/// A queue under a name that goes with it, and a picture of it as it was new: each execution begins
/// with that. Processes that are forked have it open, at the same address.
class FreshQueue {
 public:
  explicit FreshQueue(std::string name) : name_(std::move(name)) {
    ipc::message_queue::remove(name_.c_str());
    queue_.emplace(ipc::create_only, name_.c_str(), kMessages, sizeof(int));
    const UniqueFd file(::shm_open(("/" + name_).c_str(), O_RDWR, 0));
    struct stat status {};
    if (!file.valid() || ::fstat(file.get(), &status) != 0) return;
    size_ = static_cast<std::size_t>(status.st_size);
    void* const bytes = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (bytes == MAP_FAILED) return;
    bytes_ = static_cast<std::byte*>(bytes);
    picture_.assign(bytes_, bytes_ + size_);
  }
  FreshQueue(const FreshQueue&) = delete;
  FreshQueue& operator=(const FreshQueue&) = delete;
  ~FreshQueue() {
    if (bytes_ != nullptr) ::munmap(bytes_, size_);
    queue_.reset();
    ipc::message_queue::remove(name_.c_str());
  }
  bool valid() const { return bytes_ != nullptr; }
  void renew() { std::memcpy(bytes_, picture_.data(), picture_.size()); }
  ipc::message_queue& queue() { return *queue_; }

 private:
  std::string name_;
  std::optional<ipc::message_queue> queue_;
  std::byte* bytes_ = nullptr;
  std::size_t size_ = 0;
  std::vector<std::byte> picture_;
};

schedule::ProcessPlan process(const char* name, std::function<void(Self&)> body,
                              schedule::Starts starts = schedule::Starts::at_once) {
  return {.name = name, .body = std::move(body), .starts = starts, .may_die = true};
}

Scenario over(FreshQueue& fresh, std::vector<schedule::ProcessPlan> processes) {
  Scenario scenario;
  scenario.name = "boost message_queue";
  scenario.create = [&fresh](Self&) { fresh.renew(); };
  scenario.processes = std::move(processes);
  scenario.judge = [](const schedule::Ending&) { return std::string(); };
  return scenario;
}

std::function<void(Self&)> send(FreshQueue& fresh, int value) {
  return [&fresh, value](Self&) { fresh.queue().send(&value, sizeof value, 0); };
}
std::function<void(Self&)> receive(FreshQueue& fresh) {
  return [&fresh](Self& self) {
    int value = 0;
    ipc::message_queue::size_type size = 0;
    unsigned priority = 0;
    fresh.queue().receive(&value, sizeof value, size, priority);
    self.expect(size == sizeof value && value > 0, "another message");
  };
}

const std::vector<Allowed>& queue_promises_nothing() {
  static const std::vector<Allowed> allowed = {
      {"stuck:", "its mutex is not robust: who died inside left it locked"}};
  return allowed;
}

/// A receiver, two senders of one message each, and one who takes the other message.
Scenario two_messages(FreshQueue& fresh, schedule::Starts heir = schedule::Starts::at_once) {
  return over(fresh, {process("receiver", receive(fresh)), process("sender", send(fresh, 1)),
                      process("second", send(fresh, 2)), process("heir", receive(fresh), heir)});
}

/// The queue, or the reason why there is none.
std::unique_ptr<FreshQueue> make_queue(CaseContext& context) {
  auto fresh = std::make_unique<FreshQueue>(context.scope() + "q");
  if (fresh->valid()) return fresh;
  context.error("the queue's memory could not be mapped");
  return nullptr;
}

template <class Sweep>
void with_queue(CaseContext& context, const Sweep& sweep) {
  const std::unique_ptr<FreshQueue> fresh = make_queue(context);
  if (fresh) sweep(*fresh);
}
#else
struct FreshQueue {};
template <class Sweep>
void with_queue(CaseContext& context, const Sweep&) {
  context.not_installed("libboost-dev");
}
#endif

// Boost says nothing about deaths. What is stuck is stuck in its mutex, and nothing comes out
// wrong.
GAUNTLET_CASE(MessageQueuesCrashes, BoostQueue_SenderKilledAtEachInstruction_WholeMessagesOrStuck,
              .clause = "Boost.Interprocess, message_queue (nothing about deaths)",
              .needs = {Need::ptrace}, .deadline = std::chrono::seconds(120)) {
  with_queue(context, [&]([[maybe_unused]] FreshQueue& fresh) {
#if GAUNTLET_HAS_BOOST
    expect_kill_sweep(
        context,
        over(fresh, {process("receiver", receive(fresh)), process("sender", send(fresh, 1)),
                     process("next", send(fresh, 2), schedule::Starts::at_the_end)}),
        1, queue_promises_nothing());
#endif
  });
}

GAUNTLET_CASE(MessageQueuesCrashes, BoostQueue_ReceiverKilledAtEachInstruction_WholeMessagesOrStuck,
              .clause = "Boost.Interprocess, message_queue (nothing about deaths)",
              .needs = {Need::ptrace}, .deadline = std::chrono::seconds(120)) {
  with_queue(context, [&]([[maybe_unused]] FreshQueue& fresh) {
#if GAUNTLET_HAS_BOOST
    expect_kill_sweep(context, two_messages(fresh, schedule::Starts::at_the_end), 0,
                      queue_promises_nothing());
#endif
  });
}

GAUNTLET_CASE(MessageQueuesRaces, BoostQueue_SenderHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "Boost.Interprocess, message_queue::send()", .needs = {Need::ptrace},
              .deadline = std::chrono::seconds(120)) {
  with_queue(context, [&]([[maybe_unused]] FreshQueue& fresh) {
#if GAUNTLET_HAS_BOOST
    expect_preemption_sweep(context, two_messages(fresh), 1);
#endif
  });
}

GAUNTLET_CASE(MessageQueuesRaces, BoostQueue_ReceiverHeldUpAtEachInstruction_NobodyIsForgotten,
              .clause = "Boost.Interprocess, message_queue::receive()", .needs = {Need::ptrace},
              .deadline = std::chrono::seconds(120)) {
  with_queue(context, [&]([[maybe_unused]] FreshQueue& fresh) {
#if GAUNTLET_HAS_BOOST
    expect_preemption_sweep(context, two_messages(fresh), 0);
#endif
  });
}

}  // namespace
}  // namespace gauntlet
