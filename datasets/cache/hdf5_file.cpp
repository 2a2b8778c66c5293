#include "datasets/cache/hdf5_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <string_view>

#include "core/numbers.h"

namespace stemsmith {
namespace {

std::recursive_mutex& Mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

// Texts in our files are JSON indices; a length beyond this is damage, not data.
constexpr hsize_t kMostTextBytes = hsize_t{1} << 31;
constexpr std::size_t kMostAttributeBytes = std::size_t{8} << 20;

Error Damaged(const std::filesystem::path& path, const std::string& part) {
  return Error::Input("the file is damaged: \"" + part + "\" cannot be read", path.string(),
                      "delete it and prepare the cache again");
}

// For the writers: a failed call is thrown as a plain failure; the caller knows the file's final
// name.
void Check(bool ok) {
  if (!ok) throw Error::Input("cannot write", "");
}

Hdf5Handle Space(hsize_t count) { return {H5Screate_simple(1, &count, nullptr), H5Sclose}; }

Hdf5Handle TextType(std::size_t bytes) {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  Check(type.valid() && H5Tset_size(type.id(), bytes) >= 0 &&
        H5Tset_strpad(type.id(), H5T_STR_NULLPAD) >= 0 &&
        H5Tset_cset(type.id(), H5T_CSET_UTF8) >= 0);
  return type;
}

void WriteNumeric(hid_t object, const char* name, hid_t stored, hid_t memory, hid_t space,
                  const void* values) {
  Hdf5Handle attribute(H5Acreate2(object, name, stored, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  Check(attribute.valid() && H5Awrite(attribute.id(), memory, values) >= 0);
}

// Dataset creation without time stamps: equal input gives equal files.
Hdf5Handle PlainDatasetProperties() {
  Hdf5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  Check(properties.valid() && H5Pset_obj_track_times(properties.id(), 0) >= 0);
  return properties;
}

herr_t FindSystemReason(unsigned, const H5E_error2_t* entry, void* data) {
  // The file driver writes: … errno = 28, error message = 'No space left on device', buf = …
  constexpr std::string_view kMark = "errno = ";
  const std::string_view text = entry->desc == nullptr ? "" : entry->desc;
  const std::size_t at = text.find(kMark);
  if (at == text.npos) return 0;
  const std::string_view number = text.substr(at + kMark.size());
  if (const auto reason = NumberIn<int>(number.substr(0, number.find(',')), {}))
    *static_cast<int*>(data) = *reason;
  return 0;
}

}  // namespace

Hdf5Lock::Hdf5Lock() : guard_(Mutex()) {
  // HDF5 must not try to finish abandoned files when the process ends.
  static const bool no_exit_handler = H5dont_atexit() >= 0;
  static_cast<void>(no_exit_handler);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Hdf5Handle& Hdf5Handle::operator=(Hdf5Handle&& other) noexcept {
  if (this != &other) {
    Close();
    id_ = other.id_;
    close_ = other.close_;
    other.id_ = -1;
  }
  return *this;
}

bool Hdf5Handle::Close() {
  if (id_ < 0) return true;
  Hdf5Lock lock;
  const bool closed = close_(id_) >= 0;
  id_ = -1;
  return closed;
}

namespace {

// The system's reason (errno) for the last failed call of this thread; 0 where HDF5 gives none.
int SystemReason() {
  int reason = 0;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, FindSystemReason, &reason);
  return reason;
}

Hdf5Handle AccessProperties() {
  Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG);
  // Files appear whole by renaming, so HDF5's own locks only fail on file systems without flock.
  H5Pset_file_locking(access.id(), false, true);
  return access;
}

}  // namespace

Hdf5Output::Hdf5Output(const std::filesystem::path& path) : pending_(path) {
  Hdf5Lock lock;
  const Hdf5Handle access = AccessProperties();
  file_ = Hdf5Handle(H5Fcreate(pending_.path().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()),
                     H5Fclose);
  if (!file_.valid()) throw WriteFailed();
}

Hdf5Output::~Hdf5Output() {
  Flush();
  if (!failed_) return;
  file_.Abandon();
  // The abandoned file stays open, and would keep its room on the disk after its removal.
  std::error_code ignored;
  std::filesystem::resize_file(pending_.path(), 0, ignored);
}

Error Hdf5Output::WriteFailed() {
  Hdf5Lock lock;
  failed_ = true;
  errno = SystemReason();
  return Error::Write("cannot write", target().string());
}

bool Hdf5Output::Flush() {
  Hdf5Lock lock;
  if (file_.valid() && !failed_ && H5Fflush(file_.id(), H5F_SCOPE_LOCAL) < 0) failed_ = true;
  return !failed_;
}

void Hdf5Output::Commit(const ChecksumField* checksum) {
  {
    Hdf5Lock lock;
    if (!Flush() || !file_.Close()) throw WriteFailed();
  }
  if (checksum != nullptr) AppendChecksum(pending_.path(), *checksum);
  pending_.Commit();
}

bool IsHdf5File(const std::filesystem::path& path) {
  if (!KindOfFile(path).empty()) return false;
  std::ifstream stream(path, std::ios::binary);
  std::array<char, 8> head{};
  stream.read(head.data(), head.size());
  return stream.gcount() == 8 && std::memcmp(head.data(), "\x89HDF\r\n\x1a\n", 8) == 0;
}

Hdf5Handle OpenHdf5File(const std::filesystem::path& path, const std::string& kind) {
  if (KindOfFile(path) != "folder") CheckIsFile(path);
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  const int reason = stream ? 0 : errno;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored) || reason == ENOENT) {
    throw Error::Input("no such " + kind, path.string(),
                       "make it with `stemsmith prepare LAYOUT ROOT --out FILE`");
  }
  if (!stream) {
    errno = reason;
    throw Error::System("cannot open the " + kind, path.string());
  }
  std::array<char, 8> head{};
  stream.read(head.data(), head.size());
  if (stream.gcount() == 0) {
    throw Error::Input("the " + kind + " is an empty file", path.string(),
                       "delete it and prepare the cache again");
  }
  if (std::memcmp(head.data(), "\x89HDF\r\n\x1a\n", head.size()) != 0) {
    throw Error::Input("not a " + kind + ": the file is not HDF5", path.string(),
                       "give the file that `stemsmith prepare … --out FILE` wrote");
  }
  Hdf5Lock lock;
  const Hdf5Handle access = AccessProperties();
  Hdf5Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose);
  if (file.valid()) return file;
  if (const int system = SystemReason(); system != 0) {
    errno = system;
    throw Error::System("cannot open the " + kind, path.string());
  }
  throw Error::Input("the " + kind + " is cut off or damaged", path.string(),
                     "delete it and prepare the cache again");
}

