#include "monitor/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "base/strings.h"
#include "tests/unit/monitor/http_client.h"

namespace berth::monitor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.Handle("/hello", "greets", [](const HttpRequest& request) {
      std::string body = "hello";
      for (const auto& [name, value] : request.parameters) body += " " + name + "=" + value;
      return HttpResponse{.body = body + "\n"};
    });
    server_.Handle("/things/", "", [](const HttpRequest& request) {
      return HttpResponse{.status = 503, .body = request.path};
    });
    const auto port = server_.Start("127.0.0.1:0");
    ASSERT_TRUE(port.ok()) << port.status();
    port_ = *port;
  }

  HttpServer server_;
  uint16_t port_ = 0;
};

TEST_F(HttpServerTest, PortZeroTakesAFreeOneAndSaysWhich) {
  EXPECT_GT(port_, 0);
  const HttpAnswer answer = Get(port_, "/hello");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "hello\n");
  EXPECT_THAT(answer.head, AllOf(HasSubstr("Content-Type: text/plain; charset=utf-8"),
                                 HasSubstr("Connection: close")));
}

TEST_F(HttpServerTest, TheQueryIsDecoded) {
  EXPECT_EQ(Get(port_, "/hello?a=1%202&a=3&b").body, "hello a=1 2 a=3 b=\n");
}

TEST_F(HttpServerTest, AFolderServesAllBelowIt) {
  const HttpAnswer answer = Get(port_, "/things/one");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body, "/things/one");
}

TEST_F(HttpServerTest, AHeadRequestGetsNoBody) {
  const HttpAnswer answer = Ask(port_, "HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.head, HasSubstr("Content-Length: 6"));
  EXPECT_EQ(answer.body, "");
}

TEST_F(HttpServerTest, AnUnknownPathIsToldWhatThereIs) {
  for (const std::string target : {"/", "/metric", "/hello/there", "//", "/thing/one"}) {
    const HttpAnswer answer = Get(port_, target);
    EXPECT_EQ(answer.status, 404) << target;
    EXPECT_THAT(answer.body, HasSubstr("/hello  greets")) << target;
  }
}

TEST_F(HttpServerTest, OtherMethodsAreRefused) {
  const HttpAnswer answer =
      Ask(port_, "POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_EQ(answer.status, 405);
  EXPECT_THAT(answer.head, HasSubstr("Allow: GET, HEAD"));
  EXPECT_THAT(answer.body, HasSubstr("only GET and HEAD"));
}

TEST_F(HttpServerTest, WhatIsNoRequestIsSaidToBeNone) {
  const HttpAnswer answer = Ask(port_, "what?\r\n\r\n");
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("not a request"));
}

TEST_F(HttpServerTest, AnEndlessPathIsRefused) {
  EXPECT_EQ(Get(port_, "/" + std::string(20'000, 'x')).status, 414);
}

TEST_F(HttpServerTest, ManyAskAtOnce) {
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([this] {
      for (int n = 0; n < 20; ++n) EXPECT_EQ(Get(port_, "/hello").body, "hello\n");
    });
  }
  for (std::thread& client : clients) client.join();
}

TEST_F(HttpServerTest, SilentClientsAreHungUpOnAndDoNotShutOthersOut) {
  std::vector<base::UniqueFd> silent;
  for (int i = 0; i < 8; ++i) silent.push_back(Connect(port_));
  EXPECT_EQ(Get(port_, "/hello").body, "hello\n");
  for (const base::UniqueFd& socket : silent) EXPECT_EQ(ReadToEnd(socket.get()), "");
}

TEST_F(HttpServerTest, APortInUseIsNamedWithTheWayOn) {
  const std::string address = "127.0.0.1:" + std::to_string(port_);
  HttpServer second;
  const auto port = second.Start(address);
  EXPECT_TRUE(absl::IsAlreadyExists(port.status())) << port.status();
  EXPECT_THAT(base::S(port.status().message()),
              AllOf(HasSubstr("httpListen " + address), HasSubstr("another program listens there"),
                    HasSubstr("set httpListen to another port")));
  // The first one is not disturbed.
  EXPECT_EQ(Get(port_, "/hello").status, 200);
}

TEST_F(HttpServerTest, AnAddressThatIsNotOursIsRefused) {
  HttpServer other;
  const auto port = other.Start("192.0.2.1:7461");
  EXPECT_TRUE(absl::IsNotFound(port.status())) << port.status();
  EXPECT_THAT(base::S(port.status().message()), HasSubstr("no interface of this machine"));
}

TEST_F(HttpServerTest, ANameThatDoesNotResolveIsRefused) {
  HttpServer other;
  const auto port = other.Start("no-such-host.invalid:7461");
  EXPECT_FALSE(port.ok());
  EXPECT_THAT(base::S(port.status().message()), HasSubstr("httpListen no-such-host.invalid:7461"));
}

TEST_F(HttpServerTest, WhatIsNoAddressIsRefused) {
  for (const std::string address :
       {"", ":", ":80", "localhost", "localhost:", "localhost:x", "localhost:65536", "::1:80",
        "[::1:80", "[]:80", "localhost:80 ", "localhost:-1"}) {
    HttpServer other;
    EXPECT_TRUE(absl::IsInvalidArgument(other.Start(address).status())) << address;
  }
}

TEST_F(HttpServerTest, CanBeStoppedAtAnyMomentAndStartedAnew) {
  for (int i = 0; i < 20; ++i) {
    server_.Stop();
    server_.Stop();
    const auto port = server_.Start("127.0.0.1:" + std::to_string(port_));
    ASSERT_TRUE(port.ok()) << port.status();
    EXPECT_EQ(*port, port_);
  }
  EXPECT_EQ(Get(port_, "/hello").status, 200);
}

TEST(HttpServerStartTest, ServesIPv6) {
  HttpServer server;
  const auto port = server.Start("[::1]:0");
  // A machine without IPv6 says so in the same words as for any other address.
  if (port.ok()) {
    EXPECT_GT(*port, 0);
  } else {
    EXPECT_THAT(base::S(port.status().message()), HasSubstr("httpListen [::1]:0"));
  }
}

}  // namespace
}  // namespace berth::monitor
