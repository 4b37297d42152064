#include "base/service_notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace berth::base {
namespace {

class ServiceNotifyTest : public ::testing::Test {
 protected:
  ~ServiceNotifyTest() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }
};

TEST_F(ServiceNotifyTest, DoesNothingWhenNobodyWaits) {
  unsetenv("NOTIFY_SOCKET");
  EXPECT_TRUE(NotifyServiceManager("READY=1").ok());
}

TEST_F(ServiceNotifyTest, SendsOneDatagramWithTheState) {
  const berth::testing::TempDir dir;
  const std::string path = dir.path() + "/notify";
  const UniqueFd receiver(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  ASSERT_EQ(bind(receiver.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  setenv("NOTIFY_SOCKET", path.c_str(), 1);
  ASSERT_TRUE(NotifyServiceManager("READY=1").ok());
  std::array<char, 64> buffer{};
  const ssize_t got = recv(receiver.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  ASSERT_GT(got, 0);
  EXPECT_EQ(std::string(buffer.data(), static_cast<size_t>(got)), "READY=1");
}

TEST_F(ServiceNotifyTest, ReachesAnAbstractSocket) {
  const std::string name = "@berth-notify-" + std::to_string(getpid());
  const UniqueFd receiver(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data() + 1, name.size() - 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  ASSERT_EQ(bind(receiver.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  setenv("NOTIFY_SOCKET", name.c_str(), 1);
  ASSERT_TRUE(NotifyServiceManager("STOPPING=1").ok());
  std::array<char, 64> buffer{};
  EXPECT_EQ(recv(receiver.get(), buffer.data(), buffer.size(), MSG_DONTWAIT), 10);
}

TEST_F(ServiceNotifyTest, KnowsHowOftenItIsToSayThatItIsWell) {
  setenv("WATCHDOG_USEC", "120000000", 1);
  EXPECT_FALSE(WatchdogMs().has_value()) << "nobody listens";
  setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
  EXPECT_EQ(WatchdogMs(), 120'000);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  EXPECT_EQ(WatchdogMs(), 120'000);
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(WatchdogMs().has_value()) << "it is meant for another process";
  unsetenv("WATCHDOG_PID");
  setenv("WATCHDOG_USEC", "soon", 1);
  EXPECT_FALSE(WatchdogMs().has_value());
}

TEST_F(ServiceNotifyTest, SaysWhichSocketDidNotTakeIt) {
  setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
  const auto status = NotifyServiceManager("READY=1");
  EXPECT_FALSE(status.ok());
  EXPECT_NE(std::string(status.message()).find("/nonexistent/notify"), std::string::npos);
}

}  // namespace
}  // namespace berth::base
