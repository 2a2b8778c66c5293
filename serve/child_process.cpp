#include "serve/child_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "core/error.h"

namespace stemsmith {
namespace {

using Clock = std::chrono::steady_clock;
constexpr Clock::duration kBetweenLooks = std::chrono::milliseconds(200);
constexpr std::size_t kLongestLine = 64 << 10;
constexpr std::size_t kKeptErrorOutput = 4 << 10;
constexpr int kNicer = 5;

Clock::time_point After(double seconds) {
  return Clock::now() +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// An open file; -1: none.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { Close(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  int number() const { return number_; }
  void Close() {
    if (number_ >= 0) close(std::exchange(number_, -1));
  }

 private:
  int number_;
};

[[noreturn]] void CannotStart(const std::string& program) {
  throw Error::System("cannot start the program", program);
}

struct Pipe {
  explicit Pipe(const std::string& program) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) CannotStart(program);
    from = Descriptor(ends[0]);
    to = Descriptor(ends[1]);
  }
  Descriptor from, to;
};

// All that the child needs between fork and exec, where only async-signal-safe calls are allowed.
struct Launch {
  std::vector<char*> arguments;
  pid_t parent = getpid();
  int input, output, errors, failure;
  ChildLimits limits;
};

void SetLimit(__rlimit_resource resource, std::int64_t most) {
  const rlimit limit{static_cast<rlim_t>(most), static_cast<rlim_t>(most)};
  setrlimit(resource, &limit);
}

[[noreturn]] void BecomeProgram(const Launch& launch) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != launch.parent) _exit(127);  // it is gone already, and nothing will be told
  SetLimit(RLIMIT_CORE, 0);
  if (launch.limits.file_bytes > 0) SetLimit(RLIMIT_FSIZE, launch.limits.file_bytes);
  if (launch.limits.memory_bytes > 0) SetLimit(RLIMIT_DATA, 2 * launch.limits.memory_bytes);
  setpriority(PRIO_PROCESS, 0, std::min(19, getpriority(PRIO_PROCESS, 0) + kNicer));
  dup2(launch.input, STDIN_FILENO);
  dup2(launch.output, STDOUT_FILENO);
  dup2(launch.errors, STDERR_FILENO);
  close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execv(launch.arguments[0], launch.arguments.data());
  const int reason = errno;
  [[maybe_unused]] const ssize_t told = write(launch.failure, &reason, sizeof(reason));
  _exit(127);
}

// No handler of this process may run in the child.
pid_t ForkWithoutSignals(const Launch& launch) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork();
  if (pid == 0) BecomeProgram(launch);
  const int reason = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = reason;
  return pid;
}

// A child with a process group of its own, which is gone when this is.
class Child {
 public:
  explicit Child(pid_t pid)
      : pid_(pid), ended_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}
  ~Child() {
    if (pid_ > 0) Reap();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int ended() const { return ended_.number(); }  // readable when it has ended
  pid_t group() const { return pid_; }
  void Signal(int number) const { kill(-pid_, number); }
  // What is left of the group goes first: until the child is reaped no other group has its number.
  int Reap() {
    Signal(SIGKILL);
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_;
  Descriptor ended_;
};

// Resident bytes of all processes of a group, zombies being 0.
std::int64_t ResidentBytes(pid_t group) {
  static const std::int64_t page_bytes = sysconf(_SC_PAGESIZE);
  const std::unique_ptr<DIR, int (*)(DIR*)> processes(opendir("/proc"), &closedir);
  if (processes == nullptr) return 0;
  std::int64_t pages = 0;
  while (const dirent* entry = readdir(processes.get())) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    const std::string name = std::string(entry->d_name) + "/stat";
    const Descriptor file(openat(dirfd(processes.get()), name.c_str(), O_RDONLY | O_CLOEXEC));
    char text[1024];
    const ssize_t count = read(file.number(), text, sizeof(text) - 1);
    if (count <= 0) continue;  // it is gone
    // proc_pid_stat(5): a name in brackets, which may hold brackets; then the state, the parent,
    // the group, and 18 fields later the resident pages.
    const std::string_view line(text, static_cast<std::size_t>(count));
    const std::size_t name_end = line.rfind(')');
    if (name_end == std::string_view::npos) continue;
    text[count] = '\0';
    int process_group = 0;
    long resident = 0;
    if (std::sscanf(text + name_end + 1,
                    " %*c %*d %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
                    " %*s %*s %ld",
                    &process_group, &resident) == 2 &&
        process_group == group)
      pages += resident;
  }
  return pages * page_bytes;
}