std::int64_t Hdf5FormatVersion(hid_t file, const std::string& format,
                               const std::filesystem::path& path) {
  Hdf5Lock lock;
  std::string found;
  if (H5Aexists(file, "format") > 0) found = ReadStringAttribute(file, "format", path);
  if (found == "stemsmith-track" && format != found) {
    throw Error::Input("this is one track of a cache", path.string(),
                       "give the index: the .h5 file beside the folder that holds the track");
  }
  if (found != format) {
    throw Error::Input("an HDF5 file, but not a " + format + " file", path.string(),
                       "give the file that `stemsmith prepare … --out FILE` wrote");
  }
  const std::int64_t version = ReadIntegerAttribute(file, "version", path);
  if (version < 1) throw Damaged(path, "version");
  return version;
}

void CheckHdf5Format(hid_t file, const std::string& format, std::int64_t version,
                     const std::filesystem::path& path) {
  const std::int64_t found = Hdf5FormatVersion(file, format, path);
  if (found == version) return;
  const bool newer = found > version;
  throw Error::Input(
      std::string("written by ") + (newer ? "a newer" : "an older") + " stemsmith (" + format +
          " version " + std::to_string(found) + ", this one reads version " +
          std::to_string(version) + ")",
      path.string(),
      newer ? "update stemsmith, or prepare the cache again" : "prepare the cache again");
}

