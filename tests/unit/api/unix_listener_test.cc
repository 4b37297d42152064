#include "api/unix_listener.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "base/strings.h"
#include "tests/support/temp_dir.h"

namespace berth::api {
namespace {

using ::testing::HasSubstr;

sockaddr_un Address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

base::UniqueFd Connect(const std::string& path) {
  base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = Address(path);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    fd.reset();
  }
  return fd;
}

class UnixListenerTest : public ::testing::Test {
 protected:
  std::string ErrorOf(const UnixListenerOptions& options) {
    const auto listener = UnixListener::Open(options);
    EXPECT_FALSE(listener.ok());
    return base::S(listener.status().message());
  }
  bool Exists(const std::string& path) { return std::filesystem::exists(path); }

  testing::TempDir folder_;
  const std::string path_ = folder_.path() + "/d.sock";
};

TEST_F(UnixListenerTest, HandsOverConnectionsWithTheirCredentials) {
  auto listener = UnixListener::Open({.path = path_});
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::promise<PeerCredentials> peer;
  std::promise<bool> blocks;
  (*listener)->Start([&](base::UniqueFd fd, const PeerCredentials& credentials) {
    blocks.set_value((::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) == 0);
    peer.set_value(credentials);
  });
  const base::UniqueFd client = Connect(path_);
  ASSERT_TRUE(client.valid());
  const PeerCredentials credentials = peer.get_future().get();
  EXPECT_EQ(credentials.uid, ::getuid());
  EXPECT_EQ(credentials.gid, ::getgid());
  EXPECT_FALSE(blocks.get_future().get());
}

TEST_F(UnixListenerTest, TheSocketHasTheModeAskedFor) {
  const auto listener = UnixListener::Open({.path = path_, .mode = 0624});
  ASSERT_TRUE(listener.ok());
  EXPECT_EQ(static_cast<unsigned>(std::filesystem::status(path_).permissions()), 0624u);
}

TEST_F(UnixListenerTest, StoppingRemovesTheSocket) {
  auto listener = UnixListener::Open({.path = path_});
  ASSERT_TRUE(listener.ok());
  (*listener)->Start([](base::UniqueFd, const PeerCredentials&) {});
  (*listener)->Stop();
  EXPECT_FALSE(Exists(path_));
  EXPECT_FALSE(Connect(path_).valid());
  EXPECT_TRUE(UnixListener::Open({.path = path_}).ok());
}

TEST_F(UnixListenerTest, ASocketThatADeadDaemonLeftIsReplaced) {
  {
    const base::UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    const sockaddr_un address = Address(path_);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(::listen(dead.get(), 1), 0);
  }
  ASSERT_TRUE(Exists(path_));
  const auto listener = UnixListener::Open({.path = path_});
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(Connect(path_).valid());
}

TEST_F(UnixListenerTest, ALivingDaemonIsNotReplaced) {
  const auto first = UnixListener::Open({.path = path_});
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(ErrorOf({.path = path_}),
            "socket " + path_ +
                ": another berthd is listening there; stop it, or set another socket in "
                "berthd.yaml");
  EXPECT_TRUE(Connect(path_).valid());
}

TEST_F(UnixListenerTest, AnotherProgramsSocketIsNotReplaced) {
  const base::UniqueFd living(::socket(AF_UNIX, SOCK_STREAM, 0));
  const sockaddr_un address = Address(path_);
  ASSERT_EQ(::bind(living.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(living.get(), 1), 0);
  EXPECT_THAT(ErrorOf({.path = path_}), HasSubstr("another process is listening there"));
  EXPECT_TRUE(Connect(path_).valid());
}

TEST_F(UnixListenerTest, AFileInTheWayIsLeftAlone) {
  std::ofstream(path_) << "precious";
  EXPECT_THAT(ErrorOf({.path = path_}), HasSubstr("something that is not a socket is in the way"));
  EXPECT_EQ(std::filesystem::file_size(path_), 8u);
}

TEST_F(UnixListenerTest, AFolderThatIsNotThereIsNamed) {
  const std::string missing = folder_.path() + "/no/d.sock";
  EXPECT_EQ(ErrorOf({.path = missing}),
            "socket " + missing + ": the folder " + folder_.path() +
                "/no does not exist; make it, or set another socket in berthd.yaml");
}

TEST_F(UnixListenerTest, AGroupThatIsNotThereLeavesNothingBehind) {
  EXPECT_THAT(ErrorOf({.path = path_, .group = "no-such-group"}),
              HasSubstr("there is no group \"no-such-group\""));
  EXPECT_FALSE(Exists(path_));
  EXPECT_FALSE(Exists(path_ + ".new"));
}

TEST_F(UnixListenerTest, APathThatIsTooLongIsRefused) {
  const std::string path = folder_.path() + "/" + std::string(120, 'x');
  EXPECT_THAT(ErrorOf({.path = path}), HasSubstr("a path of 1 to 103 bytes is needed"));
  EXPECT_THAT(ErrorOf({.path = ""}), HasSubstr("a path of 1 to 103 bytes is needed"));
}

TEST_F(UnixListenerTest, GoesOnAfterRunningOutOfDescriptors) {
  auto listener = UnixListener::Open({.path = path_});
  ASSERT_TRUE(listener.ok());
  std::promise<void> accepted;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const base::UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  {
    // No number above that of the client's may be given.
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(client.get()) + 1;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    (*listener)->Start([&](base::UniqueFd, const PeerCredentials&) { accepted.set_value(); });
    const sockaddr_un address = Address(path_);
    const int connected =
        ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    std::future<void> done = accepted.get_future();
    const auto early = done.wait_for(std::chrono::milliseconds(20));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_EQ(connected, 0);
    EXPECT_EQ(early, std::future_status::timeout);
    done.wait();
  }
}

}  // namespace
}  // namespace berth::api
