// What has come from a connection and is not done with yet. It holds memory only while it has to.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>

namespace stemsmith {

class InputBuffer {
 public:
  char* data() { return bytes_.get() + begin_; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  // Free space behind the data.
  char* space() { return bytes_.get() + end_; }
  std::size_t room() const { return capacity_ - end_; }

  // Room for `capacity` bytes in all, those that are there included.
  void Reserve(std::size_t capacity) {
    if (capacity_ >= capacity && begin_ == 0) return;
    if (capacity_ >= capacity) {
      std::memmove(bytes_.get(), data(), size());
      end_ = size();
      begin_ = 0;
    } else {
      Move(capacity);
    }
  }
  void Add(std::size_t count) { end_ += count; }
  void Drop(std::size_t count) { begin_ += count; }
  // Gives memory back before a wait; `enough` is kept for what is there.
  void Trim(std::size_t enough) {
    if (empty() || (capacity_ > enough && size() <= enough)) Move(empty() ? 0 : enough);
  }

 private:
  void Move(std::size_t capacity) {
    std::unique_ptr<char[]> bytes(capacity > 0 ? new char[capacity] : nullptr);
    const std::size_t count = size();
    if (bytes != nullptr) std::copy_n(data(), count, bytes.get());
    bytes_ = std::move(bytes);
    capacity_ = capacity;
    begin_ = 0;
    end_ = count;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
};

}  // namespace stemsmith
