// A handler that jumps out of the access that faulted.
#include "contracts/region/touch.h"

#include <csetjmp>
#include <csignal>
#include <iostream>

namespace gauntlet::region_suite {
namespace {

sigjmp_buf out_of_the_access;
volatile std::sig_atomic_t caught = 0;
void* volatile caught_at = nullptr;

void leave(int signal, siginfo_t* info, void*) {
  caught = signal;
  caught_at = info->si_addr;
  ::siglongjmp(out_of_the_access, 1);
}

/// Catches SIGSEGV and SIGBUS for as long as it lives.
class Catching {
 public:
  Catching() {
    struct sigaction action {};
    action.sa_sigaction = &leave;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGSEGV, &action, &segv_);
    ::sigaction(SIGBUS, &action, &bus_);
  }
  Catching(const Catching&) = delete;
  ~Catching() {
    ::sigaction(SIGSEGV, &segv_, nullptr);
    ::sigaction(SIGBUS, &bus_, nullptr);
  }

 private:
  struct sigaction segv_ {};
  struct sigaction bus_ {};
};

/// Volatile, so that each byte is touched once and in order, and the count is right after a jump.
Touch copy(const volatile std::byte* from, volatile std::byte* to, std::size_t count) {
  const Catching catching;
  volatile std::size_t done = 0;
  if (sigsetjmp(out_of_the_access, 1) == 0) {
    while (done < count) {
      const std::size_t at = done;
      to[at] = from[at];
      done = at + 1;
    }
    return {.bytes_before = count};
  }
  return {
      .signal = caught, .at = reinterpret_cast<std::uintptr_t>(caught_at), .bytes_before = done};
}

}  // namespace

void PrintTo(const Touch& touch, std::ostream* out) {
  if (touch.done()) {
    *out << "touched " << touch.bytes_before << " bytes";
  } else {
    *out << (touch.signal == SIGBUS ? "SIGBUS" : "SIGSEGV") << " after " << touch.bytes_before
         << " bytes";
  }
}

Touch load(const std::byte* from, std::span<std::byte> to) {
  return copy(from, to.data(), to.size());
}

Touch store(std::span<const std::byte> from, std::byte* to) {
  return copy(from.data(), to, from.size());
}

}  // namespace gauntlet::region_suite
