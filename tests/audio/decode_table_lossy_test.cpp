// mp3, vorbis and opus as people have them, against ffmpeg's decoding (kinds of fault: a length in
// the header that is too small, the decoder's channel order).
#include "tests/audio/decode_table.h"

namespace stemsmith::testing {
namespace {

constexpr char kMp3[] = "-c:a libmp3lame ";

// Tags as taggers append them.
std::string ApeTag() {
  const std::string item =
      LittleEndian(4, 4) + LittleEndian(0, 4) + std::string("Title\0", 6) + "song";
  return item + "APETAGEX" + LittleEndian(2000, 4) + LittleEndian(item.size() + 32, 4) +
         LittleEndian(1, 4) + LittleEndian(0, 4) + std::string(8, '\0');
}
std::string Id3v1Tag() { return "TAG" + std::string("song") + std::string(121, '\0'); }

// The same file whose Xing or Info frame says another number of frames.
std::string WithXingFrames(const std::string& mp3, double factor) {
  std::size_t at = mp3.find("Xing");
  if (at == mp3.npos) at = Find(mp3, "Info");
  std::uint64_t frames = 0;
  for (std::size_t i = at + 8; i < at + 12; ++i)
    frames = frames << 8 | static_cast<unsigned char>(mp3[i]);
  return Patched(mp3, at + 8,
                 BigEndian(static_cast<std::uint64_t>(static_cast<double>(frames) * factor), 4));
}

TEST_F(DecodeTable, Mp3) {
  const std::string cbr = kMp3 + std::string("-b:a 128k"), vbr = kMp3 + std::string("-q:a 4");
  Make({{"cbr.mp3", "stereo 44100", cbr},
        {"vbr.mp3", "stereo 44100", vbr},
        {"low.mp3", "stereo 44100", kMp3 + std::string("-b:a 32k")},
        {"mono22.mp3", "mono 22050", vbr},
        {"mono8.mp3", "mono 8000", vbr},
        {"stereo16.mp3", "stereo 16000", cbr},
        {"stereo32.mp3", "stereo 32000", cbr},
        {"stereo48.mp3", "stereo 48000", cbr},
        {"other.mp3", "stereo 44100 0.9 2", cbr},
        {"untagged.mp3", "stereo 44100", cbr + " -write_xing 0 -id3v2_version 0"},
        {"untagged-vbr.mp3", "stereo 44100", vbr + " -write_xing 0 -id3v2_version 0"},
        {"untagged-other.mp3", "stereo 44100 0.9 2", vbr + " -write_xing 0 -id3v2_version 0"},
        {"id3v1.mp3", "stereo 44100", cbr + " -write_id3v1 1 -id3v2_version 0 -metadata title=x"},
        {"id3v23.mp3", "stereo 44100", cbr + " -id3v2_version 3 -metadata title=x"},
        {"cover.mp3", "stereo 44100+picture",
         cbr + " -vf trim=end_frame=1 -c:v mjpeg -disposition:v attached_pic"},
        {"riff.wav", "stereo 44100", cbr + " -f wav"},
        {"riff-vbr.wav", "mono 22050", vbr + " -f wav"},
        {"a.mp2", "stereo 48000", "-c:a mp2"},
        {"mono.mp2", "mono 44100", "-c:a mp2"}});
  Derive("ape.mp3", Bytes("cbr.mp3") + ApeTag());
  Derive("ape-id3v1.mp3", Bytes("vbr.mp3") + ApeTag() + Id3v1Tag());
  Derive("xing-third.mp3", WithXingFrames(Bytes("vbr.mp3"), 1.0 / 3));
  Derive("info-third.mp3", WithXingFrames(Bytes("cbr.mp3"), 1.0 / 3));
  Derive("xing-one-less.mp3", WithXingFrames(Bytes("vbr.mp3"), 0.98));
  Derive("xing-zero.mp3", WithXingFrames(Bytes("vbr.mp3"), 0));
  Derive("joined.mp3", Bytes("cbr.mp3") + Bytes("other.mp3"));
  Derive("joined-thrice.mp3", Bytes("vbr.mp3") + Bytes("other.mp3") + Bytes("cbr.mp3"));
  Derive("joined-untagged.mp3", Bytes("untagged.mp3") + Bytes("untagged-other.mp3"));
  Derive("joined-id3v1.mp3", Bytes("id3v1.mp3") + Bytes("id3v1.mp3"));
  Derive("padded.mp3", std::string(3000, '\0') + Bytes("untagged.mp3"));
  Derive("zeros-behind.mp3", Bytes("cbr.mp3") + std::string(20000, '\0'));
  Compare();
}

TEST_F(DecodeTable, OggVorbis) {
  const std::string vorbis = "-c:a libvorbis";
  Make({{"mono.ogg", "mono 44100", vorbis},
        {"stereo.ogg", "stereo 44100", vorbis},
        {"stereo8.ogg", "stereo 8000", vorbis},
        {"mono22.ogg", "mono 22050", vorbis},
        {"stereo48.ogg", "stereo 48000", vorbis},
        {"stereo96.ogg", "stereo 96000", vorbis + " -q:a 5"},
        {"three.ogg", "3.0 48000", vorbis},
        {"four.ogg", "quad 48000", vorbis},
        {"five.ogg", "5.0 48000", vorbis},
        {"six.ogg", "5.1 48000", vorbis},
        {"seven.ogg", "6.1 48000", vorbis},
        {"eight.ogg", "7.1 48000", vorbis},
        {"six.mka", "5.1 44100", vorbis},
        {"eight.webm", "7.1 48000", vorbis},
        {"other.ogg", "stereo 44100 0.9 2", vorbis},
        {"small-pages.oga", "stereo 44100", vorbis + " -page_duration 50000"},
        {"speex.ogg", "mono 32000", "-c:a libspeex"}});
  Chain("chained.ogg", {"stereo.ogg", "other.ogg"});
  Chain("chained-thrice.ogg", {"other.ogg", "stereo.ogg", "other.ogg"});
  Chain("chained-six.ogg", {"six.ogg", "six.ogg"});
  // The last page with the end-of-stream flag never came.
  const std::string pages = Bytes("small-pages.oga");
  Derive("unclosed.ogg", pages.substr(0, pages.rfind("OggS")));
  Frames("other.ogg", 39690, "ffmpeg 5.1 does not cut the last packet of a short vorbis file");
  Mask("three.ogg", 0x7);
  Mask("four.ogg", 0x33);
  Mask("five.ogg", 0x37);
  Mask("six.ogg", 0x3f);
  Mask("seven.ogg", 0x70f);
  Mask("eight.ogg", 0x63f);
  Compare();
}

TEST_F(DecodeTable, Opus) {
  const std::string opus = "-c:a libopus";
  Make({{"mono.opus", "mono 48000", opus},
        {"stereo.opus", "stereo 48000", opus},
        {"stereo8.opus", "stereo 8000", opus},
        {"mono16.opus", "mono 16000", opus + " -application voip"},
        {"stereo24.opus", "stereo 24000", opus},
        {"three.opus", "3.0 48000", opus},
        {"four.opus", "quad 48000", opus},
        {"five.opus", "5.0 48000", opus},
        {"six.opus", "5.1 48000", opus},
        {"seven.opus", "6.1 48000", opus},
        {"eight.opus", "7.1 48000", opus},
        {"discrete6.opus", "5.1 48000", opus + " -mapping_family 255"},
        {"discrete3.opus", "3.0 48000", opus + " -mapping_family 255"},
        {"discrete2.opus", "stereo 48000", opus + " -mapping_family 255"},
        {"six.mka", "5.1 48000", opus},
        {"six.webm", "5.1 48000", opus},
        {"six.mp4", "5.1 48000", opus},
        {"a.caf", "stereo 48000", opus},
        {"long-frames.ogg", "stereo 48000", opus + " -frame_duration 60"},
        {"other.opus", "stereo 48000 0.9 2", opus},
        {"small-pages.opus", "stereo 48000", opus + " -page_duration 50000"}});
  Chain("chained.opus", {"stereo.opus", "other.opus"});
  Chain("chained-six.opus", {"six.opus", "six.opus"});
  Chain("chained-thrice.opus", {"other.opus", "stereo.opus", "other.opus"});
  const std::string pages = Bytes("small-pages.opus");
  Derive("unclosed.opus", pages.substr(0, pages.rfind("OggS")));
  Mask("three.opus", 0x7);
  Mask("six.opus", 0x3f);
  Mask("eight.opus", 0x63f);
  Compare();
}

}  // namespace
}  // namespace stemsmith::testing
