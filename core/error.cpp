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

// Files grow under temporary names (core/files.h): ".NAME.tmp-…" beside NAME, or NAME in a folder
// ".files.tmp-…". People know the final one.
std::string FinalPath(const std::string& path) {
  constexpr char kMark[] = ".tmp-", kFolder[] = "files";
  if (path.find(kMark) == std::string::npos) return path;
  std::string shown;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    std::string part = path.substr(begin, end - begin);
    const std::size_t mark = part.find(kMark);
    const bool temporary = mark != std::string::npos && part[0] == '.';
    if (temporary) part = part.substr(1, mark - 1);
    if (!temporary || part != kFolder) shown += part + (end < path.size() ? "/" : "");
    begin = end + 1;
  }
  return shown;
}

// What to do about a system's reason; `otherwise` where that depends on what was tried.
std::string AdviceFor(int reason, std::string otherwise) {
  switch (reason) {
    case ENOSPC:
    case EDQUOT:
      return "free some space, or choose another disk";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files (ulimit -n)";
    case EFBIG:
      return "raise the limit of file sizes (ulimit -f); some file systems take no longer ones";
    case EROFS:
      return "choose a place that can be written";
    case ENAMETOOLONG:
      return "choose a shorter name";
    case EIO:
      return "check the disk, or the connection to it";
    case ENOMEM:
      return "free some memory";
    case EAGAIN:
      return "raise the limit of processes (ulimit -u), or give fewer threads";
    case EACCES:
    case EPERM:
      return otherwise.empty() ? "check its permissions" : otherwise;
    default:
      return otherwise;
  }
}

}  // namespace

Error::Error(ExitCode code, std::string what, std::string where, std::string advice)
    : std::runtime_error(OneLine(what, FinalPath(where), advice)),
      code_(code),
      what_(std::move(what)),
      where_(FinalPath(where)),
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
  return {ExitCode::kInputFailed, std::move(what), std::move(where),
          AdviceFor(reason, std::move(advice))};
}

Error Error::Write(std::string what, std::string where) {
  const int reason = errno;
  const bool forbidden =
      reason == EACCES || reason == EPERM || reason == EROFS || reason == ENOTDIR;
  return System(std::move(what), std::move(where),
                forbidden     ? "choose a folder that this user may write"
                : reason == 0 ? "is the disk full?"
                              : "");
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
