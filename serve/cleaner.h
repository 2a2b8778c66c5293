// Removes what was kept long enough, or is too much.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "serve/api.h"

namespace stemsmith {

class Cleaner {
 public:
  // Both must outlive it.
  Cleaner(ServeParts& parts, Api& api);
  ~Cleaner();

 private:
  void Run();
  void Clean(double served_s);

  ServeParts& parts_;
  Api& api_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace stemsmith