class Lines {
 public:
  explicit Lines(const std::function<void(std::string_view)>& hear) : hear_(hear) {}
  void Add(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      const std::string_view part = bytes.substr(0, end);
      line_.append(part.substr(0, kLongestLine - line_.size()));
      begun_ = true;
      if (end == std::string_view::npos) return;
      Finish();
      bytes.remove_prefix(end + 1);
    }
  }
  void Finish() {
    if (!std::exchange(begun_, false)) return;
    if (hear_) hear_(line_);
    line_.clear();
  }

 private:
  const std::function<void(std::string_view)>& hear_;
  std::string line_;
  bool begun_ = false;
};

// What there is to read now, at most 64 KiB; nullopt at the end.
std::optional<std::string_view> ReadSome(const Descriptor& file, std::vector<char>& buffer) {
  buffer.resize(64 << 10);
  const ssize_t count = read(file.number(), buffer.data(), buffer.size());
  if (count > 0) return std::string_view(buffer.data(), static_cast<std::size_t>(count));
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return std::string_view();
  return std::nullopt;
}

class Run {
 public:
  Run(const std::vector<std::string>& command, const ChildLimits& limits,
      const std::function<void(std::string_view)>& on_line)
      : limits_(limits),
        lines_(on_line),
        output_(command.at(0)),
        errors_(command.at(0)),
        child_(Start(command)) {
    if (child_.ended() < 0) CannotStart(command[0]);
    if (limits.seconds > 0) time_ends_ = After(limits.seconds);
    if (limits.memory_bytes > 0) next_look_ = Clock::now();
  }

  ChildResult Wait(int cancelled) {
    pollfd files[] = {{child_.ended(), POLLIN, 0},
                      {output_.from.number(), POLLIN, 0},
                      {errors_.from.number(), POLLIN, 0},
                      {cancelled, POLLIN, 0}};
    while (files[0].revents == 0) {
      if (poll(files, std::size(files), TimeoutMs()) < 0) {
        if (errno != EINTR) throw Error::System("cannot wait for a program", "");
        continue;
      }
      if (files[1].revents != 0 && !TakeOutput()) files[1].fd = -1;
      if (files[2].revents != 0 && !TakeErrors()) files[2].fd = -1;
      if (files[3].revents != 0) {
        files[3].fd = -1;
        Stop(ChildStop::kCancelled);
      }
      LookAtClock();
    }
    const int status = child_.Reap();
    Drain();
    if (WIFSIGNALED(status)) result_.signal = WTERMSIG(status);
    else result_.exit_status = WEXITSTATUS(status);
    return std::move(result_);
  }

 private:
  pid_t Start(const std::vector<std::string>& command) {
    const Descriptor nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
    Pipe failure(command[0]);
    Launch launch;
    for (const std::string& word : command)
      launch.arguments.push_back(const_cast<char*>(word.c_str()));
    launch.arguments.push_back(nullptr);
    launch.input = nothing.number();
    launch.output = output_.to.number();
    launch.errors = errors_.to.number();
    launch.failure = failure.to.number();
    launch.limits = limits_;
    const pid_t pid = ForkWithoutSignals(launch);
    if (pid < 0) CannotStart(command[0]);
    output_.to.Close();
    errors_.to.Close();
    failure.to.Close();
    int reason = 0;
    ssize_t told;
    while ((told = read(failure.from.number(), &reason, sizeof(reason))) < 0 && errno == EINTR)
      continue;
    if (told > 0) {
      while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
      errno = reason;
      CannotStart(command[0]);
    }
    for (const Pipe* pipe : {&output_, &errors_})
      fcntl(pipe->from.number(), F_SETFL, O_NONBLOCK);
    return pid;
  }

