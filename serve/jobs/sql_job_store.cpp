// How changes are kept apart. One row, stemsmith_state, counts revisions. Who changes jobs locks
// it and keeps it to the end of the transaction, so revisions become visible in their order. Where
// a job's row is locked, too, it is locked first and changed last; nobody waits in a circle.
#include "serve/jobs/sql_job_store.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/numbers.h"
#include "core/text.h"
#include "core/utc_text.h"
#include "core/utf8.h"

namespace stemsmith {
namespace {

using Access = Database::Access;

constexpr std::int64_t kVersion = 1;

constexpr const char* kTables[] = {
    "CREATE TABLE stemsmith_state (one BIGINT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL,"
    " number BIGINT NOT NULL, revision BIGINT NOT NULL, served_s DOUBLE PRECISION NOT NULL)",
    "CREATE TABLE stemsmith_songs (id TEXT PRIMARY KEY, sha256 TEXT NOT NULL, name TEXT NOT NULL,"
    " bytes BIGINT NOT NULL, seconds DOUBLE PRECISION NOT NULL, info TEXT NOT NULL,"
    " created_at TEXT NOT NULL, served_s DOUBLE PRECISION NOT NULL)",
    "CREATE INDEX stemsmith_songs_by_content ON stemsmith_songs (sha256)",
    // `small` is the title in small letters, in which it is searched.
    "CREATE TABLE stemsmith_jobs (id TEXT PRIMARY KEY,"
    " song TEXT NOT NULL REFERENCES stemsmith_songs (id), title TEXT NOT NULL, small TEXT NOT NULL,"
    " model TEXT NOT NULL, request TEXT NOT NULL, work TEXT NOT NULL, number BIGINT NOT NULL,"
    " revision BIGINT NOT NULL, state TEXT NOT NULL, progress DOUBLE PRECISION NOT NULL,"
    " attempts BIGINT NOT NULL, crashes BIGINT NOT NULL, worker TEXT NOT NULL,"
    " beat BIGINT NOT NULL, cancel_wanted BIGINT NOT NULL, message TEXT NOT NULL, result TEXT NOT NULL,"
    " bytes BIGINT NOT NULL, created_at TEXT NOT NULL, started_at TEXT NOT NULL,"
    " finished_at TEXT NOT NULL, finished_served_s DOUBLE PRECISION NOT NULL)",
    "CREATE UNIQUE INDEX stemsmith_jobs_by_number ON stemsmith_jobs (number)",
    "CREATE UNIQUE INDEX stemsmith_jobs_by_revision ON stemsmith_jobs (revision)",
    "CREATE INDEX stemsmith_jobs_by_state ON stemsmith_jobs (state, number)",
    "CREATE INDEX stemsmith_jobs_by_song ON stemsmith_jobs (song)",
    "CREATE UNIQUE INDEX stemsmith_jobs_by_work ON stemsmith_jobs (work)"
    " WHERE state IN ('queued', 'running', 'done')",
    "INSERT INTO stemsmith_state VALUES (1, 1, 0, 0, 0)",
};

// A row, cell by cell.
class Cells {
 public:
  explicit Cells(const SqlRow& row) : row_(row) {}
  Cells& operator>>(std::string& value) {
    value = Next();
    return *this;
  }
  Cells& operator>>(std::int64_t& value) { return Read(value); }
  Cells& operator>>(int& value) { return Read(value); }
  Cells& operator>>(double& value) { return Read(value); }
  Cells& operator>>(bool& value) {
    value = Next() != "0";
    return *this;
  }
  Cells& operator>>(JobState& value) {
    const std::string& name = Next();
    const auto state = FindJobState(name);
    if (!state) throw Error::Input("unknown state of a job: '" + name + "'", kWhere);
    value = *state;
    return *this;
  }

