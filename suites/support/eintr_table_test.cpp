// The table of docs/eintr.md is the one that the suite checks: both come from the rows in
// suites/signals/.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace gauntlet {
namespace {

using nlohmann::json;

std::string output_of(const std::string& command) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"),
                                                             ::pclose);
  std::string text;
  std::array<char, 65536> part{};
  while (pipe != nullptr) {
    const std::size_t size = std::fread(part.data(), 1, part.size(), pipe.get());
    if (size == 0) break;
    text.append(part.data(), size);
  }
  return text;
}

/// What a case says of its call: the column of the table (0 to 2), or -1 for other cases.
int column_of(const std::string& test) {
  if (test.starts_with("Stopped_")) return 2;
  if (!test.starts_with("Interrupted_")) return -1;
  return test.find("WithSaRestart_") == std::string::npos ? 0 : 1;
}

/// The rows that the cases of the suite make up, by call.
std::string table_of_the_suite() {
  std::map<std::string, std::array<std::string, 3>> rows;
  const std::string suite = "SignalsConformance.";
  for (const json& each : json::parse(output_of(GAUNTLET_SUITES_BINARY " --gauntlet_list"))) {
    const std::string name = each["name"];
    if (!name.starts_with(suite)) continue;
    const std::string test = name.substr(suite.size());
    const int column = column_of(test);
    if (column < 0) continue;
    // "signal(7) <section>: <call>; <page>"
    const std::string clause = each["clause"];
    const std::size_t from = clause.find(": ") + 2;
    auto& row = rows[clause.substr(from, clause.find("; ", from) - from)];
    row[static_cast<std::size_t>(column)] = test.ends_with("_GoesOn") ? "goes on" : "EINTR";
  }
  std::string table;
  for (const auto& [call, row] : rows) {
    table += "| `" + call + "` |";
    for (const std::string& cell : row) table += " " + (cell.empty() ? "–" : cell) + " |";
    table += "\n";
  }
  return table;
}

TEST(EintrTable, OfThePage_IsTheOneThatTheSuiteChecks) {
  std::ifstream file(GAUNTLET_EINTR_PAGE);
  std::ostringstream page;
  page << file.rdbuf();
  const std::string table = table_of_the_suite();
  ASSERT_FALSE(table.empty());
  EXPECT_NE(page.str().find(table), std::string::npos) << "docs/eintr.md must have these rows:\n"
                                                       << table;
}

}  // namespace
}  // namespace gauntlet
