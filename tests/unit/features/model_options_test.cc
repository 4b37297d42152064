#include "features/model_options.h"

#include <gtest/gtest.h>

#include "tests/support/status_text.h"

namespace berth::features {
namespace {

using testing::Text;

ModelOptions WithEndpoint(const ModelEndpoint& endpoint) {
  ModelOptions options;
  options.endpoints = {endpoint};
  return options;
}

ModelEndpoint Local() { return {.name = "local", .url = "http://127.0.0.1:8080", .model = "m"}; }

TEST(ModelOptionsTest, DefaultsAndNoEndpointsAreWell) {
  EXPECT_EQ(Text(CheckModelOptions({})), "OK");
  EXPECT_EQ(Text(CheckModelOptions(WithEndpoint(Local()))), "OK");
}

TEST(ModelOptionsTest, AKeyDoesNotGoInTheClearToOthers) {
  ModelEndpoint endpoint = Local();
  endpoint.key_env = "KEY";
  EXPECT_EQ(Text(CheckModelOptions(WithEndpoint(endpoint))), "OK") << "this machine";
  for (const char* url :
       {"http://10.0.0.1:8000", "http://127.0.0.1.evil.example/", "http://example.org/v1"}) {
    endpoint.url = url;
    EXPECT_EQ(Text(CheckModelOptions(WithEndpoint(endpoint))),
              "INVALID_ARGUMENT: endpoints[0].url: its key would be sent in the clear; use "
              "https://, or set keyOverPlainHttp where the network is your own")
        << url;
  }
  endpoint.key_over_plain_http = true;
  EXPECT_EQ(Text(CheckModelOptions(WithEndpoint(endpoint))), "OK");
  endpoint.key_over_plain_http = false;
  endpoint.url = "https://example.org";
  EXPECT_EQ(Text(CheckModelOptions(WithEndpoint(endpoint))), "OK");
}

TEST(ModelOptionsTest, NamesTheSettingThatCannotBe) {
  const auto refused = [](auto change) {
    ModelEndpoint endpoint = Local();
    change(endpoint);
    return Text(CheckModelOptions(WithEndpoint(endpoint)));
  };
  EXPECT_EQ(refused([](ModelEndpoint& e) { e.url = "ftp://x"; }),
            "INVALID_ARGUMENT: endpoints[0].url: must begin with https:// or http://, such as "
            "http://127.0.0.1:8000");
  EXPECT_EQ(refused([](ModelEndpoint& e) { e.url = "https://u:p@x"; }),
            "INVALID_ARGUMENT: endpoints[0].url: must not hold a user or password; give a key by "
            "keyFile or keyEnv");
  EXPECT_EQ(refused([](ModelEndpoint& e) { e.url = "https://x?y"; }),
            "INVALID_ARGUMENT: endpoints[0].url: must be a host, a port and a path, and no more");
  EXPECT_EQ(refused([](ModelEndpoint& e) { e.model = ""; }),
            "INVALID_ARGUMENT: endpoints[0].model: must be the name by which the server knows the "
            "model");
  EXPECT_EQ(refused([](ModelEndpoint& e) { e.concurrency = 0; }),
            "INVALID_ARGUMENT: endpoints[0].concurrency: must be from 1 to 64, and is 0");
  EXPECT_EQ(refused([](ModelEndpoint& e) { e.budget.micros = 1; }),
            "INVALID_ARGUMENT: endpoints[0].budget: money is limited, and no price is known; set "
            "the prices of tokens");
  EXPECT_EQ(refused([](ModelEndpoint& e) { e.key_env = e.key_file = "x"; }),
            "INVALID_ARGUMENT: endpoints[0]: has keyFile and keyEnv; leave one out");
  ModelOptions twice;
  twice.endpoints = {Local(), Local()};
  EXPECT_EQ(Text(CheckModelOptions(twice)),
            "INVALID_ARGUMENT: endpoints[1].name: another endpoint has it already");
  ModelOptions options;
  options.queue = 0;
  EXPECT_EQ(Text(CheckModelOptions(options)),
            "INVALID_ARGUMENT: queue: must be from 1 to 100000, and is 0");
}

}  // namespace
}  // namespace berth::features
