// The databases that tests of jobs run over.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "serve/jobs/job_store.h"
#include "tests/support/postgresql_server.h"
#include "tests/support/temporary_folder.h"

namespace stemsmith::testing {

inline bool HasPostgresql() {
#ifdef STEMSMITH_HAS_POSTGRESQL
  return PostgresqlServer::Installed();
#else
  return false;
#endif
}

#define STEMSMITH_NEEDS_POSTGRESQL() \
  if (!::stemsmith::testing::HasPostgresql()) GTEST_SKIP() << "needs PostgreSQL and its module"

// A new database for each test.
class OnDatabases : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "SQLite") {
      url_ = (folder_ / "jobs.db").string();
    } else {
      STEMSMITH_NEEDS_POSTGRESQL();
      static std::atomic<int> count{0};
      schema_ = "test" + std::to_string(++count);
      url_ = PostgresqlServer::OfProgram().Url(schema_);
    }
    store_ = OpenJobStore(url_);
  }

  void AddSong(const std::string& id, const std::string& sha256 = "") {
    StoredSong song;
    song.id = id;
    song.sha256 = sha256.empty() ? "sha of " + id : sha256;
    song.name = id + ".wav";
    song.bytes = 1000;
    song.seconds = 0.1 + 0.2;
    song.info = R"({"rate": 44100})";
    store_->AddSong(song);
  }

  // A new job of the song "song", which is added.
  StoredJob Add(const std::string& id, const std::string& title = "A song") {
    if (!store_->FindSong("song")) AddSong("song");
    StoredJob job;
    EXPECT_EQ(store_->Submit(Wanted(id, title), 1000, job), JobStore::Submission::kNew);
    return job;
  }
  static NewJob Wanted(const std::string& id, const std::string& title = "A song") {
    return {id, "song", title, "htdemucs", R"({"stems": ["vocals"]})", "work of " + id};
  }
  StoredJob Get(const std::string& id) {
    const auto job = store_->Find(id);
    EXPECT_TRUE(job) << id;
    return job.value_or(StoredJob{});
  }

  TemporaryFolder folder_;
  std::string url_, schema_;
  std::unique_ptr<JobStore> store_;
};

inline const auto kDatabases = ::testing::Values("SQLite", "PostgreSQL");
inline const auto kDatabaseName = [](const ::testing::TestParamInfo<std::string>& info) {
  return info.param;
};

}  // namespace stemsmith::testing