 private:
  static constexpr const char* kWhere = "the database of jobs";
  const std::string& Next() { return row_.at(at_++); }
  template <typename T>
  Cells& Read(T& value) {
    value = RequireNumber<T>(Next(), {}, "a cell", kWhere);
    return *this;
  }
  const SqlRow& row_;
  std::size_t at_ = 0;
};

const std::string kSongColumns = "SELECT id, sha256, name, bytes, seconds, info, created_at"
                                 " FROM stemsmith_songs AS s ";

StoredSong SongOf(const SqlRow& row) {
  StoredSong song;
  Cells(row) >> song.id >> song.sha256 >> song.name >> song.bytes >> song.seconds >> song.info >>
      song.created_at;
  return song;
}

const std::string kJobColumns =
    "SELECT id, song, title, model, request, work, number, revision, state, progress, attempts,"
    " crashes, worker, beat, cancel_wanted, message, result, bytes, created_at, started_at,"
    " finished_at, finished_served_s";
const std::string kOfJobs = " FROM stemsmith_jobs AS j ";
const std::string kJobsWithPlace =
    kJobColumns +
    ", CASE WHEN state = 'queued' THEN (SELECT count(*) FROM stemsmith_jobs AS q"
    " WHERE q.state = 'queued' AND q.number <= j.number) ELSE 0 END" +
    kOfJobs;

constexpr const char* kCountQueued = "SELECT count(*) FROM stemsmith_jobs WHERE state = 'queued'";

StoredJob JobOf(const SqlRow& row) {
  StoredJob job;
  Cells cells(row);
  cells >> job.id >> job.song >> job.title >> job.model >> job.request >> job.work >> job.number >>
      job.revision >> job.state >> job.progress >> job.attempts >> job.crashes >> job.worker >>
      job.beat >> job.cancel_wanted >> job.message >> job.result >> job.bytes >> job.created_at >>
      job.started_at >> job.finished_at >> job.finished_served_s;
  if (row.size() > 22) cells >> job.place;
  return job;
}

template <typename Make>
auto AllOf(const std::vector<SqlRow>& rows, const Make& make) {
  std::vector<decltype(make(rows[0]))> all;
  all.reserve(rows.size());
  for (const SqlRow& row : rows) all.push_back(make(row));
  return all;
}

template <typename Make>
auto FirstOf(const std::vector<SqlRow>& rows, const Make& make) {
  return rows.empty() ? std::nullopt : std::optional(make(rows[0]));
}

std::string Now() { return UtcText("%Y-%m-%dT%H:%M:%SZ"); }

bool IsOver(JobState state) { return state != JobState::kQueued && state != JobState::kRunning; }

void End(StoredJob& job, JobState state) {
  job.state = state;
  job.finished_at = Now();
}

// Queued again, but for a job whose end is wanted.
void Requeue(StoredJob& job) {
  job.progress = 0;
  job.started_at.clear();
  if (job.cancel_wanted)
    End(job, JobState::kCancelled);
  else
    job.state = JobState::kQueued;
}

class SqlJobStore : public JobStore {
 public:
  explicit SqlJobStore(std::unique_ptr<Database> database)
      : database_(std::move(database)), sql_(database_->dialect()) {
    if (!HasTables()) MakeTables();
    const std::int64_t version =
        Number(Read("SELECT version FROM stemsmith_state WHERE one = 1"));
    if (version != kVersion) {
      throw Error::Input(Formatted("the database of jobs is of version %lld, this program of %lld",
                                   static_cast<long long>(version),
                                   static_cast<long long>(kVersion)),
                         database_->Name(),
                         version > kVersion ? "use the version of stemsmith that wrote it"
                                            : "is it a database of stemsmith?");
    }
  }

  std::string Description() override { return database_->Description(); }

  void AddSong(const StoredSong& song) override {
    Write([&](SqlSession& session) {
      session.Query(
          "INSERT INTO stemsmith_songs SELECT $1, $2, $3, $4, $5, $6, $7, served_s"
          " FROM stemsmith_state WHERE true ON CONFLICT (id) DO NOTHING",
          {song.id, song.sha256, song.name, song.bytes, song.seconds, song.info,
           song.created_at.empty() ? Now() : song.created_at});
    });
  }

  std::optional<StoredSong> FindSong(const std::string& id) override {
    return FirstOf(Read(kSongColumns + "WHERE id = $1", {id}), SongOf);
  }

