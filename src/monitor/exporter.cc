#include "monitor/exporter.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>
#include <utility>

namespace berth::monitor {
namespace {

constexpr int kUnavailable = 503;

std::set<std::string> ExcludedBy(const HttpRequest& request) {
  std::set<std::string> names;
  const auto [first, last] = request.parameters.equal_range("exclude");
  for (auto parameter = first; parameter != last; ++parameter) {
    std::istringstream list(parameter->second);
    for (std::string name; std::getline(list, name, ',');) {
      if (!name.empty()) names.insert(name);
    }
  }
  return names;
}

}  // namespace

Exporter::Exporter(const Health& health,
                   std::vector<std::shared_ptr<prometheus::Collectable>> collectables)
    : health_(health), collectables_(std::move(collectables)) {
  server_.Handle("/metrics", "what there is to measure, for Prometheus", [this](const auto&) {
    return HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                        .body = MetricsText()};
  });
  const auto handle_probe = [this](const std::string& path, const std::string& about, Probe probe) {
    const auto answer = [this, path, probe](const HttpRequest& request) {
      return Answer(probe, path, request);
    };
    server_.Handle(path, about, answer);
    server_.Handle(path + "/", "", answer);
  };
  handle_probe("/livez", "is it alive? (?verbose, ?exclude=NAME, /livez/NAME)", Probe::kLive);
  handle_probe("/readyz", "can it serve? (?verbose, ?exclude=NAME, /readyz/NAME)", Probe::kReady);
  handle_probe("/healthz", "", Probe::kLive);
}

std::string Exporter::MetricsText() const {
  std::vector<prometheus::MetricFamily> families;
  for (const auto& collectable : collectables_) {
    auto collected = collectable->Collect();
    std::move(collected.begin(), collected.end(), std::back_inserter(families));
  }
  return prometheus::TextSerializer().Serialize(families);
}

HttpResponse Exporter::Answer(Probe probe, const std::string& root,
                              const HttpRequest& request) const {
  const std::set<std::string> excluded = ExcludedBy(request);
  std::vector<Health::Result> results = health_.Ask(probe, excluded);
  const std::string name = root.substr(1);
  if (request.path.size() > root.size() + 1) {
    const std::string wanted = request.path.substr(root.size() + 1);
    const auto is_other = [&](const auto& result) { return result.name != wanted; };
    results.erase(std::remove_if(results.begin(), results.end(), is_other), results.end());
    if (results.empty()) {
      return {.status = 404,
              .body = "404: " + name + " has no check \"" + wanted + "\"; " + root +
                      "?verbose lists those that it has\n"};
    }
  }
  const bool all_ok =
      std::all_of(results.begin(), results.end(), [](const auto& result) { return result.ok(); });
  const bool verbose = request.parameters.count("verbose") > 0;
  return {.status = all_ok ? 200 : kUnavailable,
          .body = HealthText(name, results, excluded, verbose)};
}

}  // namespace berth::monitor
