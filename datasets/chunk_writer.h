// Grows a dataset [rows, columns] of an HDF5 file in chunks of rows, each hashed. The length need
// not be known before the end, and what is held in memory is one chunk.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/cache_track.h"
#include "datasets/hdf5_file.h"

namespace stemsmith {

// The type of samples in the file: little-endian, whatever the machine.
Hdf5Handle StoredType(CacheSampleType type);

class ChunkWriter {
 public:
  // Makes the dataset in `output`, which must outlive the writer. Throws Error when the disk is
  // full, as do Advance and Finish. `compression` as in TrackFormat.
  ChunkWriter(Hdf5Output& output, const char* name, CacheSampleType type, int columns,
              std::int64_t chunk_rows, int compression = 0);
  ~ChunkWriter();
  ChunkWriter(const ChunkWriter&) = delete;
  ChunkWriter& operator=(const ChunkWriter&) = delete;

  // Where the next rows are to be put, as they will lie in the file, and how many fit there.
  char* next() { return chunk_.data() + static_cast<std::size_t>(filled_) * row_bytes_; }
  std::int64_t room() const { return chunk_rows_ - filled_; }
  // Takes so many rows, at most room(), from there.
  void Advance(std::int64_t rows);
  // Writes the last chunk, padded with zeros.
  void Finish();
  // Closes the dataset; before the file is committed.
  void Close() { dataset_.Close(); }

  std::int64_t rows() const { return rows_ + filled_; }
  const std::vector<std::uint64_t>& hashes() const { return hashes_; }  // of finished chunks

 private:
  void WriteChunk();

  Hdf5Output& output_;
  std::size_t sample_bytes_, row_bytes_;
  std::int64_t columns_, chunk_rows_;
  int compression_;
  Hdf5Handle dataset_;
  std::vector<char> chunk_;  // the chunk that is being filled
  std::vector<char> packed_;
  std::int64_t filled_ = 0;  // rows in it
  std::int64_t rows_ = 0;    // rows in finished chunks
  std::vector<std::uint64_t> hashes_;
};

}  // namespace stemsmith
