// Lossy codecs in the containers of players, cameras and broadcasters, against ffmpeg's decoding
// (kind of fault: the container's length is not the track's).
#include "tests/audio/decode_table.h"

namespace stemsmith::testing {
namespace {

TEST_F(DecodeTable, Mp4) {
  const std::string aac = "-c:a aac";
  const std::string picture = " -c:v mpeg4";
  Make({{"a.m4a", "stereo 44100", aac},
        {"mono22.m4a", "mono 22050", aac},
        {"mono8.m4a", "mono 8000", aac},
        {"stereo32.m4a", "stereo 32000", aac},
        {"stereo96.m4a", "stereo 96000", aac},
        {"three.m4a", "3.0 48000", aac},
        {"four.m4a", "4.0 48000", aac},
        {"five.m4a", "5.0 48000", aac},
        {"six.m4a", "5.1 48000", aac},
        {"eight.m4a", "7.1 48000", aac},
        {"faststart.mp4", "stereo 44100", aac + " -movflags +faststart"},
        {"fragmented.mp4", "stereo 44100",
         aac + " -movflags +frag_keyframe+empty_moov+default_base_moof -frag_duration 300000"},
        {"fragmented.m4a", "stereo 48000", aac + " -movflags +dash -frag_duration 500000"},
        {"cover.m4a", "stereo 44100+picture",
         aac + " -vf trim=end_frame=1 -c:v mjpeg -disposition:v attached_pic"},
        {"video.mp4", "picture+stereo 44100", aac + picture},
        {"video.mov", "picture+stereo 48000", aac + picture},
        {"late.mp4", "picture+stereo 48000 1.2 3 late", aac + picture},
        {"tracks.mp4", "picture+stereo 44100 0.9 2+stereo 44100", aac + picture},
        {"chapters.m4b", "stereo 44100", aac + " -f ipod"},
        {"mp3.mp4", "stereo 44100", "-c:a libmp3lame"},
        {"ac3.mp4", "5.1 48000", "-c:a ac3"},
        {"eac3.mp4", "5.1 48000", "-c:a eac3"},
        {"a.3gp", "mono 16000", aac},
        {"a.3g2", "stereo 44100", aac + " -f 3g2"},
        {"alac.mov", "stereo 44100", "-c:a alac"}});
  Remux("edit.m4a", "-ss 0.7", "a.m4a");
  Remux("edit.mp4", "-ss 0.7", "video.mp4");
  Remux("edit-alac.mov", "-ss 0.31", "alac.mov");
  Remux("shorter.m4a", "", "a.m4a", "-t 0.8");
  Mask("six.m4a", 0x3f);
  Mask("three.m4a", 0x7);
  Compare();
}

TEST_F(DecodeTable, Matroska) {
  const std::string picture = " -c:v mpeg4", vp8 = " -c:v libvpx -deadline realtime -cpu-used 8";
  Make({{"clip.mkv", "picture+stereo 44100", "-c:a aac" + picture},
        {"clip-mp3.mkv", "picture+stereo 44100", "-c:a libmp3lame" + picture},
        {"clip-flac.mkv", "picture+stereo 44100", "-c:a flac" + picture},
        {"clip-ac3.mkv", "picture+5.1 48000", "-c:a ac3" + picture},
        {"clip-pcm.mkv", "picture+stereo 44100", "-c:a pcm_s16le" + picture},
        {"half-second.mkv", "picture+stereo 44100 2.5", "-c:a aac" + picture},
        {"clip.webm", "picture+stereo 48000", "-c:a libopus" + vp8},
        {"clip-vorbis.webm", "picture+stereo 44100", "-c:a libvorbis" + vp8},
        {"late.mkv", "picture+stereo 44100 1.3 3 late", "-c:a aac" + picture},
        {"late-opus.webm", "picture+stereo 48000 1.3 3 late", "-c:a libopus" + vp8},
        {"late-flac.mkv", "picture+stereo 44100 1.2 3 late", "-c:a flac" + picture},
        {"tracks.mkv", "picture+stereo 44100 0.9 2+stereo 44100", "-c:a aac" + picture},
        {"tracks-opus.webm", "stereo 48000 0.9 2+stereo 48000", "-c:a libopus"},
        {"tracks-flac.mka", "stereo 44100 0.9 2+stereo 44100 2.5", "-c:a flac"},
        {"ac3.mka", "5.1 48000", "-c:a ac3"},
        {"eac3.mka", "5.1 48000", "-c:a eac3"},
        {"dts.mka", "5.1 48000", "-c:a dca -strict -2"},
        {"mp2.mka", "stereo 48000", "-c:a mp2"},
        {"aac.mka", "5.1 48000", "-c:a aac"}});
  // As a recorder that writes into a pipe: no lengths at all.
  files_.Run("-i clip.mkv -map 0 -c copy -f matroska - > live.mkv");
  files_.Run("-i clip.webm -map 0 -c copy -f webm - > live.webm");
  Derive("piped.mkv", Bytes("live.mkv"));
  Derive("piped.webm", Bytes("live.webm"));
  Remux("cut.mkv", "-ss 0.7", "clip-mp3.mkv");
  Remux("cut-audio.mka", "-ss 0.7", "tracks-flac.mka", "-t 1");
  Mask("ac3.mka", 0x60f);
  Compare();
}

TEST_F(DecodeTable, BroadcastAndOlderContainers) {
  const std::string picture = " -c:v mpeg4", mpeg2 = " -c:v mpeg2video";
  Make({{"a.aac", "stereo 44100", "-c:a aac"},
        {"mono22.aac", "mono 22050", "-c:a aac"},
        {"six.aac", "5.1 48000", "-c:a aac"},
        {"a.ac3", "stereo 48000", "-c:a ac3"},
        {"six.ac3", "5.1 48000", "-c:a ac3"},
        {"stereo32.ac3", "stereo 32000", "-c:a ac3"},
        {"a.eac3", "stereo 48000", "-c:a eac3"},
        {"six.eac3", "5.1 48000", "-c:a eac3"},
        {"six.dts", "5.1 48000", "-c:a dca -strict -2"},
        {"aac.ts", "picture+stereo 48000", "-c:a aac" + mpeg2},
        {"mp2.ts", "picture+stereo 48000", "-c:a mp2" + mpeg2},
        {"ac3.ts", "picture+5.1 48000", "-c:a ac3" + mpeg2},
        {"late.ts", "picture+stereo 48000 1.2 3 late", "-c:a mp2" + mpeg2},
        {"a.mts", "picture+stereo 48000", "-c:a ac3 -f mpegts" + mpeg2},
        {"a.mpg", "picture+stereo 48000", "-c:a mp2 -f vob" + mpeg2},
        {"mp3.avi", "picture+stereo 44100", "-c:a libmp3lame" + picture},
        {"ac3.avi", "picture+5.1 48000", "-c:a ac3" + picture},
        {"mp2.avi", "picture+stereo 48000", "-c:a mp2" + picture},
        {"v2.wma", "stereo 44100", "-c:a wmav2"},
        {"v1.wma", "mono 22050", "-c:a wmav1"},
        {"a.wmv", "picture+stereo 44100", "-c:a wmav2 -c:v wmv2"},
        {"mp3.flv", "picture+stereo 44100", "-c:a libmp3lame -c:v flv"},
        {"aac.flv", "picture+stereo 44100", "-c:a aac -c:v flv"},
        {"latm.ts", "stereo 48000", "-c:a aac -mpegts_flags latm"},
        {"a.spx", "mono 16000", "-c:a libspeex"},
        {"ima.mov", "stereo 44100", "-c:a adpcm_ima_qt"}});
  Derive("joined.aac", Bytes("a.aac") + Bytes("a.aac"));
  Derive("joined.ac3", Bytes("a.ac3") + Bytes("a.ac3"));
  Mask("six.ac3", 0x60f);
  Mask("six.eac3", 0x60f);
  Compare();
}

}  // namespace
}  // namespace stemsmith::testing