  // Until the next that is to be done without being woken, rounded up; -1: never.
  int TimeoutMs() const {
    const auto next = std::min({time_ends_, next_look_, killed_at_});
    if (next == Clock::time_point::max()) return -1;
    const double ms =
        std::chrono::duration<double, std::milli>(next - Clock::now()).count();
    return static_cast<int>(std::ceil(std::clamp(ms, 0.0, 3.6e6)));
  }

  void LookAtClock() {
    const auto now = Clock::now();
    if (now >= next_look_) {
      const std::int64_t bytes = ResidentBytes(child_.group());
      result_.peak_memory_bytes = std::max(result_.peak_memory_bytes, bytes);
      if (bytes > limits_.memory_bytes) Stop(ChildStop::kMemory);
      next_look_ = now + kBetweenLooks;
    }
    if (now >= time_ends_) {
      time_ends_ = Clock::time_point::max();
      Stop(ChildStop::kTime);
    }
    if (now >= killed_at_) {
      killed_at_ = Clock::time_point::max();
      child_.Signal(SIGKILL);
    }
  }

  // What stops it first is why it was stopped.
  void Stop(ChildStop why) {
    if (why == ChildStop::kMemory) child_.Signal(SIGKILL);
    if (result_.stopped != ChildStop::kNone) return;
    result_.stopped = why;
    if (why == ChildStop::kMemory) return;
    child_.Signal(SIGTERM);
    killed_at_ = After(limits_.grace_seconds);
  }

  // Both are false at the end.
  bool TakeOutput() {
    const auto bytes = ReadSome(output_.from, buffer_);
    if (bytes) lines_.Add(*bytes);
    return bytes.has_value();
  }
  bool TakeErrors() {
    const auto bytes = ReadSome(errors_.from, buffer_);
    if (!bytes) return false;
    std::string& kept = result_.error_output;
    kept.append(*bytes);
    if (kept.size() > kKeptErrorOutput) kept.erase(0, kept.size() - kKeptErrorOutput);
    return true;
  }

  // What the pipes hold still: at most what fits into them, as somebody who left the group may go
  // on writing.
  void Drain() {
    const auto holds = [](const Pipe& pipe) {
      pollfd file{pipe.from.number(), POLLIN, 0};
      return poll(&file, 1, 0) == 1 && (file.revents & POLLIN) != 0;
    };
    const auto take = [&](const Pipe& pipe, bool (Run::*take_some)()) {
      const int room = fcntl(pipe.from.number(), F_GETPIPE_SZ);
      for (int taken = 0; taken <= room && holds(pipe); taken += 4096)
        if (!(this->*take_some)()) return;
    };
    take(output_, &Run::TakeOutput);
    take(errors_, &Run::TakeErrors);
    lines_.Finish();
  }

  const ChildLimits& limits_;
  Lines lines_;
  Pipe output_, errors_;
  Child child_;
  ChildResult result_;
  std::vector<char> buffer_;
  Clock::time_point time_ends_ = Clock::time_point::max();
  Clock::time_point next_look_ = Clock::time_point::max();
  Clock::time_point killed_at_ = Clock::time_point::max();
};

}  // namespace

CancelSwitch::CancelSwitch() : descriptor_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (descriptor_ < 0) throw Error::System("cannot make an event", "");
}

CancelSwitch::~CancelSwitch() { close(descriptor_); }

void CancelSwitch::Cancel() { eventfd_write(descriptor_, 1); }

ChildResult RunChild(const std::vector<std::string>& command, const ChildLimits& limits,
                     const std::function<void(std::string_view line)>& on_line,
                     const CancelSwitch* cancel) {
  return Run(command, limits, on_line).Wait(cancel == nullptr ? -1 : cancel->descriptor());
}

}  // namespace stemsmith
