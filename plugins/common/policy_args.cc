#include "common/policy_args.h"

#include <string>

namespace berth::plugins {
namespace {

absl::StatusOr<LargestNode> ReadLargestNode(const ArgsReader& args) {
  LargestNode largest;
  const PluginArgs* value = args.Find("largestNode");
  if (value == nullptr) return largest;
  const auto reader = ArgsReader::Open(*value, args.Path("largestNode"), {"cpu", "devices"});
  if (!reader.ok()) return reader.status();
  const auto cpu = reader->IntegerOr("cpu", 1, 4096, 128);
  if (!cpu.ok()) return cpu.status();
  const auto devices = reader->IntegerOr("devices", 1, 256, 8);
  if (!devices.ok()) return devices.status();
  largest.cpu_milli = *cpu * kMilliPerCpu;
  largest.device_milli = *devices * 1000;
  return largest;
}

}  // namespace

absl::StatusOr<KindId> ReadDeviceKind(const ArgsReader& args, PluginContext& context) {
  if (args.Find("kind") == nullptr) return context.DeviceKind("gpu");
  const auto name = args.Text("kind");
  if (!name.ok()) return name.status();
  return context.DeviceKind(*name);
}

absl::StatusOr<Resolution> ReadResolution(const ArgsReader& args) {
  const auto choice = args.Choice("resolution", {"full", "percent"});
  if (!choice.ok()) return choice.status();
  return *choice == "full" ? Resolution::kFull : Resolution::kPercent;
}

absl::StatusOr<FreeAmountArgs> ReadFreeAmountArgs(const PluginArgs& args, PluginContext& context) {
  const auto reader = ArgsReader::Open(args, "", {"kind", "largestNode", "resolution"});
  if (!reader.ok()) return reader.status();
  const auto kind = ReadDeviceKind(*reader, context);
  if (!kind.ok()) return kind.status();
  const auto largest = ReadLargestNode(*reader);
  if (!largest.ok()) return largest.status();
  const auto resolution = ReadResolution(*reader);
  if (!resolution.ok()) return resolution.status();
  return FreeAmountArgs{*kind, *largest, *resolution};
}

}  // namespace berth::plugins
