// What bind(), connect() and the names of Unix sockets promise: paths, abstract names, autobind.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "process/process.h"
#include "sockets/socket_ends.h"
#include "support/child_call.h"
#include "support/errno_matchers.h"
#include "support/scratch_directory.h"

namespace gauntlet {
namespace {

constexpr socklen_t kUnnamed = sizeof(sa_family_t);
constexpr std::size_t kPathOffset = offsetof(sockaddr_un, sun_path);

UniqueFd unix_socket(int type = SOCK_STREAM, int flags = 0) {
  return UniqueFd(::socket(AF_UNIX, type | flags | SOCK_CLOEXEC, 0));
}

/// The name `bytes` as it stands: a path without its NUL, or an abstract name with its leading one.
SocketAddress raw_address(std::string_view bytes) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, bytes.data(), std::min(bytes.size(), sizeof name.sun_path));
  SocketAddress address;
  std::memcpy(&address.storage, &name, sizeof name);
  address.length = static_cast<socklen_t>(kPathOffset + bytes.size());
  return address;
}
int bind_to(const UniqueFd& fd, const SocketAddress& address) {
  return ::bind(fd.get(), address.get(), address.length);
}
int connect_to(const UniqueFd& fd, const SocketAddress& address) {
  return ::connect(fd.get(), address.get(), address.length);
}
std::string bytes_of(const SocketAddress& address) {
  sockaddr_un name{};
  std::memcpy(&name, &address.storage, sizeof name);
  return address.length <= kPathOffset ? std::string()
                                       : std::string(name.sun_path, address.length - kPathOffset);
}
/// An abstract name that no other process of this machine uses.
std::string abstract_name(const CaseContext& context, std::string_view rest = "") {
  return std::string(1, '\0') + unique_name(context.scope()) + std::string(rest);
}

GAUNTLET_CASE(SocketsConformance, Bind_ToAPath_MakesASocketFileWithTheUmask,
              .clause = "unix(7) Pathname socket ownership and permissions") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const std::string path = directory->file("s");
  const UniqueFd fd = unix_socket();
  const mode_t before = ::umask(027);
  const CallOutcome bound = outcome_of(bind_to(fd, raw_address(path)));
  ::umask(before);
  ASSERT_THAT(bound, SyscallSucceeds());
  struct stat status = {};
  ASSERT_THAT(::stat(path.c_str(), &status), SyscallSucceeds());
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0750U);
}

