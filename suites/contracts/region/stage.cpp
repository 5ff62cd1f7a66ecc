// The mailbox between the body and an actor, and what the actor does with it.
#include "contracts/region/stage.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "process/futex.h"

namespace gauntlet::region_suite {
namespace {

/// What an actor has: its views, and an address where nothing is mapped.
class Views {
 public:
  Views(const RegionSubject& subject, RegionHost& host, std::string address, std::size_t index)
      : subject_(subject), host_(host), address_(std::move(address)) {
    // The hole below this is where the next mapping would go; another size in each process. A view
    // may also fit into a hole that is left between libraries: each process fills more of those.
    const auto take = [](std::size_t size) {
      ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    };
    take((index + 1) * 16 * page_size());
    for (std::size_t hole = 0; hole <= index; ++hole) take(sample_size());
  }

  Status perform(const Command& command, std::byte* data, Touch& touch, std::uintptr_t& asked) {
    std::unique_ptr<Region>& view = views_[command.view];
    if (command.act == Command::open || command.act == Command::attach) {
      return open(command, asked);
    }
    if (view == nullptr) return fail_with(Code::invalid, "no such view");
    switch (command.act) {
      case Command::load:
        touch = region_suite::load(view->bytes().data() + command.offset, {data, command.size});
        return {};
      case Command::store:
        touch = region_suite::store({data, command.size}, view->bytes().data() + command.offset);
        return {};
      case Command::resize:
        return view->resize(command.size);
      case Command::refresh:
        return view->refresh();
      case Command::sync:
        return view->sync();
      case Command::seal_size:
        return view->seal(Region::Seal::size);
      case Command::seal_write:
        return view->seal(Region::Seal::write);
      case Command::detach:
        return view->detach();
      default:
        return {};
    }
  }

  std::span<std::byte> bytes(std::size_t view) {
    return views_[view] == nullptr ? std::span<std::byte>() : views_[view]->bytes();
  }

 private:
  Status open(const Command& command, std::uintptr_t& asked) {
    RegionView how = command.how;
    if (command.at_free_address) how.address = free_address();
    asked = reinterpret_cast<std::uintptr_t>(how.address);
    auto opened = command.act == Command::open ? host_.open(how) : subject_.attach(address_, how);
    if (!opened) return tl::unexpected<Error>(opened.error());
    views_[command.view] = std::move(*opened);
    return {};
  }

  static void* free_address() {
    const std::size_t room = std::size_t{16} << 20;
    void* const hole = ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (hole == MAP_FAILED) return nullptr;
    ::munmap(hole, room);
    return hole;
  }

  const RegionSubject& subject_;
  RegionHost& host_;
  std::string address_;
  std::array<std::unique_ptr<Region>, Stage::kViews> views_;
};

}  // namespace

std::size_t page_size() { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }
std::size_t sample_size() { return 3 * page_size() + 100; }

std::vector<std::byte> random_bytes(Random& random, std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.between(1, 255));
  return bytes;
}

std::vector<std::byte> zeros(std::size_t count) { return std::vector<std::byte>(count); }

std::unique_ptr<RegionHost> make_region(CaseContext& context, std::size_t size,
                                        const std::string& address) {
  RegionOptions options;
  options.size = size;
  options.scope = context.scope();
  options.address = address;
  auto host = context.region().create(options);
  if (host) return std::move(*host);
  context.not_created(host.error());
  return nullptr;
}

std::unique_ptr<Region> open_region(Worker& worker, RegionHost& host, const RegionView& view) {
  auto region = host.open(view);
  if (worker.expect(region.has_value(),
                    region ? "" : "open failed: " + gauntlet::describe(region.error()))) {
    return std::move(*region);
  }
  return nullptr;
}

