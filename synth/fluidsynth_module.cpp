// The module libstemsmith_fluidsynth.so: parts to audio. Every call of FluidSynth is in this file;
// errors leave as stemsmith::Error.
#include <fluidsynth.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>

#include "core/error.h"
#include "synth/fluid_module.h"

namespace stemsmith::synth {
namespace {
namespace fs = std::filesystem;

constexpr int kDrumChannel = 9;
constexpr int kDrumBank = 128;
constexpr int kVolume = 7, kPan = 10, kReverbSend = 91, kChorusSend = 93;

// Held while synthesizers are made, choose their presets and end; rendering is side by side. All
// synthesizers of a process share one cache of samples, which 2.3.1 counts the users of without a
// lock of its own (fluid_samplecache.c), so that samples were freed while others played them.
std::mutex making;

struct SettingsDeleter {
  void operator()(fluid_settings_t* settings) const { delete_fluid_settings(settings); }
};
struct SynthDeleter {
  void operator()(fluid_synth_t* synth) const { delete_fluid_synth(synth); }
};

void Ignore(int, const char*, void*) {}

class Synthesizer {
 public:
  Synthesizer(const fs::path& sound_font, const StemMix& mix, bool chorus) {
    const std::lock_guard lock(making);
    // What FluidSynth has to say (missing presets, stolen voices) is checked for here instead.
    for (const int level : {FLUID_PANIC, FLUID_ERR, FLUID_WARN, FLUID_INFO, FLUID_DBG})
      fluid_set_log_function(level, Ignore, nullptr);
    settings_.reset(new_fluid_settings());
    if (!settings_) throw Error::Input("FluidSynth does not start", sound_font.string());
    fluid_settings_t* settings = settings_.get();
    // Everything that bears on the sound is set here, so that no default of a version or a system
    // decides.
    fluid_settings_setnum(settings, "synth.sample-rate", kSampleRateHz);
    fluid_settings_setnum(settings, "synth.gain", 0.4);
    fluid_settings_setint(settings, "synth.polyphony", 128);
    fluid_settings_setint(settings, "synth.cpu-cores", 1);
    fluid_settings_setint(settings, "synth.dynamic-sample-loading", 1);
    fluid_settings_setint(settings, "synth.lock-memory", 0);
    fluid_settings_setint(settings, "synth.threadsafe-api", 0);
    fluid_settings_setint(settings, "synth.midi-channels", 16);
    fluid_settings_setint(settings, "synth.reverb.active", 1);
    fluid_settings_setnum(settings, "synth.reverb.room-size", mix.reverb_room);
    fluid_settings_setnum(settings, "synth.reverb.damp", mix.reverb_damp);
    fluid_settings_setnum(settings, "synth.reverb.width", mix.reverb_width);
    fluid_settings_setnum(settings, "synth.reverb.level", mix.reverb_level);
    fluid_settings_setint(settings, "synth.chorus.active", chorus ? 1 : 0);
    fluid_settings_setint(settings, "synth.chorus.nr", 3);
    fluid_settings_setnum(settings, "synth.chorus.level", 2.0);
    fluid_settings_setnum(settings, "synth.chorus.speed", 0.3);
    fluid_settings_setnum(settings, "synth.chorus.depth", 8.0);
    synth_.reset(new_fluid_synth(settings));
    if (!synth_) throw Error::Input("FluidSynth does not start", sound_font.string());
    font_ = fluid_synth_sfload(synth_.get(), sound_font.c_str(), 1);
    if (font_ == FLUID_FAILED) throw NoSoundFont(sound_font);
  }

  ~Synthesizer() {
    const std::lock_guard lock(making);
    synth_.reset();
    settings_.reset();
  }
  Synthesizer(const Synthesizer&) = delete;
  Synthesizer& operator=(const Synthesizer&) = delete;

  fluid_synth_t* get() { return synth_.get(); }
  int font() const { return font_; }

