#include "tests/support/fake_chat_server.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/check.h"

namespace berth::testing {
namespace {

size_t Append(char* data, size_t size, size_t count, void* out) {
  static_cast<std::string*>(out)->append(data, size * count);
  return size * count;
}

// To a free port; where that is.
sockaddr_in BindToLoopback(int fd) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  BERTH_CHECK(::bind(fd, generic, size) == 0);
  BERTH_CHECK(::getsockname(fd, generic, &size) == 0);
  return address;
}

}  // namespace

FakeChatServer::FakeChatServer(const std::string& dialect, std::vector<std::string> arguments,
                               bool tls)
    : tls_(tls) {
  std::vector<std::string> words = {"/usr/bin/python3", "tests/support/fake_chat_server.py",
                                    "--dialect", dialect};
  words.insert(words.end(), arguments.begin(), arguments.end());
  if (tls) words.insert(words.end(), {"--tls", folder_.path()});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  int in[2];
  int out[2];
  BERTH_CHECK(::pipe2(in, O_CLOEXEC) == 0 && ::pipe2(out, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  BERTH_CHECK(::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) == 0)
      << "cannot start " << words[1];
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  input_.reset(in[1]);
  const base::UniqueFd output(out[0]);
  std::string line;
  char c = 0;
  while (::read(output.get(), &c, 1) == 1 && c != '\n') line += c;
  constexpr std::string_view kSays = "listening on ";
  BERTH_CHECK(line.starts_with(kSays)) << words[1] << " does not listen: " << line;
  port_ = std::atoi(line.substr(kSays.size()).c_str());
}

FakeChatServer::~FakeChatServer() { Kill(); }

void FakeChatServer::Kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string FakeChatServer::url() const {
  return (tls_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_);
}

void FakeChatServer::Control(const nlohmann::json& said) {
  const std::string body = said.dump();
  Call("/__control", &body);
}

void FakeChatServer::Reset() {
  const std::string body = "{}";
  Call("/__reset", &body);
}

nlohmann::json FakeChatServer::Requests() {
  return nlohmann::json::parse(Call("/__requests", nullptr));
}

std::string FakeChatServer::Call(const std::string& path, const std::string* body) {
  CURL* const easy = ::curl_easy_init();
  const std::string address = url() + path;
  std::string out;
  ::curl_easy_setopt(easy, CURLOPT_URL, address.c_str());
  ::curl_easy_setopt(easy, CURLOPT_PROXY, "");
  ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(easy, CURLOPT_TIMEOUT, 60L);
  ::curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
  ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Append);
  ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &out);
  if (body != nullptr) {
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->c_str());
    ::curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
  }
  const CURLcode code = ::curl_easy_perform(easy);
  long status = 0;
  ::curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  ::curl_easy_cleanup(easy);
  BERTH_CHECK(code == CURLE_OK && status == 200)
      << address << ": " << ::curl_easy_strerror(code) << ", status " << status;
  return out;
}

ClosedPort::ClosedPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  // Bound, and never listened on: whoever connects is refused.
  port_ = ntohs(BindToLoopback(socket_.get()).sin_port);
}

FullPort::FullPort() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_in address = BindToLoopback(listener_.get());
  port_ = ntohs(address.sin_port);
  BERTH_CHECK(::listen(listener_.get(), 0) == 0);
  // As many as the queue of those that were not accepted holds, and more.
  for (int i = 0; i < 4; ++i) {
    waiting_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int rc = ::connect(waiting_.back().get(), reinterpret_cast<const sockaddr*>(&address),
                             sizeof address);
    BERTH_CHECK(rc == 0 || errno == EINPROGRESS);
  }
}

}  // namespace berth::testing
