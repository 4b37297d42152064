#include "agentd/channels/channel_hub.h"

#include <grpcpp/channel.h>
#include <pthread.h>

#include <string>
#include <utility>

namespace berth::agentd {
namespace {

// Says why a channel is not served.
class RefusingServer final : public ChannelServer {
 public:
  RefusingServer(DataCall& call, std::string why) : call_(call), why_(std::move(why)) {}

  void Begin() override {}
  void OnRoom() override { call_.Fail(why_, v1::REASON_CODE_INBOX_FULL); }
  void OnFrame(v1::DataFromDaemon) override {}
  void OnGone() override {}
  [[nodiscard]] bool done() const override { return true; }

 private:
  DataCall& call_;
  const std::string why_;
};

}  // namespace

ChannelHub::ChannelHub(const base::Clock& clock, std::shared_ptr<grpc::Channel> channel,
                       size_t most_served)
    : clock_(clock), channel_(std::move(channel)), most_served_(most_served), loop_(clock) {}

ChannelHub::~ChannelHub() { Stop(); }

void ChannelHub::Open(std::string token, Maker make) {
  if (!thread_.joinable()) {
    thread_ = std::thread([this] { loop_.Run(); });
    pthread_setname_np(thread_.native_handle(), "channels");
  }
  loop_.Post([this, token = std::move(token), make = std::move(make)]() mutable {
    const uint64_t id = next_id_++;
    const DataCall::Surroundings around{
        loop_, clock_,
        [this](uint64_t which, DataCall::Work work) {
          loop_.Post([this, which, work = std::move(work)] {
            const auto call = calls_.find(which);
            if (call != calls_.end()) work(*call->second);
          });
        },
        [this](uint64_t which) { loop_.Post([this, which] { Remove(which); }); }};
    DataCall& call =
        *calls_.emplace(id, std::make_unique<DataCall>(around, id, channel_, std::move(token)))
             .first->second;
    // What is only told why does not count: it is over in a moment, and would else keep others out.
    if (calls_.size() - refused_.size() <= most_served_) {
      call.Begin(make(call));
      return;
    }
    refused_.insert(id);
    call.Begin(std::make_unique<RefusingServer>(
        call, "the node serves " + std::to_string(most_served_) +
                  " commands, consoles, copies, connections and outputs of its tasks, the most at"
                  " once; try again when some have ended"));
  });
}

void ChannelHub::Stop() {
  if (!thread_.joinable()) return;
  // Channels end one after another as gRPC and their servers let go of them; the last one ends the
  // loop.
  loop_.Post([this] {
    loop_.set_end_of_turn([this] {
      if (calls_.empty()) loop_.Stop();
    });
    for (const auto& [id, call] : calls_) call->End();
  });
  thread_.join();
}

void ChannelHub::Post(std::function<void()> work) {
  if (thread_.joinable()) loop_.Post(std::move(work));
}

void ChannelHub::Remove(uint64_t id) {
  calls_.erase(id);
  refused_.erase(id);
}

}  // namespace berth::agentd
