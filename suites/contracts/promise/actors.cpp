// Processes, or threads.
#include "contracts/promise/actors.h"

#include <algorithm>
#include <string>
#include <thread>

#include "base/limits.h"
#include "support/quiet.h"

namespace gauntlet {
namespace {

constexpr std::chrono::milliseconds kLook{50};  // between looks whether they are still alive

}  // namespace

std::unique_ptr<Promise> Actor::open(PromiseRole role, std::size_t promise) {
  auto opened = all_.hosts_[promise]->open(role);
  if (expect(opened.has_value(), opened ? "" : "open failed: " + describe(opened.error()))) {
    return std::move(*opened);
  }
  return nullptr;
}

void Actor::await_start() {
  all_.board_->ready.fetch_add(1);
  futex_wake_all(all_.board_->ready);
  while (all_.board_->started.load() == 0) futex_wait(all_.board_->started, 0);
}

Status Actors::make_promises() {
  PromiseOptions options;
  options.waiters = static_cast<std::uint32_t>(std::max<std::size_t>(1, bodies_.size()));
  options.scope = context_.scope();
  for (std::size_t i = 0; i < promises_; ++i) {
    auto host = context_.promise().create(options);
    if (!host) return tl::unexpected<Error>(host.error());
    hosts_.push_back(std::move(*host));
  }
  return {};
}

/// The promises belong to this process, and go when all of its threads have ended.
void Actors::live_as_threads(Worker& worker) {
  const Status made = make_promises();
  if (!made) board_->error = made.error();
  board_->made.store(made ? 1 : 2);
  futex_wake_all(board_->made);
  if (!made) return;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < bodies_.size(); ++i) {
    threads.emplace_back([this, i, &worker] {
      Actor actor(i, worker, *this);
      bodies_[i](actor);
    });
  }
  for (std::thread& thread : threads) thread.join();
  hosts_.clear();
}

bool Actors::add_worker(const Crew::Body& body) {
  const auto added = crew_.add(body);
  if (!added) context_.error("no worker: " + describe(added.error()));
  return added.has_value();
}

bool Actors::launch() {
  if (!are_threads()) {
    if (const Status made = make_promises(); !made) {
      context_.not_created(made.error());
      return false;
    }
    for (std::size_t i = 0; i < bodies_.size(); ++i) {
      const bool added = add_worker([this, i](Worker& worker) {
        Actor actor(i, worker, *this);
        bodies_[i](actor);
      });
      if (!added) return false;
    }
    return true;
  }
  if (!add_worker([this](Worker& worker) { live_as_threads(worker); })) return false;
  const Deadline deadline = Deadline::after(kCallPatience);
  while (board_->made.load() == 0 && crew_.process(0).running() && !deadline.expired()) {
    futex_wait(board_->made, 0, kLook);
  }
  if (board_->made.load() == 2) context_.not_created(board_->error);
  if (board_->made.load() == 0) context_.error("the process of the threads made no promise");
  return board_->made.load() == 1;
}

bool Actors::go() {
  const Deadline deadline = Deadline::after(kCallPatience);
  while (true) {
    const std::uint32_t ready = board_->ready.load();
    if (ready == bodies_.size()) break;
    bool gone = false;
    for (std::size_t i = 0; i < crew_.size(); ++i) gone = gone || !crew_.process(i).running();
    if (gone || deadline.expired()) {
      context_.join(crew_, Deadline::immediate());
      context_.error("the actors did not come to their start line");
      return false;
    }
    futex_wait(board_->ready, ready, kLook);
  }
  board_->started.store(1);
  futex_wake_all(board_->started);
  return true;
}

bool Actors::run(std::string_view meaning) {
  return launch() && go() && await_end_or_stuck(context_, crew_, meaning);
}

}  // namespace gauntlet
