#include "serve/content_hash.h"

#include <openssl/evp.h>

#include <fstream>
#include <vector>

#include "core/error.h"

namespace stemsmith {

namespace {
constexpr std::size_t kBlockBytes = 1 << 20;
}  // namespace

struct ContentHash::Context {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> evp{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

ContentHash::ContentHash() : context_(std::make_unique<Context>()) {
  if (EVP_DigestInit_ex(context_->evp.get(), EVP_sha256(), nullptr) != 1)
    throw Error::Input("OpenSSL has no SHA-256", "", "install libssl3 again");
}

ContentHash::~ContentHash() = default;

void ContentHash::Update(const char* bytes, std::size_t count) {
  EVP_DigestUpdate(context_->evp.get(), bytes, count);
}

std::string ContentHash::Hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_DigestFinal_ex(context_->evp.get(), digest, &length);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < length; ++i) {
    hex += kDigits[digest[i] >> 4];
    hex += kDigits[digest[i] & 15];
  }
  return hex;
}

std::string ContentHashOf(std::string_view text) {
  ContentHash hash;
  hash.Update(text.data(), text.size());
  return hash.Hex();
}

std::string ContentHashOfFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error::System("cannot read", path.string());
  ContentHash hash;
  std::vector<char> block(kBlockBytes);
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0)
    hash.Update(block.data(), static_cast<std::size_t>(file.gcount()));
  if (file.bad()) throw Error::System("cannot read", path.string());
  return hash.Hex();
}

}  // namespace stemsmith
