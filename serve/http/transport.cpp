#include "serve/http/transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <new>

#include "core/error.h"
#include "core/option.h"

namespace stemsmith {
namespace {

std::string TlsReason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  return reason != nullptr ? std::string(": ") + reason : "";
}

int ChooseProtocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                   const unsigned char* offered, unsigned int offered_size, void*) {
  static constexpr unsigned char kHttp[] = "\x08http/1.1";
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_size, kHttp, sizeof kHttp - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

TlsContext::TlsContext(const std::string& certificate, const std::string& key)
    : context_(SSL_CTX_new(TLS_server_method())) {
  if (context_ == nullptr) throw std::bad_alloc();
  const auto refuse = [&](const std::string& what, const std::string& where,
                          const std::string& advice) {
    const std::string reason = TlsReason();
    SSL_CTX_free(context_);
    throw Error::Usage(what + reason, where, advice);
  };
  SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context_, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE |
                                    SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Idle connections keep no buffers; what is written again may lie elsewhere.
  SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);  // tickets are enough
  SSL_CTX_set_alpn_select_cb(context_, ChooseProtocol, nullptr);
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context_, certificate.c_str()) != 1)
    refuse("The certificate cannot be used", Option("tls-cert", certificate),
           "give a PEM file with the certificate and those that sign it");
  if (SSL_CTX_use_PrivateKey_file(context_, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context_) != 1)
    refuse("The key cannot be used", Option("tls-key", key),
           "give the PEM file, without a passphrase, that belongs to the certificate");
}
TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Transport::Transport(int socket, const TlsContext* tls) : socket_(socket) {
  if (tls == nullptr) return;
  tls_ = SSL_new(tls->get());
  if (tls_ == nullptr || SSL_set_fd(tls_, socket) != 1) {
    SSL_free(tls_);
    throw std::bad_alloc();
  }
  SSL_set_accept_state(tls_);
}
Transport::~Transport() { SSL_free(tls_); }

Transport::State Transport::Failure(int result) {
  switch (SSL_get_error(tls_, result)) {
    case SSL_ERROR_WANT_READ:
      return State::kMustRead;
    case SSL_ERROR_WANT_WRITE:
      return State::kMustWrite;
    default:
      broken_ = true;
      return State::kClosed;
  }
}

Transport::State Transport::Read(char* bytes, std::size_t space, std::size_t& count) {
  count = 0;
  if (broken_) return State::kClosed;
  if (tls_ != nullptr) {
    ERR_clear_error();
    const int result =
        SSL_read(tls_, bytes, static_cast<int>(std::min<std::size_t>(space, INT_MAX)));
    if (result <= 0) return Failure(result);
    count = static_cast<std::size_t>(result);
    return State::kDone;
  }
  const ssize_t result = recv(socket_, bytes, space, MSG_DONTWAIT);
  if (result > 0) {
    count = static_cast<std::size_t>(result);
    return State::kDone;
  }
  if (result < 0 && (errno == EAGAIN || errno == EINTR)) return State::kMustRead;
  return State::kClosed;
}

Transport::State Transport::Write(const char* bytes, std::size_t size, std::size_t& count) {
  count = 0;
  if (broken_) return State::kClosed;
  if (tls_ != nullptr) {
    ERR_clear_error();
    const int result =
        SSL_write(tls_, bytes, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
    if (result <= 0) return Failure(result);
    count = static_cast<std::size_t>(result);
    return State::kDone;
  }
  const ssize_t result = send(socket_, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (result >= 0) {
    count = static_cast<std::size_t>(result);
    return State::kDone;
  }
  return errno == EAGAIN || errno == EINTR ? State::kMustWrite : State::kClosed;
}

void Transport::ShutdownWrite() {
  if (tls_ != nullptr && !broken_ && SSL_is_init_finished(tls_)) {
    ERR_clear_error();
    SSL_shutdown(tls_);
  }
  shutdown(socket_, SHUT_WR);
}

bool Transport::Drain() {
  for (;;) {
    const ssize_t result = recv(socket_, nullptr, 1 << 20, MSG_DONTWAIT | MSG_TRUNC);
    if (result == 0) return false;
    if (result < 0) return errno == EAGAIN || errno == EINTR;
  }
}

}  // namespace stemsmith
