// libnvidia-ml.so.1 for tests: GPUs out of a script, which may change while it is used.
//
// The script is the file that BERTH_FAKE_NVML names, read again whenever GPUs are counted or events
// are waited for. One thing a line, words of the form key=value, "_" in a name for a blank:
//   gpu uuid=GPU-a name=NVIDIA_A100-SXM4-80GB memory=85899345920 pci=00000000:07:00.0
//       [used=N] [util=PERCENT] [power=MILLIWATTS] [temp=CELSIUS] [ecc=N] [mig=1]
//       [fault=15: every call on it fails so, except for its handle and its UUID]
//   slice gpu=GPU-a uuid=MIG-1 name=NVIDIA_A100-SXM4-80GB_MIG_1g.10gb memory=N
//   link from=GPU-a to=GPU-b version=3      to=switch: to an NVSwitch
//   near a=GPU-a b=GPU-b level=10
//   process gpu=GPU-a pid=N memory=N sm=PERCENT
//   xid gpu=GPU-a number=79                 reported once, when the line is first seen
//   hang                                    every call waits until the line is gone
// Without the variable, or the file, there is no driver.
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "agentd/probe/nvml_abi.h"

namespace berth::agentd::nvml {

struct DeviceHandle {
  std::string uuid;
};
struct EventSetHandle {
  std::set<std::string> watched;
};

}  // namespace berth::agentd::nvml

namespace {

using namespace berth::agentd::nvml;  // NOLINT: the library is about nothing else

constexpr Return kDriverNotLoaded = static_cast<Return>(9);

struct Line {
  std::string kind;
  std::map<std::string, std::string> words;

