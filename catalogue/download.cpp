#include "catalogue/download.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>
#include <thread>

#include "catalogue/http.h"
#include "catalogue/local_copies.h"
#include "core/copy_file.h"
#include "core/error.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/json_fields.h"
#include "core/sha256.h"
#include "core/text.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 36;  // of a file whose size nobody says
constexpr int kLongestWait = 60;                              // seconds that a server may ask for
constexpr int kAttemptsWithoutServer = 3;

bool Matches(const CatalogueFile& file, const std::string& sha256) {
  return sha256.starts_with(file.sha256);
}

// "its SHA-256 begins with 12ab34cd, not with 8726e21a"
std::string Difference(const CatalogueFile& file, const std::string& sha256) {
  return "its SHA-256 begins with " + sha256.substr(0, file.sha256.size()) + ", not with " +
         file.sha256;
}

// The server's file is not the catalogue's; another server may have it.
struct Refusal {
  std::string why;
};

// Why an address gave no file, and what may help.
struct Problem {
  enum class Kind {
    kFinal,    // another try brings the same
    kOffline,  // no server was reached
    kPassing,  // the server or the connection failed
  };
  Kind kind;
  std::string text;
};

// A file that no address gave.
struct NotBrought {
  std::string file;
  std::vector<Problem> problems;
  std::string Text() const {
    return "cannot download " + file + " (" + JoinNames(problems, "; ", &Problem::text) + ")";
  }
  bool Has(Problem::Kind kind) const {
    return std::any_of(problems.begin(), problems.end(),
                       [&](const Problem& problem) { return problem.kind == kind; });
  }
};

// "models.example.org" of "https://models.example.org/x".
std::string HostOf(const std::string& address) {
  const std::size_t begin = address.find("://") + 3;
  return address.substr(begin, address.find('/', begin) - begin);
}

// What has arrived of a file so far, and of which answer.
class Part {
 public:
  Part(const fs::path& folder, const std::string& name)
      : file_(folder / (name + ".part")), notes_(folder / (name + ".part.json")) {
    std::error_code code;
    if (!fs::is_regular_file(file_, code)) return;
    const json notes =
        fs::is_regular_file(notes_, code) ? ParseJson(ReadFile(notes_)) : json(nullptr);
    if (notes.is_object() && notes.contains("address") && notes["address"].is_string() &&
        notes.contains("validator") && notes["validator"].is_string()) {
      address_ = notes["address"];
      validator_ = notes["validator"];
      bytes_ = fs::file_size(file_, code);
    }
  }

  const fs::path& file() const { return file_; }
  std::uint64_t bytes() const { return bytes_; }
  const std::string& validator() const { return validator_; }

  // Another server's bytes are of the same file only where a checksum will tell.
  void ExpectFrom(const std::string& address, bool has_checksum) {
    if (address == address_) return;
    if (!has_checksum) Clear();
    address_ = address;
    validator_.clear();
  }
  // Where the next bytes begin: at what is there, or at the beginning.
  void Open(std::uint64_t begin, const std::string& validator) {
    if (begin == 0) Clear();
    if (begin != bytes_)
      throw Refusal{"the server sends bytes from " + std::to_string(begin) + " on, not from " +
                    std::to_string(bytes_)};
    validator_ = validator;
    WriteFileAtomically(notes_, json{{"address", address_}, {"validator", validator_}}.dump());
    out_.open(file_, std::ios::binary | std::ios::app);
    if (!out_) throw Error::Write("cannot write", file_.string());
  }
  void Write(const char* data, std::size_t size) {
    errno = 0;
    out_.write(data, static_cast<std::streamsize>(size));
    out_.flush();
    if (!out_) throw Error::Write("cannot write", file_.string());
    bytes_ += size;
  }
  void Close() {
    if (out_.is_open()) out_.close();
    out_.clear();
  }
  void Clear() {
    Close();
    std::error_code code;
    fs::remove(file_, code);
    fs::remove(notes_, code);
    bytes_ = 0;
  }
  // Under its name, whole.
  void Finish(const fs::path& target) {
    Close();
    MoveIntoPlace({{file_, target}});
    std::error_code code;
    fs::remove(notes_, code);
  }

 private:
  fs::path file_, notes_;
  std::string address_, validator_;
  std::uint64_t bytes_ = 0;
  std::ofstream out_;
};

class Downloader {
 public:
  Downloader(const CatalogueFile& file, const fs::path& folder, const DownloadOptions& options)
      : file_(file), target_(folder / file.name), options_(options), part_(folder, file.name) {}

  // Throws NotBrought.
  DownloadedFile Get() {
    if (const auto here = FromThisDisk()) return *here;
    NotBrought failure{file_.name, {}};
    for (const std::string& address : file_.addresses) {
      std::optional<Problem> problem = From(address);
      if (!problem) return {file_.name, Sha256OfFile(target_), address, !file_.sha256.empty()};
      problem->text = address + ": " + problem->text;
      failure.problems.push_back(std::move(*problem));
      if (failure.problems.size() < file_.addresses.size())
        waits_.Message(failure.problems.back().text + "; the next address is tried");
    }
    waits_.Finish();
    throw failure;
  }