  std::optional<StoredSong> FindSongWithContent(const std::string& sha256) override {
    return FirstOf(Read(kSongColumns + "WHERE sha256 = $1 ORDER BY served_s, id LIMIT 1", {sha256}),
                   SongOf);
  }

  std::vector<StoredSong> UnusedSongs(double served_s) override {
    return AllOf(Read(kSongColumns +
                          "WHERE served_s + $1 < (SELECT served_s FROM stemsmith_state)"
                          " AND NOT EXISTS (SELECT 1 FROM stemsmith_jobs WHERE song = s.id)"
                          " ORDER BY served_s, id",
                      {served_s}),
                 SongOf);
  }

  bool RemoveSong(const std::string& id) override {
    bool used = false;
    Write([&](SqlSession& session) {
      Lock(session);
      used = !session.Query("SELECT 1 FROM stemsmith_jobs WHERE song = $1 LIMIT 1", {id}).empty();
      if (!used) session.Query("DELETE FROM stemsmith_songs WHERE id = $1", {id});
    });
    return !used;
  }

  Submission Submit(const NewJob& wanted, std::int64_t queue_limit, StoredJob& job) override {
    const auto find = [&](SqlSession& session) {
      const auto found =
          FirstOf(session.Query(kJobsWithPlace +
                                    "WHERE id = $1 OR (work = $2 AND state IN ('queued', 'running',"
                                    " 'done'))",
                                {wanted.id, wanted.work}),
                  JobOf);
      if (found) job = *found;
      return found.has_value();
    };
    Submission submission{};
    const auto cannot = [&](SqlSession& session) {
      submission = find(session) ? Submission::kThere
                   : Number(session.Query(kCountQueued)) >= queue_limit ? Submission::kFull
                                                                        : Submission::kNew;
      return submission != Submission::kNew;
    };
    // Asked first without a lock: where many want more than there is room for, most go away.
    bool answered = false;
    database_->Run(Access::kRead, [&](SqlSession& session) { answered = cannot(session); });
    if (answered) return submission;
    Write([&](SqlSession& session) {
      Lock(session);
      if (cannot(session)) return;
      if (session.Query("SELECT 1 FROM stemsmith_songs WHERE id = $1", {wanted.song}).empty())
        throw Error::Input("the song is no longer there", wanted.title, "upload it again");
      session.Query("UPDATE stemsmith_state SET number = number + 1, revision = revision + 1");
      session.Query(
          "INSERT INTO stemsmith_jobs (id, song, title, small, model, request, work, number,"
          " revision, state, progress, attempts, crashes, worker, beat, cancel_wanted, message,"
          " result, bytes, created_at, started_at, finished_at, finished_served_s)"
          " SELECT $1, $2, $3, $4, $5, $6, $7, number, revision, 'queued', 0, 0, 0, '', 0, 0, '',"
          " 'null', 0, $8, '', '', 0 FROM stemsmith_state",
          {wanted.id, wanted.song, wanted.title, WithSmallLetters(wanted.title), wanted.model,
           wanted.request, wanted.work, Now()});
      find(session);
    });
    return submission;
  }

  std::optional<StoredJob> Find(const std::string& id) override {
    return FirstOf(Read(kJobsWithPlace + "WHERE id = $1", {id}), JobOf);
  }

  std::vector<StoredJob> List(const JobFilter& filter) override {
    const std::string state = filter.state ? JobStateName(*filter.state) : "";
    return AllOf(Read(kJobsWithPlace + "WHERE number < $1 AND ($2 = '' OR state = $2) AND ($3 = ''"
                                       " OR " + sql_.position + "(small, $3) > 0)"
                                       " ORDER BY number DESC LIMIT $4",
                      {filter.before, state, WithSmallLetters(filter.search),
                       std::int64_t{std::max(filter.limit, 0)}}),
                 JobOf);
  }

