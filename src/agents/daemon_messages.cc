#include "agents/daemon_messages.h"

#include "base/build_info.h"
#include "base/logging.h"

namespace berth::agents {
namespace {

// Most bytes of directives in one message; one directive may be larger.
constexpr size_t kBatchBytes = size_t{1} << 20;

void FillHeader(const state::SessionHeader& header, v1::DirectiveHeader& message) {
  message.set_cluster_id(header.cluster_id);
  message.set_generation(header.generation);
  message.set_term(header.term);
  message.set_session(header.session);
  message.set_incarnation(header.incarnation);
}

}  // namespace

void DaemonMessages::Write(const state::WelcomeAgent& effect) {
  v1::DaemonMessage message;
  v1::Welcome& welcome = *message.mutable_welcome();
  welcome.set_cluster_id(effect.header.cluster_id);
  welcome.set_generation(effect.header.generation);
  welcome.set_term(effect.header.term);
  welcome.set_session(effect.header.session);
  welcome.set_heartbeat_interval_ms(effect.heartbeat_interval_ms);
  welcome.set_lease_ms(effect.lease_ms);
  welcome.set_protocol(base::kAgentProtocol);
  welcome.set_fact_sequence(effect.fact_sequence);
  send_(effect.stream, std::move(message));
}

void DaemonMessages::Write(const state::SendDirectives& effect) {
  v1::DaemonMessage message;
  size_t bytes = 0;
  const auto flush = [&] {
    if (message.directives().directives_size() == 0) return;
    FillHeader(effect.header, *message.mutable_directives()->mutable_header());
    send_(effect.stream, std::move(message));
    message = v1::DaemonMessage();
    bytes = 0;
  };
  for (const state::Directive& directive : effect.directives) {
    v1::Directive filled;
    if (auto status = dispatcher_.Fill(directive, filled); !status.ok()) {
      // Its task stays bound: the loop's word was given. A restart refuses the damaged record by
      // name; until then the log says it.
      BERTH_LOG_ERROR("directive {} is not sent: {}", filled.sequence(), status.ToString());
      continue;
    }
    const size_t size = filled.ByteSizeLong();
    if (bytes + size > kBatchBytes) flush();
    bytes += size;
    *message.mutable_directives()->add_directives() = std::move(filled);
  }
  flush();
}

void DaemonMessages::Write(const state::AckFacts& effect) {
  v1::DaemonMessage message;
  message.mutable_fact_ack()->set_sequence(effect.sequence);
  send_(effect.stream, std::move(message));
}

void DaemonMessages::Write(const state::AckHeartbeat& effect) {
  v1::DaemonMessage message;
  message.mutable_heartbeat_ack()->set_sequence(effect.sequence);
  send_(effect.stream, std::move(message));
}

void DaemonMessages::Write(const state::SendPeers& effect) {
  v1::DaemonMessage message;
  message.mutable_peers();
  for (const state::Peer& peer : effect.peers) {
    v1::Peer& added = *message.mutable_peers()->add_peers();
    added.set_node(peer.node);
    added.set_address(peer.address);
  }
  send_(effect.stream, std::move(message));
}

}  // namespace berth::agents
