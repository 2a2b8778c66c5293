// Songs on their way in: hashed and measured as they come, looked at when complete, and only then
// songs.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "serve/http/http.h"
#include "serve/http/upload_file.h"
#include "serve/workers.h"

namespace stemsmith {

class Uploads {
 public:
  explicit Uploads(ServeParts& parts);

  struct Arrived {
    StoredSong song;
    bool is_new = false;
  };
  using Then = std::function<HttpResponse(const Arrived& arrived)>;
  // Takes a whole song in one body: the file itself or a form. `length` is the body's, -1 where
  // unknown. Throws HttpError.
  std::unique_ptr<HttpBodySink> TakeSong(HttpRequest& request, std::int64_t length, Then then);

  // Uploads that can be resumed (tus 1.0.0). They throw HttpError.
  std::string Begin(std::int64_t length, const std::string& name);  // gives its id
  struct State {
    std::int64_t offset = 0, length = 0;
    std::string name;
    std::string song;  // the id of what a complete one became, for those who lost that answer
  };
  State Find(const std::string& id);
  std::unique_ptr<HttpBodySink> Continue(const std::string& id, std::int64_t offset);
  void Remove(const std::string& id);
  // Of a complete one, whose SHA-256 is `hash`: makes the song. Called by Continue's sink.
  Arrived Complete(const std::string& id, const State& state, const std::string& hash);
  // What Continue's sink writes, and gives back where it is not complete.
  std::unique_ptr<UploadFile> TakeFile(const std::string& id, std::int64_t offset);
  void GiveBackFile(const std::string& id, std::unique_ptr<UploadFile> file);

  // Removes those that nobody went on with for a day of service.
  void Clean(double served_s);

  // What a file becomes. `hash` is its SHA-256.
  Arrived Arrive(const std::filesystem::path& file, const std::string& hash, std::int64_t bytes,
                 const std::string& name);
  ServeParts& parts() { return parts_; }

 private:
  friend class UploadLock;
  // Where all places are taken: removes the upload that was left alone the longest, if for minutes.
  void MakePlace();

  ServeParts& parts_;
  std::mutex mutex_;
  std::map<std::string, double> touched_;  // served seconds when an upload was last gone on with
  std::set<std::string> locked_;           // that a request writes now
  // Those that can be resumed, between two pieces: open, so that no piece is read again for the
  // hash.
  std::map<std::string, std::unique_ptr<UploadFile>> open_;
  int in_work_ = 0;
  std::map<std::string, State> complete_;  // those of the last minutes
};

// A name as users call a file: without its folder and what cannot be shown, at most 200 letters.
std::string ShownName(const std::string& name);

}  // namespace stemsmith
