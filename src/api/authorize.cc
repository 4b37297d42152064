#include "api/authorize.h"

#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "wire/names.h"

namespace berth::api {
namespace {

constexpr char kDefaultNamespace[] = "default";

std::optional<int> DescriptorOf(std::string_view peer) {
  constexpr std::string_view kPrefix = "fd:";
  if (!peer.starts_with(kPrefix)) return std::nullopt;
  peer.remove_prefix(kPrefix.size());
  int fd = -1;
  const auto [end, error] = std::from_chars(peer.data(), peer.data() + peer.size(), fd);
  if (error != std::errc() || end != peer.data() + peer.size() || fd < 0) return std::nullopt;
  return fd;
}

}  // namespace

Authorizer::Authorizer(AuthorizerOptions options) : options_(std::move(options)) {}

state::Principal Authorizer::PrincipalFor(const PeerCredentials& peer) const {
  state::Principal principal;
  principal.name = "uid:" + std::to_string(peer.uid);
  principal.verified = true;
  principal.uid = peer.uid;
  principal.gid = peer.gid;
  principal.is_operator = peer.uid == 0 || peer.uid == options_.operator_uid;
  principal.all_namespaces = principal.is_operator;
  principal.namespaces = {kDefaultNamespace};
  if (!principal.is_operator && options_.user_name) {
    const std::optional<std::string> user = options_.user_name(peer.uid);
    if (user && *user != kDefaultNamespace && wire::kNamespaceName.matches(*user)) {
      principal.namespaces.push_back(*user);
      std::sort(principal.namespaces.begin(), principal.namespaces.end());
    }
  }
  return principal;
}

void Authorizer::NoteConnection(int fd, const PeerCredentials& peer) {
  auto principal = std::make_shared<const state::Principal>(PrincipalFor(peer));
  base::MutexLock lock(mutex_);
  connections_[fd] = std::move(principal);
}

absl::StatusOr<state::Principal> Authorizer::PrincipalOf(std::string_view peer) const {
  if (const auto fd = DescriptorOf(peer)) {
    base::MutexLock lock(mutex_);
    const auto found = connections_.find(*fd);
    if (found != connections_.end()) return *found->second;
  } else if (options_.insecure_tcp && (peer.starts_with("ipv4:") || peer.starts_with("ipv6:"))) {
    state::Principal principal;
    principal.name = "anonymous";
    principal.namespaces = {kDefaultNamespace};
    return principal;
  }
  return absl::PermissionDeniedError("this connection (" + std::string(peer) +
                                     ") does not say who is calling; use the daemon's Unix socket");
}

absl::StatusOr<state::Principal> Authorizer::AgentPrincipalOf(std::string_view peer) const {
  absl::StatusOr<state::Principal> principal = PrincipalOf(peer);
  if (principal.ok() && principal->verified && !principal->is_operator) {
    return absl::PermissionDeniedError(
        principal->name +
        " may not be an agent; run berth-agent as root or as the daemon's own user");
  }
  if (principal.ok() && !principal->verified && !options_.insecure_agents) {
    return absl::PermissionDeniedError(
        "agents are not taken over TCP, where nobody says who they are; let berth-agent dial the "
        "daemon's Unix socket, or set `insecureAgents: true` in berthd.yaml");
  }
  return principal;
}

std::optional<std::string> SystemUserName(uid_t uid) {
  std::vector<char> buffer(1024);
  passwd entry{};
  passwd* found = nullptr;
  int error = 0;
  while ((error = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found)) == ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  if (error != 0 || found == nullptr) return std::nullopt;
  return std::string(found->pw_name);
}

absl::Status RequireOperator(const state::Principal& principal, std::string_view what) {
  if (principal.is_operator) return absl::OkStatus();
  return absl::PermissionDeniedError(principal.name + " may not " + std::string(what) +
                                     "; operators are root and the daemon's own user, on its Unix "
                                     "socket");
}

absl::Status RequireNamespace(const state::Principal& principal, const std::string& ns) {
  if (principal.MaySee(ns)) return absl::OkStatus();
  std::string allowed;
  for (const std::string& name : principal.namespaces) {
    allowed += (allowed.empty() ? "\"" : ", \"") + name + "\"";
  }
  return absl::PermissionDeniedError("namespace \"" + ns + "\": " + principal.name +
                                     " may not submit there, only to " + allowed);
}

}  // namespace berth::api
