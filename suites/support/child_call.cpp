// Children that make one call, and leave its outcome in shared memory.
#include "support/child_call.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limits.h"

namespace gauntlet {
namespace {

/// Anybody but us, without any rights: "nobody" on most systems, or another when we are that one.
uid_t stranger() { return ::geteuid() == 65534 ? 65533 : 65534; }

/// Of this process, set before a handler can run: a handler has no other way to reach it.
int handled_fd = -1;

void tell_handled(int) {
  const int kept = errno;
  [[maybe_unused]] const ssize_t told = ::write(handled_fd, "x", 1);
  errno = kept;
}

void install_handler(OnSignal on_signal) {
  struct sigaction action = {};
  action.sa_handler = &tell_handled;
  action.sa_flags = on_signal == OnSignal::restart ? SA_RESTART : 0;
  ::sigaction(SIGUSR1, &action, nullptr);
}

int drop_capabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  return static_cast<int>(::syscall(SYS_capset, &header, none));
}

/// Answers 0, or the errno of the step that the system refused.
int become_stranger() {
  // Refused in user namespaces that deny it (user_namespaces(7)); the groups that then stay give
  // nothing, because every object here is made without group permissions.
  [[maybe_unused]] const int groups = ::setgroups(0, nullptr);
  const uid_t id = stranger();
  if (::setresgid(id, id, id) != 0) return errno;
  if (::setresuid(id, id, id) != 0) return errno;
  return 0;
}

}  // namespace

ChildCall::ChildCall(CaseContext& context, OnSignal on_signal, std::function<CallOutcome()> call)
    : context_(context) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    context_.error("pipe2: " + errno_name(errno));
    return;
  }
  handled_.reset(ends[0]);
  const UniqueFd handler_end(ends[1]);
  outcome_->returned = false;
  const auto added = crew_.add([&, on_signal](Worker&) {
    handled_fd = handler_end.get();
    install_handler(on_signal);
    *outcome_ = call();
  });
  forked_ = added.has_value();
  if (!forked_) context_.error("no child: " + describe(added.error()));
}

testing::AssertionResult ChildCall::is_asleep() {
  if (!forked_) return testing::AssertionFailure() << "there is no child";
  const Status asleep = crew_.process(0).await_asleep(Deadline::after(kCallPatience));
  if (asleep) return testing::AssertionSuccess();
  if (asleep.error() == Code::closed) {
    return testing::AssertionFailure() << "the call should sleep; its child has ended";
  }
  return testing::AssertionFailure() << "the call should sleep: " << describe(asleep.error());
}

testing::AssertionResult ChildCall::signal_and_await_handler() {
  if (!forked_) return testing::AssertionFailure() << "there is no child";
  if (const Status sent = crew_.process(0).signal(SIGUSR1); !sent) {
    return testing::AssertionFailure() << "SIGUSR1 not sent: " << describe(sent.error());
  }
  pollfd handled = {handled_.get(), POLLIN, 0};
  const Deadline deadline = Deadline::after(kCallPatience);
  int ready = 0;
  do {
    ready = ::poll(&handled, 1, deadline.poll_timeout_ms());
  } while (ready < 0 && errno == EINTR);
  char byte = 0;
  if (ready == 1 && ::read(handled_.get(), &byte, 1) == 1) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "the handler of SIGUSR1 did not run";
}

bool ChildCall::kill() {
  context_.fault_planned();
  const bool fired = forked_ && crew_.kill(0);
  context_.join(crew_);  // tells that it fired
  return fired;
}

pid_t ChildCall::pid() { return forked_ ? crew_.process(0).pid() : -1; }

CallOutcome ChildCall::finish() {
  context_.join(crew_);
  return *outcome_;
}

CallOutcome call_without_capabilities(CaseContext& context, const std::function<long()>& call) {
  const Shared<int> refused;
  ChildCall child(context, [&]() -> long {
    if (drop_capabilities() != 0) {
      *refused = errno;
      return 0;
    }
    return call();
  });
  const CallOutcome outcome = child.finish();
  if (*refused != 0) context.error("capset to nothing: " + errno_name(*refused));
  return outcome;
}

std::optional<CallOutcome> call_as_stranger(CaseContext& context,
                                            const std::function<long()>& call) {
  const Shared<int> refused;
  ChildCall child(context, [&]() -> long {
    *refused = become_stranger();
    return *refused != 0 ? 0 : call();
  });
  const CallOutcome outcome = child.finish();
  if (*refused == 0) return outcome;
  context.not_run("another user to be: setresuid to " + std::to_string(stranger()) + ": " +
                      errno_name(*refused),
                  "run as root, outside of a user namespace that maps one user only");
  return std::nullopt;
}

}  // namespace gauntlet
