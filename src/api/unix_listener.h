// The daemon's Unix socket.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "api/authorize.h"
#include "base/unique_fd.h"

namespace berth::api {

struct UnixListenerOptions {
  std::string path;
  // Permission bits: whoever may write to the socket may connect.
  mode_t mode = 0660;
  // Group that owns it. Empty: the daemon's own.
  std::string group;
};

// Accepts on a thread of its own and asks the kernel who each connection is of, which gRPC's own
// listeners do not.
//
// Beside the socket lies PATH.lock, held for as long as the daemon lives: two daemons on one path
// know of each other. It stays when the daemon goes.
//
// Threading: one owner; the callback comes on the listener's thread.
class UnixListener {
 public:
  // Takes over a connection. The descriptor does not block.
  using OnConnection = std::function<void(base::UniqueFd, const PeerCredentials&)>;

  // Binds and listens; nobody is accepted before Start. A socket file that a dead daemon left is
  // replaced. FailedPrecondition: a living daemon listens there, or something that is no socket is
  // in the way; NotFound: the folder does not exist; InvalidArgument: no such group, or the path is
  // too long. Each names the path. On an error nothing is left behind but the lock.
  static absl::StatusOr<std::unique_ptr<UnixListener>> Open(const UnixListenerOptions& options);

  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;
  ~UnixListener();

  // REQUIRES: called once.
  void Start(OnConnection on_connection);
  // Accepts no more, waits for a callback that runs, and removes the socket file. Idempotent.
  void Stop();

 private:
  UnixListener(std::string path, base::UniqueFd lock, base::UniqueFd socket, base::UniqueFd wake);

  void Run(const OnConnection& on_connection);

  const std::string path_;
  base::UniqueFd lock_;
  base::UniqueFd socket_;
  base::UniqueFd wake_;  // an eventfd: readable when it is time to stop
  std::thread thread_;
};

}  // namespace berth::api
