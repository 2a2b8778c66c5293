#include "serve/http/sent_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/error.h"
#include "serve/http/http.h"

namespace stemsmith {

SentFile::SentFile(const std::filesystem::path& path)
    : descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  struct stat state {};
  const bool there = descriptor >= 0 && fstat(descriptor, &state) == 0;
  if (descriptor < 0 && errno != ENOENT && errno != ENOTDIR)
    throw Error::System("The file cannot be opened", path.string());
  if (!there || !S_ISREG(state.st_mode)) {
    if (descriptor >= 0) close(descriptor);
    throw HttpError(404, "The file is no longer there.");
  }
  size = state.st_size;
}

SentFile::~SentFile() { close(descriptor); }

}  // namespace stemsmith
