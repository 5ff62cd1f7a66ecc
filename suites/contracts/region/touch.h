// Loads and stores that may fault: the signal and its address come back as data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>

namespace gauntlet::region_suite {

/// What came of a load or store.
struct Touch {
  int signal = 0;                ///< SIGSEGV or SIGBUS; 0: it was done
  std::uintptr_t at = 0;         ///< si_addr of the signal
  std::size_t bytes_before = 0;  ///< bytes that were loaded or stored before it

  bool done() const { return signal == 0; }
};
void PrintTo(const Touch& touch, std::ostream* out);

/// Byte by byte, in order, until it is done or a signal comes. The calling thread only; the
/// handlers of before are put back.
Touch load(const std::byte* from, std::span<std::byte> to);
Touch store(std::span<const std::byte> from, std::byte* to);

}  // namespace gauntlet::region_suite