void WriteAttribute(hid_t object, const char* name, const std::string& value) {
  Hdf5Lock lock;
  const Hdf5Handle type = TextType(std::max<std::size_t>(value.size(), 1));
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const std::string text = value.empty() ? std::string(1, '\0') : value;
  WriteNumeric(object, name, type.id(), type.id(), space.id(), text.data());
}

void WriteAttribute(hid_t object, const char* name, std::int64_t value) {
  Hdf5Lock lock;
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  WriteNumeric(object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, space.id(), &value);
}

void WriteAttribute(hid_t object, const char* name, const std::vector<double>& values) {
  Hdf5Lock lock;
  const Hdf5Handle space = Space(values.size());
  WriteNumeric(object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, space.id(), values.data());
}

std::string ReadStringAttribute(hid_t object, const char* name, const std::filesystem::path& path) {
  Hdf5Lock lock;
  const Hdf5Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  if (!attribute.valid()) throw Damaged(path, name);
  const Hdf5Handle type(H5Aget_type(attribute.id()), H5Tclose);
  const Hdf5Handle space(H5Aget_space(attribute.id()), H5Sclose);
  if (H5Tget_class(type.id()) != H5T_STRING || H5Tis_variable_str(type.id()) > 0 ||
      H5Sget_simple_extent_npoints(space.id()) != 1) {
    throw Damaged(path, name);
  }
  const std::size_t bytes = H5Tget_size(type.id());
  if (bytes > kMostAttributeBytes) throw Damaged(path, name);
  std::string text(bytes, '\0');
  if (H5Aread(attribute.id(), type.id(), text.data()) < 0) throw Damaged(path, name);
  text.resize(std::strlen(text.c_str()));
  return text;
}

std::int64_t ReadIntegerAttribute(hid_t object, const char* name,
                                  const std::filesystem::path& path) {
  Hdf5Lock lock;
  const Hdf5Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  if (!attribute.valid()) throw Damaged(path, name);
  const Hdf5Handle space(H5Aget_space(attribute.id()), H5Sclose);
  const Hdf5Handle type(H5Aget_type(attribute.id()), H5Tclose);
  std::int64_t value = 0;
  // HDF5 would round a fraction, and clip what is too large.
  if (H5Sget_simple_extent_npoints(space.id()) != 1 || H5Tget_class(type.id()) != H5T_INTEGER ||
      H5Tget_size(type.id()) > sizeof value ||
      H5Aread(attribute.id(), H5T_NATIVE_INT64, &value) < 0) {
    throw Damaged(path, name);
  }
  return value;
}

std::vector<double> ReadNumbersAttribute(hid_t object, const char* name,
                                         const std::filesystem::path& path) {
  Hdf5Lock lock;
  const Hdf5Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  if (!attribute.valid()) throw Damaged(path, name);
  const Hdf5Handle space(H5Aget_space(attribute.id()), H5Sclose);
  const hssize_t count = H5Sget_simple_extent_npoints(space.id());
  if (count < 0 || count > static_cast<hssize_t>(kMostAttributeBytes / sizeof(double)))
    throw Damaged(path, name);
  std::vector<double> values(static_cast<std::size_t>(count));
  if (H5Aread(attribute.id(), H5T_NATIVE_DOUBLE, values.data()) < 0 ||
      !std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }))
    throw Damaged(path, name);
  return values;
}

void WriteTextDataset(hid_t file, const char* name, const std::string& text) {
  Hdf5Lock lock;
  const Hdf5Handle type = TextType(std::max<std::size_t>(text.size(), 1));
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Hdf5Handle properties = PlainDatasetProperties();
  const Hdf5Handle dataset(
      H5Dcreate2(file, name, type.id(), space.id(), H5P_DEFAULT, properties.id(), H5P_DEFAULT),
      H5Dclose);
  const std::string bytes = text.empty() ? std::string(1, '\0') : text;
  Check(dataset.valid() &&
        H5Dwrite(dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) >= 0);
}