 private:
  // A run before this one, or another program, has brought it.
  std::optional<DownloadedFile> FromThisDisk() {
    std::error_code code;
    if (fs::is_regular_file(target_, code)) {
      const std::string sha256 = Sha256OfFile(target_);
      if (Matches(file_, sha256))
        return DownloadedFile{file_.name, sha256, target_.string(), !file_.sha256.empty()};
      options_.host.Warn(target_.string() + " is not what the catalogue says (" +
                         Difference(file_, sha256) + "): it is downloaded again");
      fs::remove(target_, code);
    }
    if (!options_.other_programs) return std::nullopt;
    for (const std::string& address : file_.addresses) {
      for (const fs::path& copy : LocalCopies(address)) {
        const std::string sha256 = Sha256OfFile(copy);
        if (!Matches(file_, sha256)) {
          options_.host.Warn(copy.string() + " is passed over: " + Difference(file_, sha256));
          continue;
        }
        PendingFile pending(target_);
        CopyFile(copy, pending.path());
        pending.Commit();
        return DownloadedFile{file_.name, sha256, copy.string(), !file_.sha256.empty()};
      }
    }
    return std::nullopt;
  }

  // Nothing: it lies there, whole and right.
  std::optional<Problem> From(const std::string& address) {
    using enum Problem::Kind;
    part_.ExpectFrom(address, !file_.sha256.empty());
    Problem problem{kPassing, ""};
    bool again = true;  // once from the beginning, where what was put together is wrong
    for (int failures = 0; failures < options_.attempts;) {
      const std::uint64_t before = part_.bytes();
      HttpResult result;
      try {
        result = Request(address);
      } catch (const Refusal& refusal) {
        part_.Clear();
        if (before == 0 || !std::exchange(again, false)) return Problem{kFinal, refusal.why};
        continue;
      }
      part_.Close();
      if (const int signal = options_.host.StopSignal(); signal != 0)
        throw Error::Stopped(signal, "the download was stopped",
                             "run this again to continue where it stopped");
      if (result.answer.status == 416 && before > 0) {  // all of it is there, or it has changed
        problem = {kFinal, ""};
        if (result.answer.whole == before && (problem.text = Check()).empty()) return std::nullopt;
        part_.Clear();
        ++failures;
        continue;
      }
      if (result.problem.empty() && result.answer.status < 300) {
        problem = {kFinal, Check()};
        if (problem.text.empty()) return std::nullopt;
        part_.Clear();
        if (result.answer.status != 206 || !std::exchange(again, false)) return problem;
        continue;
      }
      if (result.problem.empty() && !IsPassing(result.answer.status))
        return Problem{kFinal, StatusText(result.answer.status)};
      problem = {result.offline ? kOffline : kPassing,
                 result.problem.empty() ? StatusText(result.answer.status) : result.problem};
      failures = part_.bytes() > before ? 0 : failures + 1;
      const int attempts =
          result.offline ? std::min(options_.attempts, kAttemptsWithoutServer) : options_.attempts;
      if (failures >= attempts) break;
      const double pause_s = PauseAfter(failures, result.answer.retry_after_s);
      waits_.Message(file_.name + ": " + HostOf(address) + ": " + problem.text + "; try " +
                     std::to_string(failures + 1) + " of " + std::to_string(attempts) + " in " +
                     Formatted("%g s", pause_s));
      Wait(pause_s);
    }
    return problem;
  }

  HttpResult Request(const std::string& address) {
    HttpGetRequest request;
    request.address = address;
    request.begin = part_.bytes();
    request.validator = part_.validator();
    request.stall_s = options_.stall_s;
    std::uint64_t whole = file_.bytes;
    std::optional<Progress> progress;
    request.start = [&](const HttpAnswer& answer) {
      if (answer.whole) {
        if (file_.bytes > 0 && *answer.whole != file_.bytes)
          throw Refusal{"the server's file has " + std::to_string(*answer.whole) +
                        " bytes, the catalogue's " + std::to_string(file_.bytes)};
        whole = *answer.whole;
      }
      part_.Open(answer.status == 206 ? answer.begin : 0, answer.validator);
      CheckRoom(whole > part_.bytes() ? whole - part_.bytes() : 0);
      waits_.Finish();
      progress.emplace(
          options_.host,
          Task{label_, static_cast<std::int64_t>((whole + kMebibyte - 1) / kMebibyte), "MiB"});
    };
    request.data = [&](const char* data, std::size_t size) {
      const std::uint64_t most = whole > 0 ? whole : kMostBytes;
      if (part_.bytes() + size > most)
        throw Refusal{"the server sends more than the " + std::to_string(most) +
                      " bytes of the file"};
      part_.Write(data, size);
      progress->Update(static_cast<std::int64_t>(part_.bytes() / kMebibyte), "",
                       {{"bytes", part_.bytes()}, {"bytes_in_all", whole}});
    };
    request.stop = [&] {
      if (!progress)
        waits_.Update(static_cast<std::int64_t>(part_.bytes() / kMebibyte),
                      "waits for " + HostOf(address), {{"bytes", part_.bytes()}});
      return options_.host.StopSignal() != 0;
    };
    HttpResult result = HttpGet(request);
    if (progress) progress->Finish();
    if (result.problem.empty() && whole > 0 && part_.bytes() < whole && result.answer.status < 300)
      result.problem = "the connection ended before the file did";
    return result;
  }

