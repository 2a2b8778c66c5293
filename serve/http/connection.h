// One connection of the server: its socket, what has arrived of it, and the events that wait to be
// written.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "serve/http/event_hub.h"
#include "serve/http/input_buffer.h"
#include "serve/http/transport.h"

namespace stemsmith {

// How much of events waits for one client at most, after which it is given up.
inline constexpr std::size_t kMostEventBytes = 64 << 10;

// What belongs to a connection. All on the network's thread.
struct HttpConnection : EventListener {
  // How fast a body goes, of the time that its client is waited for.
  struct Pace {
    std::int64_t bytes = 0;
    std::chrono::steady_clock::duration waited{0};
  };

  HttpConnection(boost::asio::ip::tcp::socket from, const TlsContext* tls)
      : socket(std::move(from)), transport(socket.native_handle(), tls) {}

  void Deliver(const std::shared_ptr<const std::string>& text) override;
  void Add(const std::shared_ptr<const std::string>& text);
  // Writes what waits, until the client must read first.
  void Pump();
  // Whatever waits for it ends.
  void Close();

  boost::asio::ip::tcp::socket socket;
  Transport transport;
  std::weak_ptr<HttpConnection> self;
  std::string remote;
  InputBuffer in;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  bool expired = false, gone = false, idle = false, refused = false;
  Pace pace;
  // Of event streams:
  std::shared_ptr<EventChannel> channel;
  std::uint64_t events_since = 0;
  std::deque<std::shared_ptr<const std::string>> waiting;
  std::size_t waiting_bytes = 0, most_waiting_bytes = kMostEventBytes, written = 0;
  bool pumping = false;
  std::chrono::steady_clock::time_point last_event{};
  std::atomic<std::int64_t>* sent = nullptr;
};

}  // namespace stemsmith
