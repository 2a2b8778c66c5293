#include "models/layers/dconv_places.h"

#include "core/error.h"

namespace stemsmith {

DConvOptions DConvPlaces::AtLevel(std::int64_t level) const {
  return {.depth = depth,
          .compress = comp,
          .init = init,
          .attention = level >= attn,
          .lstm = level >= lstm};
}

DConvPlaces DConvPlaces::Read(const Config& config, const DConvPlaces& defaults, bool deep) {
  DConvPlaces places = defaults;
  places.mode = config.IntegerIn("dconv_mode", places.mode, 0, 3);
  places.depth = config.IntegerIn("dconv_depth", places.depth, 1, 12);
  places.comp = config.IntegerIn("dconv_comp", places.comp, 1, 4096);
  places.init = config.NumberIn("dconv_init", places.init, 0, 1);
  if (deep) {
    places.attn = config.IntegerIn("dconv_attn", places.attn, 0, 1000000);
    places.lstm = config.IntegerIn("dconv_lstm", places.lstm, 0, 1000000);
  }
  return places;
}

void DConvPlaces::Check(std::int64_t channels, std::int64_t level, const Config& config) const {
  if (mode == 0) return;
  const auto refuse = [&](const char* key, const char* what, const char* advice) {
    throw Error::Usage(what, config.Where(config.Has(key) ? key : ""), advice);
  };
  const std::int64_t hidden = channels / comp;
  if (hidden < 1)
    refuse("dconv_comp", "dconv_comp leaves no channels in a residual branch",
           "use more channels or a smaller dconv_comp");
  if (level >= attn && hidden % LocalStateImpl::kHeads != 0)
    refuse("dconv_attn", "the attention's 4 heads do not divide a residual branch's channels",
           "use channels that 4 · dconv_comp divides");
}

}  // namespace stemsmith
