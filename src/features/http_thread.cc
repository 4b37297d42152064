#include "features/http_thread.h"

#include <curl/curl.h>
#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <string_view>

#include "absl/strings/ascii.h"
#include "base/check.h"
#include "base/strings.h"

namespace berth::features {
namespace {

constexpr int kLongestPollMs = 60'000;

void* NewMulti() {
  static std::once_flag once;
  std::call_once(once, [] {
    BERTH_CHECK(::curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) << "libcurl does not start";
  });
  CURLM* const multi = ::curl_multi_init();
  BERTH_CHECK(multi != nullptr) << "libcurl has no memory";
  return multi;
}

ModelFailure FailureOfTransport(CURLcode code) {
  switch (code) {
    case CURLE_OK:
      return ModelFailure::kNone;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_PROXY:
      return ModelFailure::kUnreachable;
    case CURLE_OPERATION_TIMEDOUT:
      return ModelFailure::kTimeout;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
      return ModelFailure::kTls;
    case CURLE_WRITE_ERROR:  // ours alone: the body has grown beyond its limit
      return ModelFailure::kResponseTooLarge;
    default:
      return ModelFailure::kReset;
  }
}

}  // namespace

// A request under way.
struct HttpThread::Transfer {
  Transfer(Request request, Done when_done)
      : asked(std::move(request)), done(std::move(when_done)) {
    for (const std::string& header : asked.headers) {
      curl_slist* const longer = ::curl_slist_append(headers, header.c_str());
      BERTH_CHECK(longer != nullptr) << "libcurl has no memory";
      headers = longer;
    }
    easy = ::curl_easy_init();
    BERTH_CHECK(easy != nullptr) << "libcurl has no memory";
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    ::curl_easy_cleanup(easy);
    ::curl_slist_free_all(headers);
  }

  template <typename T>
  void Set(CURLoption option, T value) {
    const CURLcode code = ::curl_easy_setopt(easy, option, value);
    BERTH_CHECK(code == CURLE_OK) << "libcurl: option " << static_cast<int>(option) << ": "
                                  << ::curl_easy_strerror(code);
  }

  void Prepare() {
    Set(CURLOPT_ERRORBUFFER, error);
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_URL, asked.url.c_str());
    Set(CURLOPT_POST, 1L);
    Set(CURLOPT_POSTFIELDS, asked.body.c_str());
    Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(asked.body.size()));
    Set(CURLOPT_HTTPHEADER, headers);
    Set(CURLOPT_PROTOCOLS_STR, "http,https");
    Set(CURLOPT_FOLLOWLOCATION, 0L);
    Set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    // Set, even to nothing: libcurl then does not look at the environment.
    Set(CURLOPT_PROXY, asked.proxy.c_str());
    Set(CURLOPT_SSL_VERIFYPEER, 1L);
    Set(CURLOPT_SSL_VERIFYHOST, 2L);
    if (!asked.ca_file.empty()) {
      Set(CURLOPT_CAINFO, asked.ca_file.c_str());
      Set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
    Set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(asked.connect_timeout_ms));
    Set(CURLOPT_TIMEOUT_MS, static_cast<long>(asked.timeout_ms));
    // A name server that does not answer must not hold the end of the program.
    Set(CURLOPT_QUICK_EXIT, 1L);
    Set(CURLOPT_WRITEFUNCTION, &Transfer::TakeBody);
    Set(CURLOPT_WRITEDATA, this);
    Set(CURLOPT_HEADERFUNCTION, &Transfer::TakeHeader);
    Set(CURLOPT_HEADERDATA, this);
    Set(CURLOPT_USERAGENT, "berth");
  }

  static size_t TakeBody(char* data, size_t size, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const size_t bytes = size * count;
    if (transfer.reply.body.size() + bytes > transfer.asked.most_bytes) return 0;
    transfer.reply.body.append(data, bytes);
    return bytes;
  }

  static size_t TakeHeader(char* data, size_t size, size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::string_view line(data, size * count);
    constexpr std::string_view kName = "retry-after:";
    if (line.size() > kName.size() &&
        absl::AsciiStrToLower(base::A(line.substr(0, kName.size()))) == kName) {
      const absl::string_view value = base::A(line.substr(kName.size()));
      transfer.reply.retry_after = base::S(absl::StripAsciiWhitespace(value));
    }
    return line.size();
  }

  const Request asked;
  Done done;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  HttpReply reply;
  char error[CURL_ERROR_SIZE] = "";
};

