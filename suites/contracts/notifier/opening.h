// Making and opening the notifier of a case, with failures told the same way everywhere.
#pragma once

#include <memory>
#include <string>

#include "cases/context.h"
#include "contracts/notifier.h"
#include "process/crew.h"

namespace gauntlet {

/// Null when it could not be made; the verdict has been told.
std::unique_ptr<NotifierHost> make_notifier(CaseContext& context, std::uint64_t most_pending = 0);

/// In a worker; null when it could not be opened, which is a failure of the worker.
std::unique_ptr<Notifier> open_notifier(Worker& worker, NotifierHost& host, NotifierRole role);

/// Forks a worker; a failure to fork is an `error` of the case.
bool add_worker(CaseContext& context, Crew& crew, const Crew::Body& body);

/// Lets all of a crew begin; a failure is an `error` of the case.
bool start(CaseContext& context, Crew& crew);

/// True when no more can pend now, by what notify() answered: the two words of the contract.
inline bool is_full(const Error& error) {
  return error == Code::would_block || error == Code::exhausted;
}

/// True when a wait brought nothing because nothing was there.
inline bool brought_nothing(const Error& error) {
  return error == Code::would_block || error == Code::timed_out;
}

/// Notifies until there is room, in a worker: where a full notifier refuses, the waiter is given
/// the CPU meanwhile. False when that failed or would never end, which is a failure of the worker.
bool notify_when_there_is_room(Worker& worker, Notifier& notifier, std::uint32_t payload);

}  // namespace gauntlet
