#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "features/chat_wire.h"
#include "features/model_failure.h"

namespace berth::features {

// One thread that makes HTTP requests, many at a time, and runs what is to be done about them.
//
// TLS certificates are verified; redirects, cookies, .netrc and what the environment says of
// proxies are not followed; a response has a limit. It sleeps while there is nothing to do.
//
// Threading: Post and Stop from any thread, the rest on its own: what it runs need not lock.
// Errors: a request's, as outcomes.
class HttpThread {
 public:
  using Work = std::function<void()>;

  struct Request {
    std::string url;
    std::string body;                  // posted
    std::vector<std::string> headers;  // "Name: value"
    std::string ca_file;
    std::string proxy;
    int64_t connect_timeout_ms = 0;
    int64_t timeout_ms = 0;
    size_t most_bytes = 0;  // of the response's body
  };
  struct Outcome {
    ModelFailure failure = ModelFailure::kNone;  // of the transport
    bool was_sent = false;                       // the server may have begun to work on it
    HttpReply reply;                             // when there is no failure
    std::string detail;                          // of a failure
  };
  using Done = std::function<void(Outcome)>;

  // `clock` outlives it. `name` is shown by ps; at most 15 bytes of it.
  HttpThread(std::string name, const base::Clock& clock);
  HttpThread(const HttpThread&) = delete;
  HttpThread& operator=(const HttpThread&) = delete;
  ~HttpThread();

  // Runs `work` on the thread; after Stop it is destroyed undone.
  void Post(Work work);
  // Not before `at_ms` of the clock. A clock that is moved by hand is looked at after a Post.
  void RunAt(int64_t at_ms, Work work);
  void Fetch(Request request, Done done);

  // Does what was posted before; requests under way and what was to be done later are dropped
  // without a word. Idempotent. REQUIRES: not called on the thread.
  void Stop();

 private:
  struct Transfer;

  void Run(const std::string& name);
  bool RunPosted();
  void RunDue();
  void Reap();
  int PollMs() const;

  const base::Clock& clock_;
  void* const multi_;  // CURLM
  // The thread's own.
  std::map<void*, std::unique_ptr<Transfer>> transfers_;  // by CURL
  std::map<std::pair<int64_t, uint64_t>, Work> later_;
  uint64_t next_later_ = 0;

  base::Mutex mutex_;
  std::vector<Work> posted_ BERTH_GUARDED_BY(mutex_);
  bool stopping_ BERTH_GUARDED_BY(mutex_) = false;

  base::Mutex join_mutex_;
  std::thread thread_;  // last: it uses what is above
};

}  // namespace berth::features
