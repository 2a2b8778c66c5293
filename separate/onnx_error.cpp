#include "separate/onnx_error.h"

#include <optional>

#include "core/option.h"
#include "core/text.h"

namespace stemsmith {
namespace {

// What stands between two marks; "" where they are not there.
std::string Between(const std::string& text, const std::string& before, const std::string& after) {
  const std::size_t begin = text.find(before);
  if (begin == std::string::npos) return "";
  const std::size_t end = text.find(after, begin + before.size());
  return text.substr(begin + before.size(),
                     end == std::string::npos ? end : end - begin - before.size());
}

// The sentence behind error codes, file names and places in sources; "" where there is none that a
// person can read.
std::string Sentence(const std::string& message) {
  std::string text(FirstLine(message));
  for (const char* mark : {"failed:", "Error: ", " : "}) {
    if (const std::size_t at = text.rfind(mark); at != std::string::npos)
      text = text.substr(at + std::char_traits<char>::length(mark));
  }
  while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
  constexpr std::size_t kLongest = 160;
  const bool readable = text.size() <= kLongest && !Holds(text, ".cc:") && !Holds(text, "::");
  return readable ? text : "";
}

// What has to do with the surroundings, not with the model.
std::optional<Error> FromSurroundings(const std::string& message, const std::string& where) {
  if (Holds(message, "Failed to allocate memory") || Holds(message, "bad_alloc") ||
      Holds(message, "out of memory")) {
    const bool device = Holds(message, "CUDA");
    return Error::Input(device ? "the GPU is out of memory" : "out of memory", where,
                        (device ? "use " + Option("device", "cpu") : "free some") +
                            ", or export with a smaller " + Option("segment-seconds"));
  }
  if (Holds(message, "pthread_create"))
    return Error::Input("the system starts no more threads", where,
                        "give fewer " + Option("threads") + ", or raise the limit (ulimit -u)");
  if (Holds(message, "CUDA failure") || Holds(message, "CUBLAS failure") ||
      Holds(message, "CUDNN failure"))
    return Error::Input("the GPU fails", where, "use " + Option("device", "cpu"));
  return std::nullopt;
}

// Of weights that lie in a file beside the model.
std::optional<Error> FromExternalData(const std::string& message,
                                      const std::filesystem::path& path) {
  if (Holds(message, "External data path does not exist")) {
    const std::string file = Between(message, "does not exist: \"", "\"");
    return Error::Input("the weights of " + path.filename().string() + " are missing",
                        (path.parent_path() / std::filesystem::path(file).filename()).string(),
                        "keep the file that was exported with the model beside it");
  }
  if (Holds(message, "escapes model directory") || Holds(message, "Absolute path not allowed"))
    return Error::Input("the model wants weights from another folder", path.string(),
                        "only files beside the .onnx file are read");
  for (const char* sign : {"External initializer", "external_data", "GetExternalDataInfo",
                           "OpenRandomAccessFile", "external data", "External data"}) {
    if (Holds(message, sign))
      return Error::Input("the weights beside the model are cut off, or another model's",
                          path.string(), "copy both files of one export, or export it again");
  }
  return std::nullopt;
}

}  // namespace

Error OnnxLoadError(const std::string& message, bool damaged, const std::filesystem::path& path) {
  const std::string where = path.string(), again = "copy or export it again";
  if (damaged) return Error::Input("the file is cut off, damaged, or no ONNX model", where, again);
  if (const auto error = FromSurroundings(message, where)) return *error;
  if (const auto error = FromExternalData(message, path)) return *error;
  const std::string too_new = "export it with an older opset, or use a newer stemsmith";
  if (const std::string opset = Between(message, "Opset ", " is under development"); !opset.empty())
    return Error::Input("the model has opset " + opset + ", which this ONNX Runtime does not know",
                        where, too_new);
  if (const std::string version = Between(message, "model IR version: ", ","); !version.empty())
    return Error::Input(
        "the model has the format version " + version + ", which this ONNX Runtime does not know",
        where, too_new);
  if (const std::string name = Between(message, "No Op registered for ", " "); !name.empty())
    return Error::Input("the model has the operator " + name + ", which ONNX Runtime does not know",
                        where, "use a model.onnx written by `stemsmith export`");
  if (Holds(message, "Initializer"))
    return Error::Input("the file is damaged: weights are not of the size that it says", where,
                        again);
  const std::string sentence = Sentence(message);
  return Error::Input("the model's graph is damaged" + (sentence.empty() ? "" : ": " + sentence),
                      where, again);
}

Error OnnxRunError(const std::string& message, const std::filesystem::path& path) {
  const std::string where = path.string();
  if (const auto error = FromSurroundings(message, where)) return *error;
  if (Holds(message, "nvalid dimensions") || Holds(message, "shape") || Holds(message, "Shape"))
    return Error::Input("the model's graph does not give what its manifest says", where,
                        "copy or export it again");
  const std::string sentence = Sentence(message);
  return Error::Input("the model fails" + (sentence.empty() ? "" : ": " + sentence), where,
                      "copy or export it again");
}

}  // namespace stemsmith
