// Makers of one name or key at once, and removal against attaching.
#include <gmock/gmock.h>

#include <atomic>

#include "base/limits.h"
#include "cases/context.h"
#include "process/shared.h"
#include "shared_memory/shared_objects.h"
#include "support/errno_matchers.h"
#include "support/own_cpu.h"

namespace gauntlet {
namespace {

constexpr std::size_t kWorkers = 4;

/// All workers begin together, and `act(worker)` says how often it made something.
template <class Act>
std::uint64_t count_made(CaseContext& context, const Act& act) {
  Shared<std::atomic<std::uint64_t>> made;
  Crew crew(kWorkers);
  for (std::size_t i = 0; i < kWorkers; ++i) {
    if (!crew.add([&](Worker& worker) {
          take_own_cpu(worker.index());
          worker.await_start();
          made->fetch_add(act(worker));
        })) {
      context.error("no worker");
      return 0;
    }
  }
  if (!crew.start(Deadline::after(kCallPatience))) context.error("the workers did not start");
  context.join(crew);
  return made->load();
}

// O_CREAT | O_EXCL: the look for the name and its making are one step. It could fail if two looked
// before either made it.
GAUNTLET_CASE(SharedMemoryRaces, ShmOpenExclusive_ManyAtOnce_OneMakesEachName,
              .clause = "POSIX.1-2024 shm_open() O_EXCL (atomic with respect to other processes)") {
  const std::uint64_t names = context.amount(200, 2000, 40'000);
  const std::string prefix = "/" + unique_name(context.scope()) + ".";
  const auto name_of = [&](std::uint64_t i) { return prefix + std::to_string(i); };
  const std::uint64_t made = count_made(context, [&](Worker& worker) {
    std::uint64_t mine = 0;
    for (std::uint64_t i = 0; i < names; ++i) {
      const UniqueFd fd(::shm_open(name_of(i).c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
      mine += fd.valid() ? 1 : 0;
      worker.expect(fd.valid() || errno == EEXIST, "shm_open: " + errno_name(errno));
    }
    return mine;
  });
  EXPECT_EQ(made, names);
  for (std::uint64_t i = 0; i < names; ++i) {
    EXPECT_THAT(::shm_unlink(name_of(i).c_str()), SyscallSucceeds());
  }
}

// Each name goes once, however many remove it.
GAUNTLET_CASE(SharedMemoryRaces, ShmUnlink_ManyAtOnce_OneRemovesEachName,
              .clause = "POSIX.1-2024 shm_unlink() ERRORS [ENOENT]") {
  const std::uint64_t names = context.amount(200, 2000, 40'000);
  const std::string prefix = "/" + unique_name(context.scope()) + ".";
  const auto name_of = [&](std::uint64_t i) { return prefix + std::to_string(i); };
  for (std::uint64_t i = 0; i < names; ++i) {
    const UniqueFd fd(::shm_open(name_of(i).c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
    ASSERT_THAT(fd.get(), SyscallSucceeds());
  }
  const std::uint64_t removed = count_made(context, [&](Worker& worker) {
    std::uint64_t mine = 0;
    for (std::uint64_t i = 0; i < names; ++i) {
      const bool done = ::shm_unlink(name_of(i).c_str()) == 0;
      mine += done ? 1 : 0;
      worker.expect(done || errno == ENOENT, "shm_unlink: " + errno_name(errno));
    }
    return mine;
  });
  EXPECT_EQ(removed, names);
}

// IPC_CREAT without IPC_EXCL: all get the same segment of a key that nobody had. It could fail if
// two made one each.
GAUNTLET_CASE(SharedMemoryRaces, Shmget_ManyAtOnceWithANewKey_AllGetOneSegment,
              .clause = "POSIX.1-2024 shmget() DESCRIPTION (IPC_CREAT)",
              .needs = {Need::private_ipc}) {
  const std::uint64_t keys = context.amount(100, 1000, 2000);
  constexpr std::size_t kMost = 2000;
  struct Ids {
    std::atomic<int> id[kMost];  ///< 1 + the id that somebody got
  };
  Shared<Ids> ids;
  constexpr key_t kFirst = 0x6a17;
  count_made(context, [&](Worker& worker) {
    for (std::uint64_t i = 0; i < keys; ++i) {
      const int id = ::shmget(kFirst + static_cast<key_t>(i), 100, IPC_CREAT | 0600);
      if (!worker.expect(id >= 0, "shmget: " + errno_name(errno))) return 0;
      int before = 0;
      if (!ids->id[i].compare_exchange_strong(before, id + 1)) {
        worker.expect(before == id + 1, "two segments of one key");
      }
    }
    return 0;
  });
  for (std::uint64_t i = 0; i < keys; ++i) {
    EXPECT_THAT(::shmctl(ids->id[i].load() - 1, IPC_RMID, nullptr), SyscallSucceeds());
  }
}

// Removal against attaching: who attaches has a whole segment, and who does not is told why. It
// could fail if the memory went between the look for the segment and the mapping of it.
GAUNTLET_CASE(SharedMemoryRaces, ShmctlRmid_AgainstShmat_AttachesWholeOrNotAtAll,
              .clause = "shmop(2) ERRORS [EIDRM], [EINVAL]; shmctl(2) IPC_RMID",
              .needs = {Need::private_ipc}) {
  const std::uint64_t rounds = context.amount(300, 4000, 80'000);
  constexpr key_t kKey = 0x6a16;
  Shared<std::atomic<bool>> over;
  const std::uint64_t attached = count_made(context, [&](Worker& worker) -> std::uint64_t {
    std::uint64_t mine = 0;
    for (std::uint64_t round = 0; worker.index() == 0 && round < rounds; ++round) {
      const int id = ::shmget(kKey, 2 * memory_page(), IPC_CREAT | 0600);
      worker.expect(id >= 0 && ::shmctl(id, IPC_RMID, nullptr) == 0,
                    "could not make or remove: " + errno_name(errno));
    }
    if (worker.index() == 0) over->store(true);
    while (!over->load()) {
      const int id = ::shmget(kKey, 0, 0);
      void* view = nullptr;
      if (id < 0 || attach(id, view) != 0) {
        worker.expect(errno == ENOENT || errno == EINVAL || errno == EIDRM,
                      "shmat: " + errno_name(errno));
        continue;
      }
      ++mine;
      auto* const last = static_cast<volatile char*>(view) + 2 * memory_page() - 1;
      *last = 'x';
      worker.expect(*last == 'x' && ::shmdt(view) == 0, "the segment is not whole");
    }
    return mine;
  });
  context.measured("attached", static_cast<double>(attached));
}

}  // namespace
}  // namespace gauntlet
