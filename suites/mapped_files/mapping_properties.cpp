// Random sequences of stores, writes, sizes and holes against an array of bytes.
#include "support/property.h"
// GoogleTest and rapidcheck first; see property.h.

#include <fcntl.h>

#include <algorithm>
#include <ostream>
#include <sstream>
#include <vector>

#include "mapped_files/access_fault.h"
#include "mapped_files/file_mapping.h"

namespace gauntlet {

/// One command of a sequence, as plain data, printed in a counterexample.
struct FileCommand {
  enum class Op : std::uint8_t { store, write, truncate, punch, sync, map_again, forget, remap };
  Op op = Op::store;
  std::size_t offset = 0;
  std::size_t length = 0;
  unsigned char value = 0;
};

void showValue(const FileCommand& command, std::ostream& out) {
  constexpr const char* kNames[] = {"store", "write",     "truncate",      "punch",
                                    "msync", "map again", "MADV_DONTNEED", "mremap"};
  out << kNames[static_cast<std::size_t>(command.op)] << "(" << command.offset << ", "
      << command.length << ", " << static_cast<int>(command.value) << ")";
}

}  // namespace gauntlet

namespace rc {

template <>
struct Arbitrary<gauntlet::FileCommand> {
  static Gen<gauntlet::FileCommand> arbitrary() {
    using Op = gauntlet::FileCommand::Op;
    constexpr std::size_t kMost = 3 * 4096;
    return gen::build<gauntlet::FileCommand>(
        gen::set(&gauntlet::FileCommand::op, gen::weightedElement<Op>({{6, Op::store},
                                                                       {4, Op::write},
                                                                       {3, Op::truncate},
                                                                       {2, Op::punch},
                                                                       {1, Op::sync},
                                                                       {1, Op::map_again},
                                                                       {1, Op::forget},
                                                                       {2, Op::remap}})),
        gen::set(&gauntlet::FileCommand::offset,
                 gen::resize(1000, gen::inRange<std::size_t>(0, kMost))),
        gen::set(&gauntlet::FileCommand::length,
                 gen::resize(1000, gen::inRange<std::size_t>(1, 5000))),
        gen::set(&gauntlet::FileCommand::value, gen::inRange<unsigned char>(1, 255)));
  }
};

}  // namespace rc

namespace gauntlet {
namespace {

using Op = FileCommand::Op;
constexpr std::size_t kMostPages = 4;

std::size_t round_up(std::size_t size) {
  return (size + page_bytes() - 1) / page_bytes() * page_bytes();
}

/// A file that is mapped, with what it must hold. Each step answers what is wrong, or "".
class ModelledFile {
 public:
  ModelledFile(const MappableFile& file, const AccessFaults& faults)
      : file_(file), faults_(faults), mapping_(file, most()) {}

  std::string step(const FileCommand& command) {
    const std::string wrong = make(command);
    return wrong.empty() ? compare() : wrong;
  }

 private:
  static std::size_t most() { return kMostPages * page_bytes(); }

  std::string make(const FileCommand& command) {
    switch (command.op) {
      case Op::store:
        return store(command);
      case Op::write:
        return write(command);
      case Op::truncate:
        model_.resize(command.offset, 0);
        return answer(::ftruncate(file_.fd(), static_cast<off_t>(command.offset)), "ftruncate");
      case Op::punch:
        return punch(command);
      case Op::sync:
        return answer(::msync(mapping_.data(), mapping_.size(), MS_SYNC), "msync");
      case Op::map_again:
        mapping_ = Mapping(file_, most());
        return mapping_.valid() ? "" : "mmap failed with " + errno_name(errno);
      case Op::forget:
        return answer(::madvise(mapping_.data(), mapping_.size(), MADV_DONTNEED), "madvise");
      case Op::remap:
        return remap(command);
    }
    return "";
  }

  static std::string answer(int answered, const char* call) {
    return answered == 0 ? "" : std::string(call) + " failed with " + errno_name(errno);
  }

  std::string store(const FileCommand& command) {
    if (command.offset >= round_up(model_.size())) {
      const auto fault = faults_.of_store(&mapping_[command.offset], command.value);
      const auto verdict = is_past_the_end(fault, &mapping_[command.offset]);
      return verdict ? "" : verdict.message();
    }
    // Stores behind the end in the last page are a case of their own.
    if (command.offset >= model_.size()) return "";
    const std::size_t length = std::min(command.length, model_.size() - command.offset);
    std::fill_n(model_.begin() + static_cast<long>(command.offset), length, command.value);
    const auto fault = faults_.of([&] { mapping_.fill(command.offset, command.value, length); });
    return fault.signal == 0 ? "" : "a store inside the file raised a signal";
  }

  std::string write(const FileCommand& command) {
    const std::size_t length = std::min(command.length, most() - command.offset);
    model_.resize(std::max(model_.size(), command.offset + length), 0);
    std::fill_n(model_.begin() + static_cast<long>(command.offset), length, command.value);
    return file_.write(command.offset, static_cast<char>(command.value), length)
               ? ""
               : "pwrite failed with " + errno_name(errno);
  }

  std::string punch(const FileCommand& command) {
    const std::size_t end = std::min(command.offset + command.length, model_.size());
    for (std::size_t at = command.offset; at < end; ++at) model_[at] = 0;
    return answer(
        ::fallocate(file_.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(command.offset), static_cast<off_t>(command.length)),
        "fallocate");
  }

