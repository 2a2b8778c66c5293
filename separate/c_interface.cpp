// include/stemsmith/stemsmith.h but for its songs (c_song.cpp) and streams (c_stream.cpp).
#include <algorithm>
#include <cassert>
#include <set>
#include <string_view>
#include <vector>

#include "core/names.h"
#include "separate/c_handles.h"
#include "stemsmith_version.h"

namespace stemsmith::c {
namespace {

// "1.2.3" → 1002003.
constexpr int VersionNumber(std::string_view text) {
  int number = 0, part = 0;
  for (const char letter : text) {
    if (letter != '.') part = 10 * part + (letter - '0');
    if (letter == '.') number = 1000 * number + part, part = 0;
  }
  return 1000 * number + part;
}
static_assert(VersionNumber(STEMSMITH_VERSION) == STEMSMITH_VERSION_NUMBER,
              "stemsmith.h has another version than the project");

std::mutex& HandlesMutex() {
  static std::mutex* const mutex = new std::mutex;
  return *mutex;
}
std::set<const void*>& Handles() {
  static auto* const handles = new std::set<const void*>;
  return *handles;
}

std::string& LastError() {
  thread_local std::string text;
  return text;
}

void CheckVersion(int program) {
  const auto text = [](int version) {
    return std::to_string(version / 1000000) + "." + std::to_string(version / 1000 % 1000) + "." +
           std::to_string(version % 1000);
  };
  constexpr int kInterface = STEMSMITH_VERSION_NUMBER / 1000;
  const int asked = program / 1000;
  const bool fits = STEMSMITH_VERSION_MAJOR == 0
                        ? asked == kInterface
                        : asked / 1000 == STEMSMITH_VERSION_MAJOR && asked <= kInterface;
  if (!fits || program < 0) {
    throw Error::Usage("the program was compiled for stemsmith " + text(std::max(program, 0)) +
                           ", this library is " STEMSMITH_VERSION,
                       "", "install that version, or compile the program again");
  }
}

}  // namespace

void Remember(const void* handle) {
  const std::lock_guard lock(HandlesMutex());
  Handles().insert(handle);
}

bool IsOpen(const void* handle) noexcept {
  const std::lock_guard lock(HandlesMutex());
  return Handles().contains(handle);
}

bool Forget(const void* handle) noexcept {
  const std::lock_guard lock(HandlesMutex());
  const bool was_open = Handles().erase(handle) > 0;
  assert(was_open && "a handle of stemsmith is closed twice");
  return was_open;
}

stemsmith_code Fail(stemsmith_code code, const char* text) noexcept {
  try {
    LastError() = text;
  } catch (...) {
    LastError().clear();
  }
  return code;
}

void Need(const void* pointer, const char* name) {
  if (pointer == nullptr) throw Error::Usage("an argument is NULL that may not be", name);
}

void NeedHandle(const void* handle, const char* name) {
  Need(handle, name);
  if (!IsOpen(handle)) throw Error::Usage("the handle is not open", name, "was it closed?");
}

const stemsmith_options& OrDefaults(const stemsmith_options* options) {
  static const auto* const defaults = new stemsmith_options;
  if (options != nullptr) NeedHandle(options, "options");
  return options != nullptr ? *options : *defaults;
}

const char* NameAt(const std::vector<std::string>& names, int index, const std::string& whose) {
  if (index < 0 || static_cast<std::size_t>(index) >= names.size())
    throw Error::Usage("the " + whose + " has no stem number " + std::to_string(index), "index");
  return names[static_cast<std::size_t>(index)].c_str();
}

void Tell(const stemsmith_options& options, std::int64_t done, std::int64_t total, int rate_hz) {
  if (options.progress != nullptr && options.progress(options.user, done, total, rate_hz) != 0)
    throw Stopped{};
}

}  // namespace stemsmith::c

using namespace stemsmith;     // NOLINT: the functions of C lie outside
using namespace stemsmith::c;  // NOLINT

int stemsmith_version_number(void) { return STEMSMITH_VERSION_NUMBER; }
const char* stemsmith_version(void) { return STEMSMITH_VERSION; }
const char* stemsmith_last_error(void) { return LastError().c_str(); }

stemsmith_options* stemsmith_options_create(void) {
  return GuardedResult<stemsmith_options*>(nullptr, [] {
    auto options = std::make_unique<stemsmith_options>();
    Remember(options.get());
    return options.release();
  });
}

void stemsmith_options_destroy(stemsmith_options* options) { Close(options); }

stemsmith_code stemsmith_options_set_device(stemsmith_options* options, const char* device) {
  return Guarded([&] {
    NeedHandle(options, "options");
    Need(device, "device");
    options->runtime.device = device;
  });
}

stemsmith_code stemsmith_options_set_threads(stemsmith_options* options, int threads) {
  return Guarded([&] {
    NeedHandle(options, "options");
    options->runtime.threads = threads;
  });
}

stemsmith_code stemsmith_options_set_engine(stemsmith_options* options, const char* engine) {
  return Guarded([&] {
    NeedHandle(options, "options");
    Need(engine, "engine");
    options->runtime.engine = FindRow(kEngines, engine, "engine", "engine").value;
  });
}

