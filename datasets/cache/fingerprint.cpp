#include "datasets/cache/fingerprint.h"

#include <sys/stat.h>

#include "core/error.h"
#include "core/files.h"

namespace stemsmith {
namespace {

bool Look(const std::filesystem::path& path, std::uint64_t* size, std::int64_t* mtime_ns) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  *size = static_cast<std::uint64_t>(status.st_size);
  *mtime_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  return true;
}

}  // namespace

nlohmann::json SourceFile::ToJson() const {
  return {{"path", path}, {"size", size}, {"mtime_ns", mtime_ns}, {"hash", hash}};
}

SourceFile SourceFile::FromJson(const JsonFields& fields) {
  SourceFile source;
  source.path = fields.Text("path");
  source.size = fields.Number<std::uint64_t>("size");
  source.mtime_ns = fields.Number<std::int64_t>("mtime_ns");
  source.hash = fields.Text("hash");
  return source;
}

SourceFile FingerprintSource(const std::filesystem::path& root, const std::filesystem::path& path) {
  SourceFile source;
  const std::filesystem::path relative = path.lexically_relative(root);
  const bool below = !relative.empty() && *relative.begin() != "..";
  source.path = (below ? relative : std::filesystem::absolute(path).lexically_normal()).string();
  if (!Look(path, &source.size, &source.mtime_ns)) {
    throw Error::System("cannot read", path.string(), "check that the file is there");
  }
  source.hash = HexHash(HashFile(path));
  return source;
}

SourceState CompareSource(const std::filesystem::path& root, const SourceFile& source,
                          std::int64_t* mtime_ns_now) {
  const std::filesystem::path path = root / source.path;  // an absolute source.path replaces root
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  if (!Look(path, &size, &mtime_ns)) return SourceState::kAbsent;
  if (mtime_ns_now != nullptr) *mtime_ns_now = mtime_ns;
  if (size != source.size) return SourceState::kChanged;
  if (mtime_ns == source.mtime_ns) return SourceState::kSame;
  return HexHash(HashFile(path)) == source.hash ? SourceState::kTouched : SourceState::kChanged;
}

}  // namespace stemsmith
