#include "core/file_content.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <initializer_list>
#include <set>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/file_kind.h"
#include "core/text.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr unsigned Bit(FileUse use) { return 1u << static_cast<unsigned>(use); }

template <typename... Uses>
constexpr unsigned Bits(Uses... uses) {
  return (0u | ... | Bit(uses));
}

struct ContentRow {
  FileContent content;
  const char* name;
  unsigned uses;       // that take it
  const char* advice;  // @ stands for the path, % for the path without its last ending
};

using enum FileContent;
using enum FileUse;

constexpr ContentRow kContents[] = {
    {kMissing, "nothing", ~0u, ""},
    {kUnknown, "a file of an unknown kind", ~0u, ""},
    {kSong, "a song", Bit(kSeparateSong), "split it into stems: separate MODEL @ -o DIR"},
    {kOnnx, "a model (ONNX)", Bits(kSeparateModel, kInspectFile), "use it: separate @ SONG -o DIR"},
    {kTorchScript, "a model (TorchScript)", Bits(kSeparateModel, kInspectFile),
     "use it: separate @ SONG -o DIR"},
    {kExportFolder, "a folder that `stemsmith export` wrote", Bits(kSeparateModel, kInspectFile),
     "use it: separate @ SONG -o DIR"},
    {kCheckpoint, "a checkpoint", Bits(kStartWeights, kImportFile, kInspectFile, kAdapterFile),
     "make a model of it: stemsmith export @ --out DIR"},
    {kCheckpoints, "a folder of checkpoints", Bits(kStartWeights, kInspectFile, kAdapterFile),
     "make a model of it: stemsmith export @ --out DIR"},
    {kRun, "a training run", Bits(kStartWeights, kInspectFile, kWatchRun),
     "look at it: stemsmith watch @; continue it: stemsmith train @/config.yaml --run @ "
     "--resume; make a model of it: stemsmith export @ --out DIR"},
    {kWeights, "a file of another program's weights", Bits(kImportFile, kAdapterFile),
     "turn it into a checkpoint: stemsmith import @ --out DIR"},
    {kAdapters, "a LoRA adapter", Bit(kAdapterFile),
     "give it with --lora beside the weights of its base: stemsmith import BASE --lora @ --out DIR"},
    {kBag, "a list of another program's models", Bit(kImportFile),
     "turn it into a checkpoint: stemsmith import @ --out DIR"},
    {kUnmixFolder, "a folder of Open-Unmix", Bit(kImportFile),
     "turn it into a checkpoint: stemsmith import @ --out DIR"},
    {kForest, "a random forest", Bit(kForestFile),
     "a forest does not export and is no model; separate with it: stemsmith baseline forest SONG "
     "-o DIR --model @"},
    {kCache, "a cache (HDF5)", Bits(kCacheFile, kInspectFile),
     "look at it: stemsmith inspect @; train on it: stemsmith train CONFIG --run DIR --set "
     "dataset.cache=@"},
    {kTrackFolder, "the folder of a cache's songs", 0,
     "name the file beside it: stemsmith inspect %"},
    {kConfig, "a training configuration", Bits(kTrainConfig, kModelConfig),
     "train with it: stemsmith train @ --run DIR"},
    {kRecipe, "a recipe", Bits(kRecipeFile, kModelConfig),
     "prepare songs with it: stemsmith prepare LAYOUT ROOT --out CACHE --recipe @"},
    {kHtml, "a web page (HTML)", 0,
     "the download failed or its address is of a page: download the file itself to @"},
    {kLfsPointer, "a pointer of Git LFS in place of the file", 0,
     "bring the file itself: git lfs pull, or download it from its page"},
    // Datasets are tables, too; configurations and recipes with nothing of their own are texts; and
    // what decodes songs says best what is wrong with one.
    {kText, "a text file",
     Bits(kSeparateSong, kTrainConfig, kRecipeFile, kDatasetRoot, kImportFile, kModelConfig), ""},
    // Said by who looks into it: no songs, no checkpoints, several of them.
    {kFolder, "a folder", ~0u, ""},
};

