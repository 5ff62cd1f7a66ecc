// What mkfifo() and open() promise about FIFOs: names, modes, and waiting for the other end.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases/context.h"
#include "pipes/pipe_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/scratch_directory.h"

namespace gauntlet {
namespace {

/// A directory with one FIFO in it.
struct Fifo {
  ScratchDirectory directory;
  std::string path;

  static Result<Fifo> create(std::string_view scope) {
    auto directory = ScratchDirectory::create(scope);
    if (!directory) return tl::unexpected<Error>(directory.error());
    std::string path = directory->file("fifo");
    if (::mkfifo(path.c_str(), 0600) != 0) return fail_system("mkfifo");
    return Fifo{std::move(*directory), std::move(path)};
  }
  UniqueFd open(int flags) const { return UniqueFd(::open(path.c_str(), flags | O_CLOEXEC)); }
};

// The new file is a FIFO whose permissions are those asked for without the bits of the umask.
GAUNTLET_CASE(PipesConformance, Mkfifo_NewName_MakesAFifoWithTheModeAndTheUmask,
              .clause = "POSIX.1-2024 mkfifo() DESCRIPTION") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const std::string path = directory->file("fifo");
  const mode_t before = ::umask(027);
  const CallOutcome made = outcome_of(::mkfifo(path.c_str(), 0666));
  ::umask(before);
  ASSERT_THAT(made, SyscallSucceeds());
  struct stat status = {};
  ASSERT_THAT(::stat(path.c_str(), &status), SyscallSucceeds());
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

GAUNTLET_CASE(PipesConformance, Mkfifo_NameTaken_FailsWithEexist,
              .clause = "POSIX.1-2024 mkfifo() ERRORS [EEXIST]") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  EXPECT_THAT(::mkfifo(fifo->path.c_str(), 0600), SyscallFailsWithErrno(EEXIST));
}

// A symbolic link counts as the name taken even when it leads nowhere, so nobody is led astray.
GAUNTLET_CASE(PipesConformance, Mkfifo_DanglingSymlink_FailsWithEexistAndMakesNoTarget,
              .clause = "POSIX.1-2024 mkfifo() DESCRIPTION (path names a symbolic link)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const std::string link = directory->file("link");
  const std::string target = directory->file("target");
  ASSERT_THAT(::symlink(target.c_str(), link.c_str()), SyscallSucceeds());
  EXPECT_THAT(::mkfifo(link.c_str(), 0600), SyscallFailsWithErrno(EEXIST));
  EXPECT_THAT(::access(target.c_str(), F_OK), SyscallFailsWithErrno(ENOENT));
}

GAUNTLET_CASE(PipesConformance, Mkfifo_ComponentTooLong_FailsWithEnametoolong,
              .clause = "POSIX.1-2024 mkfifo() ERRORS [ENAMETOOLONG]") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const long longest = ::pathconf(directory->path().c_str(), _PC_NAME_MAX);
  ASSERT_GT(longest, 0);
  const auto name = [&](long length) {
    return directory->file(std::string(static_cast<std::size_t>(length), 'n'));
  };
  EXPECT_THAT(::mkfifo(name(longest + 1).c_str(), 0600), SyscallFailsWithErrno(ENAMETOOLONG));
  EXPECT_THAT(::mkfifo(name(longest).c_str(), 0600), SyscallSucceeds());
}

GAUNTLET_CASE(PipesConformance, Mkfifo_DirectoryMissing_FailsWithEnoent,
              .clause = "POSIX.1-2024 mkfifo() ERRORS [ENOENT]") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  EXPECT_THAT(::mkfifo(directory->file("missing/fifo").c_str(), 0600),
              SyscallFailsWithErrno(ENOENT));
  EXPECT_THAT(::mkfifo("", 0600), SyscallFailsWithErrno(ENOENT));
}

