// Plays sounds in step: one AudioContext is the clock of all, every run begins all of them at one moment and place,
// and what is heard is a matter of gains.
const fade = 0.008;  // seconds, so that nothing clicks
const lead = 0.05;   // from the wish to the first sample

// Louder as ears have it: 1 is as it is.
const gainOf = (volume) => volume * volume;

// `onchange` after play, pause, the end.
export const makePlayer = (rate, seconds, onchange) => {
  let context;
  try {
    context = new AudioContext({sampleRate: rate});
  } catch {
    context = new AudioContext();  // a rate that it lacks: decoding converts
  }
  const master = new GainNode(context);
  master.connect(context.destination);
  const sounds = [];
  const loop = {on: false, start: 0, end: seconds};
  let at = 0, run = null;

  let original = null;  // the song itself, heard in place of its stems
  const heard = (sound) => {
    if (original?.on) return sound === original;
    return sound !== original && (sounds.some((other) => other.solo) ? sound.solo : !sound.muted);
  };
  const setGains = () => {
    for (const sound of sounds)
      sound.gain.gain.setTargetAtTime(heard(sound) ? gainOf(sound.volume) : 0, context.currentTime, fade / 3);
  };
  const halt = () => {
    for (const {source, envelope} of run?.voices ?? []) {
      source.onended = () => envelope.disconnect();
      envelope.gain.cancelScheduledValues(0);
      envelope.gain.setTargetAtTime(0, context.currentTime, fade / 3);
      source.stop(context.currentTime + 3 * fade);
    }
    run = null;
  };
  const start = () => {
    halt();
    if (loop.on && at >= loop.end) at = loop.start;
    if (at >= seconds - 0.01) at = 0;
    const when = context.currentTime + lead;
    run = {when, at, looping: loop.on, voices: sounds.filter((sound) => sound.buffer).map((sound) => {
      const source = new AudioBufferSourceNode(context, {buffer: sound.buffer, loop: loop.on, loopStart: loop.start, loopEnd: loop.end});
      const envelope = new GainNode(context, {gain: 0});
      envelope.gain.setValueAtTime(0, when);
      envelope.gain.linearRampToValueAtTime(1, when + fade);
      source.connect(envelope).connect(sound.gain);
      source.start(when, at);
      return {source, envelope};
    })};
    const mine = run;
    run.voices[0].source.onended = () => {
      if (run !== mine) return;
      run = null;
      at = 0;
      onchange();
    };
  };
  const player = {
    sounds, loop, context, seconds,
    add: (name) => {
      const sound = {name, buffer: null, muted: false, solo: false, volume: 1, gain: new GainNode(context)};
      sound.gain.connect(master);
      sounds.push(sound);
      return sound;
    },
    addOriginal: () => original = Object.assign(player.add("mixture"), {on: false}),
    decode: async (sound, bytes) => {
      sound.buffer = await context.decodeAudioData(bytes);
      if (run) { at = player.position(); start(); }
    },
    heard, setGains,
    setVolume: (volume) => master.gain.setTargetAtTime(gainOf(volume), context.currentTime, fade / 3),
    playing: () => run !== null,
    ready: () => sounds.some((sound) => sound.buffer),
    play: async () => {
      await context.resume();
      if (!run && player.ready()) start();
      onchange();
    },
    pause: () => { at = player.position(); halt(); onchange(); },
    // Where it is, in seconds: what is heard now, which left the context a little earlier.
    position: () => {
      if (!run) return at;
      const here = run.at + Math.max(0, context.currentTime - (context.outputLatency || 0) - run.when);
      return run.looping && here >= loop.end ? loop.start + (here - loop.start) % (loop.end - loop.start) : Math.min(here, seconds);
    },
    seek: (to) => {
      at = Math.min(Math.max(to, 0), seconds);
      if (run) start();
    },
    setLoop: (change) => {
      const here = player.position();
      Object.assign(loop, change);
      loop.start = Math.min(Math.max(loop.start, 0), seconds - 0.1);
      loop.end = Math.min(Math.max(loop.end, loop.start + 0.1), seconds);
      at = here;
      if (run) start();
    },
    close: () => { halt(); context.close(); },
  };
  return player;
};
