// What a library at work tells those who called it, and what it asks them. All of it goes in with
// the options: a library writes to no terminal and catches no signal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace stemsmith {

// Hears a line of text, without full stop. Threads that work may call it side by side.
using Listener = std::function<void(const std::string& text)>;
inline void Tell(const Listener& listener, const std::string& text) {
  if (listener) listener(text);
}

// A piece of long work.
struct Task {
  std::string label;       // "prepare", "train", the file being separated …
  std::int64_t total = 0;  // in units; 0 when unknown
  std::string unit = "";   // "songs", "steps", "s"
};

// Shows how far it is; as Progress, which is how work speaks to it.
class ProgressView {
 public:
  virtual ~ProgressView() = default;
  virtual void Update(std::int64_t done, const std::string& detail,
                      const nlohmann::json& fields) = 0;
  virtual void Message(const std::string& text) = 0;
  virtual void Finish() = 0;
};

// Every member may be empty: then nobody hears it, and the work is never stopped.
struct Host {
  Listener warn;   // something to know, the work goes on
  Listener error;  // a part of the work failed (a song), the rest goes on
  // Whether to stop: 0, or one of kStopSignals (core/interrupt.h). Asked between steps, and within
  // long ones, by any thread that works.
  std::function<int()> stop;
  std::function<std::unique_ptr<ProgressView>(const Task&)> progress;

  void Warn(const std::string& text) const { Tell(warn, text); }
  int StopSignal() const { return stop ? stop() : 0; }
};

// One object per piece of work; one thread at a time.
class Progress {
 public:
  Progress(const Host& host, const Task& task)
      : view_(host.progress ? host.progress(task) : nullptr) {}
  // `detail` is for people ("loss 0.0123, 35.1 samples/s"), `fields` for programs.
  void Update(std::int64_t done, const std::string& detail = "",
              const nlohmann::json& fields = nullptr) {
    if (view_) view_->Update(done, detail, fields);
  }
  // A line of its own, such as the result of a validation.
  void Message(const std::string& text) {
    if (view_) view_->Message(text);
  }
  void Finish() {
    if (view_) view_->Finish();
  }

 private:
  std::unique_ptr<ProgressView> view_;
};

}  // namespace stemsmith
