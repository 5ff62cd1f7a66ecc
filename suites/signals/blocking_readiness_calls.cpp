// Calls that sleep until descriptors are ready.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include <memory>

#include "pipes/pipe_ends.h"
#include "signals/blocking_calls.h"

namespace gauntlet {
namespace {

/// `wait(fd)` sleeps until a pipe's read end is readable.
template <class Wait>
Situation wait_readable(CaseContext& context, Wait wait) {
  auto made = PipeEnds::open();
  if (!made) {
    context.not_created(made.error());
    return {};
  }
  const auto ends = std::make_shared<PipeEnds>(std::move(*made));
  return {.call = [ends, wait] { return static_cast<long>(wait(ends->read.get())); },
          .complete = [ends] { EXPECT_EQ(::write(ends->write.get(), "x", 1), 1); }};
}

Situation by_poll(CaseContext& context) {
  return wait_readable(context, [](int fd) {
    pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&readable, 1, -1);
  });
}
Situation by_ppoll(CaseContext& context) {
  return wait_readable(context, [](int fd) {
    pollfd readable{.fd = fd, .events = POLLIN, .revents = 0};
    return ::ppoll(&readable, 1, nullptr, nullptr);
  });
}

fd_set only(int fd) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd, &set);
  return set;
}
Situation by_select(CaseContext& context) {
  return wait_readable(context, [](int fd) {
    fd_set set = only(fd);
    return ::select(fd + 1, &set, nullptr, nullptr, nullptr);
  });
}
Situation by_pselect(CaseContext& context) {
  return wait_readable(context, [](int fd) {
    fd_set set = only(fd);
    return ::pselect(fd + 1, &set, nullptr, nullptr, nullptr, nullptr);
  });
}

template <class Wait>
Situation by_epoll(CaseContext& context, Wait wait) {
  return wait_readable(context, [wait](int fd) {
    const UniqueFd watch(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(watch.get(), EPOLL_CTL_ADD, fd, &event) != 0) return -1;
    return wait(watch.get(), &event);
  });
}
Situation by_epoll_wait(CaseContext& context) {
  return by_epoll(context,
                  [](int watch, epoll_event* event) { return ::epoll_wait(watch, event, 1, -1); });
}
Situation by_epoll_pwait(CaseContext& context) {
  return by_epoll(context, [](int watch, epoll_event* event) {
    return ::epoll_pwait(watch, event, 1, -1, nullptr);
  });
}

}  // namespace

std::span<const BlockingCall> readiness_calls() {
  static constexpr BlockingCall kCalls[] = {
      {"Poll", "poll()", "poll(2)", kEintr, kEintr, kGoesOn, by_poll},
      {"Ppoll", "ppoll()", "ppoll(2)", kEintr, kEintr, kGoesOn, by_ppoll},
      {"Select", "select()", "select(2)", kEintr, kEintr, kGoesOn, by_select},
      {"Pselect", "pselect()", "pselect(2)", kEintr, kEintr, kGoesOn, by_pselect},
      {"EpollWait", "epoll_wait()", "epoll_wait(2)", kEintr, kEintr, kEintr, by_epoll_wait},
      {"EpollPwait", "epoll_pwait()", "epoll_pwait(2)", kEintr, kEintr, kEintr, by_epoll_pwait},
  };
  return kCalls;
}

}  // namespace gauntlet
