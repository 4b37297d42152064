// A small HTTP server for machines that look after berthd: probes and scrapers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace berth::monitor {

struct HttpRequest {
  std::string path;
  std::multimap<std::string, std::string> parameters;  // of the query, decoded
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

// Answers GET and HEAD, one request a connection. HTTP/1.1 without TLS: for loopback.
//
// Uses one thread that waits for connections and four that answer; they cost nothing while nobody
// asks. A client that keeps silent for two seconds is hung up on.
//
// Threading: made, started and stopped by one thread; handlers run on any of the four.
class HttpServer {
 public:
  HttpServer();
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Serves this path. A path that ends in "/" also serves all below it. `about` is for people who
  // ask for a path that is not there. REQUIRES: not started; the path is new.
  void Handle(const std::string& path, std::string about, HttpHandler handler);

  // Binds "host:port" or "[v6]:port", and answers from now on. Port 0 takes a free one. Returns the
  // port. INVALID_ARGUMENT for what is no address; ALREADY_EXISTS when the port is in use;
  // PERMISSION_DENIED, NOT_FOUND...; each says what to do about httpListen.
  absl::StatusOr<uint16_t> Start(const std::string& address);

  // Answers what has been asked and ends, within seconds. May be called again, or without Start.
  void Stop();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace berth::monitor