GAUNTLET_CASE(PipesConformance, Mkfifo_BelowAFile_FailsWithEnotdir,
              .clause = "POSIX.1-2024 mkfifo() ERRORS [ENOTDIR]") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  EXPECT_THAT(::mkfifo((fifo->path + "/below").c_str(), 0600), SyscallFailsWithErrno(ENOTDIR));
}

GAUNTLET_CASE(PipesConformance, Mkfifo_DirectoryNotWritable_FailsWithEacces,
              .clause = "POSIX.1-2024 mkfifo() ERRORS [EACCES]") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  ASSERT_THAT(::chmod(directory->path().c_str(), 0500), SyscallSucceeds());
  EXPECT_THAT(call_without_capabilities(
                  context, [&] { return ::mkfifo(directory->file("fifo").c_str(), 0600); }),
              SyscallFailsWithErrno(EACCES));
  ASSERT_THAT(::chmod(directory->path().c_str(), 0700), SyscallSucceeds());
}

GAUNTLET_CASE(PipesConformance, Mkfifoat_BadDirectoryDescriptor_FailsWithEbadf,
              .clause = "POSIX.1-2024 mkfifoat() ERRORS [EBADF]") {
  EXPECT_THAT(::mkfifoat(-1, "fifo", 0600), SyscallFailsWithErrno(EBADF));
}

GAUNTLET_CASE(PipesConformance, Mkfifoat_DescriptorOfAFile_FailsWithEnotdir,
              .clause = "POSIX.1-2024 mkfifoat() ERRORS [ENOTDIR]") {
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  EXPECT_THAT(::mkfifoat(file.get(), "fifo", 0600), SyscallFailsWithErrno(ENOTDIR));
}

GAUNTLET_CASE(PipesConformance, Mkfifoat_RelativePath_IsMadeInThatDirectory,
              .clause = "POSIX.1-2024 mkfifoat() DESCRIPTION") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const UniqueFd folder(::open(directory->path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_TRUE(folder.valid());
  EXPECT_THAT(::mkfifoat(folder.get(), "fifo", 0600), SyscallSucceeds());
  struct stat status = {};
  ASSERT_THAT(::stat(directory->file("fifo").c_str(), &status), SyscallSucceeds());
  EXPECT_TRUE(S_ISFIFO(status.st_mode));
}

/// A tmpfs mounted for one case in its private mount namespace.
class SmallFileSystem {
 public:
  SmallFileSystem(std::string at, const char* options)
      : at_(std::move(at)),
        mounted_(outcome_of(::mount("gauntlet", at_.c_str(), "tmpfs", 0, options))) {}
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;
  ~SmallFileSystem() {
    if (!mounted_.failed) ::umount2(at_.c_str(), MNT_DETACH);
  }
  const CallOutcome& mounted() const { return mounted_; }
  bool make_read_only() {
    return ::mount(nullptr, at_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  }

 private:
  std::string at_;
  CallOutcome mounted_;
};

GAUNTLET_CASE(PipesConformance, Mkfifo_OnAReadOnlyFileSystem_FailsWithErofs,
              .clause = "POSIX.1-2024 mkfifo() ERRORS [EROFS]", .needs = {Need::private_mount}) {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  SmallFileSystem small(directory->path(), "size=16k");
  if (small.mounted().failed || !small.make_read_only()) {
    return context.not_run("a read-only tmpfs: " + errno_name(small.mounted().error),
                           "run as root");
  }
  EXPECT_THAT(::mkfifo(directory->file("fifo").c_str(), 0600), SyscallFailsWithErrno(EROFS));
}

// A file system without room for another name.
GAUNTLET_CASE(PipesConformance, Mkfifo_FileSystemFull_FailsWithEnospc,
              .clause = "POSIX.1-2024 mkfifo() ERRORS [ENOSPC]", .needs = {Need::private_mount}) {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const SmallFileSystem small(directory->path(), "size=16k,nr_inodes=2");
  if (small.mounted().failed) {
    return context.not_run("a tmpfs of its own: " + errno_name(small.mounted().error),
                           "run as root");
  }
  // The root directory is one inode of the two.
  EXPECT_THAT(::mkfifo(directory->file("first").c_str(), 0600), SyscallSucceeds());
  EXPECT_THAT(::mkfifo(directory->file("second").c_str(), 0600), SyscallFailsWithErrno(ENOSPC));
}

// A writer that may not wait is refused while nobody reads.
GAUNTLET_CASE(PipesConformance, OpenFifo_WritingNonblockingWithoutReader_FailsWithEnxio,
              .clause = "POSIX.1-2024 open() ERRORS [ENXIO]; fifo(7)") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  EXPECT_THAT(::open(fifo->path.c_str(), O_WRONLY | O_NONBLOCK), SyscallFailsWithErrno(ENXIO));
  const UniqueFd reader = fifo->open(O_RDONLY | O_NONBLOCK);
  ASSERT_TRUE(reader.valid());
  EXPECT_TRUE(fifo->open(O_WRONLY | O_NONBLOCK).valid()) << "although there is a reader now";
}

// A reader that may not wait opens at once, and until the first writer comes it is at the end.
GAUNTLET_CASE(PipesConformance, OpenFifo_ReadingNonblockingWithoutWriter_SucceedsAndReadsZero,
              .clause = "POSIX.1-2024 open() O_NONBLOCK (FIFO); read() (no writer)") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  const UniqueFd reader = fifo->open(O_RDONLY | O_NONBLOCK);
  ASSERT_TRUE(reader.valid());
  char byte = 0;
  EXPECT_THAT(::read(reader.get(), &byte, 1), SyscallSucceedsWithValue(0));
}

