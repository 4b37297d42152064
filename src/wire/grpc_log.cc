#include "wire/grpc_log.h"

#include <grpc/support/log.h>

#include "base/logging.h"

namespace berth::wire {

void RouteGrpcLog() {
  gpr_set_log_function([](gpr_log_func_args* args) {
    const auto level =
        args->severity == GPR_LOG_SEVERITY_ERROR ? base::LogLevel::kWarn : base::LogLevel::kDebug;
    if (base::LogEnabled(level)) base::WriteLog(level, args->file, args->line, args->message);
  });
}

}  // namespace berth::wire