std::string difference(std::span<const std::byte> expected, std::span<const std::byte> actual) {
  if (expected.size() != actual.size()) {
    return fmt::format("{} bytes instead of {}", actual.size(), expected.size());
  }
  std::size_t differ = 0;
  std::size_t first = 0;
  for (std::size_t i = expected.size(); i-- > 0;) {
    if (expected[i] == actual[i]) continue;
    ++differ;
    first = i;
  }
  if (differ == 0) return {};
  return fmt::format("byte {} is {:#04x}, not {:#04x} ({} of {} differ)", first,
                     static_cast<unsigned>(actual[first]), static_cast<unsigned>(expected[first]),
                     differ, expected.size());
}

std::string describe(const Reply& reply) {
  if (!reply.answered) return "no answer";
  if (!reply.ok) return gauntlet::describe(reply.error);
  if (!reply.touch.done()) return testing::PrintToString(reply.touch);
  return fmt::format("ok, {} bytes at {:#x}", reply.size, reply.at);
}

void PrintTo(const Reply& reply, std::ostream* out) { *out << describe(reply); }

/// Posted and answered count up; the actor is free when they are equal.
struct Stage::Mailbox {
  FutexWord posted{0};
  FutexWord answered{0};
  Command command;
  bool ok = false;
  Error error;
  std::size_t size = 0;
  std::uintptr_t at = 0;
  std::uintptr_t asked = 0;
  Touch touch;
};

Stage::Stage(CaseContext& context, std::size_t size, std::size_t actors)
    : context_(context), room_(4 * size + 4 * page_size()), crew_(kMostActors) {
  host_ = make_region(context, size);
  if (host_ == nullptr) return;
  address_ = host_->address();
  for (std::size_t i = 0; i < actors; ++i) add_viewer();
}

Stage::~Stage() { end(); }

std::size_t Stage::add() {
  const std::size_t actor = mailboxes_.size();
  mailboxes_.push_back(std::make_unique<Shared<Mailbox>>());
  data_.push_back(std::make_unique<SharedBytes>(room_));
  gone_.push_back(false);
  Mailbox& mailbox = **mailboxes_.back();
  std::byte* const data = data_.back()->data();
  const auto added = crew_.add([&](Worker& worker) { serve(worker, mailbox, data); });
  if (!added) {
    gone_.back() = true;
    context_.error("no worker: " + gauntlet::describe(added.error()));
  }
  return actor;
}

std::size_t Stage::add_viewer() {
  const std::size_t actor = add();
  const Reply opened = open(actor);
  EXPECT_TRUE(opened.ok) << "actor " << actor << " could not open the region: " << describe(opened);
  return actor;
}

void Stage::serve(Worker& worker, Mailbox& mailbox, std::byte* data) const {
  Views views(context_.region(), *host_, address_, worker.index());
  for (std::uint32_t turn = 0;; ++turn) {
    while (mailbox.posted.load(std::memory_order_acquire) == turn) {
      futex_wait(mailbox.posted, turn);
    }
    const Command command = mailbox.command;
    if (command.act == Command::leave) return;
    mailbox.touch = {};
    mailbox.asked = 0;
    const Status done = views.perform(command, data, mailbox.touch, mailbox.asked);
    mailbox.ok = done.has_value();
    if (!done) mailbox.error = done.error();
    const std::span<std::byte> bytes = views.bytes(command.view);
    mailbox.size = bytes.size();
    mailbox.at = reinterpret_cast<std::uintptr_t>(bytes.data());
    mailbox.answered.store(turn + 1, std::memory_order_release);
    futex_wake_all(mailbox.answered);
  }
}

