// Workers on CPUs of their own, so that what they do really happens at the same time.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace gauntlet {

/// Binds the calling process (or the process `pid`) to the `number`-th of the CPUs that it may use,
/// counted round. Where there is one CPU, or binding is not allowed, nothing changes. For races
/// only: elsewhere the scheduler's own choice is part of the test.
void take_own_cpu(std::size_t number, pid_t pid = 0);

}  // namespace gauntlet
