#include "train/report/metrics_log.h"

#include <cerrno>
#include <string>

#include "core/error.h"
#include "core/files.h"
#include "core/json_fields.h"

namespace stemsmith {

namespace {

// What those who read the records take for granted. The other fields are looked at one by one.
bool IsRecord(const nlohmann::json& record) {
  if (!record.is_object() || !record.contains("step")) return false;
  const auto is = [&](const char* key, bool (nlohmann::json::*kind)() const noexcept) {
    return !record.contains(key) || (record[key].*kind)();
  };
  using Json = nlohmann::json;
  return is("step", &Json::is_number_integer) && is("event", &Json::is_string) &&
         is("device", &Json::is_string) && is("total_steps", &Json::is_number) &&
         is("seconds", &Json::is_number) && is("signal", &Json::is_number_integer);
}

}  // namespace

std::vector<nlohmann::json> MetricsLog::Read(const std::filesystem::path& path) {
  std::vector<nlohmann::json> records;
  if (!KindOfFile(path).empty()) return records;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    nlohmann::json record = ParseJson(line);
    if (IsRecord(record)) records.push_back(std::move(record));
  }
  return records;
}

MetricsLog::MetricsLog(std::filesystem::path path, std::int64_t last_step, Listener warn)
    : path_(std::move(path)), warn_(std::move(warn)) {
  std::string kept;
  if (last_step >= 0) {
    for (const nlohmann::json& record : Read(path_)) {
      if (record["step"].get<std::int64_t>() <= last_step) kept += record.dump() + "\n";
    }
  }
  WriteFileAtomically(path_, kept);
  out_.open(path_, std::ios::app);
}

void MetricsLog::Append(const nlohmann::json& record) {
  std::error_code ignored;
  const std::uintmax_t sound = std::filesystem::file_size(path_, ignored);
  errno = 0;
  out_ << record.dump() << '\n' << std::flush;
  if (out_) return;
  const int reason = errno;
  // Opened again, so that no line ends in its middle: libstdc++ keeps what it could not write, and
  // writes past its full buffer when it is asked to go on.
  out_.close();
  std::filesystem::resize_file(path_, sound, ignored);
  out_.clear();
  out_.open(path_, std::ios::app);
  if (!warned_) {
    warned_ = true;
    errno = reason;
    Tell(warn_,
         Error::Write("cannot write", path_.string()).text() + "; training continues without it");
  }
}

}  // namespace stemsmith
