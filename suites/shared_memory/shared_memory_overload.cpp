// Shared memory at its limits: full memory, no segment and no descriptor left.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <csignal>
#include <vector>

#include "cases/context.h"
#include "contracts/region/touch.h"
#include "shared_memory/shared_objects.h"
#include "support/errno_matchers.h"
#include "support/resource_limit.h"
#include "support/system_setting.h"

namespace gauntlet {
namespace {

/// A /dev/shm of a few pages for this case alone, in its own mount namespace.
class SmallMemory {
 public:
  SmallMemory()
      : mounted_(::mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV,
                         ("size=" + std::to_string(kPages * memory_page())).c_str()) == 0) {}
  SmallMemory(const SmallMemory&) = delete;
  SmallMemory& operator=(const SmallMemory&) = delete;
  ~SmallMemory() {
    if (mounted_) ::umount2("/dev/shm", MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  static constexpr std::size_t kPages = 16;

 private:
  bool mounted_;
};

// ftruncate() gives a size and no memory: where there is none left, the store that needs it raises
// SIGBUS, what was stored before stays, and it works once there is room.
GAUNTLET_CASE(SharedMemoryOverload, StoreIntoAFullMemory_RaisesSigbusAndLosesNothing,
              .clause = "POSIX.1-2024 mmap() DESCRIPTION (SIGBUS); tmpfs(5) size",
              .needs = {Need::root, Need::private_mount}) {
  const SmallMemory small;
  if (!small.mounted()) return context.not_created(system_error("mount"));
  const std::size_t pages = 2 * SmallMemory::kPages;
  auto filler = ShmObject::create(context.scope(), 4 * memory_page());
  const auto object = ShmObject::create(context.scope(), pages * memory_page());
  if (!filler || !object) return context.not_created(system_error("shm_open"));
  ASSERT_THAT(::posix_fallocate(filler->fd(), 0, static_cast<off_t>(4 * memory_page())),
              ReturnsErrno(0));
  const Mapping memory(object->fd(), pages * memory_page());
  ASSERT_TRUE(memory.mapped());
  const std::byte one{1};
  std::size_t stored = 0;
  while (stored < pages && region_suite::store({&one, 1}, &memory[stored * memory_page()]).done()) {
    ++stored;
  }
  ASSERT_GT(stored, 0U);
  ASSERT_LT(stored, pages) << "the memory was never full";
  EXPECT_EQ(region_suite::store({&one, 1}, &memory[stored * memory_page()]).signal, SIGBUS);
  for (std::size_t page = 0; page < stored; ++page) EXPECT_EQ(memory[page * memory_page()], one);
  ASSERT_THAT(::ftruncate(filler->fd(), 0), SyscallSucceeds());
  EXPECT_TRUE(region_suite::store({&one, 1}, &memory[stored * memory_page()]).done());
}

// posix_fallocate() tells at once that there is not enough, and what it gave never raises SIGBUS.
GAUNTLET_CASE(SharedMemoryOverload, FallocateInAFullMemory_FailsWithEnospc,
              .clause = "POSIX.1-2024 posix_fallocate() DESCRIPTION; ERRORS [ENOSPC]",
              .needs = {Need::root, Need::private_mount}) {
  const SmallMemory small;
  if (!small.mounted()) return context.not_created(system_error("mount"));
  const auto object = ShmObject::create(context.scope(), 0);
  if (!object) return context.not_created(object.error());
  const std::size_t fits = SmallMemory::kPages / 2 * memory_page();
  ASSERT_THAT(::posix_fallocate(object->fd(), 0, static_cast<off_t>(fits)), ReturnsErrno(0));
  EXPECT_THAT(::posix_fallocate(object->fd(), 0, static_cast<off_t>(4 * fits)),
              ReturnsErrno(ENOSPC));
  EXPECT_EQ(size_of(object->fd()), static_cast<long>(fits));
  const auto filler = ShmObject::create(context.scope(), 4 * fits);
  ASSERT_TRUE(filler.has_value());
  const Mapping rest(filler->fd(), 4 * fits);
  const Mapping memory(object->fd(), fits);
  ASSERT_TRUE(rest.mapped() && memory.mapped());
  std::vector<std::byte> bytes(4 * fits, std::byte{1});
  EXPECT_EQ(region_suite::store(bytes, rest.data()).signal, SIGBUS) << "the rest is full";
  bytes.resize(fits);
  EXPECT_TRUE(region_suite::store(bytes, memory.data()).done()) << "what was allocated is there";
}

GAUNTLET_CASE(SharedMemoryOverload, Shmget_SegmentLimitReached_FailsWithEnospc,
              .clause = "POSIX.1-2024 shmget() ERRORS [ENOSPC]; shmget(2) SHMMNI",
              .needs = {Need::private_ipc}) {
  const PrivateIpcSetting three(context, "/proc/sys/kernel/shmmni", "3");
  if (!three.set()) return;
  std::vector<SysvSegment> segments;
  for (int i = 0; i < 3; ++i) {
    auto segment = SysvSegment::create(1);
    if (!segment) return context.not_created(segment.error());
    segments.push_back(std::move(*segment));
  }
  EXPECT_THAT(::shmget(IPC_PRIVATE, 1, IPC_CREAT | 0600), SyscallFailsWithErrno(ENOSPC));
  segments.pop_back();
  EXPECT_TRUE(SysvSegment::create(1).has_value()) << "one was removed";
}

GAUNTLET_CASE(SharedMemoryOverload, Shmget_PageLimitReached_FailsWithEnospc,
              .clause = "POSIX.1-2024 shmget() ERRORS [ENOSPC]; shmget(2) SHMALL",
              .needs = {Need::private_ipc}) {
  const PrivateIpcSetting pages(context, "/proc/sys/kernel/shmall", "8");
  if (!pages.set()) return;
  const auto segment = SysvSegment::create(5 * memory_page());
  if (!segment) return context.not_created(segment.error());
  EXPECT_THAT(::shmget(IPC_PRIVATE, 4 * memory_page(), IPC_CREAT | 0600),
              SyscallFailsWithErrno(ENOSPC));
  EXPECT_TRUE(SysvSegment::create(3 * memory_page()).has_value()) << "8 pages, to the last";
}

GAUNTLET_CASE(SharedMemoryOverload, Shmget_OverALoweredLargestSize_FailsWithEinval,
              .clause = "POSIX.1-2024 shmget() ERRORS [EINVAL]; shmget(2) SHMMAX",
              .needs = {Need::private_ipc}) {
  const PrivateIpcSetting largest(context, "/proc/sys/kernel/shmmax", "10000");
  if (!largest.set()) return;
  EXPECT_TRUE(SysvSegment::create(10'000).has_value());
  EXPECT_THAT(::shmget(IPC_PRIVATE, 10'001, IPC_CREAT | 0600), SyscallFailsWithErrno(EINVAL));
}

// Descriptors until there is none: EMFILE, and all files that there are keep what they have.
GAUNTLET_CASE(SharedMemoryOverload, MemfdCreate_UntilNoDescriptorIsLeft_FilesKeepTheirBytes,
              .clause = "memfd_create(2) ERRORS [EMFILE]") {
  const LoweredLimit few(RLIMIT_NOFILE, 128);
  ASSERT_TRUE(few.lowered());
  std::vector<UniqueFd> files;
  int error = 0;
  while (error == 0 && files.size() < 200) {
    UniqueFd file(::memfd_create("gauntlet", MFD_CLOEXEC));
    error = file.valid() ? 0 : errno;
    const std::size_t number = files.size();
    if (error != 0) break;
    ASSERT_THAT(::pwrite(file.get(), &number, sizeof number, 0),
                SyscallSucceedsWithValue(static_cast<long>(sizeof number)));
    files.push_back(std::move(file));
  }
  EXPECT_EQ(error, EMFILE);
  ASSERT_GT(files.size(), 0U);
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::size_t number = 0;
    ASSERT_THAT(::pread(files[i].get(), &number, sizeof number, 0),
                SyscallSucceedsWithValue(static_cast<long>(sizeof number)));
    EXPECT_EQ(number, i);
  }
}

}  // namespace
}  // namespace gauntlet