  std::vector<StoredJob> ChangedSince(std::int64_t revision, int limit) override {
    return AllOf(Read(kJobsWithPlace + "WHERE revision > $1 ORDER BY revision LIMIT $2",
                      {revision, std::int64_t{std::max(limit, 0)}}),
                 JobOf);
  }

  std::int64_t Revision() override { return Number(Read("SELECT revision FROM stemsmith_state")); }

  bool Cancel(const std::string& id) override {
    return Change(id, [](StoredJob& job) {
      if (IsOver(job.state)) return false;
      if (job.state == JobState::kQueued)
        End(job, JobState::kCancelled);
      else
        job.cancel_wanted = true;
      return true;
    });
  }

  bool Remove(const std::string& id) override {
    bool removed = false;
    Write([&](SqlSession& session) {
      removed = !session
                     .Query("DELETE FROM stemsmith_jobs WHERE id = $1"
                            " AND state IN ('done', 'failed', 'cancelled') RETURNING id",
                            {id})
                     .empty();
    });
    return removed;
  }

  QueueFigures Figures() override {
    QueueFigures figures;
    database_->Run(Access::kRead, [&](SqlSession& session) {
      figures = {};
      std::int64_t bytes = 0;
      Cells(session.Query("SELECT count(*), coalesce(sum(bytes), 0) FROM stemsmith_songs").at(0)) >>
          figures.songs >> figures.bytes;
      for (const SqlRow& row : session.Query(
               "SELECT state, count(*), sum(bytes) FROM stemsmith_jobs GROUP BY state")) {
        JobState state{};
        std::int64_t count = 0;
        Cells(row) >> state >> count >> bytes;
        std::int64_t* const counts[] = {&figures.queued, &figures.running, &figures.done,
                                        &figures.failed, &figures.cancelled};
        *counts[static_cast<int>(state)] = count;
        figures.bytes += bytes;
      }
    });
    return figures;
  }

  std::optional<StoredJob> Take(const std::string& worker) override {
    // Asked first without a lock: workers ask often, and mostly in vain.
    const std::string oldest = "WHERE state = 'queued' ORDER BY number LIMIT 1";
    if (Read("SELECT 1" + kOfJobs + oldest).empty()) return std::nullopt;
    std::optional<StoredJob> taken;
    Write([&](SqlSession& session) {
      const std::string free = oldest + sql_.for_update_of_free;
      taken = FirstOf(session.Query(kJobColumns + kOfJobs + free), JobOf);
      if (!taken) return;
      taken->state = JobState::kRunning;
      taken->worker = worker;
      taken->started_at = Now();
      ++taken->attempts;
      ++taken->beat;
      Store(session, *taken);
    });
    return taken;
  }

  Order Beat(const std::string& id, const std::string& worker, double progress) override {
    Order order = Order::kLost;
    const bool owned = ChangeOwned(id, worker, [&](StoredJob& job) {
      ++job.beat;
      if (progress >= 0) job.progress = std::min(progress, 1.0);
      order = job.cancel_wanted ? Order::kCancel : Order::kGoOn;
    });
    return owned ? order : Order::kLost;
  }

  bool Finish(const std::string& id, const std::string& worker, const std::string& result,
              std::int64_t bytes) override {
    return ChangeOwned(id, worker, [&](StoredJob& job) {
      End(job, JobState::kDone);
      job.progress = 1;
      job.cancel_wanted = false;
      job.result = result;
      job.bytes = bytes;
    });
  }

  bool Fail(const std::string& id, const std::string& worker, const std::string& message) override {
    return ChangeOwned(id, worker, [&](StoredJob& job) {
      End(job, JobState::kFailed);
      job.message = message;
    });
  }

  bool EndCancelled(const std::string& id, const std::string& worker) override {
    return ChangeOwned(id, worker, [](StoredJob& job) { End(job, JobState::kCancelled); });
  }

  bool GiveBack(const std::string& id, const std::string& worker) override {
    return ChangeOwned(id, worker, Requeue);
  }

  bool Crash(const std::string& id, const std::string& worker, int most,
             const std::string& message) override {
    return ChangeOwned(id, worker, [&](StoredJob& job) {
      ++job.crashes;
      if (job.crashes < most || job.cancel_wanted) {
        Requeue(job);
      } else {
        End(job, JobState::kFailed);
        job.message = message;
      }
    });
  }

