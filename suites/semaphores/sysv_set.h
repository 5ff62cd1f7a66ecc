// A System V semaphore set of one case: removed when its owner goes.
#pragma once

#include <sys/ipc.h>
#include <sys/sem.h>

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/seed.h"

namespace gauntlet {

/// The fourth argument of semctl(2), which every caller has to declare itself.
union SemctlArgument {
  int value;
  semid_ds* status;
  unsigned short* values;
  seminfo* limits;
};

/// A set, without a key (IPC_PRIVATE) unless made with one.
class SysvSet {
 public:
  static Result<SysvSet> create(std::initializer_list<unsigned short> values, int mode = 0600) {
    const int id = ::semget(IPC_PRIVATE, static_cast<int>(values.size()), IPC_CREAT | mode);
    if (id < 0) return fail_system("semget");
    SysvSet set(id);
    if (set.set_all(values) != 0) return fail_system("semctl");
    return set;
  }
  /// Without values, as semget() leaves it; also for modes that forbid giving it some.
  static Result<SysvSet> create_raw(int count, int mode) {
    const int id = ::semget(IPC_PRIVATE, count, IPC_CREAT | mode);
    if (id < 0) return fail_system("semget");
    return SysvSet(id);
  }
  /// With a key that nobody used, drawn from `seed`, and without values.
  static Result<SysvSet> create_with_key(std::uint32_t seed, int count, int mode = 0600) {
    Random random(seed);
    for (int tries = 0; tries < kMostKeys; ++tries) {
      const auto key = static_cast<key_t>(random.between(1, INT32_MAX));
      const int id = ::semget(key, count, IPC_CREAT | IPC_EXCL | mode);
      if (id >= 0) return SysvSet(id, key);
      if (errno != EEXIST) break;
    }
    return fail_system("semget");
  }
  SysvSet(SysvSet&& other) noexcept : id_(std::exchange(other.id_, -1)), key_(other.key_) {}
  SysvSet& operator=(SysvSet&&) = delete;
  ~SysvSet() { remove(); }

  int id() const { return id_; }
  key_t key() const { return key_; }
  void remove() {
    if (id_ >= 0) ::semctl(std::exchange(id_, -1), 0, IPC_RMID);
  }
  /// One operation array; what semop answered.
  int operate(std::initializer_list<sembuf> operations) const {
    std::vector<sembuf> copy(operations);
    return ::semop(id_, copy.data(), copy.size());
  }
  /// GETVAL, GETPID, GETNCNT or GETZCNT of one semaphore.
  int get(int command, int number = 0) const { return ::semctl(id_, number, command); }
  int value(int number = 0) const { return get(GETVAL, number); }
  int set_value(int value, int number = 0) const {
    SemctlArgument argument = {};
    argument.value = value;
    return ::semctl(id_, number, SETVAL, argument);
  }
  int set_all(std::vector<unsigned short> values) const {
    SemctlArgument argument = {};
    argument.values = values.data();
    return ::semctl(id_, 0, SETALL, argument);
  }
  Result<semid_ds> status() const {
    semid_ds status = {};
    SemctlArgument argument = {};
    argument.status = &status;
    if (::semctl(id_, 0, IPC_STAT, argument) != 0) return fail_system("semctl");
    return status;
  }

 private:
  static constexpr int kMostKeys = 100;
  explicit SysvSet(int id, key_t key = IPC_PRIVATE) : id_(id), key_(key) {}
  int id_ = -1;
  key_t key_ = IPC_PRIVATE;
};

/// The limits of the system (IPC_INFO), such as SEMVMX and SEMOPM.
inline Result<seminfo> semaphore_limits() {
  seminfo limits = {};
  SemctlArgument argument = {};
  argument.limits = &limits;
  if (::semctl(0, 0, IPC_INFO, argument) < 0) return fail_system("semctl");
  return limits;
}

}  // namespace gauntlet
