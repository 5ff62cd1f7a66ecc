// sched_setscheduler(2) and /proc/PID/stat.
#include "contracts/semaphore/scheduling.h"

#include <sched.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>

namespace gauntlet {

bool make_real_time(CaseContext& context, pid_t pid, int priority) {
  const sched_param wanted{.sched_priority = priority};
  if (::sched_setscheduler(pid, SCHED_FIFO, &wanted) == 0) return true;
  context.not_run("the SCHED_FIFO policy: " + errno_name(errno),
                  "run as root, with real-time bandwidth for this cgroup");
  return false;
}

std::optional<int> effective_priority(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  // The name of the program, field 2, may hold anything but ends with the last parenthesis.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  constexpr int kFieldsBetween = 15;  // 3 to 17
  for (int field = 0; field < kFieldsBetween; ++field) fields >> skipped;
  int priority = 0;
  if (!(fields >> priority)) return std::nullopt;
  return priority;
}

}  // namespace gauntlet
