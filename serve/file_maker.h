// Files that are made when they are first asked for, each once however many ask at the same time.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace stemsmith {

class FileMaker {
 public:
  // At most `threads` files are made side by side, the others wait in the order of their asking.
  explicit FileMaker(int threads);
  // Finishes what is being made; what waits still hears an Error.
  ~FileMaker();
  FileMaker(const FileMaker&) = delete;
  FileMaker& operator=(const FileMaker&) = delete;

  // Null, or why the file could not be made; on a thread of the maker.
  using Done = std::function<void(std::exception_ptr failure)>;
  // Has `make` make `target` and calls `done` afterwards; where it waits or is being made already,
  // `make` is dropped. Returns at once.
  void Make(const std::filesystem::path& target, std::function<void()> make, Done done);

 private:
  struct Work {
    std::function<void()> make;
    std::vector<Done> listeners;
  };
  void Serve();
  std::vector<Done> Take(const std::filesystem::path& target);

  std::mutex mutex_;  // guards what follows, but for threads_
  std::condition_variable asked_;
  std::map<std::filesystem::path, Work> works_;  // waiting, and being made
  std::deque<std::filesystem::path> waiting_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace stemsmith
