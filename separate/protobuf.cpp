#include "separate/protobuf.h"

#include <algorithm>

namespace stemsmith::protobuf {
namespace {

constexpr std::size_t kWindowBytes = std::size_t{64} << 10;

std::uint64_t ReadNumber(FileBytes& file, std::uint64_t& at, std::uint64_t end) {
  std::uint64_t value = 0;
  const std::string_view bytes = file.Peek(at, std::min<std::uint64_t>(10, end - at));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    value |= std::uint64_t{byte & 0x7fu} << (7 * i);
    if (byte < 0x80) {
      at += i + 1;
      return value;
    }
  }
  throw NoMessage();
}

void AppendNumber(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

}  // namespace

FileBytes::FileBytes(const std::filesystem::path& path) : in_(path, std::ios::binary) {
  std::error_code code;
  size_ = std::filesystem::file_size(path, code);
  if (code || !in_) throw NoMessage();
}

std::string_view FileBytes::Peek(std::uint64_t at, std::size_t count) {
  if (at < begin_ || at + count > begin_ + window_.size()) {
    window_ = Read(at, std::min<std::uint64_t>(std::max(count, kWindowBytes), size_ - at));
    begin_ = at;
  }
  return std::string_view(window_).substr(at - begin_, count);
}

std::string FileBytes::Read(std::uint64_t at, std::uint64_t count) {
  std::string bytes(count, '\0');
  in_.seekg(static_cast<std::streamoff>(at));
  if (!in_.read(bytes.data(), static_cast<std::streamsize>(count))) throw NoMessage();
  return bytes;
}

void ForEachField(FileBytes& file, std::uint64_t begin, std::uint64_t end,
                  const std::function<void(const Field&)>& visit) {
  for (std::uint64_t at = begin; at < end;) {
    Field field{.start = at};
    const std::uint64_t tag = ReadNumber(file, at, end);
    field.number = tag >> 3;
    field.begin = at;
    std::uint64_t size = 0;
    switch (tag & 7) {
      case 0:
        field.value = ReadNumber(file, at, end);
        break;
      case 1:
        size = 8;
        break;
      case 2:
        size = ReadNumber(file, at, end);
        field.begin = at;
        field.is_bytes = true;
        break;
      case 5:
        size = 4;
        break;
      default:
        throw NoMessage();
    }
    if (field.number == 0 || size > end - at) throw NoMessage();
    at += size;
    field.end = at;
    visit(field);
  }
}

std::string ContentOf(FileBytes& file, const Field& message, std::uint64_t number) {
  std::string content;
  ForEachField(file, message.begin, message.end, [&](const Field& field) {
    if (field.number == number) content = field.Content(file);
  });
  return content;
}

std::string FieldHead(std::uint64_t number, std::uint64_t size) {
  std::string head;
  AppendNumber(head, number << 3 | 2);
  AppendNumber(head, size);
  return head;
}

void AppendField(std::string& out, std::uint64_t number, std::string_view content) {
  out += FieldHead(number, content.size());
  out += content;
}

}  // namespace stemsmith::protobuf
