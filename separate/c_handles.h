// What the handles of include/stemsmith/stemsmith.h are, and how its functions fail.
#pragma once

#include <cassert>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/current_error.h"
#include "separate/live_stream.h"
#include "separate/manifest.h"
#include "separate/runtime.h"
#include "separate/separator.h"
#include "separate/song_separator.h"
#include "stemsmith/stemsmith.h"

namespace stemsmith::c {

// A runtime for many threads: they take turns.
class SharedRuntime : public Runtime {
 public:
  explicit SharedRuntime(std::unique_ptr<Runtime> inner) : inner_(std::move(inner)) {}
  const Manifest& manifest() const override { return inner_->manifest(); }
  const std::vector<std::string>& stems() const override { return inner_->stems(); }
  std::string description() const override { return inner_->description(); }
  Engine engine() const override { return inner_->engine(); }
  Precision precision() const override { return inner_->precision(); }
  void Run(const float* mix, std::int64_t batch, std::int64_t frames, float* estimates) override {
    const std::lock_guard lock(mutex_);
    inner_->Run(mix, batch, frames, estimates);
  }
  int segments_at_once() const override { return inner_->segments_at_once(); }

 private:
  std::mutex mutex_;
  std::unique_ptr<Runtime> inner_;
};

}  // namespace stemsmith::c

struct stemsmith_options {
  stemsmith::RuntimeOptions runtime;
  stemsmith::SeparatorOptions separator;
  stemsmith_progress_fn progress = nullptr;
  void* user = nullptr;
};

struct stemsmith_model {
  std::shared_ptr<stemsmith::c::SharedRuntime> runtime;
};

struct stemsmith_song {
  std::shared_ptr<stemsmith::c::SharedRuntime> runtime;  // outlives the stems
  std::unique_ptr<stemsmith::SongSeparator> stems;
  std::vector<std::vector<float>> blocks;  // what was read last
};

struct stemsmith_stream {
  std::shared_ptr<stemsmith::c::SharedRuntime> runtime;  // outlives the stream
  std::unique_ptr<stemsmith::LiveStream> live;
};

namespace stemsmith::c {

// Thrown where a callback asks to stop.
struct Stopped {};

// The handles that are open, of all kinds.
void Remember(const void* handle);
bool IsOpen(const void* handle) noexcept;
// False where it was closed before, which is asserted against.
bool Forget(const void* handle) noexcept;

// What stemsmith_last_error() says. Gives back `code`.
stemsmith_code Fail(stemsmith_code code, const char* text) noexcept;

// Throws Error::Usage where a pointer is null, and where a handle is not open.
void Need(const void* pointer, const char* name);
void NeedHandle(const void* handle, const char* name);
// `options`, or the defaults for null.
const stemsmith_options& OrDefaults(const stemsmith_options* options);
// A name of a list; throws Error::Usage where `whose` has none of that number.
const char* NameAt(const std::vector<std::string>& names, int index, const std::string& whose);

// Calls the progress function, if there is one. Throws Stopped where it asks to stop.
void Tell(const stemsmith_options& options, std::int64_t done, std::int64_t total, int rate_hz);

// Runs `work`, and gives what it throws as a code.
template <typename Work>
stemsmith_code Guarded(Work&& work) noexcept {
  try {
    try {
      work();
      return STEMSMITH_OK;
    } catch (const Stopped&) {
      return Fail(STEMSMITH_STOPPED, "stopped by the caller");
    } catch (...) {
      const Error error = CurrentError();
      return Fail(error.code() == ExitCode::kWrongUse ? STEMSMITH_WRONG_USE : STEMSMITH_BAD_INPUT,
                  error.what());
    }
  } catch (...) {
    return Fail(STEMSMITH_BAD_INPUT, "out of memory");
  }
}

// A result for functions that return no code: `missing` where `work` throws.
template <typename Result, typename Work>
Result GuardedResult(Result missing, Work&& work) noexcept {
  Result result = missing;
  return Guarded([&] { result = work(); }) == STEMSMITH_OK ? result : missing;
}

template <typename Handle>
void Close(Handle* handle) noexcept {
  if (handle != nullptr && Forget(handle)) delete handle;
}

}  // namespace stemsmith::c
