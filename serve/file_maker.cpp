#include "serve/file_maker.h"

#include <utility>

#include "core/error.h"

namespace stemsmith {
namespace fs = std::filesystem;

FileMaker::FileMaker(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Serve(); });
}

FileMaker::~FileMaker() {
  std::deque<fs::path> left;
  {
    const std::lock_guard guard(mutex_);
    ending_ = true;
    left.swap(waiting_);
  }
  asked_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  for (const fs::path& target : left) {
    const auto failure = std::make_exception_ptr(
        Error::Input("the file was not made, as the server stops", target.filename().string(),
                     "ask for it again later"));
    for (const Done& done : Take(target)) done(failure);
  }
}

void FileMaker::Make(const fs::path& target, std::function<void()> make, Done done) {
  {
    const std::lock_guard guard(mutex_);
    const auto [work, is_new] = works_.try_emplace(target);
    work->second.listeners.push_back(std::move(done));
    if (!is_new) return;
    work->second.make = std::move(make);
    waiting_.push_back(target);
  }
  asked_.notify_one();
}

std::vector<FileMaker::Done> FileMaker::Take(const fs::path& target) {
  const std::lock_guard guard(mutex_);
  return std::move(works_.extract(target).mapped().listeners);
}

void FileMaker::Serve() {
  while (true) {
    std::unique_lock lock(mutex_);
    asked_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const fs::path target = std::move(waiting_.front());
    waiting_.pop_front();
    const std::function<void()> make = std::move(works_.at(target).make);
    lock.unlock();
    std::exception_ptr failure;
    try {
      make();
    } catch (...) {
      failure = std::current_exception();
    }
    for (const Done& done : Take(target)) done(failure);
  }
}

}  // namespace stemsmith
