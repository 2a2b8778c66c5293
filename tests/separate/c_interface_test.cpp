#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "audio/encode.h"
#include "core/files.h"
#include "stemsmith/stemsmith.h"
#include "tests/separate/stream_fixture.h"
#include "tests/support/temporary_folder.h"

// Counts what the thread that asks for it allocates and locks. Sanitizers have these functions
// themselves.
namespace {
thread_local bool counts = false;
thread_local int allocations = 0, locks = 0;
}  // namespace
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define STEMSMITH_COUNTS
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* malloc(std::size_t size) noexcept {
  allocations += counts;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  allocations += counts;
  return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) noexcept {
  allocations += counts;
  return __libc_realloc(old, size);
}
int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  using Lock = int(pthread_mutex_t*);
  static std::atomic<Lock*> real{nullptr};
  if (real == nullptr) real = reinterpret_cast<Lock*>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  locks += counts;
  return real.load()(mutex);
}
}
#endif

namespace stemsmith {
namespace {

using ::testing::HasSubstr;

class CInterface : public ::testing::Test {
 protected:
  void SetUp() override {
    Manifest manifest = testing::TinyManifest(2);
    manifest.segment_frames = 22050;
    testing::WriteGainOnnx(folder_ / "model.onnx", manifest, {0.5f, -0.25f});
    ASSERT_EQ(Open(), STEMSMITH_OK) << stemsmith_last_error();
  }
  void TearDown() override { stemsmith_model_close(model_); }

  stemsmith_code Open(int version = STEMSMITH_VERSION_NUMBER) {
    return stemsmith_model_open(version, (folder_ / "model.onnx").c_str(), nullptr, &model_);
  }
  std::string Song(std::size_t frames) {
    const std::string path = folder_ / "song.wav";
    AudioBuffer song(2, frames);
    const auto noise = testing::Noise(2 * frames);
    std::copy(noise.begin(), noise.end(), song.samples().begin());
    WriteAudio(path, song, 44100, {.sample_format = SampleFormat::kFloat32});
    return path;
  }