  // The room for what is still to come.
  void CheckRoom(std::uint64_t bytes) const {
    std::error_code code;
    const fs::space_info space = fs::space(target_.parent_path(), code);
    if (code || space.available >= bytes) return;
    throw Error::Input(file_.name + " needs " + FormatBytes(static_cast<double>(bytes)) + ", " +
                           FormatBytes(static_cast<double>(space.available)) + " are free",
                       target_.parent_path().string(),
                       "make room, or set XDG_DATA_HOME to a folder on another disk");
  }

  // Puts what arrived under its name where it is what it should be; says what is wrong otherwise.
  std::string Check() {
    std::error_code code;
    if (!fs::is_regular_file(part_.file(), code)) return "the server sent nothing";
    const std::string sha256 = Sha256OfFile(part_.file());
    if (!Matches(file_, sha256))
      return "the file is not what the catalogue says, " + Difference(file_, sha256) +
             ": it is not used";
    part_.Finish(target_);
    return "";
  }

  static std::string StatusText(int status) {
    const std::string number = "the server answers " + std::to_string(status);
    if (status == 404 || status == 410) return number + ": there is no such file any more";
    if (status == 401 || status == 403) return number + ": it does not give the file to everybody";
    if (status == 429) return number + ": too many requests";
    return number;
  }
  static bool IsPassing(int status) { return status == 408 || status == 429 || status >= 500; }

  double PauseAfter(int failures, int asked_s) const {
    const double seconds =
        options_.pause_s * static_cast<double>(1 << std::clamp(failures - 1, 0, 5));
    return std::max(seconds, static_cast<double>(std::min(asked_s, kLongestWait)));
  }
  void Wait(double seconds) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < until && options_.host.StopSignal() == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }

  const CatalogueFile& file_;
  fs::path target_;
  const DownloadOptions& options_;
  Part part_;
  const std::string label_ = "download " + file_.name;
  Progress waits_{options_.host, Task{label_, 0, "MiB"}};  // while nothing arrives
};

std::vector<DownloadedFile> DownloadSource(const CatalogueSource& source, const fs::path& folder,
                                           const DownloadOptions& options) {
  std::vector<DownloadedFile> files;
  for (const CatalogueFile& file : source.files)
    files.push_back(Downloader(file, folder, options).Get());
  for (const auto& [name, content] : source.texts) WriteFileAtomically(folder / name, content);
  return files;
}

// "put a.th and b.th, or else c.safetensors, into FOLDER and run this again".
std::string HowToBring(const std::vector<CatalogueSource>& sources, const fs::path& folder) {
  const std::string which = JoinNames(sources, ", or else ", [](const CatalogueSource& source) {
    return JoinNames(source.files, " and ", &CatalogueFile::name);
  });
  return "bring the files yourself: put " + which + (sources.size() > 1 ? ", into " : " into ") +
         folder.string() + " and run this again";
}

}  // namespace

Downloaded DownloadModel(const std::vector<CatalogueSource>& sources, const fs::path& folder,
                         const DownloadOptions& options) {
  std::vector<NotBrought> failures;
  for (const CatalogueSource& source : sources) {
    try {
      return {&source, DownloadSource(source, folder, options)};
    } catch (const NotBrought& failure) {
      failures.push_back(failure);
      if (failures.size() < sources.size())
        options.host.Warn(failure.Text() + "; the next source is tried");
    }
  }
  const auto any = [&](Problem::Kind kind) {
    return std::any_of(failures.begin(), failures.end(),
                       [&](const NotBrought& failure) { return failure.Has(kind); });
  };
  const std::string advice =
      any(Problem::Kind::kPassing)   ? "run this again to continue where it stopped; or "
      : any(Problem::Kind::kOffline) ? "is there a network? Behind a proxy set https_proxy; or "
                                     : "another try would bring the same: ask the model's authors "
                                       "where it is now and name the address in a catalogue of "
                                       "your own (--catalogue), or ";
  throw Error::Input(JoinNames(failures, "; ", &NotBrought::Text), "",
                     advice + HowToBring(sources, folder));
}

}  // namespace stemsmith
