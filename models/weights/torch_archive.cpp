#include "models/weights/torch_archive.h"

#include <zip.h>

#include "core/error.h"

namespace stemsmith {
namespace {

constexpr char kArchiveAdvice[] =
    "the file is damaged, cut off or of another kind: copy or download it again";

}  // namespace

void TorchArchive::Closer::operator()(zip* archive) const { zip_discard(archive); }

TorchArchive::TorchArchive(const std::filesystem::path& path)
    : where_(path.string()), file_bytes_(std::filesystem::file_size(path)) {
  int code = 0;
  archive_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
  if (!archive_) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    throw Error::Input("not a sound archive: " + reason, where_, kArchiveAdvice);
  }
  const std::string wanted = "/data.pkl";
  const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    zip_stat_t stat;
    zip_stat_init(&stat);
    if (zip_stat_index(archive_.get(), static_cast<zip_uint64_t>(i), 0, &stat) == 0)
      has_checksums_ |= stat.crc != 0;
    if (!folder_.empty()) continue;
    const char* raw = zip_get_name(archive_.get(), static_cast<zip_uint64_t>(i), ZIP_FL_ENC_RAW);
    const std::string name = raw == nullptr ? "" : raw;
    if (name.size() > wanted.size() && name.ends_with(wanted) &&
        name.find('/') == name.size() - wanted.size())
      folder_ = name.substr(0, name.size() - wanted.size() + 1);
  }
  if (folder_.empty())
    throw Error::Input("an archive without weights: it has no data.pkl", where_,
                       "use a file that torch.save wrote");
}

std::optional<std::uint64_t> TorchArchive::Find(const std::string& name) const {
  const zip_int64_t index =
      zip_name_locate(archive_.get(), (folder_ + name).c_str(), ZIP_FL_ENC_RAW);
  if (index < 0) return std::nullopt;
  return static_cast<std::uint64_t>(index);
}

bool TorchArchive::Has(const std::string& name) const { return Find(name).has_value(); }

std::uint64_t TorchArchive::Size(const std::string& name) const {
  const auto index = Find(name);
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (!index || zip_stat_index(archive_.get(), *index, 0, &stat) != 0)
    throw Error::Input("the archive lacks " + name, where_, kArchiveAdvice);
  constexpr zip_uint64_t kNeeded =
      ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if ((stat.valid & kNeeded) != kNeeded || stat.comp_method != ZIP_CM_STORE ||
      stat.encryption_method != ZIP_EM_NONE)
    throw Error::Input("the archive's " + name + " is compressed or encrypted", where_,
                       "torch writes neither: load and save it again with Python");
  if (stat.size != stat.comp_size || stat.size > file_bytes_)
    throw Error::Input("the archive's " + name + " claims to be larger than the file", where_,
                       kArchiveAdvice);
  return stat.size;
}

void TorchArchive::Read(const std::string& name, void* to, std::uint64_t bytes) {
  if (Size(name) != bytes)
    throw Error::Input("the archive's " + name + " has " + std::to_string(Size(name)) +
                           " bytes where " + std::to_string(bytes) + " are needed",
                       where_, kArchiveAdvice);
  if (bytes > file_bytes_ - read_bytes_)
    throw Error::Input("the archive's entries overlap", where_, kArchiveAdvice);
  read_bytes_ += bytes;
  struct FileCloser {
    void operator()(zip_file_t* file) const { zip_fclose(file); }
  };
  const std::unique_ptr<zip_file_t, FileCloser> file(
      zip_fopen_index(archive_.get(), *Find(name), 0));
  std::uint64_t done = 0;
  while (file && done < bytes) {
    const zip_int64_t got = zip_fread(file.get(), static_cast<char*>(to) + done, bytes - done);
    if (got <= 0) break;
    done += static_cast<std::uint64_t>(got);
  }
  // The checksum is compared when the end is seen, not before.
  char beyond = 0;
  if (!file || done != bytes || (has_checksums_ && zip_fread(file.get(), &beyond, 1) != 0))
    throw Error::Input("the archive's " + name +
                           " cannot be read: it is cut off, or its checksum " + "does not match",
                       where_, kArchiveAdvice);
}

}  // namespace stemsmith
