// The names of temporary files, and what killed processes left under them.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <mutex>
#include <set>

#include "core/files.h"
#include "core/pending_files.h"
#include "core/text.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr char kMark[] = ".tmp-";

// What the system says of a process.
struct ProcessState {
  char letter = 0;  // 'Z' or 'X': it has ended, and its parent has not asked yet; 0: not known
  // When it began, by which it is told from later ones of the same number; 0: not known.
  unsigned long long start = 0;
};

ProcessState StateOf(long process) {
  std::ifstream in("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  std::getline(in, text);
  // "pid (name) state …": the name may hold anything. The start is the 22nd field.
  const std::size_t name_end = text.rfind(')');
  if (name_end == text.npos) return {};
  ProcessState state;
  const char* fields = text.c_str() + name_end + 1;
  const int read = std::sscanf(
      fields,
      " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
      &state.letter, &state.start);
  return read == 2 ? state : ProcessState{};
}

// Process numbers mean something on one host and within one container.
const std::string& ThisHost() {
  static const std::string hash = [] {
    std::array<char, 256> name{};
    gethostname(name.data(), name.size() - 1);
    std::error_code ignored;
    const fs::path processes = fs::read_symlink("/proc/self/ns/pid", ignored);
    return HexHash(HashBytes(name.data() + ("\n" + processes.string()))).substr(0, 8);
  }();
  return hash;
}

bool IsAlive(long process, unsigned long long start) {
  if (process <= 0) return true;
  if (kill(static_cast<pid_t>(process), 0) != 0 && errno == ESRCH) return false;
  const ProcessState now = StateOf(process);
  if (now.letter == 'Z' || now.letter == 'X') return false;
  return start == 0 || now.start == 0 || now.start == start;
}

bool IsEnd(const char* rest) { return *rest == '\0' || *rest == '.'; }

// Whether it was left by a process of this host that is gone. What is not known stays.
bool IsLeftOver(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::size_t mark = name.rfind(kMark);
  if (!name.starts_with('.') || mark == name.npos) return false;
  const char* text = name.c_str() + mark + sizeof kMark - 1;
  char host[9] = {};
  long process = 0;
  unsigned long long start = 0;
  unsigned count = 0;
  int length = 0;
  if (std::sscanf(text, "%8[0-9a-f]-%ld-%llx-%x%n", host, &process, &start, &count, &length) == 4 &&
      IsEnd(text + length))
    return host == ThisHost() && !IsAlive(process, start);
  // Earlier versions named no host: when nothing has changed for a day, nobody writes it.
  if (std::sscanf(text, "%ld-%u%n", &process, &count, &length) == 2 && IsEnd(text + length)) {
    std::error_code error;
    const auto written = fs::last_write_time(path, error);
    return !error && !IsAlive(process, 0) &&
           fs::file_time_type::clock::now() - written > std::chrono::hours(24);
  }
  return false;
}

// File systems take names of 255 bytes; what is added must fit. Letters stay whole.
std::string Shortened(std::string name) {
  constexpr std::size_t kMost = 120;
  if (name.size() <= kMost) return name;
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xc0u) == 0x80) --end;
  name.resize(end);
  return name;
}

}  // namespace

void RemoveLeftovers(const fs::path& folder) {
  static std::mutex mutex;
  static std::set<std::pair<dev_t, ino_t>> seen;
  struct stat about {};
  if (stat(folder.c_str(), &about) != 0) return;
  {
    const std::lock_guard lock(mutex);
    if (!seen.emplace(about.st_dev, about.st_ino).second) return;
  }
  std::error_code ignored;
  std::vector<fs::path> left;
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end;
       it.increment(ignored))
    if (IsLeftOver(it->path())) left.push_back(it->path());
  for (const fs::path& path : left) fs::remove_all(path, ignored);
}

fs::path TemporaryBeside(const fs::path& target) {
  static std::atomic<unsigned> counter{0};
  const fs::path folder = target.parent_path();
  RemoveLeftovers(folder.empty() ? fs::path(".") : folder);
  const std::string process =
      Formatted("-%ld-%llx-%x", static_cast<long>(getpid()), StateOf(getpid()).start, counter++);
  const std::string ending = target.extension().string();
  return folder / ("." + Shortened(target.filename().string()) + kMark + ThisHost() + process +
                   (ending.size() <= 20 ? ending : ""));
}

}  // namespace stemsmith
