#include <cstdio>

#include "model/reference_scenarios.h"
#include "schedule/explore.h"
#include "schedule/lanes.h"
using namespace gauntlet::schedule;
int main(int argc, char** argv) {
  Scenario s = semaphore_of_one(argc > 2, 2);
  if (argc > 2) {
    s.faults.deaths = 1;
    for (auto& p : s.processes) p.may_die = true;
  }
  Options o;
  o.search = argc > 1 ? (argv[1][0] == 'e' ? Search::exhaustive : Search::pct) : Search::pct;
  o.most_executions = 300000;
  o.memory = argc > 3 ? Memory::tso : Memory::sc;
  auto r = explore(s, o);
  std::printf("%s\n%s\n", r.error.c_str(), r.coverage.describe(s, o).c_str());
  if (r.finding) std::puts(draw(s, *r.finding).c_str());
}