struct UseRow {
  FileUse use;
  const char* wanted;
  const char* advice;  // where that of the content says nothing
};

constexpr UseRow kUses[] = {
    {kSeparateModel, "a model", "give a model.ts or model.onnx written by `stemsmith export`"},
    {kSeparateSong, "an audio file", "give a song"},
    {kTrainConfig, "a training configuration", "give a YAML file (docs/training.md)"},
    {kDatasetRoot, "a dataset", "give the folder of the songs"},
    {kRecipeFile, "a recipe", "give a YAML file (docs/datasets.md)"},
    {kCacheFile, "a cache", "make one: stemsmith prepare"},
    {kForestFile, "a forest", "fit one: stemsmith baseline forest --fit CACHE.h5 --out FILE"},
    {kStartWeights, "a run or a checkpoint", "give a run folder or a .safetensors file"},
    {kImportFile, "weights of another program", "give a .th, .pt, .ckpt or .safetensors file"},
    {kModelConfig, "a configuration", "give a YAML file (docs/import.md)"},
    {kAdapterFile, "a LoRA adapter", "give a file of lora_A and lora_B, or a folder of PEFT"},
    {kInspectFile, "a file of stemsmith", "it shows caches, runs, checkpoints and exported models"},
    {kWatchRun, "a training run", "give the folder named by stemsmith train --run"},
};

template <typename Rows, typename Member, typename Value>
const auto& RowOf(const Rows& rows, Member member, Value value) {
  return *std::find_if(std::begin(rows), std::end(rows),
                       [&](const auto& row) { return row.*member == value; });
}

constexpr std::size_t kHeadBytes = std::size_t{64} << 10;
constexpr std::size_t kTailBytes = std::size_t{1}
                                   << 20;  // the names in a zip archive lie at its end

std::string ReadPart(const fs::path& path, std::size_t count, bool at_end) {
  std::ifstream in(path, std::ios::binary);
  if (at_end) {
    in.seekg(0, std::ios::end);
    const std::streamoff size = in.tellg();
    in.seekg(std::max<std::streamoff>(0, size - static_cast<std::streamoff>(count)));
  }
  std::string bytes(count, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(count));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in.gcount())));
  return bytes;
}

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool IsSong(std::string_view head) {
  for (const char* begin :
       {"RIFF", "RF64", "BW64", "riff", "fLaC", "OggS", "ID3", "FORM", "caff", ".snd", "wvpk",
        "MAC ", "TTA1", "#!AMR", "\x1a\x45\xdf\xa3", "\x30\x26\xb2\x75\x8e\x66\xcf\x11"})
    if (head.starts_with(begin)) return true;
  if (head.size() > 8 && head.substr(4, 4) == "ftyp") return true;
  // A frame of MPEG audio; in the second byte all bits of the layer and the version are a byte
  // order mark.
  return head.size() > 4 && head[0] == '\xff' && (head[1] & 0xe0) == 0xe0 && head[1] != '\xfe' &&
         head[1] != '\xff';
}

// Whether the names of tensors in the head are those of adapters alone. `word` finds a name that
// begins at or behind `at`, "" at the end, and moves `at` behind it.
bool AreAdapters(std::string_view head, std::string_view (*word)(std::string_view, std::size_t&)) {
  bool any = false;
  std::size_t at = 0;
  for (std::string_view name = word(head, at); !name.empty(); name = word(head, at)) {
    if (!Has(name, ".lora_")) return false;
    any = true;
  }
  return any;
}

// In the JSON of .safetensors: what stands before a description.
std::string_view NextJsonName(std::string_view head, std::size_t& at) {
  const std::size_t key = head.find("\"dtype\"", at);
  if (key == head.npos) return {};
  at = key + 1;
  const std::size_t end = head.rfind('"', head.rfind('{', key));
  if (end == head.npos || end == 0) return {};
  const std::size_t begin = head.rfind('"', end - 1) + 1;
  return head.substr(begin, end - begin);
}