stemsmith_code stemsmith_options_set_precision(stemsmith_options* options, const char* precision) {
  return Guarded([&] {
    NeedHandle(options, "options");
    Need(precision, "precision");
    options->runtime.precision =
        FindRow(kPrecisions, precision, "precision", "precision").value;
  });
}

stemsmith_code stemsmith_options_set_manifest(stemsmith_options* options, const char* file) {
  return Guarded([&] {
    NeedHandle(options, "options");
    Need(file, "file");
    options->runtime.manifest_file = file;
  });
}

stemsmith_code stemsmith_options_set_cache_folder(stemsmith_options* options, const char* folder) {
  return Guarded([&] {
    NeedHandle(options, "options");
    Need(folder, "folder");
    options->runtime.cache_folder = folder;
  });
}

stemsmith_code stemsmith_options_set_stems(stemsmith_options* options, const char* const* stems,
                                           int count) {
  return Guarded([&] {
    NeedHandle(options, "options");
    if (count != 0) Need(stems, "stems");
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i) {
      Need(stems[i], "stems");
      names.push_back(stems[i]);
    }
    options->separator.files.stems = std::move(names);
  });
}

stemsmith_code stemsmith_options_set_preset(stemsmith_options* options, const char* preset) {
  return Guarded([&] {
    NeedHandle(options, "options");
    options->separator.files.preset = preset == nullptr ? "" : preset;
  });
}

stemsmith_code stemsmith_options_add_mix(stemsmith_options* options, const char* mix) {
  return Guarded([&] {
    NeedHandle(options, "options");
    Need(mix, "mix");
    options->separator.files.mixes.emplace_back(mix);
  });
}

stemsmith_code stemsmith_options_set_overlap(stemsmith_options* options, double overlap) {
  return Guarded([&] {
    NeedHandle(options, "options");
    if (!(overlap < 1)) throw Error::Usage("the overlap must be less than 1", "overlap");
    options->separator.stream.overlap = overlap;
  });
}

stemsmith_code stemsmith_options_set_format(stemsmith_options* options, const char* format,
                                            int bits) {
  return Guarded([&] {
    NeedHandle(options, "options");
    Need(format, "format");
    EncodeOptions encoding = {.format = format};
    if (bits != 0) {
      if (bits != 16 && bits != 24 && bits != 32)
        throw Error::Usage(std::to_string(bits) + " bits", "bits",
                           "take 16, 24, 32 (float), or 0 for what the format has");
      encoding.sample_format = bits == 16   ? SampleFormat::kInt16
                               : bits == 24 ? SampleFormat::kInt24
                                            : SampleFormat::kFloat32;
    }
    CheckEncodeOptions(encoding);
    options->separator.encoding = encoding;
  });
}

stemsmith_code stemsmith_options_set_progress(stemsmith_options* options,
                                              stemsmith_progress_fn progress, void* user) {
  return Guarded([&] {
    NeedHandle(options, "options");
    options->progress = progress;
    options->user = user;
  });
}

stemsmith_code stemsmith_model_open(int version, const char* path, const stemsmith_options* options,
                                    stemsmith_model** model) {
  // Before anything is looked at: another version may have other arguments.
  if (Guarded([&] { CheckVersion(version); }) != STEMSMITH_OK) return STEMSMITH_WRONG_VERSION;
  return Guarded([&] {
    Need(path, "path");
    Need(model, "model");
    auto opened = std::make_unique<stemsmith_model>();
    opened->runtime =
        std::make_shared<SharedRuntime>(Runtime::Open(path, OrDefaults(options).runtime));
    Remember(opened.get());
    *model = opened.release();
  });
}

void stemsmith_model_close(stemsmith_model* model) { Close(model); }

const char* stemsmith_model_name(const stemsmith_model* model) {
  return GuardedResult<const char*>(nullptr, [&] {
    NeedHandle(model, "model");
    return model->runtime->info().model_name.c_str();
  });
}

int stemsmith_model_stem_count(const stemsmith_model* model) {
  return GuardedResult(0, [&] {
    NeedHandle(model, "model");
    return static_cast<int>(model->runtime->info().stems.size());
  });
}

const char* stemsmith_model_stem(const stemsmith_model* model, int index) {
  return GuardedResult<const char*>(nullptr, [&] {
    NeedHandle(model, "model");
    return NameAt(model->runtime->info().stems, index, "model");
  });
}

int stemsmith_model_sample_rate(const stemsmith_model* model) {
  return GuardedResult(0, [&] {
    NeedHandle(model, "model");
    return model->runtime->info().sample_rate_hz;
  });
}

int stemsmith_model_channels(const stemsmith_model* model) {
  return GuardedResult(0, [&] {
    NeedHandle(model, "model");
    return model->runtime->info().channels;
  });
}

int64_t stemsmith_model_segment_frames(const stemsmith_model* model) {
  return GuardedResult<int64_t>(0, [&] {
    NeedHandle(model, "model");
    return model->runtime->info().segment_frames;
  });
}
