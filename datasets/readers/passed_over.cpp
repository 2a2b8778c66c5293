// What lies in a dataset's folders besides what its layout has there.
#include <algorithm>
#include <set>

#include "audio/decode.h"
#include "core/error.h"
#include "core/text.h"
#include "datasets/readers/readers.h"

namespace stemsmith {
namespace {

namespace fs = std::filesystem;

// Artist/Album/Disc/Song and a level more; links in circles end there, too.
constexpr int kDeepest = 5;

bool HoldsAudio(const fs::path& folder) {
  const std::vector<fs::path> inside = Entries(folder);
  return std::any_of(inside.begin(), inside.end(), IsAudioFile);
}

// `seen` holds the folders that have been looked at, without links: links may go in circles.
void Walk(Unused kind, const fs::path& folder, int depth, std::set<fs::path>& seen,
          ScanNotes& notes) {
  std::error_code error;
  const fs::path real = fs::canonical(folder, error);
  if (error || depth > kDeepest || !seen.insert(real).second) return;
  try {
    if (HoldsAudio(folder)) {
      notes.Add(kind, folder);
      return;
    }
    for (const fs::path& entry : Entries(folder)) {
      if (IsFolder(entry)) Walk(kind, entry, depth + 1, seen, notes);
    }
  } catch (const Error&) {
    // A folder that cannot be listed holds nothing that could be used.
  }
}

// Texts, pictures, scores, projects and caches of other programs: nobody takes them for stems.
bool IsUsualCompanion(const fs::path& path) {
  static const std::set<std::string> endings = {
      ".txt",      ".md",      ".rst",  ".rtf",  ".pdf",    ".doc",      ".docx", ".odt",
      ".htm",      ".html",    ".json", ".yaml", ".yml",    ".xml",      ".csv",  ".tsv",
      ".toml",     ".ini",     ".cfg",  ".log",  ".cue",    ".m3u",      ".m3u8", ".pls",
      ".nfo",      ".lrc",     ".srt",  ".vtt",  ".lab",    ".jams",     ".svl",  ".jpg",
      ".jpeg",     ".png",     ".gif",  ".bmp",  ".webp",   ".tif",      ".tiff", ".svg",
      ".mid",      ".midi",    ".kar",  ".krn",  ".mxl",    ".mscz",     ".gp",   ".gp5",
      ".musicxml", ".asd",     ".pkf",  ".sfk",  ".peak",   ".reapeaks", ".ovw",  ".als",
      ".rpp",      ".ptx",     ".cpr",  ".flp",  ".logicx", ".band",     ".aup",  ".aup3",
      ".sesx",     ".npr",     ".md5",  ".sha1", ".sha256", ".sfv",      ".url",  ".lnk",
      ".db",       ".torrent", ".py",   ".sh",   ".ipynb"};
  static const std::set<std::string> names = {"readme",    "license",   "licence",   "copying",
                                              "changelog", "credits",   "notes",     "authors",
                                              "md5sums",   "checksums", "sha256sums"};
  return endings.contains(LowerCase(path.extension().string())) ||
         names.contains(LowerCase(path.filename().string()));
}

}  // namespace

void NoteUnknownFile(const fs::path& path, ScanNotes& notes) {
  if (IsFile(path) && !HasAudioExtension(path) && !IsUsualCompanion(path)) {
    notes.Add(Unused::kUnknownFiles, path);
  }
}

void NoteFoldersWithAudio(Unused kind, const fs::path& folder, ScanNotes& notes) {
  std::set<fs::path> seen;
  std::error_code ignored;
  seen.insert(fs::canonical(folder.parent_path(), ignored));
  Walk(kind, folder, 0, seen, notes);
}

void NoteInnerFolders(const fs::path& song, ScanNotes& notes) {
  std::set<fs::path> seen;
  std::error_code ignored;
  for (fs::path above = fs::canonical(song, ignored); above.has_relative_path();
       above = above.parent_path()) {
    seen.insert(above);  // a link may lead back up
  }
  for (const fs::path& entry : Entries(song)) {
    if (IsFolder(entry)) Walk(Unused::kInnerFolders, entry, 0, seen, notes);
  }
}

std::vector<SplitFolder> AllSplitFolders(const fs::path& root) {
  std::vector<SplitFolder> splits;
  for (const fs::path& entry : Entries(root)) {
    const std::string split = SplitOf(entry.filename().string());
    if (!split.empty() && IsFolder(entry)) splits.push_back({entry, split});
  }
  return splits;
}

std::vector<SplitFolder> SplitFolders(const fs::path& root) {
  std::vector<SplitFolder> splits = AllSplitFolders(root);
  std::erase_if(splits, [](const SplitFolder& split) {
    const std::vector<fs::path> inside = Entries(split.path);
    const auto files = std::count_if(inside.begin(), inside.end(), IsAudioFile);
    return files > 0 && files >= std::count_if(inside.begin(), inside.end(), [](const fs::path& p) {
                          return IsFolder(p) && HoldsAudio(p);
                        });
  });
  return splits;
}

std::vector<SplitFolder> SongFolders(const fs::path& root, bool (*is_song)(const fs::path& folder),
                                     ScanNotes& notes) {
  std::vector<SplitFolder> songs;
  for (const fs::path& entry : Entries(root)) {
    if (!IsFolder(entry)) {
      if (IsAudioFile(entry)) notes.Add(Unused::kLooseAudio, entry);
      continue;
    }
    if (is_song(entry)) {
      songs.push_back({entry, "train"});
      continue;
    }
    const std::string split = SplitOf(entry.filename().string());
    for (const fs::path& inner : Entries(entry)) {
      if (!IsFolder(inner)) {
        if (IsAudioFile(inner)) notes.Add(Unused::kLooseAudio, inner);
      } else if (is_song(inner)) {
        songs.push_back({inner, split.empty() ? "train" : split});
      } else {
        NoteFoldersWithAudio(Unused::kDeeperFolders, inner, notes);
      }
    }
  }
  return songs;
}

void NoteOtherFiles(const fs::path& folder, const Track& track, ScanNotes& notes) {
  for (const fs::path& file : Entries(folder)) {
    const bool used = std::any_of(track.sources.begin(), track.sources.end(),
                                  [&](const SourceStem& source) { return source.path == file; });
    if (used || file == track.mixture) continue;
    if (IsAudioFile(file)) {
      notes.Add(Unused::kOtherAudio, file);
    } else {
      NoteUnknownFile(file, notes);
    }
  }
}

void NoteBesideSplits(const fs::path& root, const std::vector<SplitFolder>& splits,
                      ScanNotes& notes) {
  for (const fs::path& entry : Entries(root)) {
    const bool is_split = std::any_of(splits.begin(), splits.end(), [&](const SplitFolder& split) {
      return split.path == entry;
    });
    if (IsFolder(entry)) {
      if (!is_split) NoteFoldersWithAudio(Unused::kBesideSplits, entry, notes);
    } else if (IsAudioFile(entry)) {
      notes.Add(Unused::kLooseAudio, entry);
    }
  }
}

Error NothingFound(const std::string& what, const fs::path& root, const std::string& expected,
                   const ScanNotes& notes) {
  std::string advice = expected;
  for (const UnusedThings& things : notes.List()) advice += "; " + things.what;
  return Error::Input(what, root.string(), advice);
}

}  // namespace stemsmith
