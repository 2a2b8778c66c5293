// From a song to its stems, by the rules that `separate` has: docs/separate.md and docs/model_format.md of the project.

// Weights in (0, 1], symmetric, nowhere zero.
function windowWeights(window, length) {
  const middle = Math.floor((length + 1) / 2);
  return Float32Array.from({ length }, (_, i) => {
    if (window === "triangle") return Math.min(i + 1, length - i) / middle;
    if (window === "hann") return Math.sin(Math.PI * (i + 0.5) / length) ** 2;
    return 1;
  });
}

// The shortest length that the graph takes and that holds so many frames.
function atLeast({ offset_frames, multiple_frames }, frames) {
  return offset_frames + Math.max(0, Math.ceil((frames - offset_frames) / multiple_frames)) * multiple_frames;
}

// The frames of a segment for a song of so many: shorter ones get less, not below a quarter, where the graph takes it.
function chooseSegment({ length, segment_frames, kept_frames, tail }, frames) {
  if (tail === "context") return kept_frames ?? segment_frames;
  if (!length.dynamic || frames >= segment_frames) return segment_frames;
  return Math.min(atLeast(length, Math.max(frames, Math.floor(segment_frames / 4))), segment_frames);
}

// The frames that the graph gets for so many, those of a segment or what is left at a song's end, where the tail is "context".
function runFrames({ length, segment_frames }, left) {
  return length.dynamic ? atLeast(length, left) : segment_frames;
}

// Channels of the song that go through the model together, each with its mean and deviation to take out.
function groupChannels(song, manifest) {
  const groups = [];
  for (let first = 0; first < song.length; first += manifest.channels) {
    const channels = song.slice(first, first + manifest.channels);
    const group = { first, count: channels.length, mean: 0, deviation: 1 };
    groups.push(group);
    const frames = channels[0].length;
    if (manifest.song_normalization !== "mean_std" || frames < 2) continue;
    let sum = 0, squares = 0;
    for (let t = 0; t < frames; ++t) {
      let mono = 0;
      for (const channel of channels) mono += channel[t];
      mono /= group.count;
      sum += mono;
      squares += mono * mono;
    }
    const mean = sum / frames;
    const variance = Math.max(0, (squares - frames * mean * mean) / (frames - 1));
    group.mean = Math.fround(mean);
    group.deviation = Math.fround(Math.sqrt(variance) + 1e-8); // silence: no 0 / 0
  }
  return groups;
}

// The model's input [C, length] for a group: the song's frames [from, to), at frame `at`, zeros around them. Mono goes to
// all of the model's channels; of other narrow groups the further ones stay silent.
function spread(song, group, width, length, from, to, at) {
  const mix = new Float32Array(width * length);
  for (let c = 0; c < (group.count === 1 ? width : group.count); ++c) {
    const channel = song[group.first + (group.count === 1 ? 0 : c)];
    for (let t = from, i = c * length + at; t < to; ++t, ++i) mix[i] = (channel[t] - group.mean) / group.deviation;
  }
  return mix;
}

// Separates `song`, one Float32Array per channel at the model's rate. `run(mix, length)` runs the model on [C, length] and
// gives a promise of [S, C, length]. Yields {from, frames, stems} in order, from the first frame to the last: `stems` has
// for each stem the frames that are done, interleaved. Beside the song it holds a few segments.
export async function* separateSong(song, manifest, run) {
  const frames = song[0].length, channels = song.length, width = manifest.channels, stemCount = manifest.stems.length;
  const groups = groupChannels(song, manifest);
  const segment = chooseSegment(manifest, frames);
  const context = manifest.tail === "context";
  const stride = Math.max(1, context ? Math.floor((1 - manifest.overlap) * segment)
                                     : segment - Math.min(segment, Math.round(manifest.overlap * segment)));
  const weights = windowWeights(manifest.window, segment);
  const sums = Array.from({ length: stemCount * channels }, () => new Float32Array(segment));
  const weightSum = new Float32Array(segment);

  for (let start = 0; start < frames; start += stride) {
    const left = Math.min(segment, frames - start);
    // With context: what lies before and behind, half and half.
    const length = context ? runFrames(manifest, left) : segment;
    const at = context ? Math.floor((length - left) / 2) : 0;
    const before = Math.min(at, start), end = Math.min(frames, start - at + length);
    for (const group of groups) {
      const mix = spread(song, group, width, length, start - before, end, at - before);
      const estimates = await run(mix, length);
      for (let s = 0; s < stemCount; ++s) {
        for (let c = 0; c < group.count; ++c) {
          const to = sums[s * channels + group.first + c];
          const used = group.count === 1 ? width : 1; // mono: the mean of the model's channels
          for (let t = 0; t < left; ++t) {
            let value = 0;
            for (let k = 0; k < used; ++k) value += estimates[(s * width + c + k) * length + at + t];
            to[t] += weights[t] * (value / used * group.deviation + group.mean);
          }
        }
      }
    }
    for (let t = 0; t < left; ++t) weightSum[t] += weights[t];

    // No later segment reaches the frames before its start.
    const last = start + (context ? stride : segment) >= frames;
    const done = last ? left : stride;
    const stems = manifest.stems.map((_, s) => {
      const block = new Float32Array(done * channels);
      for (let c = 0; c < channels; ++c) {
        const sum = sums[s * channels + c];
        for (let t = 0; t < done; ++t) block[t * channels + c] = sum[t] / weightSum[t];
      }
      return block;
    });
    yield { from: start, frames: done, stems };
    if (last) return;
    for (const sum of [...sums, weightSum]) {
      sum.copyWithin(0, stride);
      sum.fill(0, segment - stride);
    }
  }
}
