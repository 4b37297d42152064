// What berthd shows of itself over HTTP.
#pragma once

#include <prometheus/collectable.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "monitor/health.h"
#include "monitor/http_server.h"

namespace berth::monitor {

// Serves
//   /metrics            all collectables, in Prometheus' text format
//   /livez, /readyz     "ok" and 200, or 503 and what is wrong; ?verbose lists the checks,
//                       ?exclude=NAME (more than once, or a,b) leaves checks out
//   /livez/NAME ...     one check
//   /healthz            as /livez, for those who still ask for it
//
// Threading: as HttpServer. Collectables and health checks are asked on its threads, several at
// once.
class Exporter {
 public:
  // `health` outlives it.
  Exporter(const Health& health,
           std::vector<std::shared_ptr<prometheus::Collectable>> collectables);

  // As HttpServer.
  absl::StatusOr<uint16_t> Start(const std::string& address) { return server_.Start(address); }
  void Stop() { server_.Stop(); }

  // The page itself, for tests and documents.
  std::string MetricsText() const;

 private:
  HttpResponse Answer(Probe probe, const std::string& root, const HttpRequest& request) const;

  const Health& health_;
  const std::vector<std::shared_ptr<prometheus::Collectable>> collectables_;
  HttpServer server_;
};

}  // namespace berth::monitor
