#include "serve/uploads.h"

#include "core/error.h"
#include "core/files.h"
#include "core/json_fields.h"
#include "core/text.h"
#include "core/utc_text.h"
#include "serve/answers.h"
#include "serve/http/multipart.h"

namespace stemsmith {

namespace fs = std::filesystem;

namespace {

constexpr double kKeptSeconds = 86400;  // of service, of an upload that nobody goes on with
constexpr double kIdleSeconds = 600;  // of service, after which others may have its place
constexpr std::size_t kMostNameLetters = 200;
constexpr std::size_t kMostComplete = 1000;

HttpError TooLarge(std::int64_t limit) {
  return HttpError(413, "The file is larger than the " + FormatBytes(static_cast<double>(limit)) +
                            " that this server takes.");
}

}  // namespace

std::string ShownName(const std::string& name) {
  std::string shown;
  for (const char letter : name.substr(name.find_last_of("/\\") + 1))
    shown += static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f ? ' ' : letter;
  shown = shown.substr(0, kMostNameLetters);
  // Not in the middle of a letter, and only UTF-8.
  nlohmann::json text = shown;
  text = ParseJson(text.dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore));
  shown = text.is_string() ? text.get<std::string>() : "";
  const std::size_t dot = shown.rfind('.');
  if (dot != std::string::npos && dot > 0 && shown.size() - dot <= 6) shown.resize(dot);
  if (shown.ends_with(".stem") && shown.size() > 5) shown.resize(shown.size() - 5);
  while (!shown.empty() && shown.back() == ' ') shown.pop_back();
  return shown.empty() || shown == "." || shown == ".." ? "song" : shown;
}

// Counts an upload in work, and keeps others from writing the same file.
class UploadLock {
 public:
  UploadLock(Uploads& uploads, std::string id, bool counts)
      : uploads_(uploads), id_(std::move(id)), counts_(counts) {
    const std::lock_guard lock(uploads_.mutex_);
    if (counts_ && uploads_.in_work_ + static_cast<int>(uploads_.touched_.size()) >=
                       uploads_.parts_.limits.uploads)
      throw HttpError(429, "Too many uploads are in work; try again in a few seconds.",
                      {{"Retry-After", kRetrySeconds}});
    if (!uploads_.locked_.insert(id_).second)
      throw HttpError(423, "Another request writes this upload; wait until it has ended.");
    if (counts_) ++uploads_.in_work_;
  }
  ~UploadLock() {
    const std::lock_guard lock(uploads_.mutex_);
    uploads_.locked_.erase(id_);
    if (counts_) --uploads_.in_work_;
  }
  UploadLock(const UploadLock&) = delete;
  UploadLock& operator=(const UploadLock&) = delete;

 private:
  Uploads& uploads_;
  const std::string id_;
  const bool counts_;
};

namespace {

// A whole song in one body.
class SongSink : public HttpBodySink {
 public:
  SongSink(Uploads& uploads, std::string name, Uploads::Then then)
      : uploads_(uploads),
        name_(std::move(name)),
        then_(std::move(then)),
        id_(NewId()),
        lock_(uploads, id_, true),
        path_(uploads.parts().data.Upload(id_)),
        file_(std::make_unique<UploadFile>(path_)) {}
  ~SongSink() override {
    std::error_code code;
    fs::remove(path_, code);
  }

  void Take(const char* bytes, std::size_t count) override {
    const std::int64_t limit = uploads_.parts().limits.upload_bytes;
    if (file_->bytes() + static_cast<std::int64_t>(count) > limit) throw TooLarge(limit);
    file_->Write(bytes, count);
  }

  HttpResponse Finish() override {
    file_->Flush();
    const std::int64_t bytes = file_->bytes();
    const std::string hash = file_->Sha256Hex();
    file_.reset();
    return then_(uploads_.Arrive(path_, hash, bytes, name_));
  }

 private:
  Uploads& uploads_;
  const std::string name_;
  const Uploads::Then then_;
  const std::string id_;
  const UploadLock lock_;
  const fs::path path_;
  std::unique_ptr<UploadFile> file_;
};

// A piece of an upload that can be resumed: what has arrived stays.
class PieceSink : public HttpBodySink {
 public:
  PieceSink(Uploads& uploads, std::string id, std::unique_ptr<UploadLock> lock,
            Uploads::State state)
      : uploads_(uploads),
        id_(std::move(id)),
        lock_(std::move(lock)),
        state_(std::move(state)),
        file_(uploads.TakeFile(id_, state_.offset)) {}
  ~PieceSink() override {
    if (file_) uploads_.GiveBackFile(id_, std::move(file_));
  }

