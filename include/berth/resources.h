// Countable resources, in quanta.
//
// Every resource has a quantum; amounts in columns are int32 numbers of quanta, so that they
// vectorise and reserve-then-release returns exactly to the start. Requests are rounded up to
// quanta at admission and capacities down at registration, outside the loop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace berth {

// Index of a resource's column. The first four are built in; extended ones are given the next
// free index when a node or a request first names them.
using ResourceIndex = uint32_t;

inline constexpr ResourceIndex kCpu = 0;            // quantum: 1 milli-CPU
inline constexpr ResourceIndex kMemory = 1;         // quantum: 1 MiB
inline constexpr ResourceIndex kStorage = 2;        // quantum: 1 MiB
inline constexpr ResourceIndex kBandwidth = 3;      // quantum: 1 Mbit/s = 10^6 bit/s
inline constexpr ResourceIndex kFirstExtended = 4;  // quantum: 1
inline constexpr size_t kMaxResources = 16;

// The extended resource that counts CPUs which tasks have to themselves (cpuPlacement). Agents tell
// how many a node can give; a task's placement asks for them, and its request may not name them.
inline constexpr const char* kDedicatedCpus = "dedicated-cpus";

// Largest amount of any resource on one node or in one request, in quanta. Sums of two stay within
// int32.
inline constexpr int32_t kMaxQuanta = (1 << 30) - 1;

inline constexpr int32_t kMilliPerCpu = 1000;
inline constexpr int64_t kMemoryQuantumBytes = int64_t{1} << 20;
inline constexpr int64_t kStorageQuantumBytes = int64_t{1} << 20;
inline constexpr int64_t kBandwidthQuantumBitsPerSecond = 1'000'000;

// Steps in which the part of a node that is in use by measurement is told.
inline constexpr int32_t kUsageSteps = 16;

// Axes of a torus of devices, and the most places on one.
inline constexpr size_t kTorusAxes = 3;
inline constexpr int32_t kMaxTorusExtent = 255;

// Extents of a box of a torus, largest first, 1 on axes that it lacks. {0, 0, 0}: no box.
using BoxExtents = std::array<uint8_t, kTorusAxes>;

// One amount per resource, in quanta; unused entries are 0.
using ResourceVector = std::array<int32_t, kMaxResources>;

// Scores are integers from 0 to kMaxScore, rounded at the plugin's boundary.
inline constexpr int32_t kMaxScore = 1 << 20;

}  // namespace berth
