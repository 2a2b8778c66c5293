// Grows a dataset [rows, groups · columns] of an HDF5 file in chunks of rows of one group, each
// hashed. The length need not be known before the end, and what is held in memory is a chunk per
// group.
#pragma once

#include <cstdint>
#include <vector>

#include "datasets/cache/hdf5_file.h"
#include "datasets/cache/track_format.h"

namespace stemsmith {

// The type of samples in the file: little-endian, whatever the machine.
Hdf5Handle StoredType(CacheSampleType type);

class ChunkWriter {
 public:
  // Makes the dataset in `output`, which must outlive the writer. Throws Error when the disk is
  // full, as do Append and Finish. `columns`: of a group. `compression` as in TrackFormat.
  ChunkWriter(Hdf5Output& output, const char* name, CacheSampleType type, int groups, int columns,
              int compression = 0);
  ~ChunkWriter();
  ChunkWriter(const ChunkWriter&) = delete;
  ChunkWriter& operator=(const ChunkWriter&) = delete;

  // Appends encoded rows, each group after group.
  void Append(const char* rows, std::int64_t count);
  // Writes the last chunks, padded with zeros.
  void Finish();
  // Closes the dataset; before the file is committed.
  void Close() { dataset_.Close(); }

  std::int64_t rows() const { return rows_ + filled_; }
  // Of finished chunks: for the first rows those of all groups, and so on.
  const std::vector<std::uint64_t>& hashes() const { return hashes_; }

 private:
  void WriteChunks();
  void WriteChunk(std::size_t group);

  Hdf5Output& output_;
  std::size_t sample_bytes_, row_bytes_;  // of a group
  std::int64_t columns_, chunk_rows_;
  int compression_;
  Hdf5Handle dataset_;
  std::vector<std::vector<char>> chunks_;  // that are being filled, one per group
  std::vector<char> packed_;
  std::int64_t filled_ = 0;  // rows in them
  std::int64_t rows_ = 0;    // rows in finished chunks
  std::vector<std::uint64_t> hashes_;
};

}  // namespace stemsmith
