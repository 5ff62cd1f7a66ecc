// What stays whole when several processes write to one pipe at the same time.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/limits.h"
#include "cases/context.h"
#include "pipes/pipe_ends.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

/// What stands at the start of every block; the rest of a block repeats `mark`.
struct BlockHead {
  std::uint32_t writer;
  std::uint32_t number;
  std::uint32_t size;  ///< of the whole block, in bytes
  unsigned char mark;
};

unsigned char mark_of(std::uint32_t writer, std::uint32_t number) {
  return static_cast<unsigned char>(writer * 37 + number);
}

/// Writes `count` blocks of random sizes from `smallest` to `largest` with one write() each.
void write_blocks(Worker& worker, int fd, std::uint64_t count, Random random, std::size_t largest) {
  std::vector<char> bytes(largest);
  for (std::uint32_t number = 0; number < count; ++number) {
    const auto writer = static_cast<std::uint32_t>(worker.index());
    const auto size = static_cast<std::uint32_t>(random.between(sizeof(BlockHead), largest));
    const BlockHead head = {writer, number, size, mark_of(writer, number)};
    std::fill_n(bytes.begin(), size, static_cast<char>(head.mark));
    std::memcpy(bytes.data(), &head, sizeof head);
    const ssize_t written = ::write(fd, bytes.data(), size);
    if (!worker.expect(written == static_cast<ssize_t>(size),
                       "a blocking write of " + std::to_string(size) + " bytes answered " +
                           std::to_string(written))) {
      return;
    }
    worker.step();
  }
}

/// Reads blocks to the end of the stream; answers how many came whole.
std::uint64_t read_blocks(Worker& worker, int fd, std::size_t writers, std::size_t largest) {
  std::vector<std::uint32_t> next(writers, 0);
  std::uint64_t blocks = 0;
  for (;;) {
    const std::string start = read_up_to(fd, sizeof(BlockHead));
    if (start.empty()) return blocks;
    BlockHead head = {};
    std::memcpy(&head, start.data(), std::min(start.size(), sizeof head));
    const bool sane = start.size() == sizeof head && head.writer < writers &&
                      head.size >= sizeof head && head.size <= largest &&
                      head.number == next[std::min<std::size_t>(head.writer, writers - 1)] &&
                      head.mark == mark_of(head.writer, head.number);
    if (!worker.expect(sane, "after " + std::to_string(blocks) +
                                 " whole blocks there is no block head: one write was torn")) {
      return blocks;
    }
    const std::string rest = read_up_to(fd, head.size - sizeof head);
    const auto foreign =
        static_cast<std::size_t>(std::count_if(rest.begin(), rest.end(), [&](char byte) {
          return static_cast<unsigned char>(byte) != head.mark;
        }));
    if (!worker.expect(rest.size() == head.size - sizeof head && foreign == 0,
                       "block " + std::to_string(head.number) + " of writer " +
                           std::to_string(head.writer) + " has " + std::to_string(foreign) +
                           " foreign bytes of " + std::to_string(head.size))) {
      return blocks;
    }
    ++next[head.writer];
    ++blocks;
    worker.step();
  }
}

// Writes of up to PIPE_BUF bytes are never mixed with those of others. It could fail when a writer
// sleeps for room in the middle of its block, so the pipe is kept nearly full and the sizes do not
// divide the page.
GAUNTLET_CASE(PipesRaces, WritesOfUpToPipeBufByManyProcesses_NeverInterleave,
              .clause = "POSIX.1-2024 write() DESCRIPTION (PIPE_BUF or fewer: not interleaved)") {
  constexpr std::size_t kWriters = 4;
  auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  // The smallest pipe, so that nearly every write meets a full one.
  if (::fcntl(ends->write.get(), F_SETPIPE_SZ, page_size()) < 0) {
    return context.unsupported("fcntl(F_SETPIPE_SZ)", errno_name(errno));
  }
  const auto largest = static_cast<std::size_t>(::fpathconf(ends->write.get(), _PC_PIPE_BUF));
  const std::uint64_t blocks = context.amount(400, 8000, 100000);
  const Shared<std::uint64_t> whole;
  Crew crew;
  for (std::uint64_t i = 0; i < kWriters; ++i) {
    const auto added = crew.add([&, random = context.random(i)](Worker& worker) {
      ends->read.reset();
      worker.await_start();
      write_blocks(worker, ends->write.get(), blocks, random, largest);
    });
    if (!added) return context.error("no child: " + describe(added.error()));
  }
  const auto added = crew.add([&](Worker& worker) {
    ends->write.reset();
    worker.await_start();
    *whole = read_blocks(worker, ends->read.get(), kWriters, largest);
  });
  if (!added) return context.error("no child: " + describe(added.error()));
  *ends = PipeEnds{};
  const Status started = crew.start(Deadline::after(kCallPatience));
  if (!started) return context.error("the workers did not start: " + describe(started.error()));
  context.join(crew, Deadline::after(2 * kCallPatience));
  EXPECT_EQ(*whole, kWriters * blocks);
}

}  // namespace
}  // namespace gauntlet
