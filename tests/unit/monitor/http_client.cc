#include "tests/unit/monitor/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "base/check.h"

namespace berth::monitor {

base::UniqueFd Connect(uint16_t port) {
  base::UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  BERTH_CHECK(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0)
      << "cannot connect to port " << port;
  return socket;
}

std::string ReadToEnd(int socket) {
  std::string all;
  char buffer[4096];
  while (true) {
    const ssize_t count = ::read(socket, buffer, sizeof buffer);
    if (count <= 0) return all;
    all.append(buffer, static_cast<size_t>(count));
  }
}

HttpAnswer Ask(uint16_t port, const std::string& request) {
  const base::UniqueFd socket = Connect(port);
  BERTH_CHECK(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(request.size()));
  const std::string all = ReadToEnd(socket.get());
  const size_t blank = all.find("\r\n\r\n");
  HttpAnswer answer;
  answer.head = all.substr(0, blank);
  if (blank != std::string::npos) answer.body = all.substr(blank + 4);
  const size_t space = answer.head.find(' ');
  if (space != std::string::npos) answer.status = std::atoi(answer.head.c_str() + space);
  return answer;
}

HttpAnswer Get(uint16_t port, const std::string& target) {
  return Ask(port, "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

}  // namespace berth::monitor
