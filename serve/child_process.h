// A program run as a child under limits, without a shell.
//
// It cannot outlive the process that runs it: the kernel kills it when the thread that started it
// ends, which is the one that waits in RunChild. Processes that the child starts in its group end
// with it; those that leave the group, and those of a child whose server was killed, do not.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace stemsmith {

struct ChildLimits {
  double seconds = 0;             // how long it may run; 0: for ever
  // Resident, of its process group; 0: any. Looked at every 200 ms. What a process may ask for
  // (RLIMIT_DATA, of which inference takes up to 1.4 times what becomes resident) is twice as much:
  // one that grows faster finds no memory, and says so itself.
  std::int64_t memory_bytes = 0;
  std::int64_t file_bytes = 0;    // of each file that it writes; 0: any
  double grace_seconds = 5;       // between SIGTERM and SIGKILL
};

enum class ChildStop { kNone, kCancelled, kTime, kMemory };

struct ChildResult {
  ChildStop stopped = ChildStop::kNone;  // why RunChild ended it
  int exit_status = 0;                   // where no signal ended it
  int signal = 0;                        // 0: it ended by itself
  std::int64_t peak_memory_bytes = 0;    // as seen for memory_bytes; 0 without that limit
  std::string error_output;              // the last 4 KiB of its standard error
};

// Ends children from any thread; once pulled it stays so.
class CancelSwitch {
 public:
  CancelSwitch();
  ~CancelSwitch();
  CancelSwitch(const CancelSwitch&) = delete;
  CancelSwitch& operator=(const CancelSwitch&) = delete;
  void Cancel();
  int descriptor() const { return descriptor_; }  // readable once it is pulled

 private:
  int descriptor_;
};

// Runs `command`, whose first word is the path of the program, and waits for its end. `on_line`
// hears each line of its standard output as it comes, at most the first 64 KiB of one; where it
// throws, the child is killed. Cancelling and the limit of time send SIGTERM to the group, and
// SIGKILL after the grace; the limit of memory sends SIGKILL. The child reads /dev/null, is a
// little nicer than this process, leaves no core and inherits no other open file. Throws Error
// where it cannot be started.
ChildResult RunChild(const std::vector<std::string>& command, const ChildLimits& limits,
                     const std::function<void(std::string_view line)>& on_line,
                     const CancelSwitch* cancel = nullptr);

}  // namespace stemsmith
