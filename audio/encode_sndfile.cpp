#include "audio/encode_sndfile.h"

#include <sndfile.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "audio/ogg_serial.h"
#include "audio/output_file.h"
#include "audio/tags.h"
#include "audio/xiph_channels.h"
#include "core/error.h"

namespace stemsmith {
namespace {

OutputFile* Get(void* self) { return static_cast<OutputFile*>(self); }

SF_VIRTUAL_IO SndfileCalls() {
  SF_VIRTUAL_IO calls{};
  calls.get_filelen = [](void* self) -> sf_count_t {
    const std::int64_t here = Get(self)->Seek(0, SEEK_CUR);
    const std::int64_t end = Get(self)->Seek(0, SEEK_END);
    Get(self)->Seek(here, SEEK_SET);
    return end;
  };
  calls.seek = [](sf_count_t offset, int whence, void* self) -> sf_count_t {
    return Get(self)->Seek(offset, whence);
  };
  calls.read = [](void* out, sf_count_t count, void* self) -> sf_count_t {
    return Get(self)->Read(out, static_cast<std::size_t>(count));
  };
  calls.write = [](const void* bytes, sf_count_t count, void* self) -> sf_count_t {
    return Get(self)->Write(bytes, static_cast<std::size_t>(count)) ? count : 0;
  };
  calls.tell = [](void* self) -> sf_count_t { return Get(self)->Seek(0, SEEK_CUR); };
  return calls;
}

struct CloseSndfile {
  void operator()(SNDFILE* file) const { sf_close(file); }
};

class SndfileEncoder : public Encoder {
 public:
  SndfileEncoder(const EncodeJob& job, const SndfileSettings& settings)
      : name_(job.options.format), shown_(job.shown.string()), output_(job.file, job.shown) {
    SF_INFO format{};
    format.samplerate = job.sample_rate_hz;
    format.channels = job.channels;
    format.format = settings.format;
    output_.Insert(settings.insert_at, settings.insert);
    SF_VIRTUAL_IO calls = SndfileCalls();
    sndfile_.reset(sf_open_virtual(&calls, SFM_WRITE, &format, &output_));
    output_.Check();
    if (sndfile_ == nullptr) Fail("write", sf_strerror(nullptr));
    if (settings.writes_tags) WriteTags(job.options.tags);
    if (settings.constant_bit_rate) {
      int mode = SF_BITRATE_MODE_CONSTANT;
      sf_command(sndfile_.get(), SFC_SET_BITRATE_MODE, &mode, sizeof mode);
    }
    if (settings.compression_level) {
      double level = std::clamp(*settings.compression_level, 0.0, 1.0);
      sf_command(sndfile_.get(), SFC_SET_COMPRESSION_LEVEL, &level, sizeof level);
    }
    is_ogg_ = (settings.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_OGG;
    if (is_ogg_) order_ = XiphOrder(job.channels);
    channels_ = static_cast<std::size_t>(job.channels);
    gain_ = settings.gain;
  }

  void Write(const float* samples, std::size_t frames) override {
    if (!order_.empty()) {
      ordered_.resize(frames * channels_);
      for (std::size_t t = 0; t < frames; ++t)
        for (std::size_t c = 0; c < channels_; ++c)
          ordered_[t * channels_ + order_[c]] = samples[t * channels_ + c];
      samples = ordered_.data();
    } else if (gain_ != 1) {
      ordered_.assign(samples, samples + frames * channels_);
      for (float& sample : ordered_) sample *= gain_;
      samples = ordered_.data();
    }
    const auto count = static_cast<sf_count_t>(frames);
    Check(sf_writef_float(sndfile_.get(), samples, count) == count);
  }

  void Write(const std::int32_t* samples, std::size_t frames) override {
    const auto count = static_cast<sf_count_t>(frames);
    Check(sf_writef_int(sndfile_.get(), samples, count) == count);
  }

  void Finish() override {
    const int error = sf_close(sndfile_.release());
    output_.Check();
    if (error != 0) Fail("finish", sf_error_number(error));
    if (is_ogg_) SetOggSerialByContent(output_);
    output_.Close();
    output_.Check();
  }

 private:
  void WriteTags(const std::vector<std::pair<std::string, std::string>>& tags) {
    for (const auto& [name, text] : tags)
      for (const TagRow& row : TagTable())
        if (row.sndfile != 0 && name == row.name)
          sf_set_string(sndfile_.get(), row.sndfile, text.c_str());
  }
  void Check(bool all_written) {
    output_.Check();
    if (!all_written) Fail("write", sf_strerror(sndfile_.get()));
  }
  [[noreturn]] void Fail(const std::string& verb, const std::string& words) const {
    throw Error::Input("cannot " + verb + " " + name_ + ": " + words, shown_);
  }

  std::string name_, shown_;
  OutputFile output_;  // outlives the SNDFILE, which writes when it is closed
  std::unique_ptr<SNDFILE, CloseSndfile> sndfile_;
  std::size_t channels_ = 0;
  float gain_ = 1;
  bool is_ogg_ = false;
  std::vector<std::size_t> order_;  // WAVE's channel → the file's; empty: the same
  std::vector<float> ordered_;
};

}  // namespace

std::unique_ptr<Encoder> OpenSndfile(const EncodeJob& job, const SndfileSettings& settings) {
  return std::make_unique<SndfileEncoder>(job, settings);
}

}  // namespace stemsmith
