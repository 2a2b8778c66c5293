// A host that writes down what a library tells it.
#pragma once

#include <mutex>
#include <string>
#include <utility>

#include "core/host.h"
#include "core/option.h"

namespace stemsmith::testing {

class Heard {
 public:
  // It may be told by any thread, as long as this lives.
  Host host() {
    return {.warn = [this](const std::string& text) { Add("warning: " + text); },
            .error = [this](const std::string& text) { Add("error: " + text); },
            .stop = {},
            .progress = [this](const Task&) { return std::make_unique<Messages>(*this); }};
  }
  // All since the last call, lines as programs show them.
  std::string Take() {
    const std::lock_guard guard(mutex_);
    return std::exchange(text_, "");
  }

 private:
  class Messages : public ProgressView {
   public:
    explicit Messages(Heard& heard) : heard_(heard) {}
    void Update(std::int64_t, const std::string&, const nlohmann::json&) override {}
    void Message(const std::string& text) override { heard_.Add(text); }
    void Finish() override {}

   private:
    Heard& heard_;
  };

  void Add(const std::string& line) {
    const std::lock_guard guard(mutex_);
    text_ += ShowOptions(line, OptionStyle::kFlag) + '\n';
  }

  std::mutex mutex_;
  std::string text_;
};

}  // namespace stemsmith::testing
