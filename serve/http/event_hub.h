// Channels of server-sent events and who listens to them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "serve/http/http.h"

namespace stemsmith {

// An event as it is sent.
std::string EventText(const std::string& event, const std::string& data);

class EventListener {
 public:
  virtual ~EventListener() = default;
  // On the network's thread. All listeners share the text.
  virtual void Deliver(const std::shared_ptr<const std::string>& text) = 0;
};

class EventHub : public std::enable_shared_from_this<EventHub> {
 public:
  // `post` runs a function on the network's thread.
  explicit EventHub(std::function<void(std::function<void()>)> post) : post_(std::move(post)) {}

  std::shared_ptr<EventChannel> MakeChannel();

  // A route that may answer with a stream is at work from Begin() to End(): what is sent meanwhile
  // reaches its listener, too, so that nothing is lost between its look at the state and Connect().
  std::uint64_t Begin();
  void End(std::uint64_t since);

  // On the network's thread. False where too much was sent since. `channel`: of MakeChannel().
  static bool Connect(EventChannel& channel, EventListener& listener, std::uint64_t since);
  static void Disconnect(EventChannel& channel, EventListener& listener);

 private:
  class Channel;

  const std::function<void(std::function<void()>)> post_;
  std::mutex mutex_;  // of all below, and of the channels
  std::uint64_t sent_ = 0;
  std::multiset<std::uint64_t> in_work_;
};

}  // namespace stemsmith
