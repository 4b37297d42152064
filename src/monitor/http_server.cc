#include "monitor/http_server.h"

#include <httplib.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/host_port.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace berth::monitor {
namespace {

constexpr int kWorkers = 4;
constexpr size_t kMostWaiting = 16;  // connections beyond wait in the kernel
constexpr time_t kSilenceSeconds = 2;

absl::StatusOr<base::HostPort> ParseAddress(const std::string& text) {
  absl::StatusOr<base::HostPort> address = base::ParseHostPort(text);
  if (address.ok()) return address;
  return absl::InvalidArgumentError("httpListen \"" + text +
                                    "\" is not host:port, as in 127.0.0.1:7461 or [::1]:7461");
}

// The library says only that binding failed; binding the same again finds out why.
absl::Status WhyNotBound(const std::string& text, const base::HostPort& address) {
  const std::string where = "httpListen " + text + ": ";
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int resolved =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (resolved != 0) {
    return absl::NotFoundError(where + ::gai_strerror(resolved) +
                               "; set it to an address of this machine, as 127.0.0.1:7461");
  }
  const base::UniqueFd socket(
      ::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol));
  int error = socket.valid() ? 0 : errno;
  if (error == 0) {
    const int yes = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (::bind(socket.get(), found->ai_addr, found->ai_addrlen) != 0) error = errno;
  }
  ::freeaddrinfo(found);
  switch (error) {
    case 0:  // it was free by now
    case EADDRINUSE:
      return absl::AlreadyExistsError(
          where +
          "the port is in use: another program listens there already; stop it (ss -ltnp shows "
          "which), set "
          "httpListen to another port (0 takes a free one), or to \"\" to do without");
    case EACCES:
      return absl::PermissionDeniedError(
          where + "this user may not listen there; set httpListen to a port from 1024 on");
    case EADDRNOTAVAIL:
      return absl::NotFoundError(where +
                                 "no interface of this machine has this address; set "
                                 "httpListen to one that it has, as 127.0.0.1:7461");
    default:
      return absl::ErrnoToStatus(error, where + "cannot listen there");
  }
}

// A few threads before a short queue. A full queue makes the thread that accepts wait, so that
// connections beyond it stay in the kernel's bounded one.
class Workers final : public httplib::TaskQueue {
 public:
  explicit Workers(int threads) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
  }

  void enqueue(std::function<void()> task) override {
    base::MutexLock lock(mutex_);
    while (tasks_.size() >= kMostWaiting) changed_.Wait(mutex_);
    tasks_.push_back(std::move(task));
    changed_.NotifyAll();
  }

  void shutdown() override {
    {
      base::MutexLock lock(mutex_);
      stopping_ = true;
      changed_.NotifyAll();
    }
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Work() {
    while (true) {
      std::function<void()> task;
      {
        base::MutexLock lock(mutex_);
        while (tasks_.empty() && !stopping_) changed_.Wait(mutex_);
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
        changed_.NotifyAll();
      }
      task();
    }
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<std::function<void()>> tasks_ BERTH_GUARDED_BY(mutex_);
  bool stopping_ BERTH_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

std::string TextOf(int status) {
  switch (status) {
    case 400:
      return "400: this is not a request that the server understands\n";
    case 413:
    case 414:
      return std::to_string(status) + ": the request is too large\n";
    default:
      return std::to_string(status) + ": the request could not be answered\n";
  }
}

}  // namespace

struct HttpServer::Impl {
  struct Route {
    std::string about;
    HttpHandler handler;
  };

  std::map<std::string, Route> routes;
  httplib::Server server;
  std::promise<void> accepting;
  std::thread thread;

  const Route* Find(const std::string& path) const {
    const auto exact = routes.find(path);
    if (exact != routes.end()) return &exact->second;
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return nullptr;
    const auto folder = routes.find(path.substr(0, slash + 1));
    // The root serves itself alone: everything is below it.
    return folder == routes.end() || folder->first == "/" ? nullptr : &folder->second;
  }

  HttpResponse Answer(const httplib::Request& request) const {
    if (request.method != "GET" && request.method != "HEAD") {
      return {.status = 405, .body = "405: only GET and HEAD are answered here\n"};
    }
    const Route* route = Find(request.path);
    if (route != nullptr) {
      return route->handler(
          {.path = request.path, .parameters = {request.params.begin(), request.params.end()}});
    }
    std::string body = "404: there is nothing at this path; there is\n";
    for (const auto& [path, known] : routes) {
      if (!known.about.empty()) body += "  " + path + "  " + known.about + "\n";
    }
    return {.status = 404, .body = std::move(body)};
  }
};

HttpServer::HttpServer() : impl_(std::make_unique<Impl>()) {
  httplib::Server& server = impl_->server;
  // The library's own choice would let a second daemon share the port, silently.
  server.set_socket_options([](int socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  server.set_keep_alive_max_count(1);
  server.set_keep_alive_timeout(kSilenceSeconds);
  server.set_read_timeout(kSilenceSeconds);
  server.set_write_timeout(kSilenceSeconds);
  server.set_payload_max_length(1 << 16);
  // Called once the server can be stopped.
  server.new_task_queue = [impl = impl_.get()]() -> httplib::TaskQueue* {
    impl->accepting.set_value();
    return new Workers(kWorkers);
  };
  // Before the library's routing, which matches regular expressions.
  server.set_pre_routing_handler(
      [impl = impl_.get()](const httplib::Request& request, httplib::Response& response) {
        HttpResponse answer = impl->Answer(request);
        response.status = answer.status;
        if (answer.status == 405) response.set_header("Allow", "GET, HEAD");
        response.set_content(answer.body, answer.content_type);
        return httplib::Server::HandlerResponse::Handled;
      });
  // What the library refuses itself, before it asks the handler above.
  const httplib::Server::Handler explain = [](const auto&, httplib::Response& response) {
    if (!response.body.empty()) return;
    response.set_content(TextOf(response.status), "text/plain; charset=utf-8");
  };
  server.set_error_handler(explain);
}

HttpServer::~HttpServer() { Stop(); }

void HttpServer::Handle(const std::string& path, std::string about, HttpHandler handler) {
  const bool is_new =
      impl_->routes.emplace(path, Impl::Route{std::move(about), std::move(handler)}).second;
  BERTH_CHECK(is_new) << path << " is handled twice";
}

absl::StatusOr<uint16_t> HttpServer::Start(const std::string& address) {
  BERTH_CHECK(!impl_->thread.joinable()) << "the server is started twice";
  BERTH_ASSIGN_OR_RETURN(const base::HostPort where, ParseAddress(address));
  int port = where.port;
  if (port == 0) {
    port = impl_->server.bind_to_any_port(where.host);
    if (port <= 0) return WhyNotBound(address, where);
  } else if (!impl_->server.bind_to_port(where.host, port)) {
    return WhyNotBound(address, where);
  }
  impl_->accepting = {};
  std::future<void> accepting = impl_->accepting.get_future();
  impl_->thread = std::thread([impl = impl_.get()] { impl->server.listen_after_bind(); });
  accepting.wait();
  return static_cast<uint16_t>(port);
}

void HttpServer::Stop() {
  if (!impl_->thread.joinable()) return;
  impl_->server.stop();
  impl_->thread.join();
}

}  // namespace berth::monitor
