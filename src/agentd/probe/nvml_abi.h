// The part of NVML's binary interface that is used here: types and numbers as libnvidia-ml.so.1 has
// them since driver 470. The library is opened at run time, so nothing of NVIDIA's is needed to
// build.
#pragma once

namespace berth::agentd::nvml {

struct DeviceHandle;  // opaque
using Device = DeviceHandle*;
struct EventSetHandle;  // opaque
using EventSet = EventSetHandle*;

enum Return : int {
  kSuccess = 0,
  kNotSupported = 3,
  kNotFound = 6,
  kInsufficientSize = 7,
  kTimeout = 10,
  kGpuIsLost = 15,
  kResetRequired = 16,
};

// Bytes, terminating zero included.
inline constexpr unsigned kUuidBytes = 96;
inline constexpr unsigned kNameBytes = 96;
inline constexpr unsigned kMostNvLinks = 18;

struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

struct Utilization {
  unsigned gpu;     // percent of the last sample's time
  unsigned memory;  // percent of the time
};

struct PciInfo {
  char bus_id_legacy[16];
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned pci_device_id;
  unsigned pci_subsystem_id;
  char bus_id[32];
};

struct EventData {
  Device device;
  unsigned long long event_type;
  unsigned long long event_data;  // the XID
  unsigned gpu_instance_id;
  unsigned compute_instance_id;
};

struct ProcessInfo {
  unsigned pid;
  unsigned long long used_memory;  // bytes; all ones: not known
  unsigned gpu_instance_id;
  unsigned compute_instance_id;
};

struct ProcessUtilization {
  unsigned pid;
  unsigned long long time_us;
  unsigned sm;  // percent
  unsigned memory;
  unsigned encoder;
  unsigned decoder;
};

enum Sensor : int { kSensorGpu = 0 };
enum EccError : int { kEccUncorrected = 1 };
enum EccCounter : int { kEccVolatile = 0 };
enum EnableState : int { kDisabled = 0, kEnabled = 1 };
enum LinkPeer : int { kLinkPeerGpu = 0, kLinkPeerSwitch = 2 };
// How far apart two GPUs are: up to kMultiple, only PCIe switches are between them.
enum Topology : int { kInternal = 0, kSingle = 10, kMultiple = 20, kHostBridge = 30 };

inline constexpr unsigned long long kEventDoubleBitEcc = 0x2;
inline constexpr unsigned long long kEventXid = 0x8;

// The library's functions by their own names. Null: the driver is too old to have it.
struct Functions {
  // Every driver has these.
  Return (*nvmlInit_v2)();
  const char* (*nvmlErrorString)(Return);
  Return (*nvmlDeviceGetCount_v2)(unsigned*);
  Return (*nvmlDeviceGetHandleByIndex_v2)(unsigned, Device*);
  Return (*nvmlDeviceGetUUID)(Device, char*, unsigned);
  Return (*nvmlDeviceGetName)(Device, char*, unsigned);
  Return (*nvmlDeviceGetMemoryInfo)(Device, Memory*);

  Return (*nvmlDeviceGetPciInfo_v3)(Device, PciInfo*);
  Return (*nvmlDeviceGetUtilizationRates)(Device, Utilization*);
  Return (*nvmlDeviceGetPowerUsage)(Device, unsigned*);
  Return (*nvmlDeviceGetTemperature)(Device, Sensor, unsigned*);
  Return (*nvmlDeviceGetTotalEccErrors)(Device, EccError, EccCounter, unsigned long long*);
  Return (*nvmlDeviceGetMigMode)(Device, unsigned*, unsigned*);
  Return (*nvmlDeviceGetMaxMigDeviceCount)(Device, unsigned*);
  Return (*nvmlDeviceGetMigDeviceHandleByIndex)(Device, unsigned, Device*);
  Return (*nvmlDeviceGetNvLinkState)(Device, unsigned, EnableState*);
  Return (*nvmlDeviceGetNvLinkVersion)(Device, unsigned, unsigned*);
  Return (*nvmlDeviceGetNvLinkRemoteDeviceType)(Device, unsigned, LinkPeer*);
  Return (*nvmlDeviceGetNvLinkRemotePciInfo_v2)(Device, unsigned, PciInfo*);
  Return (*nvmlDeviceGetTopologyCommonAncestor)(Device, Device, Topology*);
  Return (*nvmlDeviceGetComputeRunningProcesses_v3)(Device, unsigned*, ProcessInfo*);
  Return (*nvmlDeviceGetProcessUtilization)(Device, ProcessUtilization*, unsigned*,
                                            unsigned long long);
  Return (*nvmlEventSetCreate)(EventSet*);
  Return (*nvmlDeviceRegisterEvents)(Device, unsigned long long, EventSet);
  Return (*nvmlEventSetWait_v2)(EventSet, EventData*, unsigned);
  Return (*nvmlEventSetFree)(EventSet);
  Return (*nvmlShutdown)();
};

}  // namespace berth::agentd::nvml
