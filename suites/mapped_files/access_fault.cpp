// Handlers of SIGBUS and SIGSEGV that jump out of the access.
#include "mapped_files/access_fault.h"

#include <cstring>
#include <string>

namespace gauntlet {
namespace {

// Of this process: a handler has no other way to reach them.
sigjmp_buf jump_out;
AccessFault last_fault;

void on_fault(int signal, siginfo_t* info, void*) {
  last_fault = {signal, info->si_code, info->si_addr};
  siglongjmp(jump_out, 1);
}

std::string spelled(int signal, int code) {
  if (signal == 0) return "no signal";
  std::string text = signal == SIGBUS ? "SIGBUS" : signal == SIGSEGV ? "SIGSEGV" : "signal";
  const bool bus = signal == SIGBUS;
  if (bus && code == BUS_ADRERR) return text + " BUS_ADRERR";
  if (!bus && code == SEGV_MAPERR) return text + " SEGV_MAPERR";
  if (!bus && code == SEGV_ACCERR) return text + " SEGV_ACCERR";
  return text + " si_code " + std::to_string(code);
}

}  // namespace

void PrintTo(const AccessFault& fault, std::ostream* out) {
  *out << spelled(fault.signal, fault.code) << " at " << fault.address;
}

AccessFaults::AccessFaults() {
  struct sigaction action = {};
  action.sa_sigaction = &on_fault;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, &bus_before_);
  ::sigaction(SIGSEGV, &action, &segv_before_);
}

AccessFaults::~AccessFaults() {
  ::sigaction(SIGBUS, &bus_before_, nullptr);
  ::sigaction(SIGSEGV, &segv_before_, nullptr);
}

sigjmp_buf* AccessFaults::jump() { return &jump_out; }
AccessFault AccessFaults::caught() { return last_fault; }

testing::AssertionResult raised(const AccessFault& fault, int signal, int code,
                                const volatile void* address) {
  if (fault.signal == signal && fault.code == code && fault.address == address) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure()
         << "the access at " << const_cast<const void*>(address) << " should raise "
         << spelled(signal, code) << ", and raised " << testing::PrintToString(fault);
}

testing::AssertionResult is_past_the_end(const AccessFault& fault, const volatile void* address) {
  return raised(fault, SIGBUS, BUS_ADRERR, address);
}

testing::AssertionResult was_made(const AccessFault& fault) {
  if (fault.signal == 0) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "the access raised " << testing::PrintToString(fault);
}

}  // namespace gauntlet
