// The operations of futex(2) as the manual names them, answering -1 and errno.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <ctime>

#include "process/futex.h"
#include "process/shared.h"

namespace gauntlet {

/// Any operation, shared between processes. `timeout` and `count2` are one argument of the call.
inline long futex(FutexWord& word, int operation, std::uint32_t value,
                  const timespec* timeout = nullptr, FutexWord* word2 = nullptr,
                  std::uint32_t value3 = 0) {
  return ::syscall(SYS_futex, &word, operation, value, timeout, word2, value3);
}
/// The operations that count a second time where the others have their time-out.
inline long futex(FutexWord& word, int operation, std::uint32_t value, std::uintptr_t count2,
                  FutexWord& word2, std::uint32_t value3 = 0) {
  return ::syscall(SYS_futex, &word, operation, value, count2, &word2, value3);
}

inline long futex_sleep(FutexWord& word, std::uint32_t expected,
                        const timespec* timeout = nullptr) {
  return futex(word, FUTEX_WAIT, expected, timeout);
}
inline long futex_wake(FutexWord& word, std::uint32_t count) {
  return futex(word, FUTEX_WAKE, count);
}

/// Two words of one case.
struct FutexPair {
  FutexWord first{0};
  FutexWord second{0};
};

inline std::uint32_t own_thread() { return static_cast<std::uint32_t>(::gettid()); }

}  // namespace gauntlet
