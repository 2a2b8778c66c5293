#include "core/error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/option.h"
#include "core/visible_text.h"

namespace stemsmith {
namespace {

std::string OneLine(const std::string& what, const std::string& where, const std::string& advice) {
  std::string line = what;
  if (!advice.empty()) line += "; " + advice;
  std::replace(line.begin(), line.end(), '\n', ' ');
  if (!where.empty()) line.insert(what.size(), " (" + VisibleText(where) + ")");
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

// With each quoted word that no one can have meant (a name of 300 letters) shortened: a line is to
// be read. Paths stay whole.
std::string WithShortWords(const std::string& text) {
  constexpr std::size_t kLongest = 80, kShown = 40;
  std::string shown;
  std::size_t done = 0;
  for (std::size_t begin = text.find('\''); begin != std::string::npos;) {
    const std::size_t end = text.find_first_of("' /\n", begin + 1);
    if (end == std::string::npos) break;
    if (text[end] == '\'' && end - begin - 1 > kLongest) {
      std::size_t cut = begin + 1 + kShown;
      while ((static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;  // within a letter
      shown += text.substr(done, cut - done) + "…";
      done = end;
    }
    begin = text[end] == '\'' ? end : text.find('\'', end);
  }
  return shown + text.substr(done);
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
    : std::runtime_error(
          ShowOptions(OneLine(WithShortWords(what), FinalPath(where), WithShortWords(advice)),
                      OptionStyle::kName)),
      code_(code),
      what_(WithShortWords(what)),
      where_(FinalPath(where)),
      advice_(WithShortWords(advice)),
      text_(OneLine(what_, where_, advice_)) {}

std::string Error::option() const { return OptionIn(where_); }

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

}  // namespace stemsmith
