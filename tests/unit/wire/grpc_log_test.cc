#include "wire/grpc_log.h"

#include <gmock/gmock.h>
#include <grpc/support/log.h>
#include <gtest/gtest.h>

#include "base/logging.h"

namespace berth::wire {
namespace {

TEST(GrpcLogTest, ErrorsAreLinesOfTheProcesssLogAndNoiseIsNot) {
  base::InitLogging({.format = base::LogFormat::kJson, .component = "berthd"});
  RouteGrpcLog();
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_INFO);
  ::testing::internal::CaptureStderr();
  gpr_log_message("core/server.cc", 7, GPR_LOG_SEVERITY_ERROR, "no \"address\" added");
  gpr_log_message("core/server.cc", 8, GPR_LOG_SEVERITY_INFO, "a subchannel");
  const std::string log = ::testing::internal::GetCapturedStderr();
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
  base::InitLogging({});
  EXPECT_THAT(log, ::testing::HasSubstr(R"(no \"address\" added)"));
  EXPECT_THAT(log, ::testing::HasSubstr("warn"));
  EXPECT_THAT(log, ::testing::HasSubstr("berthd"));
  EXPECT_THAT(log, ::testing::Not(::testing::HasSubstr("subchannel")));
  EXPECT_EQ(log.find('\n'), log.size() - 1) << log;
}

}  // namespace
}  // namespace berth::wire
