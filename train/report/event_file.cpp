#include "train/report/event_file.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>

#include "audio/encode.h"
#include "core/error.h"
#include "core/files.h"
#include "core/text.h"

static_assert(std::endian::native == std::endian::little, "numbers are written as they lie");

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr char kPrefix[] = "events.out.tfevents.";
// Fields of the message Event.
constexpr int kEventStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
// Wire types.
constexpr int kVarint = 0, kEight = 1, kBytes = 2, kFour = 5;

std::string Varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes += static_cast<char>(value);
}

std::string Key(int field, int wire) {
  return Varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(wire));
}

std::string Integer(int field, std::int64_t value) {
  return Key(field, kVarint) + Varint(static_cast<std::uint64_t>(value));
}

// A string, bytes or a message.
std::string Bytes(int field, std::string_view bytes) {
  return (Key(field, kBytes) + Varint(bytes.size())).append(bytes);
}

template <typename Number>
std::string Fixed(int field, Number value) {
  std::string bytes = Key(field, sizeof value == 8 ? kEight : kFour);
  return bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// A CRC of bytes that hold CRCs themselves would be weak: TFRecord rotates and shifts it.
std::uint32_t MaskedCrc(std::string_view bytes) {
  return std::rotr(Crc32c(bytes), 15) + 0xa282ead8u;
}

template <typename Number>
std::string Raw(Number value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename Number>
Number FromRaw(std::string_view bytes) {
  Number value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::string Framed(const std::string& event) {
  const std::string length = Raw<std::uint64_t>(event.size());
  return length + Raw(MaskedCrc(length)) + event + Raw(MaskedCrc(event));
}

// Takes the first record off `bytes`; none where it is cut off or damaged.
std::optional<std::string_view> TakeRecord(std::string_view& bytes) {
  constexpr std::size_t kHeader = 12, kFooter = 4;
  if (bytes.size() < kHeader + kFooter) return std::nullopt;
  const auto length = FromRaw<std::uint64_t>(bytes);
  if (FromRaw<std::uint32_t>(bytes.substr(8)) != MaskedCrc(bytes.substr(0, 8))) return std::nullopt;
  if (length > bytes.size() - kHeader - kFooter) return std::nullopt;
  const std::string_view event = bytes.substr(kHeader, length);
  if (FromRaw<std::uint32_t>(bytes.substr(kHeader + length)) != MaskedCrc(event))
    return std::nullopt;
  bytes.remove_prefix(kHeader + length + kFooter);
  return event;
}

std::optional<std::uint64_t> TakeVarint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

// The step of an event; 0 where it states none.
std::int64_t StepOf(std::string_view event) {
  while (!event.empty()) {
    const auto key = TakeVarint(event);
    if (!key) return 0;
    std::size_t skip = 0;
    switch (*key & 7) {
      case kVarint: {
        const auto value = TakeVarint(event);
        if (value && *key >> 3 == kEventStep) return static_cast<std::int64_t>(*value);
        if (!value) return 0;
        break;
      }
      case kEight:
        skip = 8;
        break;
      case kFour:
        skip = 4;
        break;
      default: {
        const auto length = TakeVarint(event);
        if (!length || *length > event.size()) return 0;
        skip = *length;
      }
    }
    if (skip > event.size()) return 0;
    event.remove_prefix(skip);
  }
  return 0;
}

// What is left of a file of events when those after `last_step` are dropped.
void CutBack(const fs::path& path, std::int64_t last_step) {
  const std::string bytes = ReadFile(path);
  std::string kept;
  for (std::string_view rest = bytes; const auto event = TakeRecord(rest);) {
    if (StepOf(*event) <= last_step) kept += Framed(std::string(*event));
  }
  if (kept != bytes) WriteFileAtomically(path, kept);
}

std::vector<fs::path> EventFiles(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none))
    if (entry.path().filename().string().starts_with(kPrefix)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

double WallTime() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

std::uint32_t Crc32c(std::string_view bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> rows{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t row = i;
      for (int bit = 0; bit < 8; ++bit) row = row >> 1 ^ (row & 1 ? 0x82f63b78u : 0u);
      rows[i] = row;
    }
    return rows;
  }();
  std::uint32_t crc = 0xffffffffu;
  for (const char byte : bytes)
    crc = crc >> 8 ^ table[(crc ^ static_cast<std::uint8_t>(byte)) & 0xff];
  return ~crc;
}

EventFile::EventFile(const fs::path& folder, std::int64_t last_step, Listener warn)
    : warn_(std::move(warn)) {
  EnsureWritableFolder(folder);
  for (const fs::path& path : EventFiles(folder)) {
    if (last_step >= 0) {
      CutBack(path, last_step);
    } else {
      fs::remove(path);
    }
  }
  // TensorBoard reads the files of a folder in the order of their names, each to its end.
  for (int part = 0; part == 0 || fs::exists(path_); ++part) {
    path_ = folder / Formatted("%s%010lld.stemsmith.%03d", kPrefix,
                               static_cast<long long>(WallTime()), part);
  }
  out_.open(path_, std::ios::binary | std::ios::app);
  Write(0, kFileVersion, "brain.Event:2");
  // A TensorBoard that has read later steps before they were dropped forgets them at this.
  if (last_step >= 0) Write(last_step + 1, kSessionLog, Integer(1, 1));
}

void EventFile::Write(std::int64_t step, int field, const std::string& message) {
  const std::string event =
      Fixed(1, WallTime()) + Integer(kEventStep, step) + Bytes(field, message);
  std::error_code ignored;
  const std::uintmax_t sound = fs::file_size(path_, ignored);
  out_.clear();
  errno = 0;
  out_ << Framed(event) << std::flush;
  const int reason = errno;
  if (out_) return;
  // Opened again: libstdc++ keeps what it could not write, and writes past its full buffer when it
  // is asked to go on. TensorBoard reads no further than to a record that is cut off.
  out_.close();
  fs::resize_file(path_, sound, ignored);
  out_.open(path_, std::ios::binary | std::ios::app);
  if (!warned_) {
    warned_ = true;
    errno = reason;
    Tell(warn_,
         Error::Write("cannot write", path_.string()).text() + "; training continues without it");
  }
}

void EventFile::AddScalars(std::int64_t step,
                           const std::vector<std::pair<std::string, double>>& values) {
  std::string summary;
  for (const auto& [tag, value] : values)
    summary += Bytes(1, Bytes(1, tag) + Fixed(2, static_cast<float>(value)));
  if (!summary.empty()) Write(step, kSummary, summary);
}

void EventFile::AddAudio(std::int64_t step, const std::string& tag, const AudioBuffer& audio,
                         int sample_rate_hz) {
  const std::string sound = Fixed(1, static_cast<float>(sample_rate_hz)) +
                            Integer(2, audio.channels()) +
                            Integer(3, static_cast<std::int64_t>(audio.frames())) +
                            Bytes(4, WavBytes(audio, sample_rate_hz)) + Bytes(5, "audio/wav");
  Write(step, kSummary, Bytes(1, Bytes(1, tag) + Bytes(6, sound)));
}

void EventFile::AddText(std::int64_t step, const std::string& tag, const std::string& markdown) {
  constexpr int kString = 7;                                    // of TensorFlow's types
  const std::string shape = Bytes(2, Bytes(2, Integer(1, 1)));  // one element
  const std::string tensor = Integer(1, kString) + shape + Bytes(8, markdown);
  const std::string metadata = Bytes(1, Bytes(1, "text"));
  Write(step, kSummary, Bytes(1, Bytes(1, tag) + Bytes(8, tensor) + Bytes(9, metadata)));
}

void EventFile::AddHyperparameters(const Settings& settings) {
  std::string session;  // SessionStartInfo: a map of google.protobuf.Value
  for (const auto& [name, setting] : settings) {
    std::string value;
    if (const auto* flag = std::get_if<bool>(&setting)) value = Integer(4, *flag ? 1 : 0);
    if (const auto* number = std::get_if<double>(&setting)) value = Fixed(2, *number);
    if (const auto* text = std::get_if<std::string>(&setting)) value = Bytes(3, *text);
    session += Bytes(1, Bytes(1, name) + Bytes(2, value));
  }
  session += Fixed(5, WallTime());
  constexpr int kFloat = 1;
  const std::string tensor =
      Integer(1, kFloat) + Bytes(2, Bytes(2, Integer(1, 1))) + Fixed(5, 0.0f);  // nobody reads it
  const std::string metadata = Bytes(1, Bytes(1, "hparams") + Bytes(2, Bytes(3, session)));
  Write(0, kSummary,
        Bytes(1, Bytes(1, "_hparams_/session_start_info") + Bytes(8, tensor) + Bytes(9, metadata)));
}

void EventFile::AddPicture(std::int64_t step, const std::string& tag, const std::string& png,
                           int width, int height) {
  constexpr int kRgb = 3;
  const std::string picture =
      Integer(1, height) + Integer(2, width) + Integer(3, kRgb) + Bytes(4, png);
  Write(step, kSummary, Bytes(1, Bytes(1, tag) + Bytes(4, picture)));
}

}  // namespace stemsmith
