// Making and opening.
#include "contracts/semaphore/opening.h"

#include <utility>

namespace gauntlet {

std::unique_ptr<SemaphoreHost> make_semaphore(CaseContext& context, std::int64_t initial) {
  SemaphoreOptions options;
  options.initial = initial;
  options.scope = context.scope();
  auto host = context.semaphore().create(options);
  if (host) return std::move(*host);
  context.not_created(host.error());
  return nullptr;
}

std::unique_ptr<Semaphore> open_semaphore(Worker& worker, SemaphoreHost& host) {
  auto semaphore = host.open();
  if (worker.expect(semaphore.has_value(),
                    semaphore ? "" : "open failed: " + describe(semaphore.error()))) {
    return std::move(*semaphore);
  }
  return nullptr;
}

}  // namespace gauntlet
