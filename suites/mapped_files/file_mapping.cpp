// Files and mappings for the cases of this folder.
#include "mapped_files/file_mapping.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "isolation/sandbox.h"
#include "support/scratch_directory.h"

namespace gauntlet {

Result<MappableFile> MappableFile::create_in(const std::string& directory, std::string_view scope,
                                             std::size_t size) {
  std::string path = directory + "/gauntlet." + std::string(scope) + ".XXXXXX";
  UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd.valid()) return fail_system("mkostemp");
  if (::unlink(path.c_str()) != 0) return fail_system("unlink");
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return fail_system("ftruncate");
  return MappableFile(std::move(fd));
}

std::optional<MappableFile> MappableFile::create(CaseContext& context, std::size_t size,
                                                 FileSystem where) {
  const Result<std::string> directory =
      where == FileSystem::disk ? sandbox_disk_directory() : Result<std::string>("/dev/shm");
  Result<MappableFile> made = directory
                                  ? create_in(*directory, context.scope(), size)
                                  : Result<MappableFile>(tl::unexpected<Error>(directory.error()));
  if (made) return std::move(*made);
  context.not_created(made.error());
  return std::nullopt;
}

UniqueFd MappableFile::reopen(int flags) const {
  const std::string path = "/proc/self/fd/" + std::to_string(fd_.get());
  return UniqueFd(::open(path.c_str(), flags | O_CLOEXEC));
}

off_t MappableFile::size() const {
  struct stat status {};
  return ::fstat(fd_.get(), &status) == 0 ? status.st_size : -1;
}

int MappableFile::byte_at(std::size_t offset) const {
  unsigned char byte = 0;
  return ::pread(fd_.get(), &byte, 1, static_cast<off_t>(offset)) == 1 ? byte : -1;
}

bool MappableFile::write(std::size_t offset, char value, std::size_t count) const {
  const std::vector<char> bytes(count, value);
  return ::pwrite(fd_.get(), bytes.data(), count, static_cast<off_t>(offset)) ==
         static_cast<ssize_t>(count);
}

Mapping::Mapping(const MapRequest& request, CallOutcome* outcome) {
  void* made = ::mmap(request.address, request.size, request.protection, request.flags, request.fd,
                      request.offset);
  const int error = errno;
  if (made != MAP_FAILED) {
    data_ = static_cast<unsigned char*>(made);
    size_ = request.size;
  }
  if (outcome == nullptr) return;
  outcome->failed = made == MAP_FAILED;
  outcome->value = outcome->failed ? -1 : 0;
  outcome->error = outcome->failed ? error : 0;
}

Mapping Mapping::adopt(void* address, std::size_t size) {
  Mapping mapping;
  mapping.data_ = static_cast<unsigned char*>(address);
  mapping.size_ = size;
  return mapping;
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    reset();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void Mapping::fill(std::size_t offset, unsigned char value, std::size_t count) const {
  std::fill_n(data_ + offset, count, value);
}

bool Mapping::all(std::size_t offset, unsigned char value, std::size_t count) const {
  return std::all_of(data_ + offset, data_ + offset + count,
                     [value](unsigned char byte) { return byte == value; });
}

void Mapping::reset() {
  if (data_ != nullptr) ::munmap(data_, size_);
  data_ = nullptr;
  size_ = 0;
}

unsigned char* Mapping::release() {
  size_ = 0;
  return std::exchange(data_, nullptr);
}

CallOutcome outcome_of_mmap(const MapRequest& request) {
  CallOutcome outcome;
  const Mapping mapping(request, &outcome);
  return outcome;
}

std::optional<SmallTmpfs> SmallTmpfs::mount(CaseContext& context, std::size_t bytes,
                                            unsigned long flags) {
  const auto refused = [&](const std::string& why) {
    context.not_run("a tmpfs of this case's own: " + why,
                    "run as root, with private mount namespaces");
    return std::nullopt;
  };
  if (!context.isolation().mount) return refused("the mount namespace is shared");
  std::string path = sandbox_directory() + "/" + unique_name(context.scope());
  if (::mkdir(path.c_str(), 0700) != 0) return refused("mkdir: " + errno_name(errno));
  const std::string options = "size=" + std::to_string(bytes) + ",mode=700";
  if (::mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | flags, options.c_str()) != 0) {
    const int error = errno;
    ::rmdir(path.c_str());
    return refused("mount: " + errno_name(error));
  }
  return SmallTmpfs(std::move(path));
}

SmallTmpfs::~SmallTmpfs() {
  if (path_.empty()) return;
  ::umount2(path_.c_str(), MNT_DETACH);
  ::rmdir(path_.c_str());
}

}  // namespace gauntlet
