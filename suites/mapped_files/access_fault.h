// What a load or a store of a mapped byte raises, as a value.
#pragma once

#include <gtest/gtest.h>
#include <setjmp.h>
#include <signal.h>

#include <ostream>

namespace gauntlet {

/// The signal of one access; 0 when it was made.
struct AccessFault {
  int signal = 0;
  int code = 0;  ///< siginfo_t::si_code: BUS_ADRERR, SEGV_MAPERR, SEGV_ACCERR …
  const void* address = nullptr;
};
void PrintTo(const AccessFault& fault, std::ostream* out);

/// Catches SIGBUS and SIGSEGV of this process while it lives. One at a time, one thread.
class AccessFaults {
 public:
  AccessFaults();
  AccessFaults(const AccessFaults&) = delete;
  AccessFaults& operator=(const AccessFaults&) = delete;
  ~AccessFaults();

  /// Makes the access, which owns nothing: a fault jumps out of it.
  template <class Access>
  AccessFault of(Access access) const {
    // The handler runs with its signal blocked: the mask is part of what is restored.
    if (sigsetjmp(*jump(), 1) != 0) return caught();
    access();
    return {};
  }
  AccessFault of_load(const volatile unsigned char* at) const {
    return of([at] { static_cast<void>(*at); });
  }
  AccessFault of_store(volatile unsigned char* at, unsigned char value) const {
    return of([at, value] { *at = value; });
  }

 private:
  static sigjmp_buf* jump();
  static AccessFault caught();
  struct sigaction bus_before_ = {};
  struct sigaction segv_before_ = {};
};

/// An access at `address` that raised `signal` with `code`.
testing::AssertionResult raised(const AccessFault& fault, int signal, int code,
                                const volatile void* address);
/// A page past the end of the file, as mmap(2) says: SIGBUS, BUS_ADRERR.
testing::AssertionResult is_past_the_end(const AccessFault& fault, const volatile void* address);
testing::AssertionResult was_made(const AccessFault& fault);

}  // namespace gauntlet
