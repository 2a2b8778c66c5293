// One connection's bytes, with TLS or without. Nothing here waits.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

namespace stemsmith {

// Certificate and key for all connections: TLS 1.2 and later, ciphers with forward secrecy.
class TlsContext {
 public:
  // PEM files. Throws Error: they cannot be read, or do not fit each other.
  TlsContext(const std::string& certificate, const std::string& key);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  SSL_CTX* get() const { return context_; }

 private:
  SSL_CTX* context_;
};

class Transport {
 public:
  enum class State { kDone, kMustRead, kMustWrite, kClosed };

  // Does not own the socket, which must not block.
  Transport(int socket, const TlsContext* tls);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // kDone: `count` says how much. kMustRead, kMustWrite: again once the socket can be read,
  // written; a Write then with the same bytes first.
  State Read(char* bytes, std::size_t space, std::size_t& count);
  State Write(const char* bytes, std::size_t size, std::size_t& count);
  // What is sent ends here; the client may still send.
  void ShutdownWrite();
  // Reads and forgets what has come, without a buffer. False once the client has closed.
  bool Drain();
  bool encrypted() const { return tls_ != nullptr; }

 private:
  State Failure(int result);

  int socket_;
  SSL* tls_ = nullptr;
  bool broken_ = false;
};

}  // namespace stemsmith
