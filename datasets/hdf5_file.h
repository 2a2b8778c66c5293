// HDF5 as the cache uses it: the one lock that all calls take, handles that close themselves, and
// small attributes and texts. Only the cache's own sources include this header.
//
// HDF5's C library is not safe to enter from two threads unless built so; every function here takes
// the lock itself, and code that calls H5… directly holds a Hdf5Lock. The lock may be taken again
// by its owner.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "core/error.h"

namespace stemsmith {

// Held around every call into HDF5. Also keeps HDF5 from printing its error stack (a setting per
// thread).
class Hdf5Lock {
 public:
  Hdf5Lock();

 private:
  std::lock_guard<std::recursive_mutex> guard_;
};

// An identifier and the call that closes it.
class Hdf5Handle {
 public:
  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Hdf5Handle() { Close(); }
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(other.id_), close_(other.close_) { other.id_ = -1; }
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept;
  hid_t id() const { return id_; }
  bool valid() const { return id_ >= 0; }
  // False when closing failed (then data may not have reached the file). Closing twice is harmless.
  bool Close();

 private:
  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

// What the system said in the last failed HDF5 call of this thread ("No space left on device"), or
// "".
std::string Hdf5SystemReason();
// An Error for a failed write, with the system's reason when there is one. `where` is the file's
// final name.
Error Hdf5WriteError(const std::filesystem::path& where);

// A new file (an old one of this name is overwritten).
Hdf5Handle CreateHdf5File(const std::filesystem::path& path,
                          const std::filesystem::path& final_name);
// Whether the file starts as HDF5 files do.
bool IsHdf5File(const std::filesystem::path& path);
// Opens for reading. Throws Error: missing, no HDF5 file, cut off. `kind` is what was expected
// ("cache").
Hdf5Handle OpenHdf5File(const std::filesystem::path& path, const std::string& kind);
// Checks the attributes `format` and `version` that every file of ours carries; gives the version.
std::int64_t CheckHdf5Format(hid_t file, const std::string& format, std::int64_t newest_version,
                             const std::filesystem::path& path);

// Attributes of an object. The readers throw Error (naming `path`) when one is missing or of
// another kind.
void WriteAttribute(hid_t object, const char* name, const std::string& value);
void WriteAttribute(hid_t object, const char* name, std::int64_t value);
void WriteAttribute(hid_t object, const char* name, const std::vector<double>& values);
std::string ReadStringAttribute(hid_t object, const char* name, const std::filesystem::path& path);
std::int64_t ReadIntegerAttribute(hid_t object, const char* name,
                                  const std::filesystem::path& path);
std::vector<double> ReadNumbersAttribute(hid_t object, const char* name,
                                         const std::filesystem::path& path);

// A dataset that holds one UTF-8 text, and one that holds a list of 64-bit numbers.
void WriteTextDataset(hid_t file, const char* name, const std::string& text);
std::string ReadTextDataset(hid_t file, const char* name, const std::filesystem::path& path);
void WriteNumbersDataset(hid_t file, const char* name, const std::vector<std::uint64_t>& values);
std::vector<std::uint64_t> ReadNumbersDataset(hid_t file, const char* name,
                                              const std::filesystem::path& path);

}  // namespace stemsmith
