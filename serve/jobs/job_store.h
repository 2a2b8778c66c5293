// Songs and jobs of the web app, in a database: SQLite (one machine) or PostgreSQL (several). What
// is in it survives a restart.
//
// A job is queued, then running, then done, failed or cancelled. Whoever works on one is its owner
// until it ends, is given back, or is taken away because its owner was silent; what a former owner
// says of it no longer counts, so that a result appears once. Which job is older is told by its
// number, never by a clock.
//
// All calls may come from any thread. They throw Error where the database fails; a change was then
// not made, but for one where a PostgreSQL server went away in its last moment and stayed away, of
// which nobody knows. Texts are UTF-8; what is not is replaced.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace stemsmith {

struct StoredSong {
  std::string id;          // not guessable: also the name of its folder
  std::string sha256;      // of its bytes
  std::string name;        // as its owner calls it; never a path
  std::int64_t bytes = 0;
  double seconds = 0;      // its length
  std::string info = "{}"; // JSON: what a decoder says of it
  std::string created_at;  // UTC, RFC 3339
};

enum class JobState { kQueued, kRunning, kDone, kFailed, kCancelled };
const char* JobStateName(JobState state);                                // "queued" …
std::optional<JobState> FindJobState(const std::string& name);

struct NewJob {
  std::string id;       // not guessable
  std::string song;     // id of a stored song
  std::string title;    // what lists show and what is searched: the song's name
  std::string model;    // its name
  std::string request;  // JSON: what is wanted of the song
  std::string work;     // equal for jobs with equal results
};

struct StoredJob : NewJob {
  std::int64_t number = 0;    // rising in the order of submission
  std::int64_t revision = 0;  // rising with every change of any job
  JobState state = JobState::kQueued;
  double progress = 0;        // 0 … 1
  int attempts = 0;           // how often it was begun
  int crashes = 0;            // how often the program that separates broke down in it
  std::string worker;         // who owns it, or who did last
  std::int64_t beat = 0;      // rises with every sign of life of its owner
  bool cancel_wanted = false; // its owner is to stop
  std::string message;        // why it failed
  std::string result = "null";  // JSON, when done
  std::int64_t bytes = 0;     // of its files on the disk, when done
  std::int64_t place = 0;     // in the queue, from 1; 0 where it is not queued
  std::string created_at, started_at, finished_at;  // UTC, RFC 3339; empty where not yet
  double finished_served_s = 0;  // ServedSeconds() when it ended
};

struct JobFilter {
  std::string search;             // part of the title, any case; empty: all
  std::optional<JobState> state;
  std::int64_t before = INT64_MAX;  // only numbers below
  int limit = 50;
};

struct QueueFigures {
  std::int64_t queued = 0, running = 0, done = 0, failed = 0, cancelled = 0;
  std::int64_t songs = 0;
  std::int64_t bytes = 0;  // of songs and of the files of jobs
};

class JobStore {
 public:
  virtual ~JobStore() = default;

  // "SQLite 3.40.1", "PostgreSQL 15.18".
  virtual std::string Description() = 0;

  // Songs.
  virtual void AddSong(const StoredSong& song) = 0;
  virtual std::optional<StoredSong> FindSong(const std::string& id) = 0;
  virtual std::optional<StoredSong> FindSongWithContent(const std::string& sha256) = 0;
  // Songs without a job, older than so many seconds of service.
  virtual std::vector<StoredSong> UnusedSongs(double served_s) = 0;
  // False where a job has it. True where there is none.
  virtual bool RemoveSong(const std::string& id) = 0;

  // Jobs, for those who want them done.
  enum class Submission { kNew, kThere, kFull };
  // kThere: `job` becomes the job with equal `work` that is queued, running or done. kFull: so many
  // are queued already. Throws Error where the song is no longer there.
  virtual Submission Submit(const NewJob& wanted, std::int64_t queue_limit, StoredJob& job) = 0;
  virtual std::optional<StoredJob> Find(const std::string& id) = 0;
  virtual std::vector<StoredJob> List(const JobFilter& filter) = 0;  // newest first
  // Those with a revision above, in the order of revisions. No change with a lower one than any
  // that was given appears later.
  virtual std::vector<StoredJob> ChangedSince(std::int64_t revision, int limit) = 0;
  virtual std::int64_t Revision() = 0;  // the highest so far
  // Of a queued one: it is cancelled. Of a running one: its owner is told with its next beat. False
  // where it is no longer either.
  virtual bool Cancel(const std::string& id) = 0;
  // A job that is done, failed or cancelled; false for others.
  virtual bool Remove(const std::string& id) = 0;
  virtual QueueFigures Figures() = 0;

  // Jobs, for those who do them. `worker` is a name that no other process has.
  virtual std::optional<StoredJob> Take(const std::string& worker) = 0;  // the oldest queued one
  enum class Order { kGoOn, kCancel, kLost };  // kLost: somebody else owns it, or nobody
  virtual Order Beat(const std::string& id, const std::string& worker, double progress) = 0;
  // These are false where `worker` is not the owner (any more).
  virtual bool Finish(const std::string& id, const std::string& worker, const std::string& result,
                      std::int64_t bytes) = 0;
  virtual bool Fail(const std::string& id, const std::string& worker,
                    const std::string& message) = 0;
  virtual bool EndCancelled(const std::string& id, const std::string& worker) = 0;
  // Queued again, at its old place; does not count. Like those below: cancelled, where that was
  // wanted.
  virtual bool GiveBack(const std::string& id, const std::string& worker) = 0;
  // Queued again, or failed with `message` where it is the crash number `most`.
  virtual bool Crash(const std::string& id, const std::string& worker, int most,
                     const std::string& message) = 0;
  // Queued again where it is still running with this beat: its owner was silent.
  virtual bool TakeAway(const std::string& id, std::int64_t beat) = 0;

  // How long the app has been serving in all, in seconds: clocks jump, this does not. Adds to it;
  // one of several servers does so at a time.
  virtual double ServedSeconds(double add = 0) = 0;
};

// `url`: "postgresql://…" or "postgres://…" (libpq's; the module libstemsmith_postgresql.so), or
// the path of an SQLite file, which is made where it is missing. Throws Error: damaged, of a later
// version, not reachable.
std::unique_ptr<JobStore> OpenJobStore(const std::string& url);
// Whether several machines can share it.
bool IsShared(const std::string& url);

}  // namespace stemsmith
