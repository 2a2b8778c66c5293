#include "core/pending_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "core/error.h"
#include "core/file_kind.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr char kFolderAdvice[] = "choose a folder that this user may write";

void Flush(const fs::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw Error::System("cannot open what was just written", path.string());
  const int result = fsync(file);
  const int reason = errno;
  close(file);
  // Some file systems (FUSE, network mounts) know no fsync; the rename still is atomic there.
  if (result != 0 && reason != EINVAL && reason != ENOTSUP) {
    errno = reason;
    throw Error::Write("cannot flush to disk", path.string());
  }
}

void CreateFolders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw Error::Input("cannot create the folder: " + error.message(), folder.string(),
                       kFolderAdvice);
}

fs::path ParentOf(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// Of the path, or of the nearest folder above it that is there.
dev_t FileSystemOf(fs::path path) {
  struct stat about {};
  while (stat(path.c_str(), &about) != 0) {
    if (ParentOf(path) == path) return 0;
    path = ParentOf(path);
  }
  return about.st_dev;
}

// A file that is moved into place, and another name of what was there before.
struct Placed {
  fs::path to, before;  // `before` is empty where there was none, or the file system has no links
};

void PutBack(const std::vector<Placed>& placed) {
  std::error_code ignored;
  for (auto file = placed.rbegin(); file != placed.rend(); ++file) {
    if (file->before.empty()) {
      fs::remove_all(file->to, ignored);
    } else {
      fs::rename(file->before, file->to, ignored);
    }
  }
}

}  // namespace

void CheckTarget(const fs::path& target) {
  std::error_code ignored;
  const fs::file_status status = fs::status(target, ignored);
  if (!fs::exists(status) || fs::is_regular_file(status)) return;
  throw Error::Input("a " + KindOfFile(target) + " is in the way of the file to write",
                     target.string(), "move it away, or choose another place");
}

void CheckAreNoSources(const std::vector<fs::path>& targets, const std::vector<fs::path>& sources) {
  struct stat about {};
  std::set<std::pair<dev_t, ino_t>> read;
  for (const fs::path& source : sources)
    if (stat(source.c_str(), &about) == 0) read.emplace(about.st_dev, about.st_ino);
  for (const fs::path& target : targets) {
    if (stat(target.c_str(), &about) != 0 || !read.contains({about.st_dev, about.st_ino})) continue;
    throw Error::Usage("this file is read, and would be replaced by what is written",
                       target.string(), "choose another folder or name");
  }
}

void MoveIntoPlace(const std::vector<std::pair<fs::path, fs::path>>& moves) {
  for (const auto& move : moves) CheckTarget(move.second);
  std::vector<Placed> placed;
  for (const auto& [from, to] : moves) {
    std::error_code error, none;
    Placed file{to, {}};
    if (fs::exists(fs::symlink_status(to, none)) && moves.size() > 1) {
      file.before = TemporaryBeside(to);
      fs::create_hard_link(to, file.before, error);
      if (error) file.before.clear();
    }
    const bool lost_before = static_cast<bool>(error);  // cannot be put back
    fs::rename(from, to, error);
    if (error) {
      if (!file.before.empty()) fs::remove(file.before, none);
      PutBack(placed);
      throw Error::Input("cannot put the finished file in place: " + error.message(), to.string(),
                         "nothing was replaced");
    }
    if (!lost_before) placed.push_back(std::move(file));
  }
  std::error_code ignored;
  for (const Placed& file : placed)
    if (!file.before.empty()) fs::remove(file.before, ignored);
}

PendingFile::PendingFile(fs::path target) : target_(std::move(target)) {
  CheckTarget(target_);
  if (target_.has_parent_path()) CreateFolders(target_.parent_path());
  temporary_ = TemporaryBeside(target_);
  const int file = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) throw Error::Write("cannot write here", target_.string());
  close(file);
}