// In a pickle: texts with dots between words. Their length, 32 bits, stands before them.
std::string_view NextPickledName(std::string_view head, std::size_t& at) {
  constexpr std::size_t kLongest = 255;
  while ((at = head.find('X', at)) != head.npos) {
    const std::string_view rest = head.substr(at + 1);
    ++at;
    if (rest.size() < 5 || rest.substr(1, 3) != std::string_view("\0\0\0", 3)) continue;
    const std::size_t size = static_cast<unsigned char>(rest[0]);
    if (size > kLongest || rest.size() < 4 + size) continue;
    const std::string_view text = rest.substr(4, size);
    at += 4 + size;
    if (Has(text, ".") && std::isalpha(static_cast<unsigned char>(text[0])) != 0) return text;
  }
  return {};
}

FileContent ContentOfArchive(const fs::path& path, std::string_view head) {
  const std::string names = ReadPart(path, kTailBytes, true);
  if (!Has(names, "PK\x05\x06")) return kUnknown;  // cut off
  if (Has(names, "/constants.pkl")) return kTorchScript;
  if (!Has(names, "/data.pkl")) return kUnknown;
  return AreAdapters(head, &NextPickledName) ? kAdapters : kWeights;
}

// A little-endian length, then JSON.
bool IsSafetensors(std::string_view head) {
  return head.size() > 9 && head[8] == '{' && head.substr(5, 3) == std::string_view("\0\0\0", 3);
}

// Keys at the left margin.
std::set<std::string> TopKeys(std::string_view text) {
  std::set<std::string> keys;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && colon > 0 && (std::isalpha(line[0]) != 0) &&
        line.find(' ') > colon)
      keys.emplace(line.substr(0, colon));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return keys;
}

