#include "separate/file_names.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/names.h"
#include "core/option.h"
#include "core/text.h"

namespace stemsmith {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFields[] = {"track", "stem", "ext", "model", "parent", "date"};

std::string InBraces(const std::string& field) { return "{" + field + "}"; }

[[noreturn]] void Refuse(const std::string& what, const std::string& text,
                         const std::string& advice) {
  throw Error::Usage(what, Option("name", text), advice);
}

void CheckFields(const std::string& text) {
  for (std::size_t begin = 0; (begin = text.find('{', begin)) != text.npos; ++begin) {
    const std::size_t end = text.find('}', begin);
    if (end == text.npos) Refuse("a brace is not closed", text, "write {track}/{stem}.{ext}");
    const std::string field = text.substr(begin + 1, end - begin - 1);
    RequireName(field, kFields, "there is no field {" + field + "}", Option("name", text));
  }
}

// Of a name whose fields are filled in.
void CheckParts(const std::string& filled, const std::string& text) {
  if (filled.starts_with('/'))
    Refuse("the name leads out of the output folder", text,
           "begin it with a name; " + Option("out") + " says the folder");
  for (std::size_t begin = 0; begin <= filled.size();) {
    const std::size_t end = std::min(filled.find('/', begin), filled.size());
    const std::string part = filled.substr(begin, end - begin);
    if (part == "..")
      Refuse("the name leads out of the output folder", text,
             "leave out '..'; " + Option("out") + " says the folder");
    if (part.empty() || part == ".")
      Refuse("a file or folder without a name", text, "write {track}/{stem}.{ext}");
    begin = end + 1;
  }
}

}  // namespace

FileNames::FileNames(const std::string& text, const FormatRow& format, Fields fields)
    : text_(text),
      extension_(std::string(format.ending).substr(1)),
      one_file_(format.many_streams),
      fields_(std::move(fields)) {
  if (text_.empty()) text_ = one_file_ ? "{track}.{ext}" : "{track}/{stem}.{ext}";
  CheckFields(text_);
  const std::string filled = Of("x", "x", "x");
  CheckParts(filled, text_);
  if (!filled.ends_with("." + extension_) ||
      filled.substr(filled.rfind('/') + 1) == "." + extension_)
    Refuse("the files would not be called something." + extension_, text_, "end it with .{ext}");
  if (one_file_ && Has("stem"))
    Refuse(std::string(format.name) + " holds all stems of a song in one file", text_,
           "leave out {stem}");
}

bool FileNames::Has(const std::string& field) const { return Holds(text_, InBraces(field)); }

bool FileNames::NamesFilesByTrack() const {
  return Holds(text_.substr(text_.rfind('/') + 1), InBraces("track"));
}

void FileNames::CheckStems(const std::vector<std::string>& stems) const {
  if (!one_file_ && stems.size() > 1 && !Has("stem"))
    Refuse(JoinNames(stems, " and ") + " would be the same file", text_, "add {stem}");
}

std::string FileNames::Of(const std::string& track, const std::string& parent,
                          const std::string& stem) const {
  const std::pair<const char*, const std::string&> values[] = {
      {"track", track},   {"parent", parent},       {"stem", stem},
      {"ext", extension_}, {"model", fields_.model}, {"date", fields_.date}};
  std::string filled;
  for (std::size_t at = 0; at < text_.size();) {
    const std::size_t begin = std::min(text_.find('{', at), text_.size());
    filled += text_.substr(at, begin - at);
    at = begin;
    for (const auto& [name, value] : values) {
      if (text_.compare(at, std::string(name).size() + 2, InBraces(name)) != 0) continue;
      filled += value;
      at += std::string(name).size() + 2;
      break;
    }
  }
  return filled;
}

std::string ModelNameOf(const fs::path& model) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(fs::absolute(model), error);
  const fs::path path = error ? model : real;
  if (fs::is_directory(path, error)) return path.filename().string();
  constexpr std::string_view kOfFolder = "model";  // model.onnx, model.int8.onnx
  const std::string stem = path.stem().string();
  const bool by_folder = (stem + ".").starts_with("model.") && path.parent_path().has_filename();
  return by_folder ? path.parent_path().filename().string() + stem.substr(kOfFolder.size()) : stem;
}

}  // namespace stemsmith
