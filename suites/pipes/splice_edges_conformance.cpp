// Where splice(), tee() and vmsplice() end: full pipes, ends that are gone, and whose pages they
// are.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

#include "cases/context.h"
#include "pipes/pipe_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"

namespace gauntlet {
namespace {

ssize_t splice_all(const PipeEnds& from, const PipeEnds& to, std::size_t size, unsigned flags = 0) {
  return ::splice(from.read.get(), nullptr, to.write.get(), nullptr, size, flags);
}

// A full target takes nothing, and what could not go stays where it was.
GAUNTLET_CASE(PipesConformance, SpliceAndTee_IntoAFullPipeNonblocking_FailWithEagainAndTakeNothing,
              .clause = "splice(2), tee(2) ERRORS [EAGAIN]") {
  const auto from = PipeEnds::open();
  const auto to = PipeEnds::open();
  if (!from) return context.not_created(from.error());
  if (!to) return context.not_created(to.error());
  const long filled = fill(to->write.get());
  ASSERT_GT(filled, 0);
  ASSERT_THAT(::write(from->write.get(), "stay", 4), SyscallSucceedsWithValue(4));
  EXPECT_THAT(splice_all(*from, *to, 4, SPLICE_F_NONBLOCK), SyscallFailsWithErrno(EAGAIN));
  EXPECT_THAT(::tee(from->read.get(), to->write.get(), 4, SPLICE_F_NONBLOCK),
              SyscallFailsWithErrno(EAGAIN));
  EXPECT_EQ(bytes_waiting(from->read.get()), 4);
  EXPECT_EQ(bytes_waiting(to->read.get()), filled);
  EXPECT_EQ(read_up_to(from->read.get(), 4), "stay");
}

GAUNTLET_CASE(PipesConformance, Splice_IntoAFullPipe_SleepsUntilARead, .clause = "splice(2)") {
  const auto from = PipeEnds::open();
  const auto to = PipeEnds::open();
  if (!from) return context.not_created(from.error());
  if (!to) return context.not_created(to.error());
  const long filled = fill(to->write.get());
  ASSERT_GT(filled, 0);
  ASSERT_THAT(::write(from->write.get(), "late", 4), SyscallSucceedsWithValue(4));
  ChildCall splicer(context, [&] { return splice_all(*from, *to, 4); });
  ASSERT_TRUE(splicer.is_asleep());
  const auto all = static_cast<std::size_t>(filled) + 4;
  const std::string got = read_up_to(to->read.get(), all);
  EXPECT_EQ(got.substr(got.size() - 4), "late");
  EXPECT_THAT(splicer.finish(), SyscallSucceedsWithValue(4));
}

// Nobody reads any more: the same answer as to a write, with its signal.
GAUNTLET_CASE(PipesConformance, SpliceTeeAndVmsplice_WithoutAReader_FailWithEpipeAndSigpipe,
              .clause = "pipe(7) (SIGPIPE, EPIPE); splice(2)") {
  for (int way = 0; way < 3; ++way) {
    SCOPED_TRACE(way == 0 ? "splice" : way == 1 ? "tee" : "vmsplice");
    const auto from = PipeEnds::open();
    if (!from) return context.not_created(from.error());
    ASSERT_THAT(::write(from->write.get(), "x", 1), SyscallSucceedsWithValue(1));
    ChildCall feeder(context, [&]() -> long {
      auto to = PipeEnds::open();
      if (!to) return 98;
      to->read.reset();
      static volatile sig_atomic_t raised = 0;
      raised = 0;
      ::signal(SIGPIPE, [](int) { raised = 1; });
      char byte = 'v';
      const iovec piece{.iov_base = &byte, .iov_len = 1};
      const ssize_t fed = way == 0   ? splice_all(*from, *to, 1)
                          : way == 1 ? ::tee(from->read.get(), to->write.get(), 1, 0)
                                     : ::vmsplice(to->write.get(), &piece, 1, 0);
      return fed == -1 && errno == EPIPE ? raised : 99;
    });
    EXPECT_THAT(feeder.finish(), SyscallSucceedsWithValue(1));
    EXPECT_EQ(bytes_waiting(from->read.get()), 1) << "what was not fed is lost";
  }
}

GAUNTLET_CASE(PipesConformance, Tee_FromAnEmptyPipe_WouldBlockAndAtTheEndAnswersZero,
              .clause = "tee(2) RETURN VALUE, ERRORS [EAGAIN]") {
  auto from = PipeEnds::open();
  const auto to = PipeEnds::open();
  if (!from) return context.not_created(from.error());
  if (!to) return context.not_created(to.error());
  EXPECT_THAT(::tee(from->read.get(), to->write.get(), 1, SPLICE_F_NONBLOCK),
              SyscallFailsWithErrno(EAGAIN));
  from->write.reset();
  EXPECT_THAT(::tee(from->read.get(), to->write.get(), 1, 0), SyscallSucceedsWithValue(0));
}

// A copy by tee() is one: what is done to either pipe afterwards does not show in the other.
GAUNTLET_CASE(PipesConformance, Tee_CopiedBytes_AreReadApartInBothPipes,
              .clause = "tee(2) (does not consume the data)") {
  const auto from = PipeEnds::open();
  const auto to = PipeEnds::open();
  if (!from) return context.not_created(from.error());
  if (!to) return context.not_created(to.error());
  ASSERT_THAT(::write(from->write.get(), "shared", 6), SyscallSucceedsWithValue(6));
  ASSERT_THAT(::tee(from->read.get(), to->write.get(), 3, 0), SyscallSucceedsWithValue(3));
  // Both pipes now refer to one page, into which neither may append in place.
  ASSERT_THAT(::write(from->write.get(), "ONE", 3), SyscallSucceedsWithValue(3));
  ASSERT_THAT(::write(to->write.get(), "two", 3), SyscallSucceedsWithValue(3));
  EXPECT_EQ(read_up_to(to->read.get(), 6), "shatwo");
  EXPECT_EQ(read_up_to(from->read.get(), 9), "sharedONE");
}

// A page of a file that is in a pipe is the file's: what is written to the pipe behind it must not
// get into the file (CVE-2022-0847, "Dirty Pipe").
GAUNTLET_CASE(PipesConformance, Splice_FromAFile_LaterWritesToThePipeDoNotReachTheFile,
              .clause = "splice(2); regression: CVE-2022-0847, Linux 9d2231c5d74e") {
  const UniqueFd file(::memfd_create("gauntlet", MFD_CLOEXEC));
  const auto pipe = PipeEnds::open();
  if (!file.valid()) return context.unsupported("memfd_create", errno_name(errno));
  if (!pipe) return context.not_created(pipe.error());
  const std::string before(page_size(), 'f');
  ASSERT_THAT(::write(file.get(), before.data(), before.size()),
              SyscallSucceedsWithValue(static_cast<long>(before.size())));
  // Each of the pipe's buffers is used once, so that its old marks are there to be taken over.
  const long filled = fill(pipe->write.get());
  ASSERT_GT(filled, 0);
  ASSERT_EQ(read_up_to(pipe->read.get(), static_cast<std::size_t>(filled)).size(),
            static_cast<std::size_t>(filled));
  loff_t at = 0;
  ASSERT_THAT(::splice(file.get(), &at, pipe->write.get(), nullptr, 1, 0),
              SyscallSucceedsWithValue(1));
  ASSERT_THAT(::write(pipe->write.get(), "dirty", 5), SyscallSucceedsWithValue(5));
  EXPECT_EQ(read_up_to(pipe->read.get(), 6), "fdirty");
  std::string after(before.size(), '\0');
  ASSERT_THAT(::pread(file.get(), after.data(), after.size(), 0),
              SyscallSucceedsWithValue(static_cast<long>(after.size())));
  EXPECT_TRUE(after == before) << "the file was written to through the pipe";
}

// Several pieces go in, in order, and the pages live as long as the pipe needs them.
GAUNTLET_CASE(PipesConformance, Vmsplice_PagesUnmappedAfterwards_AreStillRead,
              .clause = "vmsplice(2)") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  const std::size_t size = 2 * page_size();
  auto* const pages = static_cast<char*>(
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  std::memset(pages, 'a', page_size());
  std::memset(pages + page_size(), 'b', page_size());
  const iovec pieces[] = {{pages + page_size() - 3, 3}, {pages + page_size(), 4}};
  EXPECT_THAT(::vmsplice(ends->write.get(), pieces, 2, 0), SyscallSucceedsWithValue(7));
  ::munmap(pages, size);
  EXPECT_EQ(read_up_to(ends->read.get(), 7), "aaabbbb");
}

GAUNTLET_CASE(PipesConformance, Vmsplice_NotAPipeOrMemoryThatIsNotThere_Fails,
              .clause = "vmsplice(2) ERRORS [EBADF]") {
  const UniqueFd other(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  char byte = 0;
  const iovec piece{.iov_base = &byte, .iov_len = 1};
  EXPECT_THAT(::vmsplice(other.get(), &piece, 1, 0), SyscallFailsWithErrno(EBADF));
  EXPECT_THAT(::vmsplice(-1, &piece, 1, 0), SyscallFailsWithErrno(EBADF));
}

// A packet has at least one byte: an empty write leaves nothing to read.
GAUNTLET_CASE(PipesConformance, Write_OfNothingToAPacketPipe_IsNoPacket,
              .clause = "pipe(2) O_DIRECT (zero-length packets are not supported)") {
  const auto ends = PipeEnds::open(O_DIRECT | O_NONBLOCK);
  if (!ends && ends.error() == Code::invalid) {
    return context.unsupported("pipe2(O_DIRECT)", "EINVAL");
  }
  if (!ends) return context.not_created(ends.error());
  EXPECT_THAT(::write(ends->write.get(), "", 0), SyscallSucceedsWithValue(0));
  char byte = 0;
  EXPECT_THAT(::read(ends->read.get(), &byte, 1), SyscallFailsWithErrno(EAGAIN));
}

// Packet mode can be switched on and off; each packet keeps the mode that it was written in.
GAUNTLET_CASE(PipesConformance, Fcntl_ODirectOnAPipe_SwitchesPacketModeForLaterWrites,
              .clause = "pipe(2) O_DIRECT (fcntl(2) F_SETFL)") {
  const auto ends = PipeEnds::open();
  if (!ends) return context.not_created(ends.error());
  ASSERT_THAT(::write(ends->write.get(), "ab", 2), SyscallSucceedsWithValue(2));
  if (::fcntl(ends->write.get(), F_SETFL, O_DIRECT) != 0) {
    return context.unsupported("fcntl(F_SETFL, O_DIRECT) on a pipe", errno_name(errno));
  }
  ASSERT_THAT(::write(ends->write.get(), "packet", 6), SyscallSucceedsWithValue(6));
  ASSERT_THAT(::fcntl(ends->write.get(), F_SETFL, 0), SyscallSucceeds());
  ASSERT_THAT(::write(ends->write.get(), "cd", 2), SyscallSucceedsWithValue(2));
  char buffer[16];
  ASSERT_THAT(::read(ends->read.get(), buffer, 8), SyscallSucceeds());
  EXPECT_EQ(std::string_view(buffer, 8), "abpacket") << "a read ends at the end of a packet";
  EXPECT_EQ(read_up_to(ends->read.get(), 2), "cd");
}

}  // namespace
}  // namespace gauntlet