GAUNTLET_CASE(PipesConformance, OpenFifo_Reading_SleepsUntilAWriterOpens,
              .clause = "POSIX.1-2024 open() O_NONBLOCK clear (FIFO); fifo(7)") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  ChildCall reader(context, [&] { return ::open(fifo->path.c_str(), O_RDONLY); });
  ASSERT_TRUE(reader.is_asleep());
  const UniqueFd writer = fifo->open(O_WRONLY | O_NONBLOCK);
  // fifo(7): the sleeping reader counts as a reader, so this does not answer ENXIO.
  EXPECT_TRUE(writer.valid()) << errno_name(errno);
  EXPECT_THAT(reader.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(PipesConformance, OpenFifo_Writing_SleepsUntilAReaderOpens,
              .clause = "POSIX.1-2024 open() O_NONBLOCK clear (FIFO); fifo(7)") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  ChildCall writer(context, [&] { return ::open(fifo->path.c_str(), O_WRONLY); });
  ASSERT_TRUE(writer.is_asleep());
  const UniqueFd reader = fifo->open(O_RDONLY | O_NONBLOCK);
  EXPECT_TRUE(reader.valid()) << errno_name(errno);
  EXPECT_THAT(writer.finish(), SyscallSucceeds());
}

GAUNTLET_CASE(PipesConformance, OpenFifo_InterruptedWhileWaiting_FailsWithEintr,
              .clause = "POSIX.1-2024 open() ERRORS [EINTR]") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  ChildCall reader(context, [&] { return ::open(fifo->path.c_str(), O_RDONLY); });
  ASSERT_TRUE(reader.is_asleep());
  ASSERT_TRUE(reader.signal_and_await_handler());
  EXPECT_THAT(reader.finish(), SyscallFailsWithErrno(EINTR));
}

