// Reads and, in a private namespace, writes files below /proc/sys.
#include "support/system_setting.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <utility>

#include "base/unique_fd.h"

namespace gauntlet {
namespace {

/// Answers 0 or errno: one write, as /proc/sys wants it.
int write_setting(const std::string& path, const std::string& value) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return errno;
  const ssize_t written = ::write(file.get(), value.data(), value.size());
  return written == static_cast<ssize_t>(value.size()) ? 0 : errno;
}

}  // namespace

std::optional<std::int64_t> system_number(const std::string& path, std::size_t field) {
  std::ifstream file(path);
  std::int64_t number = 0;
  for (std::size_t i = 0; i <= field; ++i) {
    if (!(file >> number)) return std::nullopt;
  }
  return number;
}

PrivateIpcSetting::PrivateIpcSetting(CaseContext& context, std::string path,
                                     const std::string& value)
    : path_(std::move(path)) {
  if (!context.isolation().ipc) {
    context.not_run("a private IPC namespace, to change " + path_ + " for this case alone",
                    "run as root, or allow unprivileged user namespaces");
    return;
  }
  std::ifstream file(path_);
  if (!std::getline(file, before_)) {
    context.not_run(path_ + " to be readable", "mount /proc");
    return;
  }
  const int refused = write_setting(path_, value);
  set_ = refused == 0;
  if (!set_) {
    context.not_run("permission to write " + path_ + ": " + errno_name(refused), "run as root");
  }
}

PrivateIpcSetting::~PrivateIpcSetting() {
  if (set_) write_setting(path_, before_);
}

}  // namespace gauntlet
