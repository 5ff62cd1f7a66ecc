// A directory for the files of one case, removed with everything in it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace gauntlet {

/// On /dev/shm, which is private where the machine allows it, so that a killed case leaves nothing.
class ScratchDirectory {
 public:
  /// `scope` goes into the name. Errors: of mkdtemp(3).
  static Result<ScratchDirectory> create(std::string_view scope);
  ScratchDirectory(ScratchDirectory&& other) noexcept;
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;
  ~ScratchDirectory();

  const std::string& path() const { return path_; }
  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// A name without a slash that no other object of this machine has: scope, process and a counter.
std::string unique_name(std::string_view scope);

}  // namespace gauntlet
