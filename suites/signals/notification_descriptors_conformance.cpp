// What signalfd, eventfd, timerfd and pidfd promise.
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "base/limits.h"
#include "cases/context.h"
#include "signals/caught.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

constexpr eventfd_t kLargestCount = UINT64_MAX - 1;

UniqueFd open_signalfd(std::initializer_list<int> signals) {
  const sigset_t set = set_of(signals);
  return UniqueFd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
}

bool is_ready(int fd, short events) {
  pollfd ready{.fd = fd, .events = events, .revents = 0};
  return ::poll(&ready, 1, 0) == 1 && (ready.revents & events) != 0;
}

GAUNTLET_CASE(SignalsConformance, Signalfd_Read_TellsSenderCodeAndValue,
              .clause = "signalfd(2) DESCRIPTION (signalfd_siginfo)") {
  const Catcher catcher({SIGRTMIN});
  const Blocked blocked({SIGRTMIN});
  const UniqueFd fd = open_signalfd({SIGRTMIN});
  ASSERT_THAT(::sigqueue(::getpid(), SIGRTMIN, value_of(11)), SyscallSucceeds());
  signalfd_siginfo info{};
  ASSERT_THAT(::read(fd.get(), &info, sizeof info),
              SyscallSucceedsWithValue(static_cast<long>(sizeof info)));
  EXPECT_EQ(info.ssi_signo, static_cast<std::uint32_t>(SIGRTMIN));
  EXPECT_EQ(info.ssi_code, SI_QUEUE);
  EXPECT_EQ(info.ssi_int, 11);
  EXPECT_EQ(info.ssi_pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_FALSE(is_pending(SIGRTMIN)) << "a read takes the signal";
}

GAUNTLET_CASE(SignalsConformance, Signalfd_BufferUnderOneRecord_FailsWithEinvalAndTakesNothing,
              .clause = "signalfd(2) DESCRIPTION (read: EINVAL)") {
  const Catcher catcher({SIGUSR1});
  const Blocked blocked({SIGUSR1});
  const UniqueFd fd = open_signalfd({SIGUSR1});
  ASSERT_EQ(::raise(SIGUSR1), 0);
  char small[sizeof(signalfd_siginfo) - 1];
  EXPECT_THAT(::read(fd.get(), small, sizeof small), SyscallFailsWithErrno(EINVAL));
  EXPECT_TRUE(is_pending(SIGUSR1));
}

GAUNTLET_CASE(SignalsConformance, Signalfd_NothingPendingNonblocking_FailsWithEagain,
              .clause = "signalfd(2) DESCRIPTION (read: EAGAIN)") {
  const Catcher catcher({SIGUSR1, SIGUSR2});
  const Blocked blocked({SIGUSR1, SIGUSR2});
  const UniqueFd fd = open_signalfd({SIGUSR1});
  signalfd_siginfo info{};
  EXPECT_THAT(::read(fd.get(), &info, sizeof info), SyscallFailsWithErrno(EAGAIN));
  ASSERT_EQ(::raise(SIGUSR2), 0);
  EXPECT_THAT(::read(fd.get(), &info, sizeof info), SyscallFailsWithErrno(EAGAIN))
      << "a signal outside of its mask";
  EXPECT_FALSE(is_ready(fd.get(), POLLIN));
}

// One read brings as many as pend and fit; a standard signal that was sent twice is one of them.
GAUNTLET_CASE(SignalsConformance, Signalfd_SeveralPending_OneReadBringsThem,
              .clause = "signalfd(2) DESCRIPTION (read returns as many structures as possible)") {
  const Catcher catcher({SIGUSR1, SIGRTMIN});
  const Blocked blocked({SIGUSR1, SIGRTMIN});
  const UniqueFd fd = open_signalfd({SIGUSR1, SIGRTMIN});
  for (const int signal : {SIGRTMIN, SIGUSR1, SIGRTMIN, SIGUSR1}) ASSERT_EQ(::raise(signal), 0);
  std::array<signalfd_siginfo, 8> infos{};
  EXPECT_THAT(::read(fd.get(), infos.data(), sizeof infos),
              SyscallSucceedsWithValue(static_cast<long>(3 * sizeof(signalfd_siginfo))));
  EXPECT_EQ(infos[0].ssi_signo, static_cast<std::uint32_t>(SIGUSR1));
  EXPECT_EQ(infos[1].ssi_signo, static_cast<std::uint32_t>(SIGRTMIN));
  EXPECT_EQ(infos[2].ssi_signo, static_cast<std::uint32_t>(SIGRTMIN));
}

// A child that reads from an inherited signalfd is told of its own signals.
GAUNTLET_CASE(SignalsConformance, Signalfd_AfterFork_ReadsTheSignalsOfTheReader,
              .clause = "signalfd(2) fork() semantics") {
  const Catcher catcher({SIGUSR2});
  const Blocked blocked({SIGUSR2});
  const UniqueFd fd = open_signalfd({SIGUSR2});
  ASSERT_EQ(::raise(SIGUSR2), 0);
  ChildCall child(context, [&]() -> long {
    const Blocked own({SIGUSR2});
    signalfd_siginfo info{};
    if (::read(fd.get(), &info, sizeof info) >= 0) return 1;  // it took the parent's
    ::raise(SIGUSR2);
    if (::read(fd.get(), &info, sizeof info) != sizeof info) return 2;
    return info.ssi_pid == static_cast<std::uint32_t>(::getpid()) ? 0 : 3;
  });
  EXPECT_THAT(child.finish(), SyscallSucceedsWithValue(0));
  EXPECT_TRUE(is_pending(SIGUSR2));
}

GAUNTLET_CASE(SignalsConformance, Signalfd_NewMask_ReplacesTheOld,
              .clause = "signalfd(2) DESCRIPTION (fd is not -1)") {
  const Catcher catcher({SIGUSR1, SIGUSR2});
  const Blocked blocked({SIGUSR1, SIGUSR2});
  const UniqueFd fd = open_signalfd({SIGUSR1});
  ASSERT_EQ(::raise(SIGUSR2), 0);
  EXPECT_FALSE(is_ready(fd.get(), POLLIN));
  const sigset_t other = set_of({SIGUSR2});
  EXPECT_THAT(::signalfd(fd.get(), &other, 0), SyscallSucceedsWithValue(fd.get()));
  EXPECT_TRUE(is_ready(fd.get(), POLLIN));
}

GAUNTLET_CASE(SignalsConformance, Signalfd_WrongFlagsOrDescriptor_IsRefused,
              .clause = "signalfd(2) ERRORS EBADF, EINVAL") {
  const sigset_t set = set_of({SIGUSR1});
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  EXPECT_THAT(::signalfd(-1, &set, 1), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::signalfd(1'000'000, &set, 0), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::signalfd(event.get(), &set, 0), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SignalsConformance, Eventfd_Read_TakesTheWholeCount,
              .clause = "eventfd(2) DESCRIPTION (read)") {
  const UniqueFd fd(::eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC));
  ASSERT_THAT(::eventfd_write(fd.get(), 4), SyscallSucceeds());
  eventfd_t count = 0;
  EXPECT_THAT(::eventfd_read(fd.get(), &count), SyscallSucceeds());
  EXPECT_EQ(count, 7U);
  EXPECT_THAT(::eventfd_read(fd.get(), &count), SyscallFailsWithErrno(EAGAIN));
}

GAUNTLET_CASE(SignalsConformance, EventfdSemaphore_Read_TakesOne,
              .clause = "eventfd(2) EFD_SEMAPHORE") {
  const UniqueFd fd(::eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC));
  eventfd_t count = 0;
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(::eventfd_read(fd.get(), &count), SyscallSucceeds());
    EXPECT_EQ(count, 1U);
  }
  EXPECT_THAT(::eventfd_read(fd.get(), &count), SyscallFailsWithErrno(EAGAIN));
}