HttpThread::HttpThread(std::string name, const base::Clock& clock)
    : clock_(clock), multi_(NewMulti()), thread_([this, name = std::move(name)] { Run(name); }) {}

HttpThread::~HttpThread() {
  Stop();
  for (const auto& [easy, transfer] : transfers_) ::curl_multi_remove_handle(multi_, easy);
  transfers_.clear();
  ::curl_multi_cleanup(multi_);
}

void HttpThread::Post(Work work) {
  {
    base::MutexLock lock(mutex_);
    if (stopping_) return;
    posted_.push_back(std::move(work));
  }
  ::curl_multi_wakeup(multi_);
}

void HttpThread::RunAt(int64_t at_ms, Work work) {
  later_.emplace(std::pair(at_ms, next_later_++), std::move(work));
}

void HttpThread::Fetch(Request request, Done done) {
  auto transfer = std::make_unique<Transfer>(std::move(request), std::move(done));
  transfer->Prepare();
  void* const easy = transfer->easy;
  transfers_.emplace(easy, std::move(transfer));
  BERTH_CHECK(::curl_multi_add_handle(multi_, easy) == CURLM_OK) << "libcurl takes no request";
}

void HttpThread::Stop() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
  }
  ::curl_multi_wakeup(multi_);
  base::MutexLock lock(join_mutex_);
  if (thread_.joinable()) thread_.join();
}

void HttpThread::Run(const std::string& name) {
  ::pthread_setname_np(::pthread_self(), name.substr(0, 15).c_str());
  while (RunPosted()) {
    RunDue();
    int running = 0;
    ::curl_multi_perform(multi_, &running);
    Reap();
    ::curl_multi_poll(multi_, nullptr, 0, PollMs(), nullptr);
  }
}

// False: that was the last.
bool HttpThread::RunPosted() {
  std::vector<Work> posted;
  bool last = false;
  {
    base::MutexLock lock(mutex_);
    posted.swap(posted_);
    last = stopping_;
  }
  for (Work& work : posted) work();
  return !last;
}

void HttpThread::RunDue() {
  const int64_t now = clock_.MonotonicMs();
  while (!later_.empty() && later_.begin()->first.first <= now) {
    const Work work = std::move(later_.begin()->second);
    later_.erase(later_.begin());
    work();
  }
}

void HttpThread::Reap() {
  int left = 0;
  while (const CURLMsg* const message = ::curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const CURLcode code = message->data.result;
    const auto found = transfers_.find(easy);
    const std::unique_ptr<Transfer> transfer = std::move(found->second);
    transfers_.erase(found);
    ::curl_multi_remove_handle(multi_, easy);
    Outcome outcome{.failure = FailureOfTransport(code), .reply = std::move(transfer->reply)};
    long status = 0;
    curl_off_t sent = 0;
    ::curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    ::curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    outcome.reply.status = static_cast<int>(status);
    outcome.was_sent = sent > 0;
    if (code != CURLE_OK) {
      outcome.detail = transfer->error[0] != '\0' ? transfer->error : ::curl_easy_strerror(code);
    }
    transfer->done(std::move(outcome));
  }
}

int HttpThread::PollMs() const {
  int64_t wait = kLongestPollMs;
  if (!later_.empty()) wait = std::min(wait, later_.begin()->first.first - clock_.MonotonicMs());
  return static_cast<int>(std::max<int64_t>(wait, 0));
}

}  // namespace berth::features
