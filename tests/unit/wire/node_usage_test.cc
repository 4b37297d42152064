#include "wire/node_usage.h"

#include <gtest/gtest.h>

namespace berth::wire {
namespace {

state::NodeUsage Everything() {
  state::NodeUsage usage;
  usage.cpu_pressure = {.some_milli = 1, .full_milli = 2};
  usage.memory_pressure = {.some_milli = 3, .full_milli = 4};
  usage.io_pressure = {.some_milli = 5, .full_milli = 1000};
  usage.scratch = {.size_bytes = 100, .free_bytes = 50};
  usage.disks = {{.name = "sda", .read_bytes = 1, .written_bytes = 2, .busy_ms = 3}};
  usage.interfaces = {{.name = "eth0", .received_bytes = 4, .sent_bytes = 5}};
  usage.devices = {{.id = "GPU-1",
                    .utilisation_percent = 0,
                    .memory_used_bytes = 6,
                    .power_milliwatts = 7,
                    .temperature_celsius = 8,
                    .uncorrected_errors = 9},
                   {.id = "GPU-2"}};
  return usage;
}

TEST(NodeUsageTest, GoesThereAndBack) {
  EXPECT_EQ(FromProto(ToProto(Everything())), Everything());
  EXPECT_EQ(FromProto(ToProto(state::NodeUsage{})), state::NodeUsage{});
}

TEST(NodeUsageTest, WhatIsOutOfRangeIsBroughtIntoIt) {
  v1::NodeUsage usage;
  usage.mutable_cpu_pressure()->set_some_milli(-1);
  usage.mutable_cpu_pressure()->set_full_milli(5000);
  usage.mutable_scratch()->set_free_bytes(-7);
  v1::DeviceUsage& device = *usage.mutable_devices()->add_devices();
  device.set_id(std::string(1000, 'x'));
  device.set_utilisation_percent(400);
  for (int i = 0; i < kMostParts + 5; ++i) usage.mutable_disks()->add_disks();
  const state::NodeUsage read = FromProto(usage);
  EXPECT_EQ(read.cpu_pressure, (state::Pressure{0, 1000}));
  EXPECT_EQ(read.scratch->free_bytes, 0);
  EXPECT_EQ(read.devices->at(0).utilisation_percent, 100);
  EXPECT_EQ(read.devices->at(0).id.size(), 253u);
  EXPECT_EQ(read.disks->size(), size_t{kMostParts});
}

TEST(NodeUsageTest, AHeartbeatLeavesWhatItDoesNotSay) {
  state::NodeUsage usage = Everything();
  state::NodeUsage newer;
  newer.scratch = {.size_bytes = 100, .free_bytes = 1};
  usage.Update(newer);
  state::NodeUsage expected = Everything();
  expected.scratch->free_bytes = 1;
  EXPECT_EQ(usage, expected);
}

}  // namespace
}  // namespace berth::wire
