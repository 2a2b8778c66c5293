// Formats that are exact by nature, against ffmpeg's decoding (kinds of fault: placeholder lengths,
// channel masks).
#include "tests/audio/decode_table.h"

namespace stemsmith::testing {
namespace {

// A wav file whose header says other sizes: of the whole, and of the data.
std::string WithWavSizes(const std::string& wav, std::uint64_t riff, std::uint64_t data) {
  return Patched(Patched(wav, 4, LittleEndian(riff, 4)), Find(wav, "data") + 4,
                 LittleEndian(data, 4));
}

// As a recorder writes it: chunks of odd length before the audio.
std::string WithChunkBefore(const std::string& wav, const std::string& chunk) {
  std::string bytes = wav;
  bytes.insert(Find(wav, "data"), chunk);
  return Patched(bytes, 4, LittleEndian(bytes.size() - 8, 4));
}

// A flac stream that went through a pipe does not know its length (36 bits) nor its checksum.
std::string Streamed(std::string flac) {
  const std::size_t info = 8;
  flac[info + 13] = static_cast<char>(flac[info + 13] & 0xf0);
  return Patched(flac, info + 14, std::string(4 + 16, '\0'));
}

// Mono of 8 bits, which few encoders write, uncompressed: one frame of 4096 samples after another.
std::string EightBitFlac(int frames) {
  const auto crc = [](const std::string& bytes, unsigned polynomial, int width) {
    unsigned value = 0;
    for (const char byte : bytes) {
      value ^= static_cast<unsigned char>(byte) << (width - 8);
      for (int bit = 0; bit < 8; ++bit)
        value = value << 1 ^ ((value >> (width - 1) & 1U) != 0 ? polynomial : 0);
      value &= (1U << width) - 1;
    }
    return BigEndian(value, width / 8);
  };
  const std::uint64_t rate_channels_bits_length = std::uint64_t{44100} << 44 |
                                                  std::uint64_t{7} << 36 |
                                                  static_cast<std::uint64_t>(frames) * 4096;
  std::string flac = "fLaC" + BigEndian(0x80000022, 4) + BigEndian(4096, 2) + BigEndian(4096, 2) +
                     std::string(6, '\0') + BigEndian(rate_channels_bits_length, 8) +
                     std::string(16, '\0');
  for (int f = 0; f < frames; ++f) {
    std::string frame = "\xff\xf8\xc9\x02" + BigEndian(static_cast<std::uint64_t>(f), 1);
    frame += crc(frame, 0x07, 8) + '\x02';
    for (int i = 0; i < 4096; ++i) frame += static_cast<char>((i * i / 9 + 31 * f) % 251 - 125);
    flac += frame + crc(frame, 0x8005, 16);
  }
  return flac;
}

TEST_F(DecodeTable, Flac) {
  const std::string bits16 = "-c:a flac", bits24 = "-c:a flac -sample_fmt s32";
  Make({{"mono.flac", "mono 44100", bits16},
        {"stereo.flac", "stereo 44100", bits16},
        {"stereo24.flac", "stereo 44100", bits24},
        {"mono8.flac", "mono 8000", bits16},
        {"stereo96.flac", "stereo 96000", bits24},
        {"three.flac", "3.0 48000", bits16},
        {"two-one.flac", "2.1 48000", bits16},
        {"four.flac", "quad 48000", bits16},
        {"five.flac", "5.0 44100", bits24},
        {"six.flac", "5.1 48000", bits16},
        {"six-side.flac", "5.1(side) 48000", bits16},
        {"seven.flac", "6.1 48000", bits16},
        {"eight.flac", "7.1 48000", bits24},
        {"cover.flac", "stereo 44100+picture",
         bits16 + " -vf trim=end_frame=1 -c:v mjpeg -disposition:v attached_pic"},
        {"stereo.oga", "stereo 44100", bits16},
        {"six.oga", "5.1 48000", bits16},
        {"a.mka", "stereo 44100", bits24},
        {"six.mka", "5.1 48000", bits16},
        {"a.mp4", "stereo 44100", bits16 + " -strict -2"},
        {"other.oga", "stereo 44100 0.9 2", bits16}});
  Derive("streamed.flac", Streamed(Bytes("stereo.flac")));
  Derive("streamed24.flac", Streamed(Bytes("stereo24.flac")));
  Derive("streamed6.flac", Streamed(Bytes("six.flac")));
  Derive("mono-8-bit.flac", EightBitFlac(12));
  Derive("chained.oga", Bytes("stereo.oga") + Bytes("other.oga"));
  Mask("six.flac", 0x3f);
  Mask("six-side.flac", 0x60f);
  Mask("two-one.flac", 0xb);
  Mask("eight.flac", 0x63f);
  Compare();
}

TEST_F(DecodeTable, Wav) {
  Make({{"u8.wav", "mono 22050", "-c:a pcm_u8"},
        {"s16.wav", "stereo 44100", "-c:a pcm_s16le"},
        {"s24.wav", "stereo 48000", "-c:a pcm_s24le"},
        {"s32.wav", "stereo 96000", "-c:a pcm_s32le"},
        {"f32.wav", "stereo 44100", "-c:a pcm_f32le"},
        {"f64.wav", "stereo 44100", "-c:a pcm_f64le"},
        {"alaw.wav", "mono 8000", "-c:a pcm_alaw"},
        {"ulaw.wav", "stereo 32000", "-c:a pcm_mulaw"},
        {"ima.wav", "stereo 44100", "-c:a adpcm_ima_wav"},
        {"ms.wav", "mono 22050", "-c:a adpcm_ms"},
        {"gsm.wav", "mono 8000", "-c:a libgsm_ms"},
        {"g726.wav", "mono 8000", "-c:a g726"},
        {"bext.wav", "stereo 44100", "-c:a pcm_s24le -write_bext 1 -metadata description=x"},
        {"peaks.wav", "stereo 44100", "-write_peak on"},
        {"rf64.wav", "stereo 44100", "-rf64 always"},
        {"rf64-six.wav", "5.1 48000", "-rf64 always -c:a pcm_f32le"},
        {"two-one.wav", "2.1 48000", ""},
        {"three.wav", "3.0 48000", "-c:a pcm_f32le"},
        {"four.wav", "quad 48000", ""},
        {"six.wav", "5.1 48000", "-c:a pcm_s24le"},
        {"six-side.wav", "5.1(side) 48000", "-c:a pcm_f32le"},
        {"eight.wav", "7.1 96000", "-c:a pcm_f32le"}});
  const std::string s16 = Bytes("s16.wav"), f32 = Bytes("f32.wav");
  Derive("data-0.wav", WithWavSizes(s16, 36, 0));
  Derive("all-0.wav", WithWavSizes(s16, 0, 0));
  Derive("f32-0.wav", WithWavSizes(f32, 0, 0));
  Derive("six-0.wav", WithWavSizes(Bytes("six.wav"), 0, 0));
  Derive("data-ffffffff.wav", WithWavSizes(s16, 0xffffffff, 0xffffffff));
  Derive("f32-ffffffff.wav", WithWavSizes(f32, 0xffffffff, 0xffffffff));
  Derive("data-7fffffff.wav", WithWavSizes(s16, 0x7fffffff, 0x7fffffff));
  Derive("data-7ffff000.wav", WithWavSizes(s16, 0x7ffff024, 0x7ffff000));
  Derive("data-ffffff00.wav", WithWavSizes(s16, 0xffffffff, 0xffffff00));
  Derive("odd-chunk.wav", WithChunkBefore(s16, "junk" + LittleEndian(5, 4) + "abcde" + '\0'));
  Derive("chunk-behind.wav", s16 + "id3 " + LittleEndian(6, 4) + "abcdef");
  Derive("partial-frame.wav", WithWavSizes(s16, 0xffffffff, 0xffffffff) + "x");
  Mask("two-one.wav", 0xb);
  Mask("three.wav", 0x7);
  Mask("four.wav", 0x33);
  Mask("six.wav", 0x3f);
  Mask("six-side.wav", 0x60f);
  Mask("rf64-six.wav", 0x3f);
  Mask("eight.wav", 0x63f);
  Mask("six-0.wav", 0x3f);
  Compare();
}

TEST_F(DecodeTable, OtherExactFormats) {
  Make({{"s16.w64", "stereo 44100", ""},
        {"f32.w64", "stereo 44100", "-c:a pcm_f32le"},
        {"s24-six.w64", "5.1 48000", "-c:a pcm_s24le"},
        {"f32-six.w64", "5.1 48000", "-c:a pcm_f32le"},
        {"s16.aiff", "stereo 44100", ""},
        {"s24.aiff", "stereo 96000", "-c:a pcm_s24be"},
        {"u8.aiff", "mono 22050", "-c:a pcm_s8"},
        {"f32.aiff", "stereo 44100", "-c:a pcm_f32be"},
        {"sowt.aiff", "stereo 44100", "-c:a pcm_s16le"},
        {"ulaw.aiff", "mono 8000", "-c:a pcm_mulaw"},
        {"six.aiff", "5.1 48000", "-c:a pcm_s24be"},
        {"s16.au", "stereo 44100", ""},
        {"f32.au", "mono 48000", "-c:a pcm_f32be"},
        {"ulaw.au", "mono 8000", "-c:a pcm_mulaw"},
        {"s24-six.au", "5.1 48000", "-c:a pcm_s24be"},
        {"s16.caf", "stereo 44100", "-c:a pcm_s16be"},
        {"f32.caf", "stereo 44100", "-c:a pcm_f32le"},
        {"six.caf", "5.1 48000", "-c:a pcm_s24le"},
        {"alac.caf", "stereo 44100", "-c:a alac"},
        {"alac-six.caf", "5.1 48000", "-c:a alac"},
        {"a.voc", "mono 22050", "-c:a pcm_u8"},
        {"a.tta", "stereo 44100", ""},
        {"a24.tta", "stereo 48000", "-sample_fmt s32"},
        {"six.tta", "5.1 48000", ""},
        {"a.wv", "stereo 44100", "-sample_fmt s16p"},
        {"f32.wv", "stereo 44100", "-sample_fmt fltp"},
        {"six.wv", "5.1 48000", "-sample_fmt s32p"},
        {"pcm.mka", "stereo 44100", "-c:a pcm_s24le"},
        {"float.mka", "5.1 48000", "-c:a pcm_f32le"},
        {"tta.mka", "stereo 44100", "-c:a tta"},
        {"wv.mka", "stereo 44100", "-c:a wavpack"},
        {"alac.m4a", "stereo 44100", "-c:a alac"},
        {"alac24.m4a", "stereo 96000", "-c:a alac -sample_fmt s32p"},
        {"alac-six.m4a", "5.1 48000", "-c:a alac"},
        {"alac-eight.m4a", "7.1(wide) 48000", "-c:a alac"},
        {"pcm.mov", "stereo 48000", "-c:a pcm_s24le"},
        {"float.mov", "stereo 48000", "-c:a pcm_f32be"},
        {"six.mov", "5.1 48000", "-c:a pcm_s16le"},
        {"six-side.mov", "5.1(side) 48000", "-c:a pcm_s16le"},
        {"pcm.avi", "stereo 44100+picture", "-c:a pcm_s16le -c:v mpeg4"},
        {"pcm.nut", "stereo 44100", "-c:a pcm_s16le"},
        {"truehd.mka", "5.1 48000", "-c:a truehd -strict -2"},
        {"s302m.ts", "stereo 48000", "-c:a s302m -strict -2"}});
  Derive("size-ffffffff.au", Patched(Bytes("s16.au"), 8, "\xff\xff\xff\xff"));
  Derive("six-ffffffff.au", Patched(Bytes("s24-six.au"), 8, "\xff\xff\xff\xff"));
  const std::string caf = Bytes("s16.caf");
  Derive("size-unknown.caf", Patched(caf, Find(caf, "data") + 4, std::string(8, '\xff')));
  const std::string f32_caf = Bytes("f32.caf");
  Derive("size-unknown-f32.caf",
         Patched(f32_caf, Find(f32_caf, "data") + 4, std::string(8, '\xff')));
  const std::string aiff = Bytes("s16.aiff");
  Derive("size-ffffffff.aiff",
         Patched(Patched(aiff, 4, "\xff\xff\xff\xff"), Find(aiff, "SSND") + 4, "\xff\xff\xff\xff"));
  Mask("f32-six.w64", 0x3f);
  Mask("alac-six.m4a", 0x37 | 0x8);
  Compare();
}

}  // namespace
}  // namespace stemsmith::testing