// Linux: reading and writing at once waits for nobody, and nobody's going is an end of file.
GAUNTLET_CASE(PipesConformance, OpenFifo_ReadingAndWriting_SucceedsAtOnceAndTalksToItself,
              .clause = "fifo(7) (Linux: O_RDWR succeeds in both modes)") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  ChildCall opener(context, [&] { return ::open(fifo->path.c_str(), O_RDWR); });
  EXPECT_THAT(opener.finish(), SyscallSucceeds());
  const UniqueFd both = fifo->open(O_RDWR | O_NONBLOCK);
  ASSERT_THAT(::write(both.get(), "x", 1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(read_up_to(both.get(), 1), "x");
}

// Mode bits bind whoever may not override them.
GAUNTLET_CASE(PipesConformance, OpenFifo_ModeForbidsIt_FailsWithEacces,
              .clause = "POSIX.1-2024 open() ERRORS [EACCES]") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  ASSERT_THAT(::chmod(fifo->path.c_str(), 0200), SyscallSucceeds());
  EXPECT_THAT(call_without_capabilities(
                  context, [&] { return ::open(fifo->path.c_str(), O_RDONLY | O_NONBLOCK); }),
              SyscallFailsWithErrno(EACCES));
}

// Whoever opens the name gets the same FIFO.
GAUNTLET_CASE(PipesConformance, OpenFifo_ByTwoProcesses_IsOneChannel,
              .clause = "POSIX.1-2024 mkfifo(); fifo(7)") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  const UniqueFd reader = fifo->open(O_RDONLY | O_NONBLOCK);
  ASSERT_TRUE(reader.valid());
  ChildCall writer(context, [&] {
    const UniqueFd own = fifo->open(O_WRONLY);
    return ::write(own.get(), "from another process", 20);
  });
  EXPECT_THAT(writer.finish(), SyscallSucceedsWithValue(20));
  EXPECT_EQ(read_up_to(reader.get(), 20), "from another process");
}

// After an end of file a new writer makes the FIFO live again, for the same reader.
GAUNTLET_CASE(PipesConformance, Fifo_NewWriterAfterEndOfFile_IsReadAgain,
              .clause = "POSIX.1-2024 read() DESCRIPTION (FIFO)") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  const UniqueFd reader = fifo->open(O_RDONLY | O_NONBLOCK);
  char byte = 0;
  { const UniqueFd first = fifo->open(O_WRONLY | O_NONBLOCK); }
  ASSERT_THAT(::read(reader.get(), &byte, 1), SyscallSucceedsWithValue(0));
  const UniqueFd second = fifo->open(O_WRONLY | O_NONBLOCK);
  ASSERT_TRUE(second.valid());
  EXPECT_THAT(::read(reader.get(), &byte, 1), SyscallFailsWithErrno(EAGAIN));
  ASSERT_THAT(::write(second.get(), "2", 1), SyscallSucceedsWithValue(1));
  EXPECT_EQ(read_up_to(reader.get(), 1), "2");
}

// The file system keeps the name, never the data: when all have closed, unread bytes are gone.
GAUNTLET_CASE(PipesConformance, Fifo_ClosedByAll_ForgetsWhatWasNotRead,
              .clause = "POSIX.1-2024 close() DESCRIPTION (any data remaining in the FIFO)") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  {
    const UniqueFd both = fifo->open(O_RDWR | O_NONBLOCK);
    ASSERT_THAT(::write(both.get(), "forgotten", 9), SyscallSucceedsWithValue(9));
  }
  const UniqueFd again = fifo->open(O_RDONLY | O_NONBLOCK);
  EXPECT_EQ(bytes_waiting(again.get()), 0);
}

// Without its name an open FIFO works on.
GAUNTLET_CASE(PipesConformance, Fifo_UnlinkedWhileOpen_WorksOn,
              .clause = "POSIX.1-2024 unlink() DESCRIPTION (open references)") {
  const auto fifo = Fifo::create(context.scope());
  if (!fifo) return context.not_created(fifo.error());
  const UniqueFd reader = fifo->open(O_RDONLY | O_NONBLOCK);
  const UniqueFd writer = fifo->open(O_WRONLY | O_NONBLOCK);
  ASSERT_THAT(::unlink(fifo->path.c_str()), SyscallSucceeds());
  ASSERT_THAT(::write(writer.get(), "on", 2), SyscallSucceedsWithValue(2));
  EXPECT_EQ(read_up_to(reader.get(), 2), "on");
}

}  // namespace
}  // namespace gauntlet
