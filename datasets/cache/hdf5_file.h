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

#include "core/checksum.h"
#include "core/error.h"
#include "core/files.h"

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
  // Gives the identifier up without closing it.
  void Abandon() { id_ = -1; }

 private:
  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

// A new HDF5 file that appears under its name in Commit(), and leaves nothing behind without it.
//
// HDF5 1.10 crashes when a file is closed, or the process ends, after a write to it has failed
// (disk full). So a file with a failed write is emptied and removed, but never closed: its
// identifiers are given up.
class Hdf5Output {
 public:
  // Throws Error when the folder cannot be written or the disk is full, as does Commit.
  explicit Hdf5Output(const std::filesystem::path& path);
  ~Hdf5Output();
  Hdf5Output(const Hdf5Output&) = delete;
  Hdf5Output& operator=(const Hdf5Output&) = delete;

  hid_t id() const { return file_.id(); }
  const std::filesystem::path& target() const { return pending_.target(); }
  // To be thrown after a failed write, with the system's reason ("No space left on device").
  Error WriteFailed();
  // Writes out what HDF5 holds back. False when that or any write before failed: then handles of
  // objects in the file must be abandoned, not closed.
  bool Flush();
  // All handles of objects in the file must be closed before. `checksum`: the file gets this field
  // behind what HDF5 knows of.
  void Commit(const ChecksumField* checksum = nullptr);

 private:
  PendingFile pending_;
  Hdf5Handle file_;
  bool failed_ = false;
};

// Whether the file starts as HDF5 files do.
bool IsHdf5File(const std::filesystem::path& path);
// Opens for reading. Throws Error: missing, no HDF5 file, cut off. `kind` is what was expected
// ("cache").
Hdf5Handle OpenHdf5File(const std::filesystem::path& path, const std::string& kind);
// The version of a file of ours, which carries the attributes `format` and `version`. Throws Error
// for other files.
std::int64_t Hdf5FormatVersion(hid_t file, const std::string& format,
                               const std::filesystem::path& path);
// Throws Error unless the file is of this format and version.
void CheckHdf5Format(hid_t file, const std::string& format, std::int64_t version,
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

// Datasets that hold one UTF-8 text, a list of 64-bit numbers, a list of floats.
void WriteTextDataset(hid_t file, const char* name, const std::string& text);
std::string ReadTextDataset(hid_t file, const char* name, const std::filesystem::path& path);
void WriteNumbersDataset(hid_t file, const char* name, const std::vector<std::uint64_t>& values);
std::vector<std::uint64_t> ReadNumbersDataset(hid_t file, const char* name,
                                              const std::filesystem::path& path);
void WriteFloatsDataset(hid_t file, const char* name, const std::vector<float>& values);
std::vector<float> ReadFloatsDataset(hid_t file, const char* name,
                                     const std::filesystem::path& path);

}  // namespace stemsmith
