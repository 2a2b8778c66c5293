#include "tests/support/made_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <sstream>
#include <stdexcept>

#include "core/files.h"
#include "core/random.h"

namespace stemsmith::testing {
namespace {

int Channels(const std::string& layout) {
  static const std::map<std::string, int> known = {
      {"mono", 1}, {"stereo", 2}, {"2.1", 3},       {"3.0", 3},       {"4.0", 4}, {"quad", 4},
      {"5.0", 5},  {"5.1", 6},    {"5.1(side)", 6}, {"7.1(wide)", 8}, {"6.1", 7}, {"7.1", 8}};
  return known.at(layout);
}

std::string SourceArguments(const std::string& text) {
  std::istringstream words(text);
  std::string layout, late;
  int rate = 0, seed = 1;
  double seconds = kSourceSeconds;
  words >> layout;
  if (layout == "picture") return "-f lavfi -i testsrc2=s=64x48:r=25:d=3";
  words >> rate;
  if (words >> seconds) words >> seed >> late;
  std::ostringstream arguments;
  if (late == "late") arguments << "-itsoffset 0.5 ";
  arguments << "-f lavfi -i 'aevalsrc=exprs=";
  for (int c = 0; c < Channels(layout); ++c) {
    arguments << (c > 0 ? "|" : "") << "0.35*sin(" << 1300 * (c + 1) + 170 * seed << "*t+"
              << 500 + 40 * seed << "*t*t)+0.1*random(" << c << ")-0.05";
  }
  arguments << ":c=" << layout << ":s=" << rate << ":d=" << seconds << "'";
  return arguments.str();
}

void Ffmpeg(const std::filesystem::path& folder, const std::string& arguments,
            const std::string& loglevel) {
  const ProgramResult result = RunProgram("cd '" + folder.string() + "' && ffmpeg -nostdin -v " +
                                          loglevel + " -y " + arguments);
  if (result.status != 0)
    throw std::runtime_error("ffmpeg " + arguments.substr(0, 2000) + "\n" + result.err);
}

}  // namespace

bool HasFfmpeg() { return RunProgram("command -v ffmpeg").status == 0; }
bool HasLibavModule() {
  return std::filesystem::exists(ProgramFolder().parent_path() / "lib" / "libstemsmith_libav.so");
}

void MadeFiles::Make(const std::vector<MadeFile>& files) {
  std::map<std::string, int> inputs;
  std::string in, out;
  for (const MadeFile& file : files) {
    std::istringstream sources(file.sources);
    for (std::string source; std::getline(sources, source, '+');) {
      const auto [at, is_new] = inputs.emplace(source, static_cast<int>(inputs.size()));
      if (is_new) in += " " + SourceArguments(source);
      out += " -map " + std::to_string(at->second);
    }
    out += " " + file.arguments + " '" + file.name + "'";
  }
  Run(in + out);
}

void MadeFiles::Run(const std::string& arguments) { Ffmpeg(folder_.path(), arguments, "error"); }

std::string MadeFiles::Bytes(const std::string& name) const { return ReadFile(folder_ / name); }
void MadeFiles::Write(const std::string& name, const std::string& bytes) const {
  WriteFileAtomically(folder_ / name, bytes);
}

std::vector<std::vector<float>> MadeFiles::Decode(const std::vector<std::string>& names,
                                                  const std::string& stream) const {
  const TemporaryFolder raw;
  std::string in, out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    in += " -i 'file:" + names[i] + "'";
    out += " -map " + std::to_string(i) + ":" + stream + " -f f32le '" +
           (raw / std::to_string(i)).string() + "'";
  }
  Ffmpeg(folder_.path(), in + out, "fatal");
  std::vector<std::vector<float>> decoded;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string bytes = ReadFile(raw / std::to_string(i));
    decoded.emplace_back(bytes.size() / sizeof(float));
    std::memcpy(decoded.back().data(), bytes.data(), decoded.back().size() * sizeof(float));
  }
  return decoded;
}

std::string Patched(std::string bytes, std::size_t offset, const std::string& others) {
  return bytes.replace(offset, others.size(), others);
}

std::string LittleEndian(std::uint64_t value, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string BigEndian(std::uint64_t value, int count) {
  const std::string bytes = LittleEndian(value, count);
  return {bytes.rbegin(), bytes.rend()};
}

std::string Damaged(std::string bytes, std::size_t offset, std::uint64_t seed) {
  RandomStream random({seed});
  for (std::size_t i = offset; i < offset + 50; ++i) {
    bytes.at(i) = static_cast<char>(bytes[i] ^ static_cast<char>(1 + random.Bits() % 255));
  }
  return bytes;
}

std::size_t Find(const std::string& bytes, const std::string& id, std::size_t from) {
  const std::size_t at = bytes.find(id, from);
  if (at == bytes.npos) throw std::runtime_error("no \"" + id + "\" in a file");
  return at;
}

TerminalCapture::TerminalCapture() {
  std::fflush(stderr);
  saved_ = dup(2);
  const int file = open((folder_ / "text").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  dup2(file, 2);
  close(file);
}

std::string TerminalCapture::Text() {
  if (saved_ < 0) return "";
  std::fflush(stderr);
  dup2(saved_, 2);
  close(saved_);
  saved_ = -1;
  return ReadFile(folder_ / "text");
}

TerminalCapture::~TerminalCapture() { Text(); }

}  // namespace stemsmith::testing
