// Single-steps a child.
#include "mapped_files/instruction_kill.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>

#include "base/limits.h"
#include "process/process.h"

namespace gauntlet {
namespace {

/// Waits until the child stands still (true) or has ended, and leaves it to be reaped.
bool await_stop(pid_t child) {
  siginfo_t info = {};
  while (::waitid(P_PID, static_cast<id_t>(child), &info, WSTOPPED | WEXITED | WNOWAIT) != 0) {
    if (errno != EINTR) return false;
  }
  return !reports_end(info, child);
}

}  // namespace

Result<InstructionKill> kill_at_instruction(const std::function<void()>& work,
                                            std::uint32_t instructions) {
  Result<Process> child = Process::fork([&work] {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) return 1;
    ::raise(SIGSTOP);
    work();
    return 0;
  });
  if (!child) return tl::unexpected<Error>(child.error());
  const pid_t pid = child->pid();
  if (!await_stop(pid)) return fail_with(Code::denied, "ptrace");
  InstructionKill kill;
  while (kill.steps < instructions) {
    if (::ptrace(PTRACE_SINGLESTEP, pid, nullptr, nullptr) != 0) return fail_system("ptrace");
    if (!await_stop(pid)) break;
    ++kill.steps;
  }
  child->kill();
  kill.fired = child->killed();
  return kill;
}

}  // namespace gauntlet
