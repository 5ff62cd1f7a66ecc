// Running ranks and reading what they say.
#include "message_passing/mpi_ranks.h"

#include <gtest/gtest.h>

#include <charconv>
#include <sstream>
#include <string>

#include "base/limits.h"
#include "subjects/support/mpi_job.h"

namespace gauntlet {

std::vector<long> RankFacts::all(std::string_view name) const {
  std::vector<long> values;
  for (const auto& [fact, value] : facts) {
    if (fact == name) values.push_back(value);
  }
  return values;
}

long RankFacts::one(std::string_view name) const {
  const std::vector<long> values = all(name);
  return values.size() == 1 ? values.front() : -1;
}

std::optional<RankFacts> run_ranks(CaseContext& context, std::string_view name, unsigned ranks) {
  const std::vector<std::string> arguments{"clause", std::string(name)};
  Result<std::unique_ptr<MpiJob>> job = MpiJob::start(ranks, arguments);
  if (!job) {
    context.not_created(job.error());
    return std::nullopt;
  }
  // Busy ranks on a loaded machine take their time; a deadlock takes all of it.
  const Result<MpiJobEnd> end = (*job)->wait(Deadline::after(2 * kCallPatience));
  if (!end) {
    ADD_FAILURE() << "the ranks of '" << name << "' never ended";
    return std::nullopt;
  }
  RankFacts facts{.status = end->status, .facts = {}};
  std::istringstream lines(end->output);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    long value = 0;
    std::from_chars(line.data() + equals + 1, line.data() + line.size(), value);
    facts.facts.emplace_back(line.substr(0, equals), value);
  }
  return facts;
}

}  // namespace gauntlet
