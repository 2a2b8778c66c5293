// The endings of files that OpenAudio reads.
#include <fstream>
#include <set>
#include <string>

#include "audio/decode.h"
#include "core/files.h"
#include "core/text.h"

namespace stemsmith {
namespace {

const std::set<std::string>& KnownEndings() {
  static const std::set<std::string> known = {
      // Sound alone, as libsndfile or libav read it.
      ".wav", ".wave", ".bwf", ".rf64", ".w64", ".aif", ".aiff", ".aifc", ".afc", ".au", ".snd",
      ".caf", ".caff", ".flac", ".ogg", ".oga", ".opus", ".spx", ".mp1", ".mp2", ".mp3", ".mpa",
      ".m2a", ".m4a", ".m4b", ".m4r", ".f4a", ".f4b", ".aac", ".adts", ".latm", ".loas", ".mka",
      ".weba", ".wma", ".wv", ".ape", ".tta", ".tak", ".alac", ".shn", ".mpc", ".mp+", ".mpp",
      ".ac3", ".eac3", ".ec3", ".dts", ".dtshd", ".thd", ".truehd", ".mlp", ".dsf", ".dff", ".ra",
      ".oma", ".aa3", ".at3", ".amr", ".awb", ".gsm", ".qcp", ".g722", ".aptx", ".aptxhd", ".voc",
      ".sox", ".sd2", ".pvf", ".paf", ".fap", ".htk", ".ircam", ".sf", ".svx", ".8svx", ".nist",
      ".sph", ".avr", ".wve", ".sds", ".adx", ".ast", ".mmf", ".vqf", ".hcom",
      // Sound and pictures.
      ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3gpp", ".3g2", ".f4v", ".mkv", ".mk3d", ".webm",
      ".avi", ".divx", ".flv", ".mpg", ".mpeg", ".mpe", ".m2p", ".vob", ".ts", ".m2t", ".m2ts",
      ".mts", ".tp", ".trp", ".asf", ".wmv", ".wtv", ".ogv", ".ogx", ".ogm", ".rm", ".rmvb", ".mxf",
      ".gxf", ".nut", ".dv"};
  return known;
}

// `.ts` is the ending of TorchScript models and of TypeScript, too. A transport stream has a sync
// byte at the start of each packet. A name without a file counts as one.
bool MayBeTransportStream(const std::filesystem::path& path) {
  constexpr char kSyncByte = 0x47;
  if (!KindOfFile(path).empty()) return true;  // who opens it says what it is
  std::ifstream file(path, std::ios::binary);
  char first = kSyncByte;
  return !file.get(first) || first == kSyncByte;
}

}  // namespace

bool HasAudioExtension(const std::filesystem::path& path) {
  const std::string ending = LowerCase(path.extension().string());
  return KnownEndings().contains(ending) && (ending != ".ts" || MayBeTransportStream(path));
}

}  // namespace stemsmith
