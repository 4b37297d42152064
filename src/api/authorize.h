// Who is calling, and what that allows.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "state/principal.h"

namespace berth::api {

// What the kernel says of the process at the other end of a Unix socket, as of its connect().
struct PeerCredentials {
  uid_t uid = 0;
  gid_t gid = 0;
};

struct AuthorizerOptions {
  // Besides root, the user whose processes are operators: the daemon's own.
  uid_t operator_uid = 0;
  // Take callers on loopback TCP, as "anonymous".
  bool insecure_tcp = false;
  // Take them as agents too.
  bool insecure_agents = false;
  // Name of a user, for the namespace of that name; nullopt when there is none of that uid.
  std::function<std::optional<std::string>(uid_t)> user_name;
};

// Makes the principal of every call, from its connection alone. No other code makes one for a
// call: what a message says of its sender is never asked.
//
// On the Unix socket root and the daemon's own user are operators and see every namespace; others
// see "default" and the namespace of their own user name. gRPC calls such a connection "fd:N".
// It closes the descriptor only when the connection's last call is gone, so while a call lives, N
// stays what it was when the call began.
// On loopback TCP, where the configuration allows it, everybody is "anonymous", sees "default"
// alone and runs tasks as nobody in particular. Agents come that way only where the configuration
// allows that by itself: they are sent the tasks of all users.
//
// Threading: any thread.
class Authorizer {
 public:
  explicit Authorizer(AuthorizerOptions options);

  // A connection was accepted on the Unix socket. Called before gRPC gets the descriptor.
  void NoteConnection(int fd, const PeerCredentials& peer);

  // The caller at the other end of `peer`, as gRPC's ServerContext names it. PermissionDenied: the
  // connection is of a kind that may not call.
  absl::StatusOr<state::Principal> PrincipalOf(std::string_view peer) const;

  // As PrincipalOf, for a call that only agents make: PermissionDenied unless it is an operator's
  // on the Unix socket, or on TCP where agents may be there.
  absl::StatusOr<state::Principal> AgentPrincipalOf(std::string_view peer) const;

 private:
  state::Principal PrincipalFor(const PeerCredentials& peer) const;

  const AuthorizerOptions options_;
  mutable base::Mutex mutex_;
  // By descriptor. An entry of a closed one stays until its number comes again; there are never
  // more than this process may have descriptors.
  std::map<int, std::shared_ptr<const state::Principal>> connections_ BERTH_GUARDED_BY(mutex_);
};

// The user of that uid, by the machine's databases. Blocks for as long as they take.
std::optional<std::string> SystemUserName(uid_t uid);

// OK for operators; else PermissionDenied, which says what was asked for: "cordon a node".
absl::Status RequireOperator(const state::Principal& principal, std::string_view what);

// OK when things may be put into the namespace; else PermissionDenied, which says where they may.
absl::Status RequireNamespace(const state::Principal& principal, const std::string& ns);

}  // namespace berth::api
