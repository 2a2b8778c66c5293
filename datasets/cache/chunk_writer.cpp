#include "datasets/cache/chunk_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/files.h"
#include "datasets/cache/chunk_codec.h"

namespace stemsmith {
namespace {

static_assert(std::endian::native == std::endian::little,
              "chunks are written as they lie in memory");

bool AllZero(const std::vector<char>& bytes) {
  return bytes.front() == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

// `count` pieces of `bytes`, which lie `stride` apart, side by side.
template <std::size_t kBytes>
void GatherFew(const char* from, std::size_t stride, std::size_t count, char* to) {
  for (std::size_t i = 0; i < count; ++i) std::memcpy(to + i * kBytes, from + i * stride, kBytes);
}
void Gather(const char* from, std::size_t stride, std::size_t bytes, std::size_t count, char* to) {
  if (bytes == 2) return GatherFew<2>(from, stride, count, to);
  if (bytes == 4) return GatherFew<4>(from, stride, count, to);
  if (bytes == 8) return GatherFew<8>(from, stride, count, to);
  for (std::size_t i = 0; i < count; ++i) std::memcpy(to + i * bytes, from + i * stride, bytes);
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

ChunkWriter::ChunkWriter(Hdf5Output& output, const char* name, CacheSampleType type, int groups,
                         int columns, int compression)
    : output_(output),
      sample_bytes_(CacheSampleBytes(type)),
      row_bytes_(columns * CacheSampleBytes(type)),
      columns_(columns),
      chunk_rows_(ChunkFrames(row_bytes_)),
      compression_(compression),
      chunks_(groups, std::vector<char>(static_cast<std::size_t>(chunk_rows_) * row_bytes_)) {
  Hdf5Lock lock;
  const auto all_columns = static_cast<hsize_t>(columns) * groups;
  const hsize_t none[2] = {0, all_columns};
  const hsize_t endless[2] = {H5S_UNLIMITED, all_columns};
  const hsize_t chunk_shape[2] = {static_cast<hsize_t>(chunk_rows_), static_cast<hsize_t>(columns)};
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

void ChunkWriter::Append(const char* rows, std::int64_t count) {
  const std::size_t stride = row_bytes_ * chunks_.size();
  while (count > 0) {
    const std::int64_t now = std::min(count, chunk_rows_ - filled_);
    for (std::size_t g = 0; g < chunks_.size(); ++g) {
      char* to = chunks_[g].data() + static_cast<std::size_t>(filled_) * row_bytes_;
      Gather(rows + g * row_bytes_, stride, row_bytes_, static_cast<std::size_t>(now), to);
    }
    rows += static_cast<std::size_t>(now) * stride;
    count -= now;
    filled_ += now;
    if (filled_ == chunk_rows_) WriteChunks();
  }
}

void ChunkWriter::Finish() {
  if (filled_ > 0) WriteChunks();
}

void ChunkWriter::WriteChunks() {
  std::vector<bool> silent;
  for (std::vector<char>& chunk : chunks_) {
    std::fill(chunk.begin() + static_cast<std::ptrdiff_t>(filled_ * row_bytes_), chunk.end(), 0);
    silent.push_back(AllZero(chunk));
    hashes_.push_back(HashBytes({chunk.data(), chunk.size()}));
  }
  const hsize_t shape[2] = {static_cast<hsize_t>(rows_ + filled_),
                            static_cast<hsize_t>(columns_) * chunks_.size()};
  {
    Hdf5Lock lock;
    if (H5Dset_extent(dataset_.id(), shape) < 0) throw output_.WriteFailed();
  }
  // A chunk of silence takes no room: what was never written reads as zero.
  for (std::size_t g = 0; g < chunks_.size(); ++g)
    if (!silent[g]) WriteChunk(g);
  rows_ += filled_;
  filled_ = 0;
}

void ChunkWriter::WriteChunk(std::size_t group) {
  const std::vector<char>& chunk = chunks_[group];
  if (compression_ > 0) CompressChunk(chunk, sample_bytes_, compression_, packed_);
  const std::vector<char>& stored = compression_ > 0 ? packed_ : chunk;
  const hsize_t offset[2] = {static_cast<hsize_t>(rows_),
                             static_cast<hsize_t>(group) * static_cast<hsize_t>(columns_)};
  Hdf5Lock lock;
  if (H5Dwrite_chunk(dataset_.id(), H5P_DEFAULT, 0, offset, stored.size(), stored.data()) < 0)
    throw output_.WriteFailed();
}

}  // namespace stemsmith
