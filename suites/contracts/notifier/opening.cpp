// Making and opening.
#include "contracts/notifier/opening.h"

#include <sched.h>

#include <utility>

#include "base/limits.h"

namespace gauntlet {

std::unique_ptr<NotifierHost> make_notifier(CaseContext& context, std::uint64_t most_pending) {
  NotifierOptions options;
  options.most_pending = most_pending;
  options.scope = context.scope();
  auto host = context.notifier().create(options);
  if (host) return std::move(*host);
  context.not_created(host.error());
  return nullptr;
}

std::unique_ptr<Notifier> open_notifier(Worker& worker, NotifierHost& host, NotifierRole role) {
  auto opened = host.open(role);
  if (worker.expect(opened.has_value(), opened ? "" : "open failed: " + describe(opened.error()))) {
    return std::move(*opened);
  }
  return nullptr;
}

bool add_worker(CaseContext& context, Crew& crew, const Crew::Body& body) {
  const Result<std::size_t> added = crew.add(body);
  if (!added) context.error("no worker: " + describe(added.error()));
  return added.has_value();
}

bool start(CaseContext& context, Crew& crew) {
  const Status started = crew.start(Deadline::after(kCallPatience));
  if (!started) context.error("the workers did not start: " + describe(started.error()));
  return started.has_value();
}

bool notify_when_there_is_room(Worker& worker, Notifier& notifier, std::uint32_t payload) {
  const Deadline deadline = Deadline::after(kCallPatience);
  for (;;) {
    const Status told = notifier.notify(payload, deadline);
    if (told) return true;
    const bool full = is_full(told.error()) && !deadline.expired();
    if (!worker.expect(full, "notify failed: " + describe(told.error()))) return false;
    ::sched_yield();
  }
}

}  // namespace gauntlet
