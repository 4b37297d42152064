#include "api/unix_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/logging.h"
#include "base/status_macros.h"

namespace berth::api {
namespace {

// The socket is made under this name and then moved: it is never there half ready.
constexpr char kNewSuffix[] = ".new";
constexpr size_t kMostSocketPathBytes = sizeof(sockaddr_un::sun_path) - sizeof(kNewSuffix);
constexpr int kBacklog = 512;
// How long accepting rests when the process is out of descriptors or memory.
constexpr int kRestMs = 100;

std::string Reason(int error) { return ::strerror(error); }

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status CannotListen(const std::string& path, const std::string& why) {
  return absl::FailedPreconditionError("socket " + path + ": " + why);
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

absl::StatusOr<base::UniqueFd> TakeLock(const std::string& path) {
  const std::string name = path + ".lock";
  base::UniqueFd lock(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.valid()) {
    const int error = errno;
    if (error == ENOENT) {
      return absl::NotFoundError("socket " + path + ": the folder " + FolderOf(path) +
                                 " does not exist; make it, or set another socket in berthd.yaml");
    }
    return CannotListen(path, "cannot make " + name + ": " + Reason(error));
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return CannotListen(path,
                        "another berthd is listening there; stop it, or set another socket in "
                        "berthd.yaml");
  }
  return lock;
}

// Refuses to replace anything but the socket of a process that is gone.
absl::Status CheckReplaceable(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return CannotListen(path, "cannot look at it: " + Reason(errno));
  }
  if (!S_ISSOCK(info.st_mode)) {
    return CannotListen(path,
                        "something that is not a socket is in the way; move it, or set another "
                        "socket in berthd.yaml");
  }
  const base::UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un address = AddressOf(path);
  const int connected =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  // EAGAIN: its backlog is full, so somebody listens.
  if (connected == 0 || errno == EAGAIN) {
    return CannotListen(path, "another process is listening there");
  }
  if (errno != ECONNREFUSED) return CannotListen(path, "cannot look at it: " + Reason(errno));
  return absl::OkStatus();
}

absl::StatusOr<gid_t> GroupNamed(const std::string& path, const std::string& name) {
  std::vector<char> buffer(1024);
  group entry{};
  group* found = nullptr;
  int error = 0;
  while ((error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found)) ==
         ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  if (found == nullptr) {
    return absl::InvalidArgumentError("socket " + path + ": there is no group \"" + name + "\"" +
                                      (error != 0 ? ": " + Reason(error) : ""));
  }
  return found->gr_gid;
}

// A bound, listening socket under `path`. What it leaves behind on an error the caller removes.
absl::Status Bind(int socket, const std::string& path, const UnixListenerOptions& options) {
  const sockaddr_un address = AddressOf(path);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return CannotListen(options.path, "cannot make it: " + Reason(errno));
  }
  if (!options.group.empty()) {
    BERTH_ASSIGN_OR_RETURN(const gid_t gid, GroupNamed(options.path, options.group));
    if (::chown(path.c_str(), static_cast<uid_t>(-1), gid) != 0) {
      return CannotListen(options.path,
                          "cannot give it to group \"" + options.group + "\": " + Reason(errno));
    }
  }
  if (::chmod(path.c_str(), options.mode) != 0) {
    return CannotListen(options.path, "cannot set its mode: " + Reason(errno));
  }
  if (::listen(socket, kBacklog) != 0) {
    return CannotListen(options.path, "cannot listen: " + Reason(errno));
  }
  if (::rename(path.c_str(), options.path.c_str()) != 0) {
    return CannotListen(options.path, "cannot move it into place: " + Reason(errno));
  }
  return absl::OkStatus();
}

std::optional<PeerCredentials> CredentialsOf(int fd) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  return PeerCredentials{.uid = credentials.uid, .gid = credentials.gid};
}

}  // namespace

absl::StatusOr<std::unique_ptr<UnixListener>> UnixListener::Open(
    const UnixListenerOptions& options) {
  if (options.path.empty() || options.path.size() > kMostSocketPathBytes) {
    return absl::InvalidArgumentError(
        "socket \"" + options.path + "\": a path of 1 to " + std::to_string(kMostSocketPathBytes) +
        " bytes is needed, this has " + std::to_string(options.path.size()));
  }
  BERTH_ASSIGN_OR_RETURN(base::UniqueFd lock, TakeLock(options.path));
  BERTH_RETURN_IF_ERROR(CheckReplaceable(options.path));
  base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  base::UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!socket.valid() || !wake.valid()) {
    return absl::ResourceExhaustedError("socket " + options.path + ": " + Reason(errno));
  }
  const std::string new_path = options.path + kNewSuffix;
  ::unlink(new_path.c_str());  // left by a daemon that died just here
  const absl::Status bound = Bind(socket.get(), new_path, options);
  if (!bound.ok()) {
    ::unlink(new_path.c_str());
    return bound;
  }
  return std::unique_ptr<UnixListener>(
      new UnixListener(options.path, std::move(lock), std::move(socket), std::move(wake)));
}

UnixListener::UnixListener(std::string path, base::UniqueFd lock, base::UniqueFd socket,
                           base::UniqueFd wake)
    : path_(std::move(path)),
      lock_(std::move(lock)),
      socket_(std::move(socket)),
      wake_(std::move(wake)) {}

UnixListener::~UnixListener() { Stop(); }

void UnixListener::Start(OnConnection on_connection) {
  thread_ = std::thread([this, on_connection = std::move(on_connection)] { Run(on_connection); });
  ::pthread_setname_np(thread_.native_handle(), "unix-listener");
}

void UnixListener::Stop() {
  if (!socket_.valid()) return;
  if (thread_.joinable()) {
    const uint64_t one = 1;
    // An eventfd takes a one at any time.
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof(one));
    thread_.join();
  }
  ::unlink(path_.c_str());  // ours: the lock is held
  socket_.reset();
  lock_.reset();
}

void UnixListener::Run(const OnConnection& on_connection) {
  pollfd ready[2] = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                     {.fd = socket_.get(), .events = POLLIN, .revents = 0}};
  while (true) {
    if (::poll(ready, 2, -1) < 0 && errno != EINTR) {
      BERTH_LOG_ERROR("socket {}: cannot wait for connections: {}", path_, Reason(errno));
      return;
    }
    if (ready[0].revents != 0) return;
    base::UniqueFd connection(
        ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection.valid()) {
      if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) continue;
      BERTH_LOG_WARN("socket {}: cannot accept a connection: {}; trying again", path_,
                     Reason(errno));
      ::poll(ready, 1, kRestMs);
      continue;
    }
    if (const auto peer = CredentialsOf(connection.get())) {
      on_connection(std::move(connection), *peer);
    } else {
      BERTH_LOG_WARN("socket {}: a connection without credentials was refused: {}", path_,
                     Reason(errno));
    }
  }
}

}  // namespace berth::api
