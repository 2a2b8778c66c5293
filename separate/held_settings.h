// Settings of LibTorch for the whole process, in which others may compute, too.
#pragma once

#include <mutex>

namespace stemsmith {

// Sets a default-constructed `Settings` while it lives, and puts back what was there: of several at
// once the first sets and the last puts back. `Settings` gives the present ones by Now() and takes
// its own by Set(). May be made and destroyed by any thread.
template <typename Settings>
class HeldSettings {
 public:
  HeldSettings() {
    const std::lock_guard guard(mutex);
    if (users++ > 0) return;
    before = Settings::Now();
    Settings{}.Set();
  }
  ~HeldSettings() {
    const std::lock_guard guard(mutex);
    if (--users == 0) before.Set();
  }
  HeldSettings(const HeldSettings&) = delete;
  HeldSettings& operator=(const HeldSettings&) = delete;

 private:
  static inline std::mutex mutex;  // guards the next two, and the settings
  static inline int users = 0;
  static inline Settings before = {};
};

}  // namespace stemsmith