PendingFile::~PendingFile() {
  if (committed_) return;
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

void PendingFile::Commit() {
  Flush(temporary_);
  MoveIntoPlace({{temporary_, target_}});
  committed_ = true;
  // So that the new name survives a power cut too.
  Flush(ParentOf(target_));
}

void EnsureWritableFolder(const fs::path& folder) {
#ifdef O_TMPFILE
  // A file without a name, where the file system knows such: nothing stays even of a killed run.
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  const int file = open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (file >= 0) {
    close(file);
    return;
  }
#endif
  PendingFile probe(folder / "write-test");  // created, then removed uncommitted
}

ResultFolder::ResultFolder(const fs::path& folder) {
  std::error_code ignored;
  // Whatever the working directory will be; without a "/" at the end, which is no folder's name.
  fs::path missing = fs::absolute(folder / ".", ignored).lexically_normal().parent_path();
  for (; !fs::exists(fs::symlink_status(missing, ignored)); missing = ParentOf(missing))
    made_.push_back(missing);
  EnsureWritableFolder(folder);
}

ResultFolder::~ResultFolder() {
  std::error_code error;
  for (const fs::path& folder : made_)
    if (!fs::remove(folder, error)) return;  // not empty
}

PendingFolder::PendingFolder(fs::path target, const fs::path& beside) : target_(std::move(target)) {
  std::error_code error;
  const fs::file_status status = fs::status(target_, error);
  if (fs::exists(status) && !fs::is_directory(status))
    throw Error::Input("a file is in the way of the folder", target_.string(),
                       "move it away, or choose another folder");
  const bool elsewhere = !beside.empty() && FileSystemOf(beside) == FileSystemOf(target_);
  if (!elsewhere) EnsureWritableFolder(target_);
  RemoveLeftovers(target_);  // of files that were about to be replaced there
  temporary_ = TemporaryBeside((elsewhere ? beside : target_) / "files");
  // With `beside`, which another process may have made and removed again (ResultFolder).
  fs::create_directories(temporary_, error);
  if (error)
    throw Error::Input("cannot create a folder here: " + error.message(),
                       ParentOf(temporary_).string(), kFolderAdvice);
}

PendingFolder::~PendingFolder() {
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

fs::path PendingFolder::Add(const std::string& name) {
  CheckTarget(target_ / name);
  const fs::path below = fs::path(name).parent_path();
  for (fs::path folder = below; !folder.empty(); folder = folder.parent_path()) {
    std::error_code ignored;
    if (const fs::file_status status = fs::status(target_ / folder, ignored);
        fs::exists(status) && !fs::is_directory(status))
      throw Error::Input("a file is in the way of the folder", (target_ / folder).string(),
                         "move it away, or choose another folder");
  }
  if (!below.empty()) CreateFolders(temporary_ / below);
  names_.push_back(name);
  return temporary_ / name;
}

void PendingFolder::Commit() {
  for (const std::string& name : names_) Flush(temporary_ / name);
  std::error_code error;
  if (!fs::exists(target_, error)) {
    CreateFolders(ParentOf(target_));
    fs::rename(temporary_, target_, error);
    if (!error) return Flush(ParentOf(target_));
    CreateFolders(target_);
  }
  std::vector<std::pair<fs::path, fs::path>> moves;
  std::set<fs::path> folders;
  for (const std::string& name : names_) {
    moves.emplace_back(temporary_ / name, target_ / name);
    if (folders.insert(ParentOf(target_ / name)).second) CreateFolders(ParentOf(target_ / name));
  }
  MoveIntoPlace(moves);
  for (const fs::path& folder : folders) Flush(folder);
}

FolderLock::FolderLock(const fs::path& folder, const std::string& busy, const std::string& advice)
    : folder_(folder), number_(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (number_ < 0) throw Error::System("cannot open the folder", folder.string());
  if (flock(number_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(number_);
    throw Error::Usage(busy, folder.string(), advice);
  }
}

FolderLock::~FolderLock() { close(number_); }

bool FolderLock::StillThere() const {
  struct stat held {
  }, named{};
  return fstat(number_, &held) == 0 && stat(folder_.c_str(), &named) == 0 &&
         held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

}  // namespace stemsmith
