// Cases on <future> run in a process of their own: it has threads, and the body forks.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <string>

#include "base/limits.h"
#include "cases/context.h"
#include "process/crew.h"

namespace gauntlet {

/// Runs `body` in a worker and tells what was not right.
inline void in_worker(CaseContext& context, const Crew::Body& body) {
  Crew crew;
  const auto added = crew.add(body);
  if (!added) return context.error("no worker: " + describe(added.error()));
  context.join(crew);
}

/// True when `call` throws a future_error with this code; otherwise a failure of the worker.
template <class Call>
bool throws(Worker& worker, std::future_errc code, const Call& call,
            SourceLine where = SourceLine::current()) {
  try {
    call();
  } catch (const std::future_error& error) {
    return worker.expect(error.code() == code,
                         "future_error: " + error.code().message() + ", expected " +
                             std::make_error_code(code).message(),
                         where);
  }
  return worker.expect(false, "nothing thrown, expected " + std::make_error_code(code).message(),
                       where);
}

template <class Future>
bool is_ready(const Future& future) {
  return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace gauntlet