bool IsText(std::string_view head) {
  return std::none_of(head.begin(), head.end(), [](unsigned char c) {
    return (c < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f') || c == 0x7f;
  });
}

bool IsHtml(std::string_view head) {
  const std::size_t begin = head.find_first_not_of(" \t\r\n");
  const std::string start = LowerCase(std::string(head.substr(std::min(begin, head.size()), 14)));
  return start.starts_with("<!doctype html") || start.starts_with("<html");
}

FileContent ContentOfText(std::string_view head, const fs::path& path) {
  if (head.starts_with("version https://git-lfs.github.com/spec/")) return kLfsPointer;
  if (IsHtml(head)) return kHtml;
  if (path.extension() != ".yaml" && path.extension() != ".yml") return kText;
  const std::set<std::string> keys = TopKeys(head);
  for (const char* key : {"dataset", "model", "loss", "train", "init", "optimizer"})
    if (keys.contains(key)) return kConfig;
  if (keys.contains("stems")) return kRecipe;
  // Whatever it extends.
  if (keys.contains("extends")) return kUnknown;
  // Those of `stemsmith run` name songs, too.
  return keys.contains("models") && !keys.contains("songs") ? kBag : kText;
}

FileContent ContentOfFile(const fs::path& path) {
  const std::string head = ReadPart(path, kHeadBytes, false);
  if (head.empty()) return kUnknown;
  if (head.starts_with("\x89HDF\r\n\x1a\n")) return kCache;
  if (head.starts_with("PK\x03\x04")) return ContentOfArchive(path, head);
  if (IsSafetensors(head)) {
    if (Has(head, "\"stemsmith.checkpoint\"")) return kCheckpoint;
    return AreAdapters(head, &NextJsonName) ? kAdapters : kWeights;
  }
  if (head.starts_with("stemsmith.forest")) return kForest;
  if (IsText(head)) return ContentOfText(head, path);
  // A pickle of protocol 2 to 5, as older torch.save wrote it.
  if (head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5)
    return AreAdapters(head, &NextPickledName) ? kAdapters : kWeights;
  if (IsSong(head)) return kSong;
  // Our exports begin with their checksum: field 14, an entry of metadata.
  if (head.starts_with("r+\n\x12stemsmith.checksum")) return kOnnx;
  // A protobuf whose first field is a small number, ir_version, and whose next is a text or a
  // number.
  if (head.size() > 4 && head[0] == '\x08' && head[1] > 2 && head[1] < 32 &&
      (head[2] == '\x12' || head[2] == '\x1a' || head[2] == '\x3a' || head[2] == '\x42' ||
       head[2] == '\x72'))
    return kOnnx;
  return kUnknown;
}

bool HasCheckpoint(const fs::path& folder) {
  std::error_code code;
  const fs::directory_iterator files(folder, code);
  return !code && std::any_of(begin(files), end(files), [](const fs::directory_entry& entry) {
    return entry.path().extension() == ".safetensors";
  });
}

FileContent ContentOfFolder(const fs::path& path) {
  std::error_code code;
  if (HasCheckpoint(path / "checkpoints") ||
      (fs::exists(path / "config.yaml", code) && fs::exists(path / "metrics.jsonl", code)))
    return kRun;
  bool model = false, checkpoint = false, folder = false, other_weights = false, unmix = false,
       peft = false;
  for (auto entry = fs::directory_iterator(path, code); !code && entry != fs::directory_iterator();
       entry.increment(code)) {
    const fs::path file = entry->path();
    std::error_code ignored;
    folder = folder || entry->is_directory(ignored);
    const std::string name = file.filename().string();
    model = model || name == "model.ts" || (name.starts_with("model.") && name.ends_with(".onnx"));
    peft = peft || name == "adapter_config.json";
    checkpoint = checkpoint || file.extension() == ".safetensors";
    other_weights = other_weights || file.extension() == ".pth";
    unmix = unmix || file.filename() == "separator.json";
  }
  fs::path index = path;
  if (!index.has_filename()) index = index.parent_path();
  if (index.extension() == ".d" && ContentOf(index.replace_extension()) == kCache)
    return kTrackFolder;
  if (peft) return kAdapters;
  // Songs may lie in folders beside any of these.
  if (folder) return kFolder;
  if (unmix && other_weights) return kUnmixFolder;
  if (model) return kExportFolder;
  return checkpoint ? kCheckpoints : kFolder;
}

std::string Filled(std::string_view advice, const fs::path& path) {
  fs::path shorter = path;
  if (!shorter.has_filename()) shorter = shorter.parent_path();
  const std::string whole = shorter.string(), part = shorter.replace_extension().string();
  std::string text;
  for (const char c : advice) {
    if (c == '@') {
      text += whole;
    } else if (c == '%') {
      text += part;
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

FileContent ContentOf(const fs::path& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (!fs::exists(status)) return kMissing;
  if (fs::is_directory(status)) return ContentOfFolder(path);
  return fs::is_regular_file(status) ? ContentOfFile(path) : kUnknown;
}

std::string NameOf(FileContent content) {
  return RowOf(kContents, &ContentRow::content, content).name;
}

void CheckContent(const fs::path& path, FileUse use) {
  const ContentRow& row = RowOf(kContents, &ContentRow::content, ContentOf(path));
  if (row.content == kMissing && Has(path.string(), "://"))
    throw Error::Input("addresses are not read, only files", path.string(),
                       "download the file first, then give it");
  if ((row.uses & Bit(use)) != 0) return;
  const UseRow& wanted = RowOf(kUses, &UseRow::use, use);
  throw Error::Input(std::string("this is ") + row.name + ", not " + wanted.wanted, path.string(),
                     row.advice[0] != '\0' ? Filled(row.advice, path) : wanted.advice);
}

}  // namespace stemsmith
