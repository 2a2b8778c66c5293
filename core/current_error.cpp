#include "core/current_error.h"

#include <cxxabi.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <typeinfo>

#include "core/text.h"

namespace stemsmith {
namespace {

constexpr char kFreeMemory[] = "free some, or ask for less: shorter segments, smaller batches";
constexpr char kTellUs[] = "please report it together with the command";

// "c10::Error", also of types of libraries that this program does not link.
std::string TypeName(const std::exception& error) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : typeid(error).name();
}

bool SaysOutOfMemory(const std::string& text) {
  const char* const ways[] = {"out of memory",
                              "Out of memory",
                              "OutOfMemory",
                              "can't allocate memory",
                              "not enough memory",
                              "bad_alloc",
                              "bad allocation",
                              "Failed to allocate memory",
                              "could not create a memory"};
  return std::any_of(std::begin(ways), std::end(ways),
                     [&](const char* way) { return Holds(text, way); });
}

// What a message of LibTorch says: its first line, but of TorchScript, whose first lines are where
// in the model's code, the last; without where in LibTorch's sources.
std::string Readable(const std::string& message) {
  std::string line(FirstLine(message));
  constexpr char kRuntimeError[] = "RuntimeError: ";
  if (const std::size_t at = message.rfind(kRuntimeError); at != std::string::npos) {
    line = message.substr(at + sizeof kRuntimeError - 1);
    line = FirstLine(line);
  }
  if (line.starts_with("[enforce fail at ") || line.starts_with("Internal Assert"))
    line = line.find("]. ") == std::string::npos ? "" : line.substr(line.find("]. ") + 3);
  if (const std::size_t at = line.find(" INTERNAL ASSERT FAILED"); at != std::string::npos)
    line.resize(at);
  while (!line.empty() && (line.back() == '.' || line.back() == ' ')) line.pop_back();
  constexpr std::size_t kLongest = 240;
  if (line.size() > kLongest) line = line.substr(0, kLongest) + "…";
  return line.empty() ? "an unexpected fault" : line;
}

Error OutOfMemory(const std::string& where) {
  return Error::Input("out of memory", where, kFreeMemory);
}

Error FromSystem(const std::system_error& error, const std::string& where) {
  if (error.code().category() != std::generic_category() &&
      error.code().category() != std::system_category())
    return Error::Input("reading or writing failed", where, "check the disk");
  const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&error);
  if (file != nullptr)
    return SystemError(error.code(), "cannot be used",
                       file->path1().empty() ? where : file->path1().string(), "check the path");
  if (error.code() == std::errc::resource_unavailable_try_again)
    return SystemError(error.code(), "cannot start a thread", where);
  return SystemError(error.code(), "the system refuses", where);
}

Error FromException(const std::exception& error, const std::string& where) {
  if (const auto* system = dynamic_cast<const std::system_error*>(&error))
    return FromSystem(*system, where);
  if (dynamic_cast<const nlohmann::json::exception*>(&error) != nullptr)
    return Error::Input("a description in JSON is damaged", where, "make or copy the file again");
  const std::string type = TypeName(error), message = error.what();
  if (type.starts_with("YAML::"))
    return Error::Usage("a configuration is not valid YAML", where, "correct it");
  // Sizes that no memory holds are refused by containers before they ask for it.
  if (dynamic_cast<const std::length_error*>(&error) != nullptr || SaysOutOfMemory(type))
    return OutOfMemory(where);
  for (const char* space : {"c10::", "torch::", "at::", "caffe2::", "dnnl::", "ideep::"}) {
    if (type.starts_with(space)) return LibTorchError("LibTorch fails", message, where);
  }
  if (SaysOutOfMemory(message)) return OutOfMemory(where);
  return Error::Input("an unexpected fault (" + type + ")", where, kTellUs);
}

}  // namespace

Error CurrentError(const std::string& where) {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return OutOfMemory(where);
  } catch (const std::exception& error) {
    return FromException(error, where);
  } catch (...) {
    return Error::Input("an unexpected fault", where, kTellUs);
  }
}

Error SystemError(const std::error_code& code, std::string what, std::string where,
                  std::string advice) {
  errno = code.value();
  return Error::System(std::move(what), std::move(where), std::move(advice));
}

Error LibTorchError(const std::string& what, const std::string& message, const std::string& where,
                    const std::string& advice) {
  const std::string said = message.substr(0, message.find("\nException raised from "));
  if (SaysOutOfMemory(said)) {
    const bool device = Holds(said, "CUDA");
    return Error::Input(device ? "the GPU is out of memory" : "out of memory", where, kFreeMemory);
  }
  return Error::Input(what + ": " + Readable(said), where, advice);
}

}  // namespace stemsmith