  void Take(const char* bytes, std::size_t count) override {
    if (state_.offset + static_cast<std::int64_t>(count) > state_.length)
      throw HttpError(400, "The upload is longer than its Upload-Length of " +
                               std::to_string(state_.length) + " bytes.");
    file_->Write(bytes, count);
    state_.offset += static_cast<std::int64_t>(count);
  }

  HttpResponse Finish() override {
    file_->Flush();
    HttpResponse response{.status = 204};
    response.headers = {{"Tus-Resumable", "1.0.0"},
                        {"Upload-Offset", std::to_string(state_.offset)}};
    if (state_.offset == state_.length) {
      const std::string hash = file_->Sha256Hex();
      file_.reset();
      response.headers.emplace_back("Stemsmith-Song", uploads_.Complete(id_, state_, hash).song.id);
    } else {
      uploads_.GiveBackFile(id_, std::move(file_));
    }
    lock_.reset();  // before the answer: who has it may go on at once
    return response;
  }

 private:
  Uploads& uploads_;
  const std::string id_;
  std::unique_ptr<UploadLock> lock_;
  Uploads::State state_;
  std::unique_ptr<UploadFile> file_;
};

}  // namespace

Uploads::Uploads(ServeParts& parts) : parts_(parts) {
  // What an earlier process left: pieces of uploads that can go on, and others.
  const double now = parts_.store.ServedSeconds();
  for (const auto& entry : fs::directory_iterator(parts_.data.Uploads())) {
    const fs::path file = entry.path();
    std::error_code code;
    if (file.extension() == ".json") continue;
    if (IsId(file.filename().string()) && fs::exists(file.string() + ".json", code))
      touched_[file.filename().string()] = now;
    else
      fs::remove_all(file, code);
  }
}

std::unique_ptr<HttpBodySink> Uploads::TakeSong(HttpRequest& request, std::int64_t length,
                                                Then then) {
  if (length > parts_.limits.upload_bytes) throw TooLarge(parts_.limits.upload_bytes);
  MakePlace();
  const auto make = [this, &request, then](const std::string& filename) {
    const auto named = request.query.find("name");
    return std::make_unique<SongSink>(
        *this, ShownName(named == request.query.end() ? filename : named->second), then);
  };
  if (IsMultipart(request))
    return MakeMultipartSink(request, make);
  return make("");
}

std::string Uploads::Begin(std::int64_t length, const std::string& name) {
  if (length > parts_.limits.upload_bytes) throw TooLarge(parts_.limits.upload_bytes);
  if (length <= 0) throw HttpError(422, "The file is empty.");
  MakePlace();
  const std::string id = NewId();
  const UploadLock lock(*this, id, true);
  const fs::path path = parts_.data.Upload(id);
  auto file = std::make_unique<UploadFile>(path);
  WriteFileAtomically(path.string() + ".json",
                      nlohmann::json{{"length", length}, {"name", ShownName(name)}}.dump());
  const double now = parts_.store.ServedSeconds();
  const std::lock_guard guard(mutex_);
  touched_[id] = now;
  open_[id] = std::move(file);
  return id;
}

std::unique_ptr<UploadFile> Uploads::TakeFile(const std::string& id, std::int64_t offset) {
  {
    const std::lock_guard guard(mutex_);
    if (const auto found = open_.find(id); found != open_.end()) {
      auto file = std::move(found->second);
      open_.erase(found);
      if (file->bytes() == offset) return file;
    }
  }
  return std::make_unique<UploadFile>(parts_.data.Upload(id), offset);
}

void Uploads::GiveBackFile(const std::string& id, std::unique_ptr<UploadFile> file) {
  const std::lock_guard guard(mutex_);
  open_[id] = std::move(file);
}

Uploads::State Uploads::Find(const std::string& id) {
  {
    const std::lock_guard guard(mutex_);
    if (const auto found = complete_.find(id); found != complete_.end()) return found->second;
  }
  std::error_code code;
  const fs::path path = parts_.data.Upload(id);
  const auto bytes = IsId(id) ? fs::file_size(path, code) : 0;
  if (!IsId(id) || code || !fs::exists(path.string() + ".json", code))
    throw HttpError(404, "There is no such upload; it may be complete, or given up.");
  const nlohmann::json json = ParseJson(ReadFile(path.string() + ".json"));
  return {.offset = static_cast<std::int64_t>(bytes),
          .length = json.at("length").get<std::int64_t>(),
          .name = json.at("name").get<std::string>()};
}

