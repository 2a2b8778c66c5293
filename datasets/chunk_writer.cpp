#include "datasets/chunk_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/files.h"
#include "datasets/chunk_codec.h"

namespace stemsmith {
namespace {

static_assert(std::endian::native == std::endian::little,
              "chunks are written as they lie in memory");

bool AllZero(const std::vector<char>& bytes) {
  return bytes.front() == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

Hdf5Handle StoredType(CacheSampleType type) {
  Hdf5Lock lock;
  if (type == CacheSampleType::kInt16) return {H5Tcopy(H5T_STD_I16LE), H5Tclose};
  Hdf5Handle stored(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  if (type == CacheSampleType::kFloat16) {
    // HDF5 has no name for it: sign in bit 15, five bits of exponent from 10, ten of mantissa.
    H5Tset_fields(stored.id(), 15, 10, 5, 0, 10);
    H5Tset_size(stored.id(), 2);
    H5Tset_ebias(stored.id(), 15);
  }
  return stored;
}

ChunkWriter::ChunkWriter(Hdf5Output& output, const char* name, CacheSampleType type, int columns,
                         std::int64_t chunk_rows, int compression)
    : output_(output),
      sample_bytes_(CacheSampleBytes(type)),
      row_bytes_(columns * CacheSampleBytes(type)),
      columns_(columns),
      chunk_rows_(chunk_rows),
      compression_(compression),
      chunk_(static_cast<std::size_t>(chunk_rows) * row_bytes_) {
  Hdf5Lock lock;
  const hsize_t none[2] = {0, static_cast<hsize_t>(columns)};
  const hsize_t endless[2] = {H5S_UNLIMITED, static_cast<hsize_t>(columns)};
  const hsize_t chunk_shape[2] = {static_cast<hsize_t>(chunk_rows), static_cast<hsize_t>(columns)};
  const Hdf5Handle space(H5Screate_simple(2, none, endless), H5Sclose);
  const Hdf5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_chunk(properties.id(), 2, chunk_shape);
  H5Pset_obj_track_times(properties.id(), false);
  if (compression > 0) {
    H5Pset_shuffle(properties.id());
    H5Pset_deflate(properties.id(), static_cast<unsigned>(compression));
  }
  const Hdf5Handle stored = StoredType(type);
  dataset_ = Hdf5Handle(H5Dcreate2(output.id(), name, stored.id(), space.id(), H5P_DEFAULT,
                                   properties.id(), H5P_DEFAULT),
                        H5Dclose);
  if (!dataset_.valid()) throw output.WriteFailed();
}

ChunkWriter::~ChunkWriter() {
  if (!output_.Flush()) dataset_.Abandon();
}

void ChunkWriter::Advance(std::int64_t rows) {
  filled_ += rows;
  if (filled_ == chunk_rows_) WriteChunk();
}

void ChunkWriter::Finish() {
  if (filled_ > 0) WriteChunk();
}

void ChunkWriter::WriteChunk() {
  std::fill(next(), chunk_.data() + chunk_.size(), 0);
  const bool silent = AllZero(chunk_);
  hashes_.push_back(HashBytes({chunk_.data(), chunk_.size()}));
  if (compression_ > 0 && !silent) CompressChunk(chunk_, sample_bytes_, compression_, packed_);
  const std::vector<char>& stored = compression_ > 0 ? packed_ : chunk_;
  const hsize_t offset[2] = {static_cast<hsize_t>(rows_), 0};
  rows_ += filled_;
  filled_ = 0;
  const hsize_t shape[2] = {static_cast<hsize_t>(rows_), static_cast<hsize_t>(columns_)};
  Hdf5Lock lock;
  if (H5Dset_extent(dataset_.id(), shape) < 0 ||
      // A chunk of silence takes no room: what was never written reads as zero.
      (!silent &&
       H5Dwrite_chunk(dataset_.id(), H5P_DEFAULT, 0, offset, stored.size(), stored.data()) < 0)) {
    throw output_.WriteFailed();
  }
}

}  // namespace stemsmith