GAUNTLET_CASE(SocketsConformance, Bind_ToAPathThatIsTaken_FailsWithEaddrinuse,
              .clause = "POSIX.1-2024 bind() ERRORS [EADDRINUSE]") {
  const auto bound = Bound::open(context, kUnixStream);
  if (!bound) return context.not_created(bound.error());
  EXPECT_THAT(bind_to(unix_socket(), bound->address), SyscallFailsWithErrno(EADDRINUSE));
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const std::string file = directory->file("plain");
  const UniqueFd plain(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_TRUE(plain.valid());
  EXPECT_THAT(bind_to(unix_socket(), raw_address(file)), SyscallFailsWithErrno(EADDRINUSE));
}

// The file stays when its socket is closed: nobody answers there, and nobody can bind there until
// it is removed.
GAUNTLET_CASE(SocketsConformance, StalePath_RefusesConnectionsAndBindsUntilItIsUnlinked,
              .clause = "unix(7) NOTES (the socket can be unlinked); bind(2), connect(2)") {
  auto bound = Bound::listening(context, kUnixStream);
  if (!bound) return context.not_created(bound.error());
  ChildCall binder(context, [&] { return bound->connect(bound->client()); });
  EXPECT_THAT(binder.finish(), SyscallSucceeds());
  bound->fd.reset();
  EXPECT_THAT(bound->connect(bound->client()), SyscallFailsWithErrno(ECONNREFUSED));
  EXPECT_THAT(bind_to(unix_socket(), bound->address), SyscallFailsWithErrno(EADDRINUSE));
  ASSERT_THAT(::unlink(bound->name().c_str()), SyscallSucceeds());
  const UniqueFd again = unix_socket();
  EXPECT_THAT(bind_to(again, bound->address), SyscallSucceeds());
}

GAUNTLET_CASE(SocketsConformance, Bind_BadPaths_FailAsOpenWould,
              .clause = "POSIX.1-2024 bind() ERRORS [ENOENT], [ENOTDIR]; unix(7)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const std::string file = directory->file("plain");
  const UniqueFd plain(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_TRUE(plain.valid());
  EXPECT_THAT(bind_to(unix_socket(), raw_address(directory->file("missing/s"))),
              SyscallFailsWithErrno(ENOENT));
  EXPECT_THAT(bind_to(unix_socket(), raw_address(file + "/s")), SyscallFailsWithErrno(ENOTDIR));
}

GAUNTLET_CASE(SocketsConformance, Bind_DirectoryNotWritable_FailsWithEacces,
              .clause = "POSIX.1-2024 bind() ERRORS [EACCES]; unix(7)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const SocketAddress inside = raw_address(directory->file("s"));
  ASSERT_THAT(::chmod(directory->path().c_str(), 0500), SyscallSucceeds());
  EXPECT_THAT(call_without_capabilities(context, [&] { return bind_to(unix_socket(), inside); }),
              SyscallFailsWithErrno(EACCES));
  ASSERT_THAT(::chmod(directory->path().c_str(), 0700), SyscallSucceeds());
}

// To connect means to write to the socket's file.
GAUNTLET_CASE(SocketsConformance, Connect_WithoutWritePermission_FailsWithEacces,
              .clause = "connect(2) ERRORS [EACCES]; unix(7)") {
  const auto bound = Bound::listening(context, kUnixStream);
  if (!bound) return context.not_created(bound.error());
  ASSERT_THAT(::chmod(bound->name().c_str(), 0500), SyscallSucceeds());
  EXPECT_THAT(call_without_capabilities(context, [&] { return bound->connect(bound->client()); }),
              SyscallFailsWithErrno(EACCES));
}

GAUNTLET_CASE(SocketsConformance, Bind_ASecondTime_FailsWithEinval,
              .clause = "POSIX.1-2024 bind() ERRORS [EINVAL] (already bound)") {
  const auto bound = Bound::open(context, kUnixStream);
  if (!bound) return context.not_created(bound.error());
  EXPECT_THAT(bind_to(bound->fd, raw_address(bound->name() + ".2")), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(::access((bound->name() + ".2").c_str(), F_OK), SyscallFailsWithErrno(ENOENT));
}

// The longest path fills sun_path; one byte more cannot be said.
GAUNTLET_CASE(SocketsConformance, Bind_PathsUpToSunPath_WorkAndLongerOnesFailWithEinval,
              .clause = "unix(7) Address format; bind(2) ERRORS [EINVAL] (addrlen is wrong)") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const std::string prefix = directory->file("");
  constexpr std::size_t kWhole = sizeof(sockaddr_un::sun_path);
  ASSERT_LT(prefix.size(), kWhole);
  // Without room for a NUL: unix(7), BUGS.
  const std::string longest = prefix + std::string(kWhole - prefix.size(), 'p');
  const UniqueFd server = unix_socket();
  ASSERT_THAT(bind_to(server, raw_address(longest)), SyscallSucceeds());
  ASSERT_THAT(::listen(server.get(), 1), SyscallSucceeds());
  EXPECT_THAT(::access(longest.c_str(), F_OK), SyscallSucceeds());
  EXPECT_THAT(connect_to(unix_socket(), raw_address(longest)), SyscallSucceeds());
  SocketAddress over = raw_address(longest);
  over.length = sizeof(sockaddr_un) + 1;
  EXPECT_THAT(bind_to(unix_socket(), over), SyscallFailsWithErrno(EINVAL));
  EXPECT_THAT(connect_to(unix_socket(), over), SyscallFailsWithErrno(EINVAL));
}

GAUNTLET_CASE(SocketsConformance, Bind_AddressOfAnotherFamily_Fails,
              .clause = "bind(2) ERRORS [EINVAL]; POSIX.1-2024 bind() [EAFNOSUPPORT]") {
  SocketAddress other = raw_address("x");
  other.storage.ss_family = AF_INET;
  EXPECT_THAT(bind_to(unix_socket(), other),
              SyscallFailsWithErrno(testing::AnyOf(EINVAL, EAFNOSUPPORT)));
}

GAUNTLET_CASE(SocketsConformance, Connect_PathsWithoutASocket_SayWhatIsThere,
              .clause = "POSIX.1-2024 connect() ERRORS [ENOENT], [ECONNREFUSED], [ENOTDIR]") {
  auto directory = ScratchDirectory::create(context.scope());
  if (!directory) return context.not_created(directory.error());
  const std::string file = directory->file("plain");
  const UniqueFd plain(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_TRUE(plain.valid());
  EXPECT_THAT(connect_to(unix_socket(), raw_address(directory->file("missing"))),
              SyscallFailsWithErrno(ENOENT));
  EXPECT_THAT(connect_to(unix_socket(), raw_address(file)), SyscallFailsWithErrno(ECONNREFUSED));
  EXPECT_THAT(connect_to(unix_socket(), raw_address(file + "/s")), SyscallFailsWithErrno(ENOTDIR));
}

// The file is a name, not a way in: it cannot be opened.
GAUNTLET_CASE(SocketsConformance, Open_OfASocketFile_FailsWithEnxio,
              .clause = "open(2) ERRORS [ENXIO] (The file is a UNIX domain socket)") {
  const auto bound = Bound::open(context, kUnixStream);
  if (!bound) return context.not_created(bound.error());
  EXPECT_THAT(::open(bound->name().c_str(), O_RDWR), SyscallFailsWithErrno(ENXIO));
}

// The socket is found by its file, whatever the file is called by now.
GAUNTLET_CASE(SocketsConformance, Rename_OfABoundPath_TakesTheSocketAlong,
              .clause = "unix(7) Pathname sockets; POSIX.1-2024 rename()") {
  const auto bound = Bound::listening(context, kUnixStream);
  if (!bound) return context.not_created(bound.error());
  const std::string renamed = bound->name() + ".renamed";
  ASSERT_THAT(::rename(bound->name().c_str(), renamed.c_str()), SyscallSucceeds());
  EXPECT_THAT(bound->connect(bound->client()), SyscallFailsWithErrno(ENOENT));
  EXPECT_THAT(connect_to(unix_socket(), raw_address(renamed)), SyscallSucceeds());
  EXPECT_THAT(::unlink(renamed.c_str()), SyscallSucceeds());
}

// NULs are bytes like others in an abstract name, and its length is a part of it.
GAUNTLET_CASE(SocketsConformance, AbstractNames_DifferInEachByteAndInLength,
              .clause = "unix(7) Address format, abstract (null bytes have no special meaning)") {
  const std::string base = abstract_name(context);
  const std::string names[] = {base, base + std::string(1, '\0'), base + std::string("\0a", 2),
                               base + std::string("\0b", 2), base + std::string("\0\0", 2)};
  std::vector<UniqueFd> bound;
  for (const std::string& name : names) {
    bound.push_back(unix_socket(SOCK_DGRAM, SOCK_NONBLOCK));
    EXPECT_THAT(bind_to(bound.back(), raw_address(name)), SyscallSucceeds());
    EXPECT_THAT(bind_to(unix_socket(SOCK_DGRAM), raw_address(name)),
                SyscallFailsWithErrno(EADDRINUSE));
  }
  for (std::size_t i = 0; i < bound.size(); ++i) {
    const auto told = address_of(bound[i].get());
    ASSERT_TRUE(told.has_value());
    EXPECT_EQ(bytes_of(*told), names[i]);
    const UniqueFd sender = unix_socket(SOCK_DGRAM);
    ASSERT_THAT(connect_to(sender, raw_address(names[i])), SyscallSucceeds());
    ASSERT_THAT(send_text(sender, std::to_string(i)), SyscallSucceeds());
    EXPECT_EQ(receive_text(bound[i]), std::to_string(i));
  }
}

// An abstract name is no path, and is free as soon as its last descriptor is closed.
GAUNTLET_CASE(SocketsConformance, AbstractName_IsFreeWhenItsLastDescriptorIsClosed,
              .clause = "unix(7) Abstract sockets (automatically disappear)") {
  const SocketAddress name = raw_address(abstract_name(context));
  UniqueFd first = unix_socket();
  ASSERT_THAT(bind_to(first, name), SyscallSucceeds());
  UniqueFd copy(::fcntl(first.get(), F_DUPFD_CLOEXEC, 0));
  first.reset();
  EXPECT_THAT(bind_to(unix_socket(), name), SyscallFailsWithErrno(EADDRINUSE));
  copy.reset();
  EXPECT_THAT(connect_to(unix_socket(), name), SyscallFailsWithErrno(ECONNREFUSED));
  EXPECT_THAT(bind_to(unix_socket(), name), SyscallSucceeds());
}

// An address without a name lets the system choose one: a NUL and five hexadecimal digits.
GAUNTLET_CASE(SocketsConformance, Autobind_ChoosesANulAndFiveHexDigitsAndNeverTheSameTwice,
              .clause = "unix(7) Autobind feature") {
  std::vector<UniqueFd> sockets;
  std::vector<std::string> names;
  for (int i = 0; i < 8; ++i) {
    sockets.push_back(unix_socket(SOCK_DGRAM));
    SocketAddress nameless = raw_address("");
    ASSERT_EQ(nameless.length, kUnnamed);
    ASSERT_THAT(bind_to(sockets.back(), nameless), SyscallSucceeds());
    const auto chosen = address_of(sockets.back().get());
    ASSERT_TRUE(chosen.has_value());
    const std::string name = bytes_of(*chosen);
    ASSERT_EQ(name.size(), 6U);
    EXPECT_EQ(name[0], '\0');
    EXPECT_EQ(name.find_first_not_of("0123456789abcdef", 1), std::string::npos) << name.substr(1);
    EXPECT_THAT(names, testing::Not(testing::Contains(name)));
    names.push_back(name);
  }
}

// Whoever wants credentials must be able to be answered, so that a nameless sender gets a name.
GAUNTLET_CASE(SocketsConformance, Autobind_OfASenderWithSoPasscred_HappensWhenItConnects,
              .clause = "unix(7) Autobind feature (SO_PASSCRED)") {
  const auto bound = Bound::open(context, kUnixDatagram);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd plain = bound->client();
  ASSERT_THAT(bound->connect(plain), SyscallSucceeds());
  EXPECT_EQ(address_of(plain.get())->length, kUnnamed);
  const UniqueFd asking = bound->client();
  ASSERT_THAT(set_option(asking.get(), SO_PASSCRED, 1), SyscallSucceeds());
  ASSERT_THAT(bound->connect(asking), SyscallSucceeds());
  EXPECT_EQ(bytes_of(*address_of(asking.get())).size(), 6U);
}

GAUNTLET_CASE(SocketsConformance, Getsockname_OfUnnamedSockets_IsTheFamilyAlone,
              .clause = "unix(7) Address format, unnamed") {
  const auto pair = SocketPair::open(SOCK_STREAM);
  if (!pair) return context.not_created(pair.error());
  for (const UniqueFd* fd : {&pair->first, &pair->second}) {
    const auto own = address_of(fd->get());
    ASSERT_TRUE(own.has_value());
    EXPECT_EQ(own->length, kUnnamed);
    EXPECT_EQ(own->get()->sa_family, AF_UNIX);
  }
}

// Both sides of a connection tell the server's path, each from where it stands.
GAUNTLET_CASE(SocketsConformance, GetsocknameAndGetpeername_OfAConnection_TellTheServersAddress,
              .clause = "POSIX.1-2024 getsockname(), getpeername(); unix(7)") {
  const auto bound = Bound::listening(context, kUnixStream);
  if (!bound) return context.not_created(bound.error());
  const UniqueFd client = bound->client();
  ASSERT_THAT(bound->connect(client), SyscallSucceeds());
  const UniqueFd server = bound->accept();
  ASSERT_TRUE(server.valid());
  SocketAddress peer;
  peer.length = sizeof peer.storage;
  ASSERT_THAT(::getpeername(client.get(), peer.get(), &peer.length), SyscallSucceeds());
  EXPECT_TRUE(peer == bound->address);
  EXPECT_TRUE(*address_of(server.get()) == bound->address);
  peer.length = sizeof peer.storage;
  ASSERT_THAT(::getpeername(server.get(), peer.get(), &peer.length), SyscallSucceeds());
  EXPECT_EQ(peer.length, kUnnamed) << "the client has no name";
}

GAUNTLET_CASE(SocketsConformance, Getpeername_WithoutAPeer_FailsWithEnotconn,
              .clause = "POSIX.1-2024 getpeername() ERRORS [ENOTCONN]") {
  SocketAddress peer;
  peer.length = sizeof peer.storage;
  const UniqueFd fd = unix_socket();
  EXPECT_THAT(::getpeername(fd.get(), peer.get(), &peer.length), SyscallFailsWithErrno(ENOTCONN));
}

// A short buffer is filled as far as it goes, and the real length is told.
GAUNTLET_CASE(SocketsConformance, Getsockname_IntoAShortBuffer_CutsAndTellsTheRealLength,
              .clause = "POSIX.1-2024 getsockname() DESCRIPTION (stored address is truncated)") {
  const auto bound = Bound::open(context, kUnixStream);
  if (!bound) return context.not_created(bound.error());
  sockaddr_un name;
  std::memset(&name, 0x5a, sizeof name);
  socklen_t length = kPathOffset + 1;
  ASSERT_THAT(::getsockname(bound->fd.get(), reinterpret_cast<sockaddr*>(&name), &length),
              SyscallSucceeds());
  EXPECT_EQ(length, bound->address.length);
  EXPECT_EQ(name.sun_path[0], bound->name()[0]);
  EXPECT_EQ(name.sun_path[1], 0x5a) << "written past the end of the buffer";
}

GAUNTLET_CASE(SocketsConformance, Accept_OfABoundClient_TellsItsAddress,
              .clause = "POSIX.1-2024 accept() DESCRIPTION (address of the connecting socket)") {
  const auto server = Bound::listening(context, kUnixStream);
  const auto client = Bound::open(context, kUnixStream);
  if (!server) return context.not_created(server.error());
  if (!client) return context.not_created(client.error());
  ASSERT_THAT(server->connect(client->fd), SyscallSucceeds());
  SocketAddress told;
  told.length = sizeof told.storage;
  const UniqueFd accepted(::accept4(server->fd.get(), told.get(), &told.length, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted.valid());
  EXPECT_TRUE(told == client->address);
}

}  // namespace
}  // namespace gauntlet
