// Fields of protobuf messages (protobuf.dev/programming-guides/encoding), read in a file where they
// lie: a model of any size is never in memory as a whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace stemsmith::protobuf {

// What ends the reading of a file that is no protobuf; its readers catch it.
struct NoMessage : std::runtime_error {
  NoMessage() : std::runtime_error("no protobuf message") {}
};

// Bytes of a file, with a window so that reading field by field is no call of the system each.
class FileBytes {
 public:
  explicit FileBytes(const std::filesystem::path& path);
  std::uint64_t size() const { return size_; }
  // Fewer at the file's end. Valid until the next call.
  std::string_view Peek(std::uint64_t at, std::size_t count);
  std::string Read(std::uint64_t at, std::uint64_t count);

 private:
  std::ifstream in_;
  std::uint64_t size_ = 0, begin_ = 0;
  std::string window_;
};

struct Field {
  std::uint64_t number = 0;
  std::uint64_t start = 0;           // of the whole field
  std::uint64_t begin = 0, end = 0;  // of its content
  std::uint64_t value = 0;           // of a number
  bool is_bytes = false;             // a text, bytes or a message

  std::string Content(FileBytes& file) const { return file.Read(begin, end - begin); }
  std::string Whole(FileBytes& file) const { return file.Read(start, end - start); }
};

// The fields of the message in [begin, end), one by one. Throws NoMessage.
void ForEachField(FileBytes& file, std::uint64_t begin, std::uint64_t end,
                  const std::function<void(const Field&)>& visit);

// The last content of a message's field of this number; "" where it has none. Throws NoMessage.
std::string ContentOf(FileBytes& file, const Field& message, std::uint64_t number);

// What stands before `size` bytes of content.
std::string FieldHead(std::uint64_t number, std::uint64_t size);
void AppendField(std::string& out, std::uint64_t number, std::string_view content);

}  // namespace stemsmith::protobuf
