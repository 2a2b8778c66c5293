#include "serve/data_folder.h"

#include <sys/random.h>

#include <array>

#include "core/error.h"
#include "core/pending_files.h"

namespace stemsmith {

namespace fs = std::filesystem;

namespace {
constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t kIdLetters = 22;
}  // namespace

std::string NewId() {
  std::array<unsigned char, kIdLetters> random;
  // As much as this is never given in part.
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    throw Error::System("the system gives no random numbers", "getrandom");
  std::string id;
  for (const unsigned char byte : random) id += kLetters[byte % 64];
  return id;
}

bool IsId(const std::string& text) {
  return text.size() == kIdLetters && text.find_first_not_of(kLetters) == std::string::npos;
}

DataFolder::DataFolder(fs::path folder) : folder_(std::move(folder)) {
  for (const fs::path& part : {folder_, Songs(), Jobs(), Uploads()}) EnsureWritableFolder(part);
}

std::int64_t DataFolder::FreeBytes() const {
  std::error_code code;
  const fs::space_info space = fs::space(folder_, code);
  return code ? INT64_MAX : static_cast<std::int64_t>(space.available);
}

std::int64_t BytesIn(const fs::path& folder) {
  std::int64_t bytes = 0;
  std::error_code code;
  for (fs::recursive_directory_iterator it(folder, code), end; !code && it != end;
       it.increment(code)) {
    std::error_code of_file;
    if (it->is_regular_file(of_file)) {
      const auto size = it->file_size(of_file);
      if (!of_file) bytes += static_cast<std::int64_t>(size);
    }
  }
  return bytes;
}

}  // namespace stemsmith