  bool TakeAway(const std::string& id, std::int64_t beat) override {
    return Change(id, [&](StoredJob& job) {
      if (job.state != JobState::kRunning || job.beat != beat) return false;
      Requeue(job);
      return true;
    });
  }

  double ServedSeconds(double add) override {
    double served_s = 0;
    if (add == 0) {
      Cells(Read("SELECT served_s FROM stemsmith_state").at(0)) >> served_s;
    } else {
      Write([&](SqlSession& session) {
        Cells(session
                  .Query("UPDATE stemsmith_state SET served_s = served_s + $1 RETURNING served_s",
                         {add})
                  .at(0)) >> served_s;
      });
    }
    return served_s;
  }

 private:
  static std::int64_t Number(const std::vector<SqlRow>& rows) {
    std::int64_t number = 0;
    if (!rows.empty()) Cells(rows[0]) >> number;
    return number;
  }

  std::vector<SqlRow> Read(const std::string& statement, const std::vector<SqlValue>& values = {}) {
    std::vector<SqlRow> rows;
    database_->Run(Access::kRead,
                   [&](SqlSession& session) { rows = session.Query(statement, values); });
    return rows;
  }

  void Write(const std::function<void(SqlSession&)>& work) {
    database_->Run(Access::kWrite, work);
  }

  bool HasTables() { return Number(Read(sql_.find_tables)) > 0; }

  void MakeTables() {
    Write([&](SqlSession& session) {
      session.Query(sql_.lock_tables);
      if (Number(session.Query(sql_.find_tables)) > 0) return;  // somebody was faster
      for (const char* statement : kTables) session.Query(statement);
    });
  }

  void Lock(SqlSession& session) {
    session.Query(std::string("SELECT one FROM stemsmith_state") + sql_.for_update);
  }

  // What can change of a job whose row is locked.
  static void Store(SqlSession& session, StoredJob& job) {
    const auto state =
        session.Query("UPDATE stemsmith_state SET revision = revision + 1"
                      " RETURNING revision, served_s");
    double served_s = 0;
    Cells(state.at(0)) >> job.revision >> served_s;
    if (IsOver(job.state)) job.finished_served_s = served_s;
    session.Query(
        "UPDATE stemsmith_jobs SET revision = $2, state = $3, progress = $4, attempts = $5,"
        " crashes = $6, worker = $7, beat = $8, cancel_wanted = $9, message = $10, result = $11,"
        " bytes = $12, started_at = $13, finished_at = $14, finished_served_s = $15 WHERE id = $1",
        {job.id, job.revision, JobStateName(job.state), job.progress, std::int64_t{job.attempts},
         std::int64_t{job.crashes}, job.worker, job.beat, std::int64_t{job.cancel_wanted},
         job.message, job.result, job.bytes, job.started_at, job.finished_at,
         job.finished_served_s});
  }

  // False where there is no such job, or `change` says so, which then leaves it as it is.
  bool Change(const std::string& id, const std::function<bool(StoredJob&)>& change) {
    bool changed = false;
    Write([&](SqlSession& session) {
      auto job = FirstOf(
          session.Query(kJobColumns + kOfJobs + "WHERE id = $1" + sql_.for_update, {id}), JobOf);
      changed = job && change(*job);
      if (changed) Store(session, *job);
    });
    return changed;
  }

  bool ChangeOwned(const std::string& id, const std::string& worker,
                   const std::function<void(StoredJob&)>& change) {
    return Change(id, [&](StoredJob& job) {
      if (job.state != JobState::kRunning || job.worker != worker) return false;
      change(job);
      return true;
    });
  }

  const std::unique_ptr<Database> database_;
  const SqlDialect& sql_;
};

}  // namespace

std::unique_ptr<JobStore> MakeSqlJobStore(std::unique_ptr<Database> database) {
  return std::make_unique<SqlJobStore>(std::move(database));
}

}  // namespace stemsmith
