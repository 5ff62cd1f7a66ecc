// Binding to a CPU.
#include "support/own_cpu.h"

#include <sched.h>

namespace gauntlet {

void take_own_cpu(std::size_t number, pid_t pid) {
  cpu_set_t usable;
  if (::sched_getaffinity(0, sizeof usable, &usable) != 0) return;
  std::size_t skip = number % static_cast<std::size_t>(CPU_COUNT(&usable));
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &usable) || skip-- != 0) continue;
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(cpu, &own);
    ::sched_setaffinity(pid, sizeof own, &own);
    return;
  }
}

}  // namespace gauntlet
