#include "train/metrics_log.h"

#include <cerrno>
#include <string>

#include "core/error.h"
#include "core/files.h"
#include "core/progress.h"

namespace stemsmith {

std::vector<nlohmann::json> MetricsLog::Read(const std::filesystem::path& path) {
  std::vector<nlohmann::json> records;
  if (!KindOfFile(path).empty()) return records;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    nlohmann::json record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (record.is_object() && record.contains("step") && record["step"].is_number_integer())
      records.push_back(std::move(record));
  }
  return records;
}

MetricsLog::MetricsLog(std::filesystem::path path, std::int64_t last_step)
    : path_(std::move(path)) {
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
  const bool torn = !out_;  // the last line perhaps ends in its middle
  out_.clear();
  errno = 0;
  if (torn) out_ << '\n';
  out_ << record.dump() << '\n' << std::flush;
  if (!out_ && !warned_) {
    warned_ = true;
    Warn(std::string(Error::Write("cannot write", path_.string()).what()) +
         "; training goes on without it");
  }
}

}  // namespace stemsmith
