// The table of models: a declaration and a row for each, nothing else to touch.
#include <algorithm>

#include "core/current_error.h"
#include "core/error.h"
#include "core/names.h"
#include "models/build_memory.h"
#include "models/separation_model.h"

namespace stemsmith {

std::shared_ptr<SeparationModel> MakeBag(const Config& config, const ModelSetting& setting);
std::shared_ptr<SeparationModel> MakeUnet(const Config& config, const ModelSetting& setting);
std::shared_ptr<SeparationModel> MakeDemucsV2(const Config& config, const ModelSetting& setting);
std::shared_ptr<SeparationModel> MakeOpenUnmix(const Config& config, const ModelSetting& setting);
std::shared_ptr<SeparationModel> MakeWaveUnet(const Config& config, const ModelSetting& setting);
std::shared_ptr<SeparationModel> MakeDemucs(const Config& config, const ModelSetting& setting);
std::shared_ptr<SeparationModel> MakeHDemucs(const Config& config, const ModelSetting& setting);
std::shared_ptr<SeparationModel> MakeHTDemucs(const Config& config, const ModelSetting& setting);
std::shared_ptr<SeparationModel> MakeBsRoformer(const Config& config, const ModelSetting& setting);
std::shared_ptr<SeparationModel> MakeMelBandRoformer(const Config& config,
                                                     const ModelSetting& setting);
std::shared_ptr<SeparationModel> MakeScnet(const Config& config, const ModelSetting& setting);
std::shared_ptr<SeparationModel> MakeScnetMasked(const Config& config, const ModelSetting& setting);
std::shared_ptr<SeparationModel> MakeMdx23c(const Config& config, const ModelSetting& setting);

const std::vector<ModelRow>& ModelTable() {
  static const std::vector<ModelRow> table = {
      {"unet", "Spectrogram U-Net: magnitude masks on the mixture's spectrum", &MakeUnet},
      {"demucs_v2", "Waveform Demucs of 2021: strided convolutions, BiLSTM, additive skips",
       &MakeDemucsV2},
      {"demucs", "Waveform Demucs of the packages 3 and 4: residual branches, GELU", &MakeDemucs},
      {"hdemucs", "Hybrid Demucs (v3): spectrogram and wave in two branches", &MakeHDemucs},
      {"htdemucs", "Hybrid Transformer Demucs (v4): both branches and a transformer between them",
       &MakeHTDemucs},
      {"bs_roformer", "Band-split RoFormer: attention over time and over adjoining bands",
       &MakeBsRoformer},
      {"mel_band_roformer", "Mel-band RoFormer: the same over overlapping bands on the mel scale",
       &MakeMelBandRoformer},
      {"open_unmix", "Open-Unmix: a BiLSTM on magnitudes per stem, Wiener filter on request",
       &MakeOpenUnmix},
      {"scnet", "SCNet: spectra from bands of their own resolution, LSTMs along both axes",
       &MakeScnet},
      {"scnet_masked", "SCNet that gives complex masks for the mixture's spectrum",
       &MakeScnetMasked},
      {"mdx23c", "MDX23C (TFC-TDF v3): U-Net on bands of the spectrum", &MakeMdx23c},
      {"wave_unet", "Wave U-Net: masks on raw audio from strided convolutions", &MakeWaveUnet},
      {"bag", "Several models, averaged with weights per stem", &MakeBag},
  };
  return table;
}

const ModelRow& FindModelRow(std::string_view name, std::string_view where) {
  return FindRow(ModelTable(), name, "model", std::string(where));
}

std::shared_ptr<SeparationModel> MakeModel(const Config& config, const ModelSetting& setting) {
  if (setting.stems.empty())
    throw Error::Usage("a model needs at least one stem", config.Where(), "name the stems");
  if (setting.channels < 1 || setting.sample_rate_hz < 1)
    throw Error::Usage("a model needs at least one channel and a sample rate above 0 Hz",
                       config.Where());
  for (auto stem = setting.stems.begin(); stem != setting.stems.end(); ++stem) {
    if (std::find(setting.stems.begin(), stem, *stem) != stem)
      throw Error::Usage("the stem '" + *stem + "' is named twice", config.Where(),
                         "name each once");
  }
  // Weights are there four times in training: with gradients and two moments.
  const std::int64_t bytes = MemoryBytes() / 4;
  const BuildMemory limit(
      bytes, Error::Usage("the weights of the model described take more than a quarter of this "
                          "machine's memory (" +
                              std::to_string(bytes >> 20) + " MiB)",
                          config.Where(), "use fewer channels, levels or layers"));
  const std::string name = config.RequiredString("name");
  const ModelRow& row = FindModelRow(name, config.Where("name"));
  try {
    std::shared_ptr<SeparationModel> model = row.make(config, setting);
    config.CheckAllRead();
    return model;
  } catch (const c10::Error&) {  // one part alone is more than the system gives
    throw CurrentError(config.Where());
  }
}

}  // namespace stemsmith
