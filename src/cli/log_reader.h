#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "cli/client.h"
#include "cli/log_merger.h"
#include "cli/process.h"

namespace berth::cli {

// Why the beginning of an output may be gone.
inline constexpr char kNodeKeeps[] = "a node keeps only the last 64 to 128 MiB of each stream";

// Reads what one task wrote. What is not there any more is said in words, among what is.
//
// Threading: Read() on one thread, Cancel() from any. Several may share a Client.
class LogReader {
 public:
  // Takes a piece, and waits until there is room for more. False: nobody wants the rest.
  using Taker = std::function<bool(LogPiece piece)>;

  // `clock` outlives it.
  LogReader(Client& client, const base::Clock& clock, Taker take)
      : client_(client), clock_(clock), take_(std::move(take)) {}

  // Reads to the end. While it follows, a berthd that goes away is waited for, for a minute, and
  // nothing is given twice. REQUIRES: to follow, berthd has been reached before.
  absl::Status Read(v1::LogsRequest request);
  // Ends Read() soon.
  void Cancel();

 private:
  struct Stream {
    int64_t next = 0;   // position wanted
    int64_t seen = 0;   // bytes that came
    int64_t first = 0;  // where the first of them was
    bool kept = false;  // berthd had kept them
  };

  absl::Status ReadLeg(const v1::LogsRequest& request);
  bool Take(v1::LogsResponse& response);
  bool TellOfGap(const v1::LogsResponse& response);
  void TellOfShortTail(const v1::LogsRequest& request);
  void TellWhyNothingCame(const v1::LogsRequest& request);
  bool Tell(bool is_stderr, std::string what);

  Client& client_;
  const base::Clock& clock_;
  const Taker take_;
  bool heard_ = false;  // this leg has brought something from the node
  bool over_ = false;   // nobody wants the rest
  bool wants_tail_ = false;
  std::array<Stream, 2> streams_;

  base::Mutex mutex_;
  bool cancelled_ BERTH_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* context_ BERTH_GUARDED_BY(mutex_) = nullptr;  // of the leg under way
};

}  // namespace berth::cli
