// Numbers that the system publishes below /proc/sys, read when a case runs, never assumed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "cases/context.h"

namespace gauntlet {

/// The `field`-th number of a file such as /proc/sys/kernel/sem; empty when it cannot be read.
std::optional<std::int64_t> system_number(const std::string& path, std::size_t field = 0);

/// A setting of the private IPC namespace of a case, changed for as long as this lives. Never
/// touches a namespace that is shared: then, and when the system refuses, `set` is false and the
/// case was told not_run.
class PrivateIpcSetting {
 public:
  /// `path` is below /proc/sys/fs/mqueue or one of kernel/{sem,msgmni,msgmnb,msgmax,shmmni,shmmax,
  /// shmall}, which ipc_namespaces(7) lists as belonging to the namespace.
  PrivateIpcSetting(CaseContext& context, std::string path, const std::string& value);
  PrivateIpcSetting(const PrivateIpcSetting&) = delete;
  PrivateIpcSetting& operator=(const PrivateIpcSetting&) = delete;
  ~PrivateIpcSetting();
  bool set() const { return set_; }

 private:
  std::string path_;
  std::string before_;
  bool set_ = false;
};

}  // namespace gauntlet
