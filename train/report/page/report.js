// Draws the charts of a report from the JSON beside it, and ties the players of a song together.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const palette = () => [1, 2, 3, 4, 5, 6, 7, 8].map((i) => colour(`--c${i}`));
  const words = (key) => {
    const text = key.replaceAll("_", " ").replace(/\bsdr\b/g, "SDR").replace(/\bnSDR\b|\bnsdr\b/g, "nSDR").replace(/ db$/, " (dB)");
    return text[0].toUpperCase() + text.slice(1);
  };
  const short = (value) => {
    if (value == null) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
    return value.toPrecision(size >= 1000 ? 6 : 4).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  };
  // The moving mean that is drawn on top of a restless line.
  const smooth = (values) => {
    const reach = Math.max(1, Math.round(values.length / 60));
    return values.map((_, i) => {
      const near = values.slice(Math.max(0, i - reach), i + reach + 1).filter((v) => v != null);
      return near.length ? near.reduce((a, b) => a + b, 0) / near.length : null;
    });
  };

  // Lines, one or none: {name, x, y, pale, dash, ink}.
  const line = (event, key, name, more) => {
    const table = data.series[event];
    return table && table[key] ? [{name, x: table.step, y: table[key], ...more}] : [];
  };
  const charts = [];
  const used = new Set(["train/step", "train/epoch", "train/seconds", "train/skipped_draws", "validation/step"]);
  const stemColour = new Map(data.stems.map((stem, i) => [stem, data.colours[i]]));
  const chart = (title, options, ...parts) => {
    const lines = parts.flat(2);
    if (lines.some((l) => l.y.some((v) => v != null))) charts.push({title, lines, ...options});
  };
  const take = (...keys) => keys.forEach((key) => used.add(key));

  const loss = line("train", "loss", "training");
  const mean = loss.length && loss[0].y.length > 120 ? [{...loss[0], name: "training, mean", y: smooth(loss[0].y)}] : [];
  chart("Loss", {log: true, kept: true}, loss.map((l) => ({...l, pale: mean.length > 0})), mean, line("validation", "loss", "validation"));
  take("train/loss", "validation/loss");
  // Figures by stem: a chart for each kind, SDR first. What the mixture has is the line to beat.
  const tables = data.series.validation || {};
  const kinds = [...new Set(Object.keys(tables).filter((k) => k.includes("/")).map((k) => k.split("/")[0]))];
  kinds.sort((a, b) => (b === "sdr_db") - (a === "sdr_db"));
  for (const kind of kinds) {
    const keys = Object.keys(tables).filter((k) => k.startsWith(kind + "/"));
    const rank = (key) => (data.stems.indexOf(key.slice(kind.length + 1)) + 1) || Infinity;
    keys.sort((a, b) => rank(a) - rank(b));
    keys.forEach((k) => take("validation/" + k));
    if (kind === "mixture_sdr_db") continue;
    chart(kind === "sdr_db" ? "SDR per stem (dB)" : words(kind), {kept: true},
          keys.map((k) => line("validation", k, k.slice(kind.length + 1), {colour: stemColour.get(k.slice(kind.length + 1))})),
          kind === "sdr_db" ? line("validation", "mean_sdr_db", "mean", {dash: [6, 4], ink: true}) : []);
  }
  take("validation/mean_sdr_db");
  chart("Learning rate", {}, line("train", "learning_rate", "learning rate"));
  chart("Samples per second", {zero: true}, line("train", "samples_per_second", "samples/s"));
  chart("Share of time not spent computing", {percent: true, zero: true},
        line("train", "data_wait", "waiting for data"), line("train", "overhead", "overhead"));
  take("train/learning_rate", "train/samples_per_second", "train/data_wait", "train/overhead");
  for (const event of Object.keys(data.series)) {
    for (const key of Object.keys(data.series[event])) {
      if (key === "step" || used.has(`${event}/${key}`)) continue;
      chart(words(key.replaceAll("/", " ")) + (event === "train" ? "" : `, ${event}`), {}, line(event, key, words(key)));
    }
  }

  const describe = ({title, lines}) => title + ": " + lines.filter((l) => !l.pale).map((l) => {
    const values = l.y.filter((v) => v != null);
    return `${l.name} from ${short(values[0])} to ${short(values.at(-1))}`;
  }).join("; ");

  // Where the kept checkpoint is.
  const mark = (plot) => {
    const {ctx, bbox} = plot;
    const x = Math.round(plot.valToPos(data.kept, "x", true));
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) return;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("--ink");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    const left = x > bbox.left + bbox.width / 2;
    ctx.textAlign = left ? "right" : "left";
    ctx.textBaseline = "top";
    ctx.fillText("kept", x + (left ? -5 : 5) * devicePixelRatio, bbox.top + 2 * devicePixelRatio);
    ctx.restore();
  };

  const draw = (box, spec) => {
    const colours = palette();
    const joined = uPlot.join(spec.lines.map((l) => [l.x, l.y]));
    // Of the place under the pointer; without one the newest.
    const newest = (values) => values.findLast((v) => v != null);
    const value = (plot, v, i, place) => {
      const shown = place == null ? newest(plot.data[i]) : v;
      return shown == null ? "–" : spec.percent ? (100 * shown).toFixed(1) + " %" : short(shown);
    };
    const positive = spec.lines.every((l) => l.y.every((v) => v == null || v > 0));
    const axis = {stroke: colour("--muted"), grid: {stroke: colour("--line"), width: 1}, ticks: {stroke: colour("--line"), width: 1},
                  font: "12px system-ui, sans-serif"};
    // The pale line has the colour of its mean.
    let next = 0;
    const series = spec.lines.map((l) => {
      const stroke = l.ink ? colour("--ink") : colours[l.colour ?? (l.pale ? next : next++) % colours.length];
      return {label: l.name, stroke: l.pale ? stroke + "59" : stroke, width: l.pale ? 1 : 2, dash: l.dash, spanGaps: true, value,
              // A line through few values would be none: these are dots.
              points: {show: l.x.length <= 60, size: l.x.length <= 3 ? 10 : 5, fill: stroke}};
    });
    return new uPlot({
      width: box.clientWidth, height: 250,
      series: [{label: "step", value: (plot, v, i, place) => String(place == null ? newest(plot.data[0]) : v)}, ...series],
      scales: {x: {time: false, range: (_, low, high) => (low === high ? [low - 1, high + 1] : [low, high])},
               y: {distr: spec.log && positive ? 3 : 1, range: spec.zero ? (_, low, high) => [0, 1.1 * (high || (spec.percent ? 0.01 : 1))] : undefined}},
      axes: [{...axis, label: "step", labelSize: 20, labelFont: axis.font, size: 34, incrs: [1, 2, 5].flatMap((m) => [...Array(9)].map((_, e) => m * 10 ** e)).sort((a, b) => a - b)}, {...axis, size: 66, values: (_, ticks) =>
        ticks.map((v) => (v == null ? null : spec.percent ? +(100 * v).toFixed(2) + " %" : short(v)))}],
      hooks: {draw: spec.kept && data.kept != null ? [mark] : []},
      cursor: {sync: {key: "steps"}, drag: {x: true, y: false}},
    }, joined, box);
  };

  const place = document.getElementById("charts");
  const boxes = charts.map((spec) => {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = spec.title;
    const box = document.createElement("div");
    box.className = "chart";
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", describe(spec));
    figure.append(caption, box);
    place.append(figure);
    return [box, spec];
  });
  let plots = [];
  const redraw = () => {
    plots.forEach((plot) => plot.destroy());
    plots = boxes.map(([box, spec]) => draw(box, spec));
  };
  redraw();
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(); } });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // One sound at a time; another one of the song goes on where it was, so that they can be compared.
  let last = null, lastSong = null;
  for (const song of document.querySelectorAll("article")) {
    const sounds = [...song.querySelectorAll(".sound")].map((sound) => ({
      audio: sound.querySelector("audio"), view: sound.querySelector(".view"), head: sound.querySelector("i")}));
    for (const {audio, view, head} of sounds) {
      audio.addEventListener("play", () => {
        if (last && last !== audio) {
          last.pause();
          if (lastSong === song && !last.ended) audio.currentTime = last.currentTime;
        }
        last = audio;
        lastSong = song;
      });
      audio.addEventListener("timeupdate", () => {
        head.style.visibility = "visible";
        head.style.left = `${100 * audio.currentTime / (audio.duration || 1)}%`;
      });
      view.addEventListener("click", (event) => {
        const seek = () => { audio.currentTime = audio.duration * event.offsetX / view.clientWidth; };
        if (audio.readyState > 0) seek();
        else { audio.addEventListener("loadedmetadata", seek, {once: true}); audio.load(); }
      });
    }
  }
})();
