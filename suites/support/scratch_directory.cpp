// Makes and removes directories of cases, and names.
#include "support/scratch_directory.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

namespace gauntlet {

Result<ScratchDirectory> ScratchDirectory::create(std::string_view scope) {
  std::string path = "/dev/shm/gauntlet." + std::string(scope) + ".XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return fail_system("mkdtemp");
  return ScratchDirectory(std::move(path));
}

ScratchDirectory::ScratchDirectory(ScratchDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

ScratchDirectory::~ScratchDirectory() {
  if (path_.empty()) return;
  std::error_code ignored;  // what stays is found, and reported, by the sandbox
  std::filesystem::remove_all(path_, ignored);
}

std::string unique_name(std::string_view scope) {
  static int count = 0;
  return "gauntlet." + std::string(scope) + "." + std::to_string(::getpid()) + "." +
         std::to_string(++count);
}

}  // namespace gauntlet
