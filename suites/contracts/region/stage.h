// A region and the actors on it: workers that do one thing after another as the body tells them.
//
// The body of a case reads as a script. Nobody but an actor ever calls the subject or touches its
// memory, so what faults or gets stuck stops an actor and never the body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "base/seed.h"
#include "cases/context.h"
#include "contracts/region.h"
#include "contracts/region/touch.h"
#include "process/crew.h"
#include "process/shared.h"

namespace gauntlet::region_suite {

std::size_t page_size();
/// A size that is no whole number of pages, so that an edge lies inside one.
std::size_t sample_size();
/// `count` random bytes without zeros, so that they cannot be taken for a new region's.
std::vector<std::byte> random_bytes(Random& random, std::size_t count);
std::vector<std::byte> zeros(std::size_t count);

/// Null when it could not be made; the verdict has been told.
std::unique_ptr<RegionHost> make_region(CaseContext& context, std::size_t size,
                                        const std::string& address = {});
/// In a worker; null when it could not be opened, which is a failure of the worker.
std::unique_ptr<Region> open_region(Worker& worker, RegionHost& host, const RegionView& view = {});

/// How `actual` differs from `expected`: "byte 12 is 0x00, not 0xa7 (3 differ)"; empty: it does
/// not.
std::string difference(std::span<const std::byte> expected, std::span<const std::byte> actual);

/// What an actor is told to do. Views are numbered; each process has its own.
struct Command {
  enum Act : std::uint8_t {
    open,    ///< the view, read-only or at an address if asked for
    attach,  ///< the same through RegionSubject::attach
    look,    ///< where and how large the view is
    load,    ///< `size` bytes at `offset`
    store,
    resize,  ///< to `size`
    refresh,
    sync,
    seal_size,
    seal_write,
    detach,
    leave,  ///< the process ends
  };
  Act act = look;
  std::size_t view = 0;
  std::size_t offset = 0;
  std::size_t size = 0;
  RegionView how = {};
  bool at_free_address = false;  ///< open: where this process found room, see Stage
};

/// What came of it.
struct Reply {
  bool answered = false;  ///< false: the actor died, or never came back
  bool ok = false;
  Error error;               ///< when not ok
  std::size_t size = 0;      ///< bytes() of the view afterwards
  std::uintptr_t at = 0;     ///< where it is mapped afterwards
  std::uintptr_t asked = 0;  ///< open: the address that was asked for
  Touch touch;               ///< load, store
  std::vector<std::byte> bytes;
};
std::string describe(const Reply& reply);
void PrintTo(const Reply& reply, std::ostream* out);

/// The region of the case's subject. When it cannot be made the context has been told, and ready()
/// is false. Each actor reserves room of its own first, so that a view lies elsewhere in each.
class Stage {
 public:
  static constexpr std::size_t kViews = 4;
  static constexpr std::size_t kMostActors = 16;

  /// `actors` open view 0 at once.
  Stage(CaseContext& context, std::size_t size, std::size_t actors);
  Stage(const Stage&) = delete;
  ~Stage();

  bool ready() const { return host_ != nullptr; }
  const RegionClaims& claims() const { return context_.region().claims; }
  RegionHost& host() { return *host_; }
  Crew& crew() { return crew_; }
  std::size_t actors() const { return mailboxes_.size(); }

  /// A further actor that has nothing open yet; answers its index.
  std::size_t add();
  /// The same with view 0 open.
  std::size_t add_viewer();

  Reply tell(std::size_t actor, const Command& command, std::span<const std::byte> bytes = {});

  Reply open(std::size_t actor, std::size_t view = 0, const RegionView& how = {});
  Reply attach(std::size_t actor, std::size_t view = 0);
  Reply look(std::size_t actor, std::size_t view = 0);
  Reply load(std::size_t actor, std::size_t offset, std::size_t size, std::size_t view = 0);
  Reply store(std::size_t actor, std::size_t offset, std::span<const std::byte> bytes,
              std::size_t view = 0);
  Reply resize(std::size_t actor, std::size_t size);
  Reply refresh(std::size_t actor, std::size_t view = 0);
  Reply detach(std::size_t actor, std::size_t view = 0);
  Reply act(std::size_t actor, Command::Act act, std::size_t view = 0);

  /// Fails the case unless the actor sees exactly `expected` at `offset`.
  void expect_bytes(std::size_t actor, std::size_t offset, std::span<const std::byte> expected,
                    const std::string& when, std::size_t view = 0);
  /// The process ends by itself; awaited.
  void leave(std::size_t actor);
  /// SIGKILL, a planned fault that must fire.
  void kill(std::size_t actor);
  /// All actors leave, and what was not right is told. Answers true when all was right.
  bool end();

 private:
  struct Mailbox;
  void serve(Worker& worker, Mailbox& mailbox, std::byte* data) const;

  CaseContext& context_;
  std::size_t room_;  ///< bytes of one command or reply
  std::unique_ptr<RegionHost> host_;
  std::string address_;
  Crew crew_;
  std::vector<std::unique_ptr<Shared<Mailbox>>> mailboxes_;
  std::vector<std::unique_ptr<SharedBytes>> data_;
  std::vector<bool> gone_;
  bool ended_ = false;
};

}  // namespace gauntlet::region_suite