 private:
  std::unique_ptr<fluid_settings_t, SettingsDeleter> settings_;
  std::unique_ptr<fluid_synth_t, SynthDeleter> synth_;
  int font_ = FLUID_FAILED;
};

struct Event {
  std::size_t frame;
  int order;  // at the same frame: note ends, controllers, note starts
  int channel;
  int number, value;
};

std::size_t FrameAt(double seconds) {
  return static_cast<std::size_t>(std::llround(std::max(0.0, seconds) * kSampleRateHz));
}

void CollectEvents(const Part& part, int channel, std::vector<Event>& events) {
  enum { kNoteOff, kControl, kNoteOn };
  for (const auto& control : part.controls)
    events.push_back(
        {FrameAt(control.at_seconds), kControl, channel, control.number, control.value});
  for (std::size_t i = 0; i < part.notes.size(); ++i) {
    const Note& note = part.notes[i];
    std::size_t end = FrameAt(note.start_seconds + note.length_seconds);
    // A key struck again while it sounds is let go first: its end must not stop the second note.
    for (std::size_t j = i + 1; j < part.notes.size(); ++j) {
      const std::size_t next = FrameAt(part.notes[j].start_seconds);
      if (next >= end) break;
      if (part.notes[j].key == note.key) {
        end = next;
        break;
      }
    }
    events.push_back({FrameAt(note.start_seconds), kNoteOn, channel, note.key, note.velocity});
    events.push_back({end, kNoteOff, channel, note.key, 0});
  }
}

void SetUpChannel(Synthesizer& synth, const Part& part, int channel, double tuning_cents) {
  fluid_synth_t* fluid = synth.get();
  const int bank = part.percussion ? kDrumBank : 0;
  // Fonts without this patch fall back to the first one of the bank.
  if (fluid_synth_program_select(fluid, channel, synth.font(), bank, part.program) == FLUID_FAILED)
    fluid_synth_program_select(fluid, channel, synth.font(), bank, 0);
  // General MIDI volume is quadratic: 40 log10(value / 127) dB.
  const double volume = 100.0 * std::pow(10.0, part.gain_db / 40.0);
  const auto cc = [&](int number, double value) {
    fluid_synth_cc(fluid, channel, number,
                   std::clamp(static_cast<int>(std::lround(value)), 0, 127));
  };
  cc(kVolume, volume);
  cc(kPan, 64 + 63 * part.pan);
  cc(kReverbSend, part.reverb_send);
  cc(kChorusSend, part.chorus_send);
  fluid_synth_pitch_wheel_sens(fluid, channel, 2);
  if (!part.percussion)
    fluid_synth_set_gen(fluid, channel, GEN_FINETUNE, static_cast<float>(tuning_cents));
}

void Send(fluid_synth_t* fluid, const Event& event) {
  // Refusals (no voice left, no such key) are no errors: the note is then not heard.
  if (event.order == 0) {
    fluid_synth_noteoff(fluid, event.channel, event.number);
  } else if (event.order == 2) {
    fluid_synth_noteon(fluid, event.channel, event.number, event.value);
  } else if (event.number == kPitchBend) {
    fluid_synth_pitch_bend(fluid, event.channel, std::clamp(event.value, 0, 16383));
  } else {
    fluid_synth_cc(fluid, event.channel, event.number, std::clamp(event.value, 0, 127));
  }
}

}  // namespace

extern "C" const char* stemsmith_fluidsynth_version() { return fluid_version_str(); }

extern "C" void stemsmith_load_sound_font(const fs::path& sound_font) {
  Synthesizer check(sound_font, StemMix{}, false);
}

extern "C" void stemsmith_render_parts(const std::vector<const Part*>& parts, const StemMix& mix,
                                       double tuning_cents, const fs::path& sound_font,
                                       AudioBuffer& audio) {
  const std::size_t frames = audio.frames();
  const bool chorus = std::any_of(parts.begin(), parts.end(),
                                  [](const Part* part) { return part->chorus_send > 0; });
  Synthesizer synth(sound_font, mix, chorus);
  std::vector<Event> events;
  {
    const std::lock_guard lock(making);
    int next_channel = 0;
    for (const Part* part : parts) {
      if (next_channel == kDrumChannel) ++next_channel;
      const int channel = part->percussion ? kDrumChannel : next_channel++;
      SetUpChannel(synth, *part, channel, tuning_cents);
      CollectEvents(*part, channel, events);
    }
  }
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return a.frame != b.frame ? a.frame < b.frame : a.order < b.order;
  });
  std::size_t done = 0;
  const auto render_until = [&](std::size_t frame) {
    while (done < frame) {
      const std::size_t count = std::min<std::size_t>(frame - done, 1 << 16);
      if (fluid_synth_write_float(synth.get(), static_cast<int>(count), audio.channel(0) + done, 0,
                                  1, audio.channel(1) + done, 0, 1) == FLUID_FAILED)
        throw Error::Input("FluidSynth stopped rendering", sound_font.string());
      done += count;
    }
  };
  for (const Event& event : events) {
    render_until(std::min(event.frame, frames));
    Send(synth.get(), event);
  }
  render_until(frames);
}

}  // namespace stemsmith::synth