std::string ReadTextDataset(hid_t file, const char* name, const std::filesystem::path& path) {
  Hdf5Lock lock;
  const Hdf5Handle dataset(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose);
  if (!dataset.valid()) throw Damaged(path, name);
  const Hdf5Handle type(H5Dget_type(dataset.id()), H5Tclose);
  const Hdf5Handle space(H5Dget_space(dataset.id()), H5Sclose);
  const std::size_t bytes = H5Tget_size(type.id());
  if (H5Tget_class(type.id()) != H5T_STRING || H5Tis_variable_str(type.id()) > 0 ||
      H5Sget_simple_extent_npoints(space.id()) != 1 || bytes > kMostTextBytes ||
      bytes > H5Dget_storage_size(dataset.id())) {
    throw Damaged(path, name);
  }
  std::string text(bytes, '\0');
  if (H5Dread(dataset.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()) < 0) {
    throw Damaged(path, name);
  }
  text.resize(std::strlen(text.c_str()));
  return text;
}

namespace {

template <typename Number>
void WriteList(hid_t file, const char* name, const std::vector<Number>& values, hid_t stored,
               hid_t native) {
  const Hdf5Handle space = Space(values.size());
  const Hdf5Handle properties = PlainDatasetProperties();
  const Hdf5Handle dataset(
      H5Dcreate2(file, name, stored, space.id(), H5P_DEFAULT, properties.id(), H5P_DEFAULT),
      H5Dclose);
  Check(dataset.valid() && (values.empty() || H5Dwrite(dataset.id(), native, H5S_ALL, H5S_ALL,
                                                       H5P_DEFAULT, values.data()) >= 0));
}

template <typename Number>
std::vector<Number> ReadList(hid_t file, const char* name, hid_t native,
                             const std::filesystem::path& path) {
  const Hdf5Handle dataset(H5Dopen2(file, name, H5P_DEFAULT), H5Dclose);
  if (!dataset.valid()) throw Damaged(path, name);
  const Hdf5Handle space(H5Dget_space(dataset.id()), H5Sclose);
  const hssize_t count = H5Sget_simple_extent_npoints(space.id());
  // Ours are stored plainly. A small file may claim a list of any length, filled with zeros.
  if (count < 0 || static_cast<hsize_t>(count) > H5Dget_storage_size(dataset.id()) / sizeof(Number))
    throw Damaged(path, name);
  std::vector<Number> values(static_cast<std::size_t>(count));
  if (count > 0 &&
      H5Dread(dataset.id(), native, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) {
    throw Damaged(path, name);
  }
  return values;
}

}  // namespace

void WriteNumbersDataset(hid_t file, const char* name, const std::vector<std::uint64_t>& values) {
  Hdf5Lock lock;  // also for the types, which are calls
  WriteList(file, name, values, H5T_STD_U64LE, H5T_NATIVE_UINT64);
}

std::vector<std::uint64_t> ReadNumbersDataset(hid_t file, const char* name,
                                              const std::filesystem::path& path) {
  Hdf5Lock lock;  // also for the types, which are calls
  return ReadList<std::uint64_t>(file, name, H5T_NATIVE_UINT64, path);
}

void WriteFloatsDataset(hid_t file, const char* name, const std::vector<float>& values) {
  Hdf5Lock lock;  // also for the types, which are calls
  WriteList(file, name, values, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT);
}

std::vector<float> ReadFloatsDataset(hid_t file, const char* name,
                                     const std::filesystem::path& path) {
  Hdf5Lock lock;  // also for the types, which are calls
  return ReadList<float>(file, name, H5T_NATIVE_FLOAT, path);
}

}  // namespace stemsmith
