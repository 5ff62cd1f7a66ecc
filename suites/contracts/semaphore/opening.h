// Making and opening the semaphore of a case, with failures told the same way everywhere.
#pragma once

#include <cstdint>
#include <memory>

#include "cases/context.h"
#include "contracts/semaphore.h"
#include "process/crew.h"

namespace gauntlet {

/// Null when it could not be made; the verdict has been told.
std::unique_ptr<SemaphoreHost> make_semaphore(CaseContext& context, std::int64_t initial);

/// In a worker; null when it could not be opened, which is a failure of the worker.
std::unique_ptr<Semaphore> open_semaphore(Worker& worker, SemaphoreHost& host);

}  // namespace gauntlet