  testing::TemporaryFolder folder_;
  stemsmith_model* model_ = nullptr;
};

// Planar noise of two channels and the arrays of two stems.
struct Buffers {
  explicit Buffers(std::size_t the_frames)
      : frames(the_frames), song(testing::Noise(2 * frames)), stems(4 * frames, 7.0f) {
    for (std::size_t c = 0; c < 2; ++c) in.push_back(song.data() + c * frames);
    for (std::size_t i = 0; i < 4; ++i) out.push_back(stems.data() + i * frames);
  }
  std::size_t frames;
  std::vector<float> song, stems;
  std::vector<const float*> in;
  std::vector<float*> out;
};

TEST_F(CInterface, SaysWhatTheModelIs) {
  EXPECT_STREQ(stemsmith_version(), "0.1.0");
  EXPECT_EQ(stemsmith_version_number(), STEMSMITH_VERSION_NUMBER);
  EXPECT_EQ(stemsmith_model_stem_count(model_), 2);
  EXPECT_STREQ(stemsmith_model_stem(model_, 1), "bass");
  EXPECT_EQ(stemsmith_model_stem(model_, 2), nullptr);
  EXPECT_THAT(stemsmith_last_error(), HasSubstr("no stem number 2"));
  EXPECT_EQ(stemsmith_model_sample_rate(model_), 44100);
  EXPECT_EQ(stemsmith_model_channels(model_), 2);
  EXPECT_EQ(stemsmith_model_segment_frames(model_), 22050);
  EXPECT_NE(stemsmith_model_name(model_), nullptr);
}

TEST_F(CInterface, AManifestDescribesAModelOfAnotherProgram) {
  testing::WriteForeignOnnx(folder_ / "foreign.onnx", {.input = {0, 2, 700}, .output = {0, 2, 700}});
  WriteFileAtomically(folder_ / "voice.json", R"({"stems": ["voice"], "sample_rate_hz": 8000})");
  stemsmith_options* options = stemsmith_options_create();
  stemsmith_model* model = nullptr;
  const auto open = [&] {
    return stemsmith_model_open(STEMSMITH_VERSION_NUMBER, (folder_ / "foreign.onnx").c_str(),
                                options, &model);
  };
  EXPECT_EQ(open(), STEMSMITH_BAD_INPUT);
  EXPECT_THAT(stemsmith_last_error(), HasSubstr("give such a file with manifest=FILE"));
  ASSERT_EQ(stemsmith_options_set_manifest(options, (folder_ / "voice.json").c_str()),
            STEMSMITH_OK);
  ASSERT_EQ(open(), STEMSMITH_OK) << stemsmith_last_error();
  EXPECT_STREQ(stemsmith_model_stem(model, 0), "voice");
  EXPECT_EQ(stemsmith_model_segment_frames(model), 700);
  stemsmith_model_close(model);
  stemsmith_options_destroy(options);
}

TEST_F(CInterface, RefusesProgramsOfOtherVersions) {
  stemsmith_model* const before = model_;
  for (const int version : {2000, 0, -1, 1001000, 1000000}) {
    EXPECT_EQ(Open(version), STEMSMITH_WRONG_VERSION) << version;
    EXPECT_THAT(stemsmith_last_error(), HasSubstr("this library is 0.1.0"));
  }
  EXPECT_EQ(model_, before);
  stemsmith_model* other = nullptr;
  EXPECT_EQ(stemsmith_model_open(1007, (folder_ / "model.onnx").c_str(), nullptr, &other),
            STEMSMITH_OK);
  stemsmith_model_close(other);
}

TEST_F(CInterface, ErrorsAreCodesWithATextOfTheThread) {
  stemsmith_model* other = nullptr;
  EXPECT_EQ(stemsmith_model_open(STEMSMITH_VERSION_NUMBER, "/nowhere", nullptr, &other),
            STEMSMITH_BAD_INPUT);
  EXPECT_THAT(stemsmith_last_error(), HasSubstr("does not exist"));
  EXPECT_EQ(other, nullptr);
  std::thread([] { EXPECT_STREQ(stemsmith_last_error(), ""); }).join();
  EXPECT_EQ(stemsmith_separate_file(model_, "/nowhere.wav", folder_.path().c_str(), nullptr),
            STEMSMITH_BAD_INPUT);
  EXPECT_THAT(stemsmith_last_error(), HasSubstr("/nowhere.wav"));
}

TEST_F(CInterface, NullIsAnErrorEverywhere) {
  Buffers buffers(64);
  const float* holes[] = {buffers.in[0], nullptr};
  stemsmith_options* options = stemsmith_options_create();
  stemsmith_stream* stream = nullptr;
  ASSERT_EQ(stemsmith_stream_start(model_, 0, 0, nullptr, &stream), STEMSMITH_OK);
  const auto block = [](void*, const float* const*, int, int, size_t, int) { return 0; };
  const int wrong = STEMSMITH_WRONG_USE;
  EXPECT_EQ(stemsmith_options_set_device(nullptr, "cpu"), wrong);
  EXPECT_EQ(stemsmith_options_set_device(options, nullptr), wrong);
  EXPECT_EQ(stemsmith_options_set_threads(nullptr, 1), wrong);
  EXPECT_EQ(stemsmith_options_set_engine(nullptr, "auto"), wrong);
  EXPECT_EQ(stemsmith_options_set_engine(options, nullptr), wrong);
  EXPECT_EQ(stemsmith_options_set_engine(options, "onnxruntim"), wrong);
  EXPECT_THAT(stemsmith_last_error(), HasSubstr("did you mean 'onnxruntime'?"));
  EXPECT_EQ(stemsmith_options_set_precision(options, "float64"), wrong);
  EXPECT_EQ(stemsmith_options_set_precision(options, nullptr), wrong);
  EXPECT_EQ(stemsmith_options_set_cache_folder(options, nullptr), wrong);
  EXPECT_EQ(stemsmith_options_set_manifest(options, nullptr), wrong);
  EXPECT_EQ(stemsmith_options_set_stems(nullptr, nullptr, 0), wrong);
  EXPECT_EQ(stemsmith_options_set_stems(options, nullptr, 1), wrong);
  EXPECT_EQ(stemsmith_options_set_overlap(nullptr, 0), wrong);
  EXPECT_EQ(stemsmith_options_set_overlap(options, 1), wrong);
  EXPECT_EQ(stemsmith_options_set_format(options, nullptr, 16), wrong);
  EXPECT_EQ(stemsmith_options_set_format(options, "flac", 32), wrong);
  EXPECT_EQ(stemsmith_options_set_format(options, "tape", 16), wrong);
  EXPECT_EQ(stemsmith_options_set_progress(nullptr, nullptr, nullptr), wrong);
  EXPECT_EQ(stemsmith_model_open(STEMSMITH_VERSION_NUMBER, nullptr, nullptr, &model_), wrong);
  EXPECT_EQ(stemsmith_model_open(STEMSMITH_VERSION_NUMBER, "x", nullptr, nullptr), wrong);
  EXPECT_THAT(stemsmith_last_error(), HasSubstr("NULL"));
  EXPECT_EQ(stemsmith_model_name(nullptr), nullptr);
  EXPECT_EQ(stemsmith_model_stem_count(nullptr), 0);
  EXPECT_EQ(stemsmith_model_stem(nullptr, 0), nullptr);
  EXPECT_EQ(stemsmith_model_sample_rate(nullptr), 0);
  EXPECT_EQ(stemsmith_model_channels(nullptr), 0);
  EXPECT_EQ(stemsmith_model_segment_frames(nullptr), 0);
  EXPECT_EQ(stemsmith_separate_file(nullptr, "a", "b", nullptr), wrong);
  EXPECT_EQ(stemsmith_separate_file(model_, nullptr, "b", nullptr), wrong);
  EXPECT_EQ(stemsmith_separate_file(model_, "a", nullptr, nullptr), wrong);
  EXPECT_EQ(stemsmith_separate_blocks(nullptr, "a", nullptr, block, nullptr), wrong);
  EXPECT_EQ(stemsmith_separate_blocks(model_, nullptr, nullptr, block, nullptr), wrong);
  EXPECT_EQ(stemsmith_separate_blocks(model_, "a", nullptr, nullptr, nullptr), wrong);
  const auto separate = [&](stemsmith_model* model, const float* const* in, int channels,
                            float* const* out) {
    return stemsmith_separate_buffers(model, in, channels, 64, 44100, nullptr, out);
  };
  EXPECT_EQ(separate(nullptr, buffers.in.data(), 2, buffers.out.data()), wrong);
  EXPECT_EQ(separate(model_, nullptr, 2, buffers.out.data()), wrong);
  EXPECT_EQ(separate(model_, holes, 2, buffers.out.data()), wrong);
  EXPECT_EQ(separate(model_, buffers.in.data(), 0, buffers.out.data()), wrong);
  EXPECT_EQ(separate(model_, buffers.in.data(), 2, nullptr), wrong);
  stemsmith_song* song = nullptr;
  std::size_t count = 0;
  EXPECT_EQ(stemsmith_song_open(nullptr, "a", nullptr, &song), wrong);
  EXPECT_EQ(stemsmith_song_open(model_, nullptr, nullptr, &song), wrong);
  EXPECT_EQ(stemsmith_song_open(model_, "a", nullptr, nullptr), wrong);
  const auto open = [&](stemsmith_model* model, const float* const* in, stemsmith_song** opened) {
    return stemsmith_song_open_buffers(model, in, 2, 64, 44100, nullptr, opened);
  };
  EXPECT_EQ(open(nullptr, buffers.in.data(), &song), wrong);
  EXPECT_EQ(open(model_, nullptr, &song), wrong);
  EXPECT_EQ(open(model_, holes, &song), wrong);
  EXPECT_EQ(open(model_, buffers.in.data(), nullptr), wrong);
  ASSERT_EQ(open(model_, buffers.in.data(), &song), STEMSMITH_OK);
  float* const no_arrays[4] = {};
  EXPECT_EQ(stemsmith_song_read(nullptr, buffers.out.data(), 64, &count), wrong);
  EXPECT_EQ(stemsmith_song_read(song, nullptr, 64, &count), wrong);
  EXPECT_EQ(stemsmith_song_read(song, no_arrays, 64, &count), wrong);
  EXPECT_EQ(stemsmith_song_read(song, buffers.out.data(), 64, nullptr), wrong);
  EXPECT_EQ(stemsmith_song_stem_count(nullptr), 0);
  EXPECT_EQ(stemsmith_song_stem(nullptr, 0), nullptr);
  EXPECT_EQ(stemsmith_song_sample_rate(nullptr), 0);
  EXPECT_EQ(stemsmith_song_channels(nullptr), 0);
  EXPECT_EQ(stemsmith_song_frames(nullptr), 0);
  stemsmith_song_close(song);
  stemsmith_song_close(nullptr);
  EXPECT_EQ(stemsmith_stream_start(nullptr, 0, 0, nullptr, &stream), wrong);
  EXPECT_EQ(stemsmith_stream_start(model_, 0, 0, nullptr, nullptr), wrong);
  EXPECT_EQ(stemsmith_stream_start(model_, 1, 0, nullptr, &stream), wrong);
  EXPECT_EQ(stemsmith_stream_push(nullptr, buffers.in.data(), 64), wrong);
  EXPECT_EQ(stemsmith_stream_push(stream, nullptr, 64), wrong);
  EXPECT_EQ(stemsmith_stream_push(stream, holes, 64), wrong);
  EXPECT_EQ(stemsmith_stream_pull(nullptr, buffers.out.data(), 64), wrong);
  EXPECT_EQ(stemsmith_stream_pull(stream, nullptr, 64), wrong);
  EXPECT_EQ(stemsmith_stream_latency(nullptr), 0);
  EXPECT_EQ(stemsmith_stream_underruns(nullptr), 0u);
  EXPECT_EQ(stemsmith_stream_overruns(nullptr), 0u);
  EXPECT_EQ(stemsmith_stream_status(nullptr), wrong);
  EXPECT_EQ(stemsmith_stream_status(stream), STEMSMITH_OK);
  stemsmith_stream_stop(stream);
  stemsmith_stream_stop(nullptr);
  stemsmith_model_close(nullptr);
  stemsmith_options_destroy(options);
  stemsmith_options_destroy(nullptr);
}

TEST_F(CInterface, AHandleClosedTwiceAssertsOrDoesNothing) {
  stemsmith_options* options = stemsmith_options_create();
  stemsmith_options_destroy(options);
#ifdef NDEBUG
  stemsmith_options_destroy(options);
#else
  EXPECT_DEATH(stemsmith_options_destroy(options), "closed twice");
#endif
  EXPECT_EQ(stemsmith_options_set_threads(options, 1), STEMSMITH_WRONG_USE);
  EXPECT_THAT(stemsmith_last_error(), HasSubstr("was it closed?"));
}

TEST_F(CInterface, SeparatesIntoFilesBuffersAndBlocks) {
  const std::string song = Song(50000);
  ASSERT_EQ(stemsmith_separate_file(model_, song.c_str(), (folder_ / "out").c_str(), nullptr),
            STEMSMITH_OK)
      << stemsmith_last_error();
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out" / "drums.wav"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "out" / "bass.wav"));

  Buffers buffers(50000);
  ASSERT_EQ(stemsmith_separate_buffers(model_, buffers.in.data(), 2, 50000, 44100, nullptr,
                                       buffers.out.data()),
            STEMSMITH_OK)
      << stemsmith_last_error();
  for (std::size_t i = 0; i < 100000; ++i) {
    ASSERT_NEAR(buffers.stems[i], 0.5f * buffers.song[i], 1e-6);
    ASSERT_NEAR(buffers.stems[100000 + i], -0.25f * buffers.song[i], 1e-6);
  }

  // Chosen stems, block by block.
  stemsmith_options* options = stemsmith_options_create();
  const char* stem = "bass";
  ASSERT_EQ(stemsmith_options_set_stems(options, &stem, 1), STEMSMITH_OK);
  std::vector<float> left;
  const auto block = [](void* user, const float* const* stems, int stem_count, int channels,
                        size_t frames, int rate) {
    EXPECT_EQ(stem_count, 1);
    EXPECT_EQ(channels, 2);
    EXPECT_EQ(rate, 44100);
    auto& all = *static_cast<std::vector<float>*>(user);
    all.insert(all.end(), stems[0], stems[0] + frames);
    return 0;
  };
  ASSERT_EQ(stemsmith_separate_blocks(model_, song.c_str(), options, block, &left), STEMSMITH_OK);
  ASSERT_EQ(left.size(), 50000u);
  for (std::size_t t = 0; t < 50000; ++t) ASSERT_NEAR(left[t], -0.25f * buffers.song[t], 1e-6);
  stemsmith_options_destroy(options);
}

TEST_F(CInterface, MixesAndPresetsAreStemsOfSongs) {
  const std::string song = Song(20000), folder = (folder_ / "mixes").string();
  stemsmith_options* options = stemsmith_options_create();
  ASSERT_EQ(stemsmith_options_add_mix(options, "rest=mixture-bass"), STEMSMITH_OK);
  ASSERT_EQ(stemsmith_separate_file(model_, song.c_str(), folder.c_str(), options), STEMSMITH_OK)
      << stemsmith_last_error();
  EXPECT_TRUE(std::filesystem::exists(folder_ / "mixes/rest.wav"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "mixes/bass.wav"));

  Buffers buffers(20000);
  ASSERT_EQ(stemsmith_separate_buffers(model_, buffers.in.data(), 2, 20000, 44100, options,
                                       buffers.out.data()),
            STEMSMITH_OK)
      << stemsmith_last_error();
  for (std::size_t i = 0; i < 40000; ++i)
    ASSERT_NEAR(buffers.stems[i], 1.25f * buffers.song[i], 1e-6);
  EXPECT_EQ(buffers.stems[40000], 7.0f);  // one stem, and no more
  const auto block = [](void*, const float* const*, int stem_count, int, size_t, int) {
    EXPECT_EQ(stem_count, 1);
    return 0;
  };
  EXPECT_EQ(stemsmith_separate_blocks(model_, song.c_str(), options, block, nullptr), STEMSMITH_OK);

  stemsmith_stream* stream = nullptr;
  EXPECT_EQ(stemsmith_stream_start(model_, 0, 0, options, &stream), STEMSMITH_WRONG_USE);
  EXPECT_THAT(stemsmith_last_error(), HasSubstr("not for streams"));
  ASSERT_EQ(stemsmith_options_set_preset(options, "4stem"), STEMSMITH_OK);
  stemsmith_song* opened = nullptr;
  EXPECT_EQ(stemsmith_separate_file(model_, song.c_str(), folder.c_str(), options),
            STEMSMITH_WRONG_USE);
  EXPECT_EQ(stemsmith_song_open(model_, song.c_str(), options, &opened), STEMSMITH_WRONG_USE);
  EXPECT_THAT(stemsmith_last_error(), HasSubstr("the preset '4stem' needs the stem 'vocals'"));
  EXPECT_EQ(stemsmith_options_add_mix(options, nullptr), STEMSMITH_WRONG_USE);
  stemsmith_options_destroy(options);
}

TEST_F(CInterface, ASongIsReadAtTheCallersPace) {
  const std::string path = Song(50000);
  stemsmith_options* options = stemsmith_options_create();
  const char* stem = "bass";
  ASSERT_EQ(stemsmith_options_set_stems(options, &stem, 1), STEMSMITH_OK);
  ASSERT_EQ(stemsmith_options_add_mix(options, "rest=mixture-bass"), STEMSMITH_OK);
  Buffers buffers(50000);
  stemsmith_song *file = nullptr, *memory = nullptr;
  ASSERT_EQ(stemsmith_song_open(model_, path.c_str(), options, &file), STEMSMITH_OK)
      << stemsmith_last_error();
  ASSERT_EQ(stemsmith_song_open_buffers(model_, buffers.in.data(), 2, 50000, 44100, options,
                                        &memory),
            STEMSMITH_OK)
      << stemsmith_last_error();
  stemsmith_options_destroy(options);
  stemsmith_model_close(model_);
  model_ = nullptr;
  Buffers read(300);
  for (stemsmith_song* song : {file, memory}) {
    EXPECT_EQ(stemsmith_song_stem_count(song), 2);
    EXPECT_STREQ(stemsmith_song_stem(song, 0), "bass");
    EXPECT_STREQ(stemsmith_song_stem(song, 1), "rest");
    EXPECT_EQ(stemsmith_song_stem(song, 2), nullptr);
    EXPECT_THAT(stemsmith_last_error(), HasSubstr("no stem number 2"));
    EXPECT_EQ(stemsmith_song_sample_rate(song), 44100);
    EXPECT_EQ(stemsmith_song_channels(song), 2);
    EXPECT_EQ(stemsmith_song_frames(song), 50000);
    std::size_t done = 0, count = 0;
    do {
      ASSERT_EQ(stemsmith_song_read(song, read.out.data(), 300, &count), STEMSMITH_OK);
      for (std::size_t c = 0; c < 2; ++c) {
        for (std::size_t t = 0; t < count; ++t) {
          ASSERT_NEAR(read.out[c][t], -0.25f * buffers.in[c][done + t], 1e-6);
          ASSERT_NEAR(read.out[2 + c][t], 1.25f * buffers.in[c][done + t], 1e-6);
        }
      }
      done += count;
    } while (count > 0);
    EXPECT_EQ(done, 50000u);
    EXPECT_EQ(stemsmith_song_read(song, read.out.data(), 300, &count), STEMSMITH_OK);
    EXPECT_EQ(count, 0u);
    stemsmith_song_close(song);
  }
}

TEST_F(CInterface, ACallbackStopsTheWorkAndNothingIsLeft) {
  const std::string song = Song(100000);
  stemsmith_options* options = stemsmith_options_create();
  struct Seen {
    int calls = 0;
    std::int64_t done = 0, total = 0;
  } seen;
  const auto stop_at_third = [](void* user, int64_t done, int64_t total, int) {
    auto& all = *static_cast<Seen*>(user);
    all.done = done, all.total = total;
    return ++all.calls == 3 ? 1 : 0;
  };
  ASSERT_EQ(stemsmith_options_set_progress(options, stop_at_third, &seen), STEMSMITH_OK);
  EXPECT_EQ(stemsmith_separate_file(model_, song.c_str(), (folder_ / "out").c_str(), options),
            STEMSMITH_STOPPED);
  EXPECT_THAT(stemsmith_last_error(), HasSubstr("stopped"));
  EXPECT_EQ(seen.calls, 3);
  EXPECT_EQ(seen.total, 100000);
  EXPECT_GT(seen.done, 0);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
  const auto block = [](void*, const float* const*, int, int, size_t, int) { return 5; };
  EXPECT_EQ(stemsmith_separate_blocks(model_, song.c_str(), nullptr, block, nullptr),
            STEMSMITH_STOPPED);
  // The model goes on working.
  seen.calls = 100;
  EXPECT_EQ(stemsmith_separate_file(model_, song.c_str(), (folder_ / "out").c_str(), options),
            STEMSMITH_OK);
  stemsmith_options_destroy(options);
}

TEST_F(CInterface, PushAndPullNeitherAllocateNorLockAndGiveTheStemsInTime) {
  constexpr std::size_t kFrames = 50000, kBlock = 64;
  Buffers whole(kFrames);
  ASSERT_EQ(stemsmith_separate_buffers(model_, whole.in.data(), 2, kFrames, 44100, nullptr,
                                       whole.out.data()),
            STEMSMITH_OK);
  stemsmith_stream* stream = nullptr;
  ASSERT_EQ(stemsmith_stream_start(model_, 44100, 2, nullptr, &stream), STEMSMITH_OK);
  const auto latency = static_cast<std::size_t>(stemsmith_stream_latency(stream));
  // The last segment of the whole song is filled up with silence; here music would follow it.
  Buffers live(kFrames + latency + kBlock);
  for (std::size_t c = 0; c < 2; ++c) {
    float* channel = live.song.data() + c * live.frames;
    std::fill(std::copy_n(whole.in[c], kFrames, channel), channel + live.frames, 0.0f);
  }
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t first = 0; first + kBlock <= live.frames; first += kBlock) {
    std::this_thread::sleep_until(start + std::chrono::microseconds(first * 1000000 / 44100));
    const float* in[] = {live.in[0] + first, live.in[1] + first};
    float* out[] = {live.out[0] + first, live.out[1] + first, live.out[2] + first, nullptr};
    counts = true;
    stemsmith_stream_push(stream, in, kBlock);
    stemsmith_stream_pull(stream, out, kBlock);
    counts = false;
  }
  EXPECT_EQ(stemsmith_stream_underruns(stream), 0u);
  EXPECT_EQ(stemsmith_stream_overruns(stream), 0u);
  EXPECT_EQ(stemsmith_stream_status(stream), STEMSMITH_OK);
#ifdef STEMSMITH_COUNTS
  EXPECT_EQ(allocations, 0);
  EXPECT_EQ(locks, 0);
  counts = true;  // the counters count
  void* volatile block = std::malloc(10);
  std::free(block);
  block = ::operator new(10);
  ::operator delete(block);
  std::mutex mutex;
  mutex.lock();
  mutex.unlock();
  counts = false;
  EXPECT_GE(allocations, 2);
  EXPECT_EQ(locks, 1);
#endif
  stemsmith_stream_stop(stream);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t t = 0; t < latency; ++t) ASSERT_EQ(live.out[i][t], 0.0f);
    for (std::size_t t = 0; t < kFrames; ++t)
      ASSERT_NEAR(live.out[i][t + latency], whole.out[i][t], 1e-6) << i << " " << t;
  }
  EXPECT_EQ(live.out[3][latency + 10], 7.0f);  // not wanted, not touched
}

TEST_F(CInterface, ManyThreadsAndStreamsShareAModelThatMayBeClosedFirst) {
  stemsmith_stream* stream = nullptr;
  ASSERT_EQ(stemsmith_stream_start(model_, 0, 0, nullptr, &stream), STEMSMITH_OK);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      Buffers buffers(30000);
      EXPECT_EQ(stemsmith_separate_buffers(model_, buffers.in.data(), 2, 30000, 44100, nullptr,
                                           buffers.out.data()),
                STEMSMITH_OK);
      EXPECT_NEAR(buffers.stems[20000], 0.5f * buffers.song[20000], 1e-6);
    });
  }
  for (std::thread& thread : threads) thread.join();
  stemsmith_model_close(model_);
  model_ = nullptr;
  Buffers buffers(44100);
  EXPECT_EQ(stemsmith_stream_push(stream, buffers.in.data(), 44100), STEMSMITH_OK);
  EXPECT_EQ(stemsmith_stream_status(stream), STEMSMITH_OK);
  stemsmith_stream_stop(stream);
}

}  // namespace
}  // namespace stemsmith
