#include "api/server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <filesystem>
#include <future>
#include <thread>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "tests/unit/api/server_harness.h"

namespace berth::api {
namespace {

using ::testing::HasSubstr;

int Connect(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  return fd;
}

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

class ApiServerTest : public ServerTest {
 protected:
  ApiServerTest() {
    On<state::GetJob>([](const state::Command&, const state::GetJob& get) {
      scheduler::JobReply reply;
      reply.job = TestJob(get.job.value, 1);
      return Ok(reply);
    });
  }
  absl::Status TryStart(const ServerOptions& options) {
    return Server::Start(options,
                         {.loop = loop_,
                          .authorizer = authorizer_,
                          .data = outputs_,
                          .blobs = [this](const std::string& hash) { return BlobOf(hash); },
                          .admin = {},
                          .services = {}})
        .status();
  }
  static grpc::Status GetJob(v1::JobService::Stub& stub, grpc::ClientContext& context) {
    v1::GetJobRequest request;
    request.set_job_id("1");
    v1::GetJobResponse response;
    return stub.GetJob(&context, request, &response);
  }
  // What grpc.health.v1 answers: 1 SERVING, 2 NOT_SERVING. The messages have one field each.
  int Health() {
    grpc::GenericStub stub(unix_);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    const grpc::Slice empty;
    const grpc::ByteBuffer request(&empty, 1);
    grpc::ByteBuffer response;
    grpc::Status status;
    auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    queue.Shutdown();
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<grpc::Slice> slices;
    EXPECT_TRUE(response.Dump(&slices).ok());
    // Field 1, a varint.
    return slices.size() == 1 && slices[0].size() == 2 ? slices[0].begin()[1] : 0;
  }
};

TEST_F(ApiServerTest, HealthFollowsWhatItIsTold) {
  Start();
  EXPECT_EQ(Health(), 2);
  server_->SetHealthy(true);
  EXPECT_EQ(Health(), 1);
  server_->SetHealthy(false);
  EXPECT_EQ(Health(), 2);
}

TEST_F(ApiServerTest, ReflectionIsServed) {
  Start();
  grpc::GenericStub stub(unix_);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  ASSERT_TRUE(ok);
  // list_services = 7, a string: "*".
  const grpc::Slice slice("\x3a\x01*");
  call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  queue.Next(&tag, &ok);
  ASSERT_TRUE(ok);
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  queue.Next(&tag, &ok);
  ASSERT_TRUE(ok);
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(response.Dump(&slices).ok());
  std::string text;
  for (const grpc::Slice& s : slices) text.append(s.begin(), s.end());
  EXPECT_THAT(text, HasSubstr("berth.v1.JobService"));
  EXPECT_THAT(text, HasSubstr("berth.v1.NodeService"));
  EXPECT_THAT(text, HasSubstr("berth.v1.AdminService"));
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  queue.Shutdown();
}

TEST_F(ApiServerTest, OnlyLoopbackIsListenedOnWithoutTls) {
  for (const char* address : {"0.0.0.0:0", "10.1.2.3:0", "[::]:0", "192.168.1.1:7460"}) {
    options_.insecure_listen = address;
    const absl::Status status = TryStart(options_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(base::S(status.message()), HasSubstr("only a loopback address")) << address;
  }
  for (const char* address : {"localhost", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                              "example.org:1", ":1", "127.0.0.1:-1"}) {
    options_.insecure_listen = address;
    EXPECT_EQ(TryStart(options_).code(), absl::StatusCode::kInvalidArgument) << address;
  }
  EXPECT_FALSE(std::filesystem::exists(options_.socket.path));
}

TEST_F(ApiServerTest, APortInUseIsNamed) {
  Start();
  ServerOptions other = options_;
  other.socket.path = folder_.path() + "/other.sock";
  other.insecure_listen = server_->tcp_address();
  const absl::Status status = TryStart(other);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(base::S(status.message()),
            "listen " + other.insecure_listen +
                ": Address already in use; stop what listens there, or set another port in "
                "berthd.yaml");
  EXPECT_FALSE(std::filesystem::exists(other.socket.path));
}

TEST_F(ApiServerTest, ASocketInUseIsNamedAndTheFirstServesOn) {
  Start();
  EXPECT_EQ(TryStart(options_).code(), absl::StatusCode::kFailedPrecondition);
  grpc::ClientContext context;
  EXPECT_TRUE(GetJob(*jobs_, context).ok());
}

TEST_F(ApiServerTest, CallersOfAnotherUserAreThatUser) {
  if (::getuid() != 0) GTEST_SKIP() << "takes root, to call as somebody else";
  Start();
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(options_.socket.path.c_str(), 0666), 0);
  int fd = -1;
  // The system call changes this thread alone; the kernel notes whose connect() it was.
  std::thread([&] {
    ASSERT_EQ(::syscall(SYS_setresuid, -1, 4242, -1), 0);
    fd = Connect(options_.socket.path);
    ASSERT_EQ(::syscall(SYS_setresuid, -1, 0, -1), 0);
  }).join();
  const auto channel = grpc::CreateInsecureChannelFromFd("berthd", fd);
  const auto jobs = v1::JobService::NewStub(channel);
  grpc::ClientContext context;
  ASSERT_TRUE(GetJob(*jobs, context).ok());
  const state::Principal principal = loop_.taken().at(0).principal;
  EXPECT_EQ(principal.name, "uid:4242");
  EXPECT_TRUE(principal.verified);
  EXPECT_FALSE(principal.is_operator);
  EXPECT_FALSE(principal.MaySee("bob"));
}

// What the authoriser builds on: a descriptor's number does not come again while a call of its
// connection lives, though the client is long gone.
TEST_F(ApiServerTest, AConnectionsDescriptorStaysWhileACallOfItLives) {
  Start();
  {
    grpc::ClientContext context;
    ASSERT_TRUE(GetJob(*jobs_, context).ok());  // what is set up once is set up
  }
  loop_.Hold();
  const size_t before = OpenDescriptors();
  {
    auto channel = grpc::CreateInsecureChannelFromFd("berthd", Connect(options_.socket.path));
    auto jobs = v1::JobService::NewStub(channel);
    grpc::ClientContext context;
    auto call = std::async(std::launch::async, [&] { return GetJob(*jobs, context); });
    loop_.AwaitTaken(2);
    context.TryCancel();
    EXPECT_EQ(call.get().error_code(), grpc::StatusCode::CANCELLED);
  }
  // The client's end goes; the server's must not, as long as the loop has not answered.
  while (OpenDescriptors() > before + 1) std::this_thread::yield();
  for (int i = 0; i < 20; ++i) {
    const base::UniqueFd other(Connect(options_.socket.path));
    while (OpenDescriptors() < before + 3) std::this_thread::yield();  // accepted
  }
  EXPECT_GE(OpenDescriptors(), before + 1);
  loop_.LetGo();
  while (OpenDescriptors() > before) std::this_thread::yield();
}

TEST_F(ApiServerTest, StoppingWaitsForCallsUnderWay) {
  Start();
  loop_.Hold();
  grpc::ClientContext context;
  auto call = std::async(std::launch::async, [&] { return GetJob(*jobs_, context); });
  loop_.AwaitTaken(1);
  std::thread stopper([&] { server_->Stop(std::chrono::seconds(60)); });
  while (std::filesystem::exists(options_.socket.path)) std::this_thread::yield();
  loop_.LetGo();
  EXPECT_TRUE(call.get().ok());
  stopper.join();
}

TEST_F(ApiServerTest, ConnectionsThatSayNothingOrNonsenseHarmNobody) {
  Start();
  std::vector<base::UniqueFd> silent;
  for (int i = 0; i < 50; ++i) {
    silent.emplace_back(Connect(options_.socket.path));
    const std::string nonsense(1000, static_cast<char>(i * 5));
    [[maybe_unused]] const ssize_t written =
        i % 2 == 0 ? 0 : ::write(silent.back().get(), nonsense.data(), nonsense.size());
  }
  grpc::ClientContext context;
  EXPECT_TRUE(GetJob(*jobs_, context).ok());
}

}  // namespace
}  // namespace berth::api