// The count goes to 2^64 - 2; what would pass that waits or fails, and changes nothing.
GAUNTLET_CASE(SignalsConformance, Eventfd_WritePastTheLargestCount_FailsWithEagain,
              .clause = "eventfd(2) DESCRIPTION (write)") {
  const UniqueFd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  ASSERT_THAT(::eventfd_write(fd.get(), kLargestCount), SyscallSucceeds());
  EXPECT_FALSE(is_ready(fd.get(), POLLOUT));
  EXPECT_THAT(::eventfd_write(fd.get(), 1), SyscallFailsWithErrno(EAGAIN));
  eventfd_t count = 0;
  EXPECT_THAT(::eventfd_read(fd.get(), &count), SyscallSucceeds());
  EXPECT_EQ(count, kLargestCount);
  EXPECT_TRUE(is_ready(fd.get(), POLLOUT));
}

GAUNTLET_CASE(SignalsConformance, Eventfd_WrongValueSizeOrFlags_FailsWithEinval,
              .clause = "eventfd(2) ERRORS EINVAL; DESCRIPTION (read, write)") {
  const UniqueFd fd(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
  EXPECT_THAT(::eventfd_write(fd.get(), UINT64_MAX), SyscallFailsWithErrno(EINVAL));
  char small[7] = {};
  EXPECT_THAT(::read(fd.get(), small, sizeof small), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::write(fd.get(), small, sizeof small), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::eventfd(0, 1 << 20), SyscallFailsWithErrno(EINVAL));
}

// A read brings how often it expired since the last one, and takes that.
GAUNTLET_CASE(SignalsConformance, Timerfd_Read_BringsTheExpirationsSinceTheLast,
              .clause = "timerfd_create(2) Operating on a timer file descriptor (read)") {
  const UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const long period_ns = 2'000'000;
  const itimerspec often{.it_interval = {.tv_sec = 0, .tv_nsec = period_ns},
                         .it_value = {.tv_sec = 0, .tv_nsec = period_ns}};
  const std::int64_t begun_ns = monotonic_ns();
  ASSERT_THAT(::timerfd_settime(fd.get(), 0, &often, nullptr), SyscallSucceeds());
  std::uint64_t total = 0;
  for (int i = 0; i < 5; ++i) {
    std::uint64_t count = 0;
    ASSERT_THAT(::read(fd.get(), &count, sizeof count),
                SyscallSucceedsWithValue(static_cast<long>(sizeof count)));
    EXPECT_GE(count, 1U);
    total += count;
  }
  const std::int64_t most = (monotonic_ns() - begun_ns) / period_ns;
  EXPECT_GE(total, 5U);
  EXPECT_LE(total, static_cast<std::uint64_t>(most)) << "expirations were made up";
}

GAUNTLET_CASE(SignalsConformance, Timerfd_NotExpired_FailsWithEagainAndTellsWhatIsLeft,
              .clause = "timerfd_create(2) (read: EAGAIN), timerfd_gettime()") {
  const UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  std::uint64_t count = 0;
  EXPECT_THAT(::read(fd.get(), &count, sizeof count), SyscallFailsWithErrno(EAGAIN));
  const itimerspec hour{.it_interval = {}, .it_value = {.tv_sec = 3600, .tv_nsec = 0}};
  ASSERT_THAT(::timerfd_settime(fd.get(), 0, &hour, nullptr), SyscallSucceeds());
  itimerspec left{};
  ASSERT_THAT(::timerfd_gettime(fd.get(), &left), SyscallSucceeds());
  EXPECT_GT(left.it_value.tv_sec, 0);
  EXPECT_LE(left.it_value.tv_sec, 3600);
  EXPECT_THAT(::read(fd.get(), &count, sizeof count), SyscallFailsWithErrno(EAGAIN));
  char small[4];
  EXPECT_THAT(::read(fd.get(), small, sizeof small), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SignalsConformance, Timerfd_WrongClockFlagsOrTime_FailsWithEinval,
              .clause = "timerfd_create(2) ERRORS EINVAL") {
  EXPECT_THAT(::timerfd_create(12345, 0), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::timerfd_create(CLOCK_MONOTONIC, 1), SyscallFailsWithErrno(EINVAL));
  const UniqueFd fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const itimerspec invalid{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = 1'000'000'000}};
  EXPECT_THAT(::timerfd_settime(fd.get(), 0, &invalid, nullptr), SyscallFailsWithErrno(EINVAL));
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  EXPECT_THAT(::timerfd_settime(event.get(), 0, &invalid, nullptr), SyscallFailsWithErrno(EINVAL));
}

long pidfd_open(pid_t pid, unsigned flags = 0) { return ::syscall(SYS_pidfd_open, pid, flags); }
long pidfd_send_signal(int fd, int signal, siginfo_t* info, unsigned flags = 0) {
  return ::syscall(SYS_pidfd_send_signal, fd, signal, info, flags);
}

GAUNTLET_CASE(SignalsConformance, PidfdOpen_WrongArguments_IsRefused,
              .clause = "pidfd_open(2) ERRORS EINVAL, ESRCH") {
  EXPECT_THAT(pidfd_open(-1), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(pidfd_open(::getpid(), 0x40000000), SyscallFailsWithErrno(EINVAL));
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  ASSERT_THAT(::waitpid(pid, nullptr, 0), SyscallSucceedsWithValue(pid));
  EXPECT_THAT(pidfd_open(pid), SyscallFailsWithErrno(ESRCH));
}

// The descriptor becomes readable when the process ends, can be waited on, and then names nobody.
GAUNTLET_CASE(SignalsConformance, Pidfd_OfAnEndedProcess_IsReadableAndThenNamesNobody,
              .clause = "pidfd_open(2) NOTES (poll, waitid P_PIDFD); pidfd_send_signal(2) ESRCH") {
  const pid_t pid = ::fork();
  if (pid == 0) {
    for (;;) ::pause();
  }
  const UniqueFd fd(static_cast<int>(pidfd_open(pid)));
  ASSERT_TRUE(fd.valid());
  EXPECT_FALSE(is_ready(fd.get(), POLLIN));
  EXPECT_THAT(pidfd_send_signal(fd.get(), SIGTERM, nullptr), SyscallSucceeds());
  siginfo_t info{};
  ASSERT_THAT(::waitid(P_PIDFD, static_cast<id_t>(fd.get()), &info, WEXITED | WNOWAIT),
              SyscallSucceeds());
  EXPECT_EQ(info.si_code, CLD_KILLED);
  EXPECT_EQ(info.si_status, SIGTERM);
  EXPECT_TRUE(is_ready(fd.get(), POLLIN));
  ASSERT_THAT(::waitpid(pid, nullptr, 0), SyscallSucceedsWithValue(pid));
  EXPECT_THAT(pidfd_send_signal(fd.get(), SIGTERM, nullptr), SyscallFailsWithErrno(ESRCH));
}

GAUNTLET_CASE(SignalsConformance, PidfdSendSignal_WrongArguments_IsRefused,
              .clause = "pidfd_send_signal(2) ERRORS EBADF, EINVAL, EPERM") {
  const UniqueFd own(static_cast<int>(pidfd_open(::getpid())));
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC));
  EXPECT_THAT(pidfd_send_signal(event.get(), 0, nullptr), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(pidfd_send_signal(own.get(), SIGRTMAX + 1, nullptr), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(pidfd_send_signal(own.get(), 0, nullptr, 0x40000000), SyscallFailsWithErrno(EINVAL));
  // To another process nobody may pretend that kill() or the kernel had sent it.
  ChildCall child(context, [] { return static_cast<long>(::pause()); });
  ASSERT_TRUE(child.is_asleep());
  const UniqueFd other(static_cast<int>(pidfd_open(child.pid())));
  siginfo_t forged{};
  forged.si_signo = SIGUSR1;
  forged.si_code = SI_USER;
  EXPECT_THAT(pidfd_send_signal(other.get(), SIGUSR1, &forged), SyscallFailsWithErrno(EPERM));
  EXPECT_TRUE(child.is_asleep());
  EXPECT_THAT(pidfd_send_signal(other.get(), SIGUSR1, nullptr), SyscallSucceeds());
  EXPECT_THAT(child.finish(), SyscallFailsWithErrno(EINTR));
}

}  // namespace
}  // namespace gauntlet
