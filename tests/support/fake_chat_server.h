// tests/support/fake_chat_server.py, as a child of a test.
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace berth::testing {

// Started when it is made, killed and waited for when it goes. What it can do is said in the
// program's own head.
class FakeChatServer {
 public:
  // `arguments` after --dialect.
  explicit FakeChatServer(const std::string& dialect, std::vector<std::string> arguments = {},
                          bool tls = false);
  FakeChatServer(const FakeChatServer&) = delete;
  FakeChatServer& operator=(const FakeChatServer&) = delete;
  ~FakeChatServer();

  int port() const { return port_; }
  std::string url() const;
  // With TLS.
  std::string certificate() const { return folder_.path() + "/cert.pem"; }

  void Control(const nlohmann::json& said);
  // What goes wrong from now on, in order.
  void Faults(const nlohmann::json& faults) { Control({{"faults", faults}}); }
  nlohmann::json Requests();
  size_t CountRequests() { return Requests().size(); }
  void Reset();

  // Ends it at once, as a crash would.
  void Kill();

 private:
  std::string Call(const std::string& path, const std::string* body);

  TempDir folder_;
  const bool tls_;
  pid_t pid_ = -1;
  base::UniqueFd input_;  // it ends when this closes
  int port_ = 0;
};

// A port of this machine on which nobody listens, and nobody will while this lives.
class ClosedPort {
 public:
  ClosedPort();
  int port() const { return port_; }

 private:
  base::UniqueFd socket_;
  int port_ = 0;
};

// A port of this machine that takes no more connections: who connects waits.
class FullPort {
 public:
  FullPort();
  int port() const { return port_; }

 private:
  base::UniqueFd listener_;
  std::vector<base::UniqueFd> waiting_;
  int port_ = 0;
};

}  // namespace berth::testing