std::unique_ptr<HttpBodySink> Uploads::Continue(const std::string& id, std::int64_t offset) {
  Find(id);
  auto lock = std::make_unique<UploadLock>(*this, id, false);
  State state = Find(id);
  if (!state.song.empty()) throw HttpError(409, "The upload is complete.");
  if (offset != state.offset)
    throw HttpError(409, "The upload has " + std::to_string(state.offset) +
                             " bytes, not the Upload-Offset of " + std::to_string(offset) +
                             "; ask for it by HEAD and go on there.",
                    {{"Upload-Offset", std::to_string(state.offset)}});
  const double now = parts_.store.ServedSeconds();
  {
    const std::lock_guard guard(mutex_);
    touched_[id] = now;
  }
  return std::make_unique<PieceSink>(*this, id, std::move(lock), std::move(state));
}

void Uploads::Remove(const std::string& id) {
  const bool complete = !Find(id).song.empty();
  const UploadLock lock(*this, id, false);
  if (complete) {
    const std::lock_guard guard(mutex_);
    complete_.erase(id);
    return;
  }
  std::error_code code;
  fs::remove(parts_.data.Upload(id), code);
  fs::remove(parts_.data.Upload(id).string() + ".json", code);
  const std::lock_guard guard(mutex_);
  touched_.erase(id);
  open_.erase(id);
}

Uploads::Arrived Uploads::Complete(const std::string& id, const State& state,
                                   const std::string& hash) {
  const fs::path path = parts_.data.Upload(id);
  const auto end = [&] {
    std::error_code code;
    fs::remove(path, code);
    fs::remove(path.string() + ".json", code);
    const std::lock_guard guard(mutex_);
    touched_.erase(id);
  };
  try {
    const Arrived arrived = Arrive(path, hash, state.length, state.name);
    end();
    const std::lock_guard guard(mutex_);
    if (complete_.size() >= kMostComplete) complete_.clear();
    complete_[id] = state;
    complete_[id].song = arrived.song.id;
    return arrived;
  } catch (const HttpError&) {  // no song: there is nothing to go on with
    end();
    throw;
  }
}

void Uploads::MakePlace() {
  double when = parts_.store.ServedSeconds() - kIdleSeconds;
  std::string oldest;
  {
    const std::lock_guard guard(mutex_);
    if (in_work_ + static_cast<int>(touched_.size()) < parts_.limits.uploads) return;
    for (const auto& [id, touched] : touched_) {
      if (touched > when || locked_.contains(id)) continue;
      when = touched;
      oldest = id;
    }
  }
  try {
    if (!oldest.empty()) Remove(oldest);
  } catch (const HttpError&) {  // it goes on just now
  }
}

void Uploads::Clean(double served_s) {
  std::vector<std::string> old;
  {
    const std::lock_guard guard(mutex_);
    for (const auto& [id, when] : touched_)
      if (served_s - when > kKeptSeconds) old.push_back(id);
  }
  for (const std::string& id : old) {
    try {
      Remove(id);
    } catch (const HttpError&) {
      const std::lock_guard guard(mutex_);
      if (!locked_.contains(id)) touched_.erase(id);
    }
  }
}

Uploads::Arrived Uploads::Arrive(const fs::path& file, const std::string& hash, std::int64_t bytes,
                                 const std::string& name) {
  if (bytes == 0) throw HttpError(422, "The file is empty.");
  if (const auto there = parts_.store.FindSongWithContent(hash)) return {*there, false};
  nlohmann::json info;
  try {
    info = parts_.programs.Probe(file);
  } catch (const Error& error) {
    throw HttpError(422, SentenceOf(error));
  }
  StoredSong song{.id = NewId(), .sha256 = hash, .name = name, .bytes = bytes};
  song.seconds = info.at("seconds").get<double>();
  for (const char* key : {"event", "file"}) info.erase(key);
  song.info = info.dump();
  song.created_at = UtcText("%Y-%m-%dT%H:%M:%SZ");
  const std::lock_guard guard(mutex_);  // equal songs that arrive together become one
  if (const auto there = parts_.store.FindSongWithContent(hash)) return {*there, false};
  std::error_code code;
  fs::create_directory(parts_.data.Song(song.id), code);
  fs::rename(file, parts_.data.Source(song.id), code);
  if (code) throw Error::Write("cannot keep the song", parts_.data.Source(song.id).string());
  for (const fs::path& folder : {parts_.data.Song(song.id), parts_.data.Songs()})
    FlushFolder(folder);
  try {
    parts_.store.AddSong(song);
  } catch (...) {  // an upload that can be gone on with has its file again
    fs::rename(parts_.data.Source(song.id), file, code);
    fs::remove_all(parts_.data.Song(song.id), code);
    throw;
  }
  return {song, true};
}

}  // namespace stemsmith
