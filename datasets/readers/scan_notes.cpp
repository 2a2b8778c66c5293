#include "datasets/readers/scan_notes.h"

#include <algorithm>
#include <array>

#include "core/option.h"
#include "core/text.h"
#include "core/utf8.h"

namespace stemsmith {
namespace {

constexpr std::size_t kNamesShown = 3;

struct Wording {
  std::string one, many, advice;
};

// In the order of Unused.
const std::array<Wording, 9>& Wordings() {
  static const std::array<Wording, 9> wordings = {
      Wording{"folder with audio lies beside the splits and is",
              "folders with audio lie beside the splits and are",
              "move the songs into train, valid or test"},
      Wording{"folder with audio lies where no song is looked for and is",
              "folders with audio lie where no song is looked for and are",
              "move or link them to where the layout has its songs, or name their files in a table "
              "(kind csv)"},
      Wording{"folder with audio lies inside of a song or pool and is",
              "folders with audio lie inside of songs or pools and are",
              "move files that are stems up to the others"},
      Wording{
          "audio file lies in no song and is", "audio files lie in no song and are",
          "put the stems of each song into a folder of its own; .stem.mp4 files are read by the "
          "kind musdb18"},
      Wording{"audio file is no stem of this layout and is",
              "audio files are no stems of this layout and are",
              "the kind folders reads stems of any name"},
      Wording{"file is neither audio nor a usual companion and is",
              "files are neither audio nor usual companions and are",
              "give audio the ending of its format; remove what is not needed"},
      Wording{"song in the folder omitted is", "songs in the folder omitted are",
              "they are read with " + Option("splits") + " alone"},
      Wording{"song that the list of splits does not name is",
              "songs that the list of splits does not name are",
              "add them to the list if they are wanted"},
      Wording{"column names no files and is", "columns name no files and are",
              "a stem's column names audio files"},
  };
  return wordings;
}

}  // namespace

void ScanNotes::Add(Unused kind, const std::filesystem::path& path) {
  AddName(kind, path.lexically_relative(folder_).string());
}

void ScanNotes::AddName(Unused kind, const std::string& name) {
  bool changed = false;
  names_[kind].push_back(AsUtf8(name, &changed));
}

std::vector<UnusedThings> ScanNotes::List() const {
  std::vector<UnusedThings> list;
  for (const auto& [kind, unsorted] : names_) {
    UnusedThings things{kind, unsorted, "", ""};
    std::vector<std::string>& names = things.names;
    std::sort(names.begin(), names.end());
    const Wording& wording = Wordings()[static_cast<std::size_t>(kind)];
    std::vector<std::string> shown(
        names.begin(),
        names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamesShown)));
    things.what =
        std::to_string(names.size()) + " " + (names.size() == 1 ? wording.one : wording.many) +
        " passed over: " +
        JoinNames(shown, ", ", [](const std::string& name) { return "\"" + name + "\""; });
    if (names.size() > kNamesShown) things.what += ", …";
    things.advice = wording.advice;
    list.push_back(std::move(things));
  }
  return list;
}

}  // namespace stemsmith
