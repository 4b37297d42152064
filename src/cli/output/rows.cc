#include "cli/output/rows.h"

#include <iterator>
#include <map>

#include "base/quantities.h"
#include "cli/names.h"

namespace berth::cli {
namespace {

std::string Age(int64_t unix_ms, int64_t now_unix_ms) {
  return unix_ms == 0 ? "" : base::FormatAge(now_unix_ms - unix_ms);
}

// "2/8"
std::string OfCpu(const v1::Resources& part, const v1::Resources& whole) {
  return base::FormatCpuMilli(part.cpu_milli()) + "/" + base::FormatCpuMilli(whole.cpu_milli());
}

std::string OfMemory(const v1::Resources& part, const v1::Resources& whole) {
  return base::FormatBytes(part.memory_bytes()) + "/" + base::FormatBytes(whole.memory_bytes());
}

// "gpu 1.5/4, tpu 0/8": devices held and there, by kind.
std::string DevicesText(const v1::Node& node) {
  struct Count {
    int64_t held_milli = 0;
    int64_t all = 0;
  };
  std::map<std::string, Count> kinds;
  for (const v1::DeviceStatus& device : node.devices()) {
    Count& count = kinds[device.device().kind()];
    count.held_milli += device.allocated_milli();
    ++count.all;
  }
  std::string text;
  for (const auto& [kind, count] : kinds) {
    if (!text.empty()) text += ", ";
    text += kind + " " + base::FormatCpuMilli(count.held_milli) + "/" + std::to_string(count.all);
  }
  return text;
}

template <typename Container>
std::string Join(const Container& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
  return text;
}

void Insert(std::vector<std::string>& cells, std::initializer_list<std::string> more) {
  cells.insert(std::prev(cells.end()), more);
}

}  // namespace

std::vector<std::string> JobHeaders(bool wide) {
  std::vector<std::string> headers = {"ID", "NAME", "STATE", "DONE", "FAILED", "AGE"};
  if (wide) {
    Insert(headers,
           {"NAMESPACE", "QUEUE", "PRIORITY", "REQUEST", "RUNNING", "EXIT", "SUBMITTED BY"});
  }
  return headers;
}

std::vector<std::string> JobCells(const v1::Job& job, bool wide, int64_t now_unix_ms) {
  const v1::TaskCounts& tasks = job.tasks();
  const int64_t done = tasks.succeeded() + tasks.failed() + tasks.cancelled();
  std::vector<std::string> cells = {job.id(),
                                    job.spec().name(),
                                    std::string(NameOf(job.state())),
                                    std::to_string(done) + "/" + std::to_string(tasks.total()),
                                    std::to_string(tasks.failed()),
                                    Age(job.submitted_unix_ms(), now_unix_ms)};
  if (!wide) return cells;
  std::string request;
  for (const v1::TaskGroup& group : job.spec().groups()) {
    if (!request.empty()) request += "; ";
    request += ResourcesText(group.template_().resources());
    for (const v1::DeviceRequest& device : group.template_().devices()) {
      request += ", " + DeviceText(device);
    }
  }
  // What was cancelled did not come to one.
  const bool has_code = HasEnded(job.state()) && job.state() != v1::JOB_STATE_CANCELLED;
  Insert(cells, {job.spec().namespace_(), job.spec().queue(), std::to_string(job.spec().priority()),
                 request, std::to_string(tasks.running()),
                 has_code ? std::to_string(job.exit_code()) : "", job.submitted_by()});
  return cells;
}

std::vector<std::string> TaskHeaders(bool wide) {
  std::vector<std::string> headers = {"ID", "NAME", "STATE", "NODE", "ATTEMPT", "EXIT", "AGE"};
  if (wide) Insert(headers, {"NAMESPACE", "REQUEST", "RAN", "PEAK", "ISOLATION", "REASON"});
  return headers;
}

std::vector<std::string> TaskCells(const v1::Task& task, bool wide, int64_t now_unix_ms) {
  const v1::Attempt& attempt = task.attempt();
  std::vector<std::string> cells = {task.id(),
                                    task.job_name(),
                                    std::string(NameOf(task.state())),
                                    attempt.node(),
                                    task.attempts() > 0 ? std::to_string(task.attempts()) : "",
                                    ExitText(attempt),
                                    Age(task.submitted_unix_ms(), now_unix_ms)};
  if (!wide) return cells;
  std::string ran;
  if (attempt.started_unix_ms() > 0) {
    const int64_t end = attempt.ended_unix_ms() > 0 ? attempt.ended_unix_ms() : now_unix_ms;
    ran = base::FormatElapsed(end - attempt.started_unix_ms());
  }
  const int64_t peak = attempt.usage().memory_peak_bytes();
  const v1::ReasonCode reason =
      task.reason() != v1::REASON_CODE_UNSPECIFIED ? task.reason() : attempt.reason();
  Insert(cells, {task.namespace_(), ResourcesText(task.resources()), ran,
                 peak > 0 ? base::FormatBytes(peak) : "", attempt.isolation(), NameOf(reason)});
  return cells;
}

std::vector<std::string> NodeHeaders(bool wide) {
  std::vector<std::string> headers = {"NAME", "STATE", "TASKS", "CPU", "MEMORY", "DEVICES", "AGE"};
  if (wide) Insert(headers, {"STORAGE", "USED MEMORY", "ISOLATION", "VERSION", "TAINTS", "LABELS"});
  return headers;
}

std::vector<std::string> NodeCells(const v1::Node& node, bool wide, int64_t now_unix_ms) {
  std::vector<std::string> cells = {node.name(),
                                    NodeStateText(node),
                                    std::to_string(node.tasks()),
                                    OfCpu(node.allocated(), node.capacity()),
                                    OfMemory(node.allocated(), node.capacity()),
                                    DevicesText(node),
                                    Age(node.registered_unix_ms(), now_unix_ms)};
  if (!wide) return cells;
  std::vector<std::string> taints;
  for (const v1::Taint& taint : node.taints()) taints.push_back(TaintText(taint));
  const std::map<std::string, std::string> ordered(node.labels().begin(), node.labels().end());
  std::vector<std::string> labels;
  for (const auto& [key, value] : ordered) labels.push_back(key + "=" + value);
  const int64_t storage = node.capacity().storage_bytes();
  Insert(cells,
         {storage > 0 ? base::FormatBytes(storage) : "",
          node.usage().memory_bytes() > 0 ? base::FormatBytes(node.usage().memory_bytes()) : "",
          node.isolation(), node.agent_version(), Join(taints), Join(labels)});
  return cells;
}

std::string ResourcesText(const v1::Resources& resources) {
  std::vector<std::string> parts;
  if (resources.has_cpu_milli()) {
    parts.push_back(base::FormatCpuMilli(resources.cpu_milli()) + " cpu");
  }
  if (resources.has_memory_bytes()) {
    parts.push_back(base::FormatBytes(resources.memory_bytes()));
  }
  if (resources.storage_bytes() > 0) {
    parts.push_back(base::FormatBytes(resources.storage_bytes()) + " storage");
  }
  if (resources.bandwidth_bits_per_s() > 0) {
    parts.push_back(base::FormatBitsPerSecond(resources.bandwidth_bits_per_s()));
  }
  const std::map<std::string, int64_t> ordered(resources.extended().begin(),
                                               resources.extended().end());
  for (const auto& [name, count] : ordered) parts.push_back(std::to_string(count) + " " + name);
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text.empty() ? "-" : text;
}

std::string DeviceText(const v1::DeviceRequest& device) {
  std::string text = std::to_string(device.count()) + " " + device.kind();
  if (device.has_share_milli())
    text = base::FormatCpuMilli(device.share_milli()) + " " + device.kind();
  if (!device.box().empty()) {
    text += " as ";
    for (int i = 0; i < device.box_size(); ++i) {
      text += (i == 0 ? "" : "x") + std::to_string(device.box(i));
    }
  }
  if (!device.models().empty()) text += " " + Join(device.models());
  if (device.has_memory_bytes()) text += " with " + base::FormatBytes(device.memory_bytes());
  return text;
}

std::string NodeStateText(const v1::Node& node) {
  return std::string(NameOf(node.state())) + (node.cordoned() ? ",cordoned" : "");
}

std::string TaintText(const v1::Taint& taint) {
  std::string text = taint.key();
  if (!taint.value().empty()) text += "=" + taint.value();
  return text + ":" + std::string(NameOf(taint.effect()));
}

std::string ExitText(const v1::Attempt& attempt) {
  if (attempt.has_signal()) return SignalName(attempt.signal());
  if (attempt.has_exit_code()) return std::to_string(attempt.exit_code());
  return std::string(attempt.end() == v1::ATTEMPT_END_EXITED ? "" : NameOf(attempt.end()));
}

}  // namespace berth::cli
