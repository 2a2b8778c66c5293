// What a store of jobs does, whatever its database.
#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <set>
#include <thread>

#include "tests/serve/job_databases.h"
#include "tests/support/error_of.h"

namespace stemsmith {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using Submission = JobStore::Submission;
using Order = JobStore::Order;

std::vector<std::string> Ids(const auto& rows) {
  std::vector<std::string> ids;
  for (const auto& row : rows) ids.push_back(row.id);
  return ids;
}

class Jobs : public testing::OnDatabases {};
INSTANTIATE_TEST_SUITE_P(All, Jobs, testing::kDatabases, testing::kDatabaseName);

TEST_P(Jobs, DescriptionNamesTheDatabase) {
  EXPECT_THAT(store_->Description(), MatchesRegex(GetParam() + " [0-9.]+"));
}

TEST_P(Jobs, SongsComeBackAsTheyWere) {
  AddSong("a", "x");
  AddSong("b", "x");
  const auto song = store_->FindSong("a");
  ASSERT_TRUE(song);
  EXPECT_EQ(song->sha256, "x");
  EXPECT_EQ(song->name, "a.wav");
  EXPECT_EQ(song->bytes, 1000);
  EXPECT_EQ(song->seconds, 0.1 + 0.2);
  EXPECT_EQ(song->info, R"({"rate": 44100})");
  EXPECT_THAT(song->created_at, MatchesRegex("[0-9-]+T[0-9:]+Z"));
  EXPECT_FALSE(store_->FindSong("c"));
  EXPECT_EQ(store_->FindSongWithContent("x")->id, "a");
  EXPECT_FALSE(store_->FindSongWithContent("y"));
  AddSong("a", "other");  // no second one
  EXPECT_EQ(store_->FindSong("a")->sha256, "x");
}

TEST_P(Jobs, SongsAreRemovedOnceNoJobHasThem) {
  Add("job");
  EXPECT_FALSE(store_->RemoveSong("song"));
  EXPECT_FALSE(store_->Remove("job"));
  EXPECT_TRUE(store_->Cancel("job"));
  EXPECT_FALSE(store_->RemoveSong("song"));
  EXPECT_TRUE(store_->Remove("job"));
  EXPECT_FALSE(store_->Remove("job"));
  EXPECT_TRUE(store_->FindSong("song"));
  EXPECT_TRUE(store_->RemoveSong("song"));
  EXPECT_FALSE(store_->FindSong("song"));
  EXPECT_TRUE(store_->RemoveSong("song"));
  StoredJob job;
  const std::string message =
      testing::MessageOf([&] { store_->Submit(Wanted("late"), 10, job); }, ExitCode::kInputFailed);
  EXPECT_EQ(message, "the song is no longer there (A song); upload it again");
}

TEST_P(Jobs, UnusedSongsAreCountedByTimeOfService) {
  AddSong("old");
  Add("job");
  EXPECT_EQ(store_->ServedSeconds(100), 100);
  AddSong("young");
  EXPECT_EQ(store_->ServedSeconds(20.5), 120.5);
  EXPECT_EQ(store_->ServedSeconds(), 120.5);
  EXPECT_THAT(Ids(store_->UnusedSongs(10)), ElementsAre("old", "young"));
  EXPECT_THAT(Ids(store_->UnusedSongs(20.5)), ElementsAre("old"));
  EXPECT_THAT(Ids(store_->UnusedSongs(121)), IsEmpty());
  store_->Cancel("job");
  EXPECT_EQ(Get("job").finished_served_s, 120.5);
}

TEST_P(Jobs, NewJobsWaitInTheirOrder) {
  const StoredJob a = Add("a"), b = Add("b");
  EXPECT_EQ(a.state, JobState::kQueued);
  EXPECT_EQ(a.title, "A song");
  EXPECT_EQ(a.model, "htdemucs");
  EXPECT_EQ(a.request, R"({"stems": ["vocals"]})");
  EXPECT_EQ(a.work, "work of a");
  EXPECT_EQ(a.result, "null");
  EXPECT_EQ(a.place, 1);
  EXPECT_EQ(b.place, 2);
  EXPECT_LT(a.number, b.number);
  EXPECT_LT(a.revision, b.revision);
  EXPECT_NE(a.created_at, "");
  EXPECT_EQ(a.started_at + a.finished_at, "");
  EXPECT_EQ(store_->Take("w")->id, "a");
  EXPECT_EQ(Get("b").place, 1);
  EXPECT_EQ(Get("a").place, 0);
  EXPECT_EQ(store_->Take("w")->id, "b");
  EXPECT_FALSE(store_->Take("w"));
}

TEST_P(Jobs, EqualWorkIsDoneOnce) {
  Add("a");
  NewJob same = Wanted("b");
  same.work = "work of a";
  StoredJob job;
  for (const auto step : {+[](JobStore&) {}, +[](JobStore& store) { store.Take("w"); },
                          +[](JobStore& store) { store.Finish("a", "w", "{}", 1); }}) {
    step(*store_);
    EXPECT_EQ(store_->Submit(same, 1000, job), Submission::kThere);
    EXPECT_EQ(job.id, "a");
    EXPECT_EQ(job.state, Get("a").state);
  }
  store_->Remove("a");
  EXPECT_EQ(store_->Submit(same, 1000, job), Submission::kNew);
  store_->Cancel("b");
  same.id = "c";
  EXPECT_EQ(store_->Submit(same, 1000, job), Submission::kNew);
  store_->Take("w");
  store_->Fail("c", "w", "no");
  same.id = "d";
  EXPECT_EQ(store_->Submit(same, 1000, job), Submission::kNew);
  EXPECT_EQ(store_->Submit(same, 1000, job), Submission::kThere);
  EXPECT_EQ(job.id, "d");
}

TEST_P(Jobs, QueueHasALimit) {
  Add("a");
  Add("b");
  StoredJob job;
  EXPECT_EQ(store_->Submit(Wanted("c"), 2, job), Submission::kFull);
  EXPECT_FALSE(store_->Find("c"));
  EXPECT_EQ(store_->Submit(Wanted("a"), 2, job), Submission::kThere);
  store_->Take("w");
  EXPECT_EQ(store_->Submit(Wanted("c"), 2, job), Submission::kNew);
  EXPECT_EQ(job.place, 2);
}

TEST_P(Jobs, AreDoneByTheirOwner) {
  Add("a");
  const auto taken = store_->Take("w");
  EXPECT_EQ(taken->state, JobState::kRunning);
  EXPECT_EQ(taken->worker, "w");
  EXPECT_EQ(taken->attempts, 1);
  EXPECT_NE(taken->started_at, "");
  EXPECT_EQ(store_->Beat("a", "w", 0.1), Order::kGoOn);
  EXPECT_EQ(Get("a").progress, 0.1);
  EXPECT_GT(Get("a").beat, taken->beat);
  EXPECT_EQ(store_->Beat("a", "w", 7), Order::kGoOn);
  EXPECT_EQ(Get("a").progress, 1);
  EXPECT_EQ(store_->Beat("a", "w", std::nan("")), Order::kGoOn);
  EXPECT_EQ(Get("a").progress, 1);
  EXPECT_EQ(store_->Beat("a", "thief", 0.5), Order::kLost);
  EXPECT_EQ(store_->Beat("nothing", "w", 0.5), Order::kLost);
  EXPECT_FALSE(store_->Finish("a", "thief", "{}", 1));
  EXPECT_FALSE(store_->Fail("a", "thief", "no"));
  EXPECT_FALSE(store_->EndCancelled("a", "thief"));
  EXPECT_FALSE(store_->GiveBack("a", "thief"));
  EXPECT_FALSE(store_->Crash("a", "thief", 1, "no"));
  EXPECT_EQ(Get("a").state, JobState::kRunning);
  EXPECT_TRUE(store_->Finish("a", "w", R"({"stems": 4})", 12345678901));
  const StoredJob done = Get("a");
  EXPECT_EQ(done.state, JobState::kDone);
  EXPECT_EQ(done.result, R"({"stems": 4})");
  EXPECT_EQ(done.bytes, 12345678901);
  EXPECT_EQ(done.progress, 1);
  EXPECT_EQ(done.worker, "w");
  EXPECT_NE(done.finished_at, "");
  EXPECT_FALSE(store_->Finish("a", "w", "{}", 1));
  EXPECT_EQ(store_->Beat("a", "w", 0.5), Order::kLost);
  EXPECT_FALSE(store_->Cancel("a"));
  EXPECT_EQ(Get("a").result, R"({"stems": 4})");
}

TEST_P(Jobs, FormerOwnersNoLongerCount) {
  Add("a");
  Add("b");
  const auto taken = store_->Take("first");
  EXPECT_FALSE(store_->TakeAway("a", taken->beat - 1));
  store_->Beat("a", "first", 0.5);
  EXPECT_FALSE(store_->TakeAway("a", taken->beat));  // it has given a sign since
  EXPECT_TRUE(store_->TakeAway("a", Get("a").beat));
  EXPECT_FALSE(store_->TakeAway("a", Get("a").beat));
  EXPECT_EQ(Get("a").place, 1);  // its old one
  EXPECT_EQ(Get("a").progress, 0);
  EXPECT_EQ(Get("a").started_at, "");
  EXPECT_FALSE(store_->Finish("a", "first", "{}", 1));
  EXPECT_EQ(store_->Take("second")->id, "a");
  EXPECT_EQ(Get("a").attempts, 2);
  EXPECT_EQ(Get("a").crashes, 0);
  EXPECT_EQ(store_->Beat("a", "first", 0.9), Order::kLost);
  EXPECT_FALSE(store_->Finish("a", "first", R"("late")", 1));
  EXPECT_TRUE(store_->Finish("a", "second", R"("right")", 1));
  EXPECT_EQ(Get("a").result, R"("right")");
}

TEST_P(Jobs, CrashesEndAJobButGivingBackDoesNot) {
  Add("a");
  Add("b");
  for (int crash = 1; crash <= 3; ++crash) {
    for (int time = 0; time < 3; ++time) {
      EXPECT_EQ(store_->Take("w")->id, "a");
      EXPECT_TRUE(store_->GiveBack("a", "w"));
    }
    EXPECT_EQ(store_->Take("w")->id, "a");
    EXPECT_TRUE(store_->Crash("a", "w", 3, "separate was killed"));
    EXPECT_EQ(Get("a").crashes, crash);
    EXPECT_EQ(Get("a").state, crash < 3 ? JobState::kQueued : JobState::kFailed);
  }
  EXPECT_EQ(Get("a").message, "separate was killed");
  EXPECT_EQ(Get("a").attempts, 12);
  EXPECT_EQ(store_->Take("w")->id, "b");
  EXPECT_TRUE(store_->Fail("b", "w", "not audio"));
  EXPECT_EQ(Get("b").message, "not audio");
  EXPECT_EQ(Get("b").state, JobState::kFailed);
  EXPECT_FALSE(store_->Take("w"));
}

TEST_P(Jobs, AreCancelledInEveryState) {
  EXPECT_FALSE(store_->Cancel("nothing"));
  Add("queued");
  EXPECT_TRUE(store_->Cancel("queued"));
  EXPECT_EQ(Get("queued").state, JobState::kCancelled);
  EXPECT_NE(Get("queued").finished_at, "");
  EXPECT_FALSE(store_->Cancel("queued"));
  EXPECT_FALSE(store_->Take("w"));

  const auto cancel_running = [&](const std::string& id) {
    Add(id);
    EXPECT_EQ(store_->Take("w")->id, id);
    EXPECT_TRUE(store_->Cancel(id));
    EXPECT_TRUE(store_->Cancel(id));
    EXPECT_EQ(Get(id).state, JobState::kRunning);
    EXPECT_TRUE(Get(id).cancel_wanted);
    EXPECT_EQ(store_->Beat(id, "w", 0.5), Order::kCancel);
  };
  cancel_running("told");
  EXPECT_TRUE(store_->EndCancelled("told", "w"));
  cancel_running("silent");
  EXPECT_TRUE(store_->TakeAway("silent", Get("silent").beat));
  cancel_running("returned");
  EXPECT_TRUE(store_->GiveBack("returned", "w"));
  cancel_running("crashed");
  EXPECT_TRUE(store_->Crash("crashed", "w", 1, "crashed"));
  for (const char* id : {"told", "silent", "returned", "crashed"}) {
    EXPECT_EQ(Get(id).state, JobState::kCancelled) << id;
    EXPECT_NE(Get(id).finished_at, "") << id;
  }
  cancel_running("done");  // just before it heard of it
  EXPECT_TRUE(store_->Finish("done", "w", "{}", 1));
  EXPECT_EQ(Get("done").state, JobState::kDone);
}

TEST_P(Jobs, ListsAreSearchedAndRead) {
  Add("1", "Über den Wolken.wav");
  Add("2", R"(100%_sure\it's "fun".mp3)");
  Add("3", "ΩΔΗ – Ёлка.flac");
  Add("4", "plain.wav");
  store_->Take("w");
  const auto found = [&](const std::string& search) {
    JobFilter filter;
    filter.search = search;
    return Ids(store_->List(filter));
  };
  EXPECT_THAT(found(""), ElementsAre("4", "3", "2", "1"));
  EXPECT_THAT(found("WAV"), ElementsAre("4", "1"));
  EXPECT_THAT(found("üBER"), ElementsAre("1"));
  EXPECT_THAT(found("ωδη – ёЛ"), ElementsAre("3"));
  EXPECT_THAT(found("%"), ElementsAre("2"));
  EXPECT_THAT(found("_"), ElementsAre("2"));
  EXPECT_THAT(found("\\"), ElementsAre("2"));
  EXPECT_THAT(found("it's \"FUN\""), ElementsAre("2"));
  EXPECT_THAT(found("w%n"), IsEmpty());
  EXPECT_THAT(found("'; DROP TABLE stemsmith_jobs; --"), IsEmpty());
  JobFilter filter;
  filter.limit = 2;
  const auto page = store_->List(filter);
  EXPECT_THAT(Ids(page), ElementsAre("4", "3"));
  filter.before = page.back().number;
  EXPECT_THAT(Ids(store_->List(filter)), ElementsAre("2", "1"));
  filter.state = JobState::kRunning;
  EXPECT_THAT(Ids(store_->List(filter)), ElementsAre("1"));
  EXPECT_EQ(Get("2").title, R"(100%_sure\it's "fun".mp3)");
}

TEST_P(Jobs, TextsOfAnyBytesAreStored) {
  const std::string title("a\0b\xff\xed\xa0\x80", 7);
  EXPECT_EQ(Add("a", title).title, R"(a b\xFF\xED\xA0\x80)");
  EXPECT_FALSE(store_->Find(std::string("a\0", 2)));
  EXPECT_FALSE(store_->Find("\xff"));
  store_->Take("w");
  const std::string long_text(1 << 20, 'x');
  EXPECT_TRUE(store_->Fail("a", "w", long_text));
  EXPECT_EQ(Get("a").message, long_text);
}

TEST_P(Jobs, ChangesHaveRisingRevisions) {
  EXPECT_EQ(store_->Revision(), 0);
  Add("a");
  Add("b");
  EXPECT_THAT(Ids(store_->ChangedSince(0, 10)), ElementsAre("a", "b"));
  EXPECT_THAT(Ids(store_->ChangedSince(0, 1)), ElementsAre("a"));
  store_->Take("w");
  const auto changed = store_->ChangedSince(Get("b").revision, 10);
  EXPECT_THAT(Ids(changed), ElementsAre("a"));
  EXPECT_EQ(store_->Revision(), changed[0].revision);
  store_->Beat("a", "w", 0.5);
  EXPECT_THAT(Ids(store_->ChangedSince(changed[0].revision, 10)), ElementsAre("a"));
  const std::int64_t before = store_->Revision();
  store_->Beat("a", "thief", 0.5);
  EXPECT_EQ(store_->Revision(), before);
}

TEST_P(Jobs, FiguresCountAll) {
  for (const char* id : {"1", "2", "3", "4", "5"}) Add(id);
  store_->Take("w");
  store_->Take("w");
  store_->Take("w");
  store_->Finish("1", "w", "{}", 500);
  store_->Fail("2", "w", "no");
  store_->Cancel("4");
  AddSong("other");
  const QueueFigures figures = store_->Figures();
  EXPECT_EQ(figures.queued, 1);
  EXPECT_EQ(figures.running, 1);
  EXPECT_EQ(figures.done, 1);
  EXPECT_EQ(figures.failed, 1);
  EXPECT_EQ(figures.cancelled, 1);
  EXPECT_EQ(figures.songs, 2);
  EXPECT_EQ(figures.bytes, 2500);
}

TEST_P(Jobs, SurviveARestart) {
  Add("a");
  Add("b");
  store_->Take("w");
  store_->ServedSeconds(5);
  const auto other = OpenJobStore(url_);  // while it is open, too
  EXPECT_EQ(other->Find("a")->state, JobState::kRunning);
  store_ = OpenJobStore(url_);
  EXPECT_EQ(Get("b").place, 1);
  EXPECT_EQ(store_->ServedSeconds(), 5);
  EXPECT_TRUE(other->Finish("a", "w", "{}", 1));
  EXPECT_EQ(Get("a").state, JobState::kDone);
}

TEST_P(Jobs, ManyThreadsKeepTheLimitAndTakeEachJobOnce) {
  constexpr int kThreads = 8, kJobs = 8, kLimit = 5;
  AddSong("song");
  const auto second = OpenJobStore(url_);  // another process has its own connection
  std::mutex mutex;
  std::multiset<std::string> taken;
  std::atomic<int> left{kThreads * kJobs}, above{0};
  std::atomic<bool> end{false};
  // All changes are seen, in their order, by who follows them.
  std::set<std::string> seen_done;
  std::thread follower([&] {
    std::int64_t revision = 0;
    for (bool last = false; !last;) {
      last = end;
      for (const StoredJob& job : store_->ChangedSince(revision, 1000)) {
        EXPECT_GT(job.revision, revision);
        revision = job.revision;
        if (job.state == JobState::kDone) seen_done.insert(job.id);
      }
      if (store_->Figures().queued > kLimit) ++above;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      JobStore& store = t % 2 == 0 ? *store_ : *second;
      const std::string worker = "w" + std::to_string(t);
      for (int i = 0; i < kJobs || left > 0;) {
        StoredJob job;
        const std::string id = worker + "-" + std::to_string(i);
        if (i < kJobs && store.Submit(Wanted(id), kLimit, job) != Submission::kFull) ++i;
        const auto mine = store.Take(worker);
        if (!mine) {
          std::this_thread::sleep_for(std::chrono::milliseconds(2));
          continue;
        }
        EXPECT_TRUE(store.Finish(mine->id, worker, "{}", 1));
        --left;
        const std::lock_guard lock(mutex);
        taken.insert(mine->id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  end = true;
  follower.join();
  EXPECT_EQ(above, 0);
  EXPECT_EQ(taken.size(), std::size_t{kThreads * kJobs});
  EXPECT_EQ(std::set<std::string>(taken.begin(), taken.end()).size(), taken.size());
  EXPECT_EQ(seen_done.size(), taken.size());
  EXPECT_EQ(store_->Figures().done, kThreads * kJobs);
}

TEST_P(Jobs, TablesAreMadeOnceHoweverManyOpenThem) {
  for (int round = 0; round < 10; ++round) {
    const std::string name = "at_once_" + std::to_string(round);
    std::string url = (folder_ / (name + ".db")).string();
    if (GetParam() == "PostgreSQL") url = testing::PostgresqlServer::OfProgram().Url(name);
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] {
        EXPECT_NO_THROW(OpenJobStore(url)->ServedSeconds(1));
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(OpenJobStore(url)->ServedSeconds(), 8);
  }
}

}  // namespace
}  // namespace stemsmith
