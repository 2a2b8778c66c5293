// What the files of songs are called: a template with fields in braces, "{track}/{stem}.{ext}".
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "audio/encode_formats.h"

namespace stemsmith {

class FileNames {
 public:
  struct Fields {
    std::string model, date;
  };
  // Of "" the usual template, which leaves out the stem for formats of many streams. Throws
  // Error::Usage: unknown field, a name that leads out of the output folder or that no file can
  // have, an ending that is not the format's, a stem in the name of a file of all stems.
  FileNames(const std::string& text, const FormatRow& format, Fields fields);
  // The usual names of wav files.
  FileNames() : FileNames("", FindFormat("wav"), {}) {}

  // The file of a stem, below the output folder. Fields: {track}, {parent} (the name of the folder
  // that holds the song), {stem}, {ext}, {model}, {date}.
  std::string Of(const std::string& track, const std::string& parent,
                 const std::string& stem) const;
  // Throws Error::Usage where these stems of a song would get one file.
  void CheckStems(const std::vector<std::string>& stems) const;
  bool Has(const std::string& field) const;
  // Whether files, and not only folders, are named by their track.
  bool NamesFilesByTrack() const;
  const std::string& text() const { return text_; }

 private:
  std::string text_, extension_;
  bool one_file_;
  Fields fields_;
};

// By which a model is named in files: its file's name, or for a `model.onnx` its folder's.
std::string ModelNameOf(const std::filesystem::path& model);

}  // namespace stemsmith
