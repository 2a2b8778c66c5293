// What OpenAudio chooses from: one reader per library. Private to core/.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "audio/audio_reader.h"
#include "core/option.h"

namespace stemsmith {

// What to do about damage, and about damage that can be concealed.
inline constexpr char kCopyAdvice[] = "copy or download the file again";
inline std::string ConcealAdvice() {
  return std::string(kCopyAdvice) + "; " + Option("on-damage", "conceal") + " goes on with silence";
}

// What a header says about the audio data that follow it.
struct DataChunk {
  std::int64_t promised_bytes = -1;  // -1: not said, or not a file of this kind
  std::int64_t present_bytes = 0;
  // The length was never filled in (a pipe, a recorder that was switched off) although there are
  // data: they go on to the end of the file.
  bool open_ended = false;
  // Compressed samples (ADPCM, mp3 in wav, …), which libsndfile decodes otherwise than other tools.
  bool wants_libav = false;
  // A w64 whose extensible header says float: libsndfile 1.2 reads it as integers.
  bool misread_by_libsndfile = false;
  // A wav whose data go on beyond the 4 GiB that its header can say, and its samples.
  bool beyond_32_bits = false;
  std::uint64_t begin = 0;
  int tag = 0, channels = 0, sample_rate_hz = 0, bits = 0;
  // Where the length stands, what it counts beside the data, and how.
  std::uint64_t size_field = 0;
  int size_field_bytes = 0;
  bool size_field_is_big_endian = false;
  std::int64_t size_field_extra = 0;
};

// What libsndfile made of a file: a reader, or the reason why not.
struct SndfileResult {
  std::unique_ptr<AudioReader> reader;
  bool recognised = false;  // the kind of file is known, although it may not open
  std::string problem;      // libsndfile's words where there is no reader
};

// Backend readers promise less than OpenAudio's: samples may be NaN, and the file may end before
// info().frames.
SndfileResult OpenSndfile(const std::filesystem::path& path, const DataChunk& data);

// The number of the stream that DecodeOptions::stream and language ask for. Throws Error where
// there is none of that language.
int ChosenStream(const std::vector<AudioStreamInfo>& streams, const DecodeOptions& options,
                 const std::filesystem::path& path);

// The signature of `stemsmith_open_libav`, which libstemsmith_libav.so exports. The caller owns the
// result.
using OpenLibavFunction = AudioReader*(const std::filesystem::path& path,
                                       const DecodeOptions& options);

// Finds the audio chunk of a wav, RF64, w64, aiff, au or caf file. libsndfile fixes wrong lengths
// in silence, so that a file that was cut off is only known by its header.
DataChunk FindDataChunk(const std::filesystem::path& path);

// Bytes that lack at the end of a container (mp4, Matroska, Ogg, AVI) by the exact lengths of its
// elements; 0 where it is whole or says nothing.
std::int64_t MissingBytesAtEnd(const std::filesystem::path& path);

struct OggPages {
  int links = 1;               // streams one after another ("chained")
  std::int64_t cut_bytes = 0;  // that the last page lacks
};
OggPages WalkOggPages(const std::filesystem::path& path);

// What the first bytes say of the format, as far as the choice of a library depends on it.
enum class FileStart { kOther, kOgg, kFlac, kMpeg };  // kMpeg: mp1, mp2, mp3, perhaps behind ID3
FileStart LookAtStart(const std::filesystem::path& path);
// The length by an mp3's information frame (Xing, LAME), without encoder delay and padding; -1
// where there is none. Joined files have the first one's.
std::int64_t Mp3PromisedFrames(const std::filesystem::path& path);

// What the four bytes of a frame's header (MPEG audio) say; bytes = 0 where they are none.
struct MpegHeader {
  std::int64_t bytes = 0;
  int layer = 0, samples = 0, sample_rate_hz = 0, side_bytes = 0;
};
MpegHeader ParseMpegHeader(const unsigned char* head);

// Of an adts frame (AAC) that starts with these seven bytes, as its header says; 0 where there is
// none.
std::int64_t AdtsFrameBytes(const unsigned char* head);
// Bytes of an adts file between its frames, where a header is damaged. libav passes over them
// without a word.
struct SkippedBytes {
  std::int64_t frame = 0;  // frames before them
  std::int64_t bytes = 0;
};
std::vector<SkippedBytes> FindSkippedAdtsBytes(const std::filesystem::path& path);

// The frames of an mp3 one after another, as their headers say.
struct MpegFrames {
  std::int64_t frames = 0;  // sample frames, information frames among them
  int sample_rate_hz = 0;
  std::int64_t damaged_at_frame = -1;  // where no frame follows although there are data
  bool goes_on_behind_tag = false;     // another file was appended
};
MpegFrames WalkMpegFrames(const std::filesystem::path& path);

// What the chunk of a CAF or AIFF file that names its channels says: a layout's tag, the low 16
// bits of which count its channels, and for the tag kBitmap WAVE's speaker bits. Source: Apple's
// CoreAudioTypes.h.
struct CoreAudioLayout {
  static constexpr std::uint32_t kBitmap = 0x10000;
  std::uint32_t tag = 0;
  std::uint32_t bitmap = 0;
  bool before_channels = false;  // stands before the chunk that counts the channels
};
std::optional<CoreAudioLayout> ReadCoreAudioLayout(const std::filesystem::path& path);

// WAVE's speaker bits of a flac file's channels: as its comments say, or else the usual ones of
// each number (RFC 9639, 9.1.3), the surround channels at the sides, as ffmpeg takes them.
std::uint32_t FlacChannelMask(const std::filesystem::path& path, int channels);

// Whether the first bytes are text and nothing else.
bool LooksLikeText(const std::filesystem::path& path);

}  // namespace stemsmith
