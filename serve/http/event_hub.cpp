#include "serve/http/event_hub.h"

#include <algorithm>
#include <deque>
#include <vector>

namespace stemsmith {
namespace {

constexpr std::size_t kMostRecentBytes = 64 << 10;

}  // namespace

std::string EventText(const std::string& event, const std::string& data) {
  std::string text;
  if (!event.empty()) {
    text = "event: " + event;
    std::replace_if(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
    text += '\n';
  }
  for (std::size_t begin = 0; begin <= data.size();) {
    const std::size_t end = std::min(data.find_first_of("\r\n", begin), data.size());
    text += "data: " + data.substr(begin, end - begin) + '\n';
    begin = end + (data.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  return text + '\n';
}

class EventHub::Channel : public EventChannel, public std::enable_shared_from_this<Channel> {
 public:
  explicit Channel(std::shared_ptr<EventHub> hub) : hub_(std::move(hub)) {}

  void Send(const std::string& event, const std::string& data) override {
    auto text = std::make_shared<const std::string>(EventText(event, data));
    const std::lock_guard guard(hub_->mutex_);
    const std::uint64_t number = ++hub_->sent_;
    const auto oldest = hub_->in_work_.begin();
    while (!recent_.empty() &&
           (oldest == hub_->in_work_.end() || recent_.front().number <= *oldest))
      Forget();
    if (oldest != hub_->in_work_.end()) {
      recent_.push_back({number, text});
      recent_bytes_ += text->size();
      while (recent_bytes_ > kMostRecentBytes) {
        forgotten_ = recent_.front().number;
        Forget();
      }
    }
    if (listeners_.empty()) return;
    hub_->post_([self = shared_from_this(), number, text] { self->Deliver(number, text); });
  }

  std::size_t listeners() const override {
    const std::lock_guard guard(hub_->mutex_);
    return listeners_.size();
  }

  bool Connect(EventListener& listener, std::uint64_t since) {
    std::vector<std::shared_ptr<const std::string>> missed;
    {
      const std::lock_guard guard(hub_->mutex_);
      if (since < forgotten_) return false;
      for (const Message& message : recent_)
        if (message.number > since) missed.push_back(message.text);
      listeners_.push_back({&listener, hub_->sent_});
    }
    for (const auto& text : missed) listener.Deliver(text);
    return true;
  }

  void Disconnect(EventListener& listener) {
    const std::lock_guard guard(hub_->mutex_);
    std::erase_if(listeners_, [&](const Listening& row) { return row.listener == &listener; });
  }

 private:
  struct Message {
    std::uint64_t number;
    std::shared_ptr<const std::string> text;
  };
  struct Listening {
    EventListener* listener;
    std::uint64_t since;  // what was sent up to here it has, or does not want
  };

  void Forget() {
    recent_bytes_ -= recent_.front().text->size();
    recent_.pop_front();
  }

  // Listeners come and go on this thread alone.
  void Deliver(std::uint64_t number, const std::shared_ptr<const std::string>& text) {
    std::vector<EventListener*> who;
    {
      const std::lock_guard guard(hub_->mutex_);
      for (const Listening& row : listeners_)
        if (row.since < number) who.push_back(row.listener);
    }
    for (EventListener* listener : who) listener->Deliver(text);
  }

  const std::shared_ptr<EventHub> hub_;
  std::deque<Message> recent_;
  std::size_t recent_bytes_ = 0;
  std::uint64_t forgotten_ = 0;
  std::vector<Listening> listeners_;
};

std::shared_ptr<EventChannel> EventHub::MakeChannel() {
  return std::make_shared<Channel>(shared_from_this());
}

std::uint64_t EventHub::Begin() {
  const std::lock_guard guard(mutex_);
  in_work_.insert(sent_);
  return sent_;
}

void EventHub::End(std::uint64_t since) {
  const std::lock_guard guard(mutex_);
  in_work_.erase(in_work_.find(since));
}

bool EventHub::Connect(EventChannel& channel, EventListener& listener, std::uint64_t since) {
  return dynamic_cast<Channel&>(channel).Connect(listener, since);
}
void EventHub::Disconnect(EventChannel& channel, EventListener& listener) {
  dynamic_cast<Channel&>(channel).Disconnect(listener);
}

}  // namespace stemsmith
