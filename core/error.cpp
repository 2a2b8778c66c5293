#include "core/error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace stemsmith {
namespace {

std::string OneLine(const std::string& what, const std::string& where, const std::string& advice) {
  std::string line = what;
  if (!where.empty()) line += " (" + where + ")";
  if (!advice.empty()) line += "; " + advice;
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

}  // namespace

Error::Error(ExitCode code, std::string what, std::string where, std::string advice)
    : std::runtime_error(OneLine(what, where, advice)),
      code_(code),
      what_(std::move(what)),
      where_(std::move(where)),
      advice_(std::move(advice)) {}

Error Error::Input(std::string what, std::string where, std::string advice) {
  return {ExitCode::kInputFailed, std::move(what), std::move(where), std::move(advice)};
}

Error Error::Usage(std::string what, std::string where, std::string advice) {
  return {ExitCode::kWrongUse, std::move(what), std::move(where), std::move(advice)};
}

Error Error::System(std::string what, std::string where, std::string advice) {
  const int reason = errno;
  if (reason != 0) what += std::string(": ") + std::strerror(reason);
  return {ExitCode::kInputFailed, std::move(what), std::move(where), std::move(advice)};
}

Error Error::Write(std::string what, std::string where) {
  const int reason = errno;
  const char* advice = reason == 0 ? "is the disk full?" : "";
  switch (reason) {
    case EFBIG:
      advice = "raise the limit of file sizes (ulimit -f); some file systems take no longer ones";
      break;
    case EMFILE:
    case ENFILE:
      advice = "raise the limit of open files (ulimit -n)";
      break;
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
      advice = "choose a folder that this user may write";
      break;
    case ENOSPC:
    case EDQUOT:
      advice = "free some space, or choose another disk";
      break;
    default:
      break;
  }
  return System(std::move(what), std::move(where), advice);
}

Error Error::Stopped(int signal, std::string what, std::string advice) {
  return {static_cast<ExitCode>(128 + signal), std::move(what), "", std::move(advice)};
}

std::size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, substitution});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) current[j] = std::min(current[j], before[j - 2] + 1);
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

}  // namespace stemsmith
