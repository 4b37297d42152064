#include "agentd/checks/task_checks.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace berth::agentd {
namespace {

constexpr int64_t kDefaultPeriodMs = 10'000;
// More often than that a node does nothing else.
constexpr int64_t kLeastPeriodMs = 1'000;
constexpr int64_t kDefaultTimeoutMs = 5'000;
constexpr int kDefaultFailures = 3;

int64_t Or(int64_t value, int64_t otherwise) { return value > 0 ? value : otherwise; }

// What is asked, for people.
std::string NameOf(const v1::HealthCheck& check) {
  switch (check.check_case()) {
    case v1::HealthCheck::kCommand:
      return "command \"" + check.command().command(0) + "\"";
    case v1::HealthCheck::kTcpPort:
      return "port " + std::to_string(check.tcp_port());
    case v1::HealthCheck::kHttp:
      return "http port " + std::to_string(check.http().port()) + " " +
             (check.http().path().empty() ? "/" : check.http().path());
    case v1::HealthCheck::CHECK_NOT_SET:
      break;
  }
  return "nothing";
}

}  // namespace

// One check of one attempt, again and again.
class TaskChecks::Check {
 public:
  // Empty: good.
  using Verdict = std::function<void(const std::string& fault)>;

  Check(TaskChecks& checks, AttemptKey key, v1::HealthCheck spec, std::string network_namespace,
        Verdict verdict)
      : checks_(checks),
        key_(key),
        spec_(std::move(spec)),
        network_namespace_(std::move(network_namespace)),
        verdict_(std::move(verdict)),
        alive_(std::make_shared<Check*>(this)) {
    After(spec_.initial_delay_ms());
  }
  Check(const Check&) = delete;
  Check& operator=(const Check&) = delete;
  ~Check() {
    if (command_) checks_.commands_.Cancel(*command_);
  }

 private:
  void After(int64_t ms) {
    checks_.loop_.At(checks_.clock_.MonotonicMs() + ms, [alive = std::weak_ptr(alive_)] {
      if (const auto check = alive.lock()) (*check)->Ask();
    });
  }

  void Ask() {
    const int64_t timeout_ms = Or(spec_.timeout_ms(), kDefaultTimeoutMs);
    if (spec_.has_command()) {
      const std::vector<std::string> arguments(spec_.command().command().begin(),
                                               spec_.command().command().end());
      command_ = checks_.commands_.Run(key_, arguments, timeout_ms, [this](CommandResult result) {
        command_.reset();
        Answered(result.good() ? "" : Describe(result));
      });
      return;
    }
    PortProbe::Target target;
    target.http = spec_.has_http();
    target.port = target.http ? spec_.http().port() : spec_.tcp_port();
    target.path = spec_.http().path();
    target.timeout_ms = timeout_ms;
    target.network_namespace = network_namespace_;
    probe_ = std::make_unique<PortProbe>(checks_.loop_, checks_.clock_, std::move(target),
                                         [this](const std::string& fault) { Answered(fault); });
  }

  void Answered(const std::string& fault) {
    // Its next answer is some time off, and may never come: then what asked is gone with this.
    After(std::max(Or(spec_.period_ms(), kDefaultPeriodMs), kLeastPeriodMs));
    if (fault.empty()) {
      failures_ = 0;
      verdict_("");
      return;
    }
    const int64_t most = Or(spec_.failures(), kDefaultFailures);
    if (++failures_ < most) return;
    verdict_(NameOf(spec_) + ": " + fault + " (" + std::to_string(failures_) +
             (failures_ == 1 ? " time)" : " times in a row)"));
  }

  TaskChecks& checks_;
  const AttemptKey key_;
  const v1::HealthCheck spec_;
  const std::string network_namespace_;
  const Verdict verdict_;
  int failures_ = 0;
  std::unique_ptr<PortProbe> probe_;
  std::optional<uint64_t> command_;
  std::shared_ptr<Check*> alive_;
};

TaskChecks::TaskChecks(EventLoop& loop, const base::Clock& clock, TaskCommands& commands,
                       Report report)
    : loop_(loop), clock_(clock), commands_(commands), report_(std::move(report)) {}

TaskChecks::~TaskChecks() = default;

void TaskChecks::Watch(const AttemptKey& key, const v1::StartTask& start,
                       const std::string& network_namespace) {
  checks_.erase(key);
  if (start.has_health_check()) {
    auto condemn = [this, key, said = false](const std::string& fault) mutable {
      if (fault.empty() || std::exchange(said, true)) return;
      report_(TaskCondemned{key, v1::ATTEMPT_END_UNHEALTHY, v1::REASON_CODE_HEALTH_CHECK_FAILED,
                            "its health check failed: " + fault, false});
    };
    checks_.emplace(key, std::make_unique<Check>(*this, key, start.health_check(),
                                                 network_namespace, std::move(condemn)));
  }
  if (start.has_readiness_check()) {
    auto tell = [this, key, was = std::optional<bool>()](const std::string& fault) mutable {
      if (was == fault.empty()) return;
      was = fault.empty();
      report_(TaskReadiness{key, fault.empty()});
    };
    checks_.emplace(key, std::make_unique<Check>(*this, key, start.readiness_check(),
                                                 network_namespace, std::move(tell)));
  }
}

void TaskChecks::Unwatch(const AttemptKey& key) { checks_.erase(key); }

}  // namespace berth::agentd