  /// Down to fewer pages and back: the address may change, the bytes may not.
  std::string remap(const FileCommand& command) {
    const std::size_t fewer = (1 + command.offset % (kMostPages - 1)) * page_bytes();
    unsigned char* at = mapping_.release();
    std::size_t size = most();
    for (const std::size_t next : {fewer, most()}) {
      void* const moved = ::mremap(at, size, next, MREMAP_MAYMOVE);
      if (moved == MAP_FAILED) {
        mapping_ = Mapping::adopt(at, size);
        return "mremap failed with " + errno_name(errno);
      }
      at = static_cast<unsigned char*>(moved);
      size = next;
    }
    mapping_ = Mapping::adopt(at, size);
    return "";
  }

  std::string compare() const {
    if (file_.size() != static_cast<off_t>(model_.size())) {
      return "the size is " + std::to_string(file_.size()) + ", of the model " +
             std::to_string(model_.size());
    }
    std::vector<unsigned char> read(most());
    const ssize_t got = ::pread(file_.fd(), read.data(), read.size(), 0);
    if (got != static_cast<ssize_t>(model_.size())) return "read() gave " + std::to_string(got);
    for (std::size_t at = 0; at < round_up(model_.size()); ++at) {
      const unsigned char expected = at < model_.size() ? model_[at] : 0;
      const unsigned char loaded = mapping_[at];
      if (loaded == expected && (at >= model_.size() || read[at] == expected)) continue;
      std::ostringstream text;
      text << "byte " << at << " of " << model_.size() << ": loaded " << int{loaded} << ", read "
           << int{read[at]} << ", of the model " << int{expected};
      return text.str();
    }
    return "";
  }

  const MappableFile& file_;
  const AccessFaults& faults_;
  Mapping mapping_;
  std::vector<unsigned char> model_;
};

PropertyAmount amount(const CaseContext& context) {
  return {.tests = context.amount(25, 400, 4000), .size = context.amount(40, 80, 200)};
}

void check_commands(CaseContext& context, FileSystem where) {
  const AccessFaults faults;
  check_property(context, amount(context), [&] {
    const auto commands = *rc::gen::arbitrary<std::vector<FileCommand>>();
    const auto file = MappableFile::create(context, 0, where);
    if (!file) return;
    ModelledFile modelled(*file, faults);
    for (std::size_t each = 0; each < commands.size(); ++each) {
      const std::string wrong = modelled.step(commands[each]);
      if (!wrong.empty()) RC_FAIL("command " + std::to_string(each + 1) + ": " + wrong);
    }
  });
}

// Whatever was stored, written, cut off, extended, punched, synchronised, mapped anew: a load, a
// read() and an array of bytes agree on every byte, and past the last page there is SIGBUS.
GAUNTLET_CASE(MappedFilesProperties, CommandSequences_AgreeWithAnArrayOfBytesOnTmpfs,
              .clause = "POSIX.1-2024 mmap(), ftruncate(), write(); fallocate(2), mremap(2)") {
  check_commands(context, FileSystem::memory);
}

GAUNTLET_CASE(MappedFilesProperties, CommandSequences_AgreeWithAnArrayOfBytesOnDisk,
              .clause = "POSIX.1-2024 mmap(), ftruncate(), write(); fallocate(2), mremap(2)") {
  check_commands(context, FileSystem::disk);
}

// A private page is a copy from its first store on: it keeps its bytes whatever is done to the
// file, until it is given up, and the file never has any of them.
GAUNTLET_CASE(MappedFilesProperties, PrivateCopies_NeitherChangeTheFileNorFollowIt,
              .clause = "POSIX.1-2024 mmap() (MAP_PRIVATE); madvise(2) MADV_DONTNEED") {
  check_property(context, amount(context), [&] {
    const auto commands = *rc::gen::arbitrary<std::vector<FileCommand>>();
    const std::size_t size = kMostPages * page_bytes();
    const auto file = MappableFile::create(context, size);
    if (!file) return;
    const Mapping mapping({.size = size, .fd = file->fd(), .flags = MAP_PRIVATE});
    RC_ASSERT(mapping.valid());
    std::vector<unsigned char> in_file(size, 0);
    std::vector<unsigned char> in_copy(size, 0);
    std::vector<bool> copied(kMostPages, false);
    for (const FileCommand& command : commands) {
      const std::size_t at = command.offset;
      const std::size_t page = at / page_bytes();
      const std::size_t length = std::min(command.length, (page + 1) * page_bytes() - at);
      if (command.op == Op::store) {
        if (!copied[page]) {
          std::copy_n(in_file.begin() + static_cast<long>(page * page_bytes()), page_bytes(),
                      in_copy.begin() + static_cast<long>(page * page_bytes()));
        }
        copied[page] = true;
        std::fill_n(in_copy.begin() + static_cast<long>(at), length, command.value);
        mapping.fill(at, command.value, length);
      } else if (command.op == Op::forget) {
        copied[page] = false;
        RC_ASSERT(::madvise(mapping.data() + page * page_bytes(), page_bytes(), MADV_DONTNEED) ==
                  0);
      } else {
        std::fill_n(in_file.begin() + static_cast<long>(at), length, command.value);
        RC_ASSERT(file->write(at, static_cast<char>(command.value), length));
      }
    }
    std::vector<unsigned char> read(size);
    RC_ASSERT(::pread(file->fd(), read.data(), size, 0) == static_cast<ssize_t>(size));
    RC_ASSERT(read == in_file);
    for (std::size_t at = 0; at < size; ++at) {
      if (copied[at / page_bytes()]) RC_ASSERT(mapping[at] == in_copy[at]);
    }
  });
}

}  // namespace
}  // namespace gauntlet