Reply Stage::tell(std::size_t actor, const Command& command, std::span<const std::byte> bytes) {
  Reply reply;
  if (gone_[actor]) return reply;
  const bool moves_bytes = command.act == Command::load || command.act == Command::store;
  if (bytes.size() > room_ || (moves_bytes && command.size > room_)) std::abort();  // a defect
  Mailbox& mailbox = **mailboxes_[actor];
  std::copy(bytes.begin(), bytes.end(), data_[actor]->data());
  mailbox.command = command;
  const std::uint32_t turn = mailbox.posted.load() + 1;
  mailbox.posted.store(turn, std::memory_order_release);
  futex_wake_all(mailbox.posted);
  const Deadline patience = Deadline::after(kCallPatience);
  const auto answered = [&] { return mailbox.answered.load(std::memory_order_acquire) == turn; };
  while (!answered()) {
    futex_wait(mailbox.answered, turn - 1, std::chrono::milliseconds(50));
    if (answered()) break;
    if (patience.expired() || !crew_.process(actor).running()) {
      if (answered()) break;
      gone_[actor] = true;
      return reply;
    }
  }
  reply.answered = true;
  reply.ok = mailbox.ok;
  if (!reply.ok) reply.error = mailbox.error;
  reply.size = mailbox.size;
  reply.at = mailbox.at;
  reply.asked = mailbox.asked;
  reply.touch = mailbox.touch;
  if (command.act == Command::load && reply.ok) {
    const std::byte* const loaded = data_[actor]->data();
    reply.bytes.assign(loaded, loaded + mailbox.touch.bytes_before);
  }
  return reply;
}

Reply Stage::open(std::size_t actor, std::size_t view, const RegionView& how) {
  return tell(actor, {.act = Command::open, .view = view, .how = how});
}
Reply Stage::attach(std::size_t actor, std::size_t view) {
  return tell(actor, {.act = Command::attach, .view = view});
}
Reply Stage::look(std::size_t actor, std::size_t view) { return act(actor, Command::look, view); }
Reply Stage::load(std::size_t actor, std::size_t offset, std::size_t size, std::size_t view) {
  return tell(actor, {.act = Command::load, .view = view, .offset = offset, .size = size});
}
Reply Stage::store(std::size_t actor, std::size_t offset, std::span<const std::byte> bytes,
                   std::size_t view) {
  return tell(actor, {.act = Command::store, .view = view, .offset = offset, .size = bytes.size()},
              bytes);
}
Reply Stage::resize(std::size_t actor, std::size_t size) {
  return tell(actor, {.act = Command::resize, .size = size});
}
Reply Stage::refresh(std::size_t actor, std::size_t view) {
  return act(actor, Command::refresh, view);
}
Reply Stage::detach(std::size_t actor, std::size_t view) {
  return act(actor, Command::detach, view);
}
Reply Stage::act(std::size_t actor, Command::Act act, std::size_t view) {
  return tell(actor, {.act = act, .view = view});
}

void Stage::expect_bytes(std::size_t actor, std::size_t offset, std::span<const std::byte> expected,
                         const std::string& when, std::size_t view) {
  const Reply loaded = load(actor, offset, expected.size(), view);
  ASSERT_TRUE(loaded.ok && loaded.touch.done())
      << when << ": actor " << actor << " loads " << expected.size() << " bytes at " << offset
      << ": " << describe(loaded);
  const std::string differs = difference(expected, loaded.bytes);
  EXPECT_TRUE(differs.empty()) << when << ": actor " << actor << " loads at " << offset << ": "
                               << differs;
}

void Stage::leave(std::size_t actor) {
  if (gone_[actor]) return;
  gone_[actor] = true;
  Mailbox& mailbox = **mailboxes_[actor];
  mailbox.command = {.act = Command::leave};
  mailbox.posted.fetch_add(1, std::memory_order_release);
  futex_wake_all(mailbox.posted);
  static_cast<void>(crew_.process(actor).wait(Deadline::after(kCallPatience)));
}

void Stage::kill(std::size_t actor) {
  context_.fault_planned();
  gone_[actor] = true;
  EXPECT_TRUE(crew_.kill(actor)) << "actor " << actor << " was gone before it could be killed";
}

bool Stage::end() {
  if (std::exchange(ended_, true)) return true;
  for (std::size_t actor = 0; actor < mailboxes_.size(); ++actor) {
    if (!gone_[actor]) leave(actor);
  }
  return crew_.size() == 0 || context_.join(crew_);
}

}  // namespace gauntlet::region_suite
