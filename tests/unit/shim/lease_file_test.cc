#include "shim/lease_file.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace berth::shim {
namespace {

class LeaseFileTest : public ::testing::Test {
 protected:
  void Put(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  Lease Read() const { return ReadLease(path_.c_str()); }

  testing::TempDir dir_;
  const std::string path_ = dir_.path() + "/lease";
};

TEST_F(LeaseFileTest, HoldsTheLastLease) {
  const base::UniqueFd fd(OpenLease(path_.c_str()));
  ASSERT_TRUE(fd.valid());
  ASSERT_EQ(WriteLease(fd.get(), {1000, 1234}), 0);
  EXPECT_EQ(Read(), (Lease{1000, 1234}));
  ASSERT_EQ(WriteLease(fd.get(), {}), 0);
  EXPECT_EQ(Read(), Lease{});
}

TEST_F(LeaseFileTest, KeepsItWhenItIsOpenedAgain) {
  ASSERT_EQ(WriteLease(base::UniqueFd(OpenLease(path_.c_str())).get(), {1000, 1234}), 0);
  const base::UniqueFd again(OpenLease(path_.c_str()));
  EXPECT_TRUE(again.valid());
  EXPECT_EQ(Read(), (Lease{1000, 1234}));
}

TEST_F(LeaseFileTest, NamesTheError) {
  EXPECT_EQ(OpenLease((dir_.path() + "/no/lease").c_str()), -ENOENT);
  EXPECT_EQ(WriteLease(-1, {}), EBADF);
}

TEST_F(LeaseFileTest, WhatCannotBeReadSaysNothing) {
  EXPECT_EQ(Read(), Lease{});
  Put("short");
  EXPECT_EQ(Read(), Lease{});
  Put(std::string(24, '\0'));
  EXPECT_EQ(Read(), Lease{});
  ASSERT_EQ(WriteLease(base::UniqueFd(OpenLease(path_.c_str())).get(), {1000, 1234}), 0);
  std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(8);
  file.put('x').flush();
  EXPECT_EQ(Read(), Lease{});
}

TEST_F(LeaseFileTest, ALeaseGoesOnWhenItWasRenewedBeforeItsEnd) {
  EXPECT_EQ(RenewedUntil(path_.c_str(), 500), 500) << "nothing is known";
  const base::UniqueFd fd(OpenLease(path_.c_str()));
  ASSERT_EQ(WriteLease(fd.get(), {400, 900}), 0);
  EXPECT_EQ(RenewedUntil(path_.c_str(), 500), 900);
  EXPECT_EQ(RenewedUntil(path_.c_str(), 400), 900);
  EXPECT_EQ(RenewedUntil(path_.c_str(), 399), 399) << "this is another lease";
  EXPECT_EQ(RenewedUntil(path_.c_str(), 950), 900) << "berthd wants shorter ones";
  ASSERT_EQ(WriteLease(fd.get(), {}), 0);
  EXPECT_EQ(RenewedUntil(path_.c_str(), 500), 500);
}

TEST_F(LeaseFileTest, IsReadWholeWhileItIsWritten) {
  constexpr Lease kOne = {0x1111'1111'1111'1111, 0x1111'1111'1111'1111};
  constexpr Lease kOther = {0x2222'2222'2222'2222, 0x2222'2222'2222'2222};
  const base::UniqueFd fd(OpenLease(path_.c_str()));
  ASSERT_EQ(WriteLease(fd.get(), kOne), 0);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    while (!done) {
      WriteLease(fd.get(), kOther);
      WriteLease(fd.get(), kOne);
    }
  });
  for (int i = 0; i < 20'000; ++i) {
    const Lease read = Read();
    EXPECT_TRUE(read == kOne || read == kOther) << read.since_ms << " " << read.until_ms;
  }
  done = true;
  writer.join();
}

}  // namespace
}  // namespace berth::shim