  std::string Text(const std::string& key) const {
    const auto it = words.find(key);
    return it == words.end() ? "" : it->second;
  }
  unsigned long long Number(const std::string& key) const {
    return strtoull(Text(key).c_str(), nullptr, 10);
  }
};

std::mutex mutex;
std::vector<Line> lines;
std::map<std::string, std::unique_ptr<DeviceHandle>> handles;  // by UUID
std::set<std::string> reported;                                // XIDs

bool ReadScript() {
  const char* path = getenv("BERTH_FAKE_NVML");
  if (path == nullptr) return false;
  for (;;) {
    std::ifstream file(path);
    if (!file) return false;
    lines.clear();
    bool hangs = false;
    for (std::string text; std::getline(file, text);) {
      std::istringstream words(text);
      Line line;
      if (!(words >> line.kind)) continue;
      for (std::string word; words >> word;) {
        const size_t at = word.find('=');
        line.words[word.substr(0, at)] = at == std::string::npos ? "" : word.substr(at + 1);
      }
      hangs = hangs || line.kind == "hang";
      lines.push_back(std::move(line));
    }
    if (!hangs) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

std::vector<const Line*> Of(const std::string& kind, const std::string& key = "",
                            const std::string& value = "") {
  std::vector<const Line*> found;
  for (const Line& line : lines) {
    if (line.kind == kind && (key.empty() || line.Text(key) == value)) found.push_back(&line);
  }
  return found;
}

Device HandleOf(const std::string& uuid) {
  auto& handle = handles[uuid];
  if (handle == nullptr) handle = std::make_unique<DeviceHandle>(DeviceHandle{uuid});
  return handle.get();
}

// The line of a GPU or a slice; null: it is gone.
const Line* LineOf(Device device) {
  for (const char* kind : {"gpu", "slice"}) {
    const auto found = Of(kind, "uuid", device->uuid);
    if (!found.empty()) return found.front();
  }
  return nullptr;
}

// Answers of a device that is there and well.
template <typename Answer>
Return With(Device device, Answer answer) {
  const std::lock_guard lock(mutex);
  const Line* line = LineOf(device);
  if (line == nullptr) return kGpuIsLost;
  if (const auto fault = line->Number("fault"); fault != 0) return static_cast<Return>(fault);
  return answer(*line);
}

Return CopyText(const std::string& text, char* to, unsigned size) {
  if (text.size() >= size) return kInsufficientSize;
  std::memcpy(to, text.c_str(), text.size() + 1);
  return kSuccess;
}

Return FillPci(const std::string& address, PciInfo* pci) {
  *pci = {};
  return CopyText(address, pci->bus_id, sizeof(pci->bus_id));
}

const Line* LinkAt(Device device, unsigned link) {
  const auto links = Of("link", "from", device->uuid);
  return link < links.size() ? links[link] : nullptr;
}

template <typename T>
Return Number(Device device, const char* key, T* value) {
  return With(device, [&](const Line& line) {
    if (!line.words.contains(key)) return kNotSupported;
    *value = static_cast<T>(line.Number(key));
    return kSuccess;
  });
}

}  // namespace

extern "C" {

Return nvmlInit_v2() {
  const std::lock_guard lock(mutex);
  return ReadScript() ? kSuccess : kDriverNotLoaded;
}

const char* nvmlErrorString(Return result) {
  return result == kGpuIsLost ? "GPU is lost" : "an error out of the script";
}

Return nvmlDeviceGetCount_v2(unsigned* count) {
  const std::lock_guard lock(mutex);
  if (!ReadScript()) return kDriverNotLoaded;
  *count = static_cast<unsigned>(Of("gpu").size());
  return kSuccess;
}

Return nvmlDeviceGetHandleByIndex_v2(unsigned index, Device* device) {
  const std::lock_guard lock(mutex);
  const auto gpus = Of("gpu");
  if (index >= gpus.size()) return kNotFound;
  *device = HandleOf(gpus[index]->Text("uuid"));
  return kSuccess;
}

Return nvmlDeviceGetUUID(Device device, char* uuid, unsigned size) {
  return CopyText(device->uuid, uuid, size);
}

Return nvmlDeviceGetName(Device device, char* name, unsigned size) {
  return With(device, [&](const Line& line) {
    std::string text = line.Text("name");
    std::replace(text.begin(), text.end(), '_', ' ');
    return CopyText(text, name, size);
  });
}

Return nvmlDeviceGetMemoryInfo(Device device, Memory* memory) {
  return With(device, [&](const Line& line) {
    memory->total = line.Number("memory");
    memory->used = line.Number("used");
    memory->free = memory->total - memory->used;
    return kSuccess;
  });
}

Return nvmlDeviceGetPciInfo_v3(Device device, PciInfo* pci) {
  return With(device, [&](const Line& line) { return FillPci(line.Text("pci"), pci); });
}

Return nvmlDeviceGetUtilizationRates(Device device, Utilization* utilisation) {
  utilisation->memory = 0;
  return Number(device, "util", &utilisation->gpu);
}

Return nvmlDeviceGetPowerUsage(Device device, unsigned* power) {
  return Number(device, "power", power);
}

Return nvmlDeviceGetTemperature(Device device, Sensor, unsigned* temperature) {
  return Number(device, "temp", temperature);
}

Return nvmlDeviceGetTotalEccErrors(Device device, EccError, EccCounter,
                                   unsigned long long* errors) {
  return Number(device, "ecc", errors);
}

Return nvmlDeviceGetMigMode(Device device, unsigned* current, unsigned* pending) {
  *pending = 0;
  return Number(device, "mig", current);
}

Return nvmlDeviceGetMaxMigDeviceCount(Device device, unsigned* count) {
  return With(device, [&](const Line&) {
    *count = 7;
    return kSuccess;
  });
}

Return nvmlDeviceGetMigDeviceHandleByIndex(Device device, unsigned index, Device* slice) {
  return With(device, [&](const Line&) {
    const auto slices = Of("slice", "gpu", device->uuid);
    if (index >= slices.size()) return kNotFound;
    *slice = HandleOf(slices[index]->Text("uuid"));
    return kSuccess;
  });
}

Return nvmlDeviceGetNvLinkState(Device device, unsigned link, EnableState* state) {
  return With(device, [&](const Line&) {
    *state = LinkAt(device, link) == nullptr ? kDisabled : kEnabled;
    return kSuccess;
  });
}

Return nvmlDeviceGetNvLinkVersion(Device device, unsigned link, unsigned* version) {
  return With(device, [&](const Line&) {
    *version = static_cast<unsigned>(LinkAt(device, link)->Number("version"));
    return kSuccess;
  });
}

Return nvmlDeviceGetNvLinkRemoteDeviceType(Device device, unsigned link, LinkPeer* peer) {
  return With(device, [&](const Line&) {
    *peer = LinkAt(device, link)->Text("to") == "switch" ? kLinkPeerSwitch : kLinkPeerGpu;
    return kSuccess;
  });
}

Return nvmlDeviceGetNvLinkRemotePciInfo_v2(Device device, unsigned link, PciInfo* pci) {
  return With(device, [&](const Line&) {
    const auto peers = Of("gpu", "uuid", LinkAt(device, link)->Text("to"));
    return peers.empty() ? kNotFound : FillPci(peers.front()->Text("pci"), pci);
  });
}

Return nvmlDeviceGetTopologyCommonAncestor(Device device, Device other, Topology* level) {
  return With(device, [&](const Line&) {
    *level = kHostBridge;
    for (const Line* near : Of("near")) {
      const std::set<std::string> pair = {near->Text("a"), near->Text("b")};
      if (pair.contains(device->uuid) && pair.contains(other->uuid)) {
        *level = static_cast<Topology>(near->Number("level"));
      }
    }
    return kSuccess;
  });
}

Return nvmlDeviceGetComputeRunningProcesses_v3(Device device, unsigned* count,
                                               ProcessInfo* processes) {
  return With(device, [&](const Line&) {
    const auto found = Of("process", "gpu", device->uuid);
    const unsigned room = *count;
    *count = static_cast<unsigned>(found.size());
    if (found.size() > room) return kInsufficientSize;
    for (size_t i = 0; i < found.size(); ++i) {
      processes[i] = {static_cast<unsigned>(found[i]->Number("pid")), found[i]->Number("memory"), 0,
                      0};
    }
    return kSuccess;
  });
}

Return nvmlDeviceGetProcessUtilization(Device device, ProcessUtilization* samples, unsigned* count,
                                       unsigned long long) {
  return With(device, [&](const Line&) {
    const auto found = Of("process", "gpu", device->uuid);
    const unsigned room = samples == nullptr ? 0 : *count;
    *count = static_cast<unsigned>(found.size());
    if (found.empty()) return kNotFound;
    if (found.size() > room) return kInsufficientSize;
    for (size_t i = 0; i < found.size(); ++i) {
      samples[i] = {static_cast<unsigned>(found[i]->Number("pid")),
                    1000 + i,
                    static_cast<unsigned>(found[i]->Number("sm")),
                    0,
                    0,
                    0};
    }
    return kSuccess;
  });
}

Return nvmlEventSetCreate(EventSet* set) {
  *set = new EventSetHandle;
  return kSuccess;
}

Return nvmlEventSetFree(EventSet set) {
  delete set;
  return kSuccess;
}

Return nvmlShutdown() { return kSuccess; }

Return nvmlDeviceRegisterEvents(Device device, unsigned long long, EventSet set) {
  return With(device, [&](const Line&) {
    set->watched.insert(device->uuid);
    return kSuccess;
  });
}

Return nvmlEventSetWait_v2(EventSet set, EventData* event, unsigned timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    {
      const std::lock_guard lock(mutex);
      if (!ReadScript()) return kDriverNotLoaded;
      for (const Line* xid : Of("xid")) {
        const std::string gpu = xid->Text("gpu");
        if (!set->watched.contains(gpu) || !reported.insert(gpu + xid->Text("number")).second) {
          continue;
        }
        *event = {HandleOf(gpu), kEventXid, xid->Number("number"), 0, 0};
        return kSuccess;
      }
    }
    if (std::chrono::steady_clock::now() >= deadline) return kTimeout;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // extern "C"
