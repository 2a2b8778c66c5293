// The charts. Each is drawn anew when its choices, the width of the window or the ground change, and for the files that
// are saved: always on white.
const darkGround = matchMedia("(prefers-color-scheme: dark)");
const theme = (dark) => ({
  colours: dark ? data.colours.dark : data.colours.light,
  ink: dark ? "#e6e9ee" : "#1d2430", muted: dark ? "#a0a9b6" : "#5c6675", line: dark ? "#323944" : "#dfe3e8",
});
const symbols = ["circle", "square", "diamond", "triangle-up", "cross", "star", "x", "triangle-down"];
// Plotly takes texts for a kind of HTML.
const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const short = (text, most) => plain(text.length > most ? text.slice(0, most - 1) + "…" : text);

const charts = [];
const axis = (colours, title, more = {}) => ({
  title: {text: title, standoff: 8}, gridcolor: colours.line, linecolor: colours.line, zerolinecolor: colours.muted,
  tickcolor: colours.line, automargin: true, ...more,
});
const plotLayout = (colours, width, height, more) => ({
  width, height, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", colorway: colours.colours,
  font: {family: 'system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif', size: 12, color: colours.ink},
  margin: {l: 20, r: 16, t: 8, b: 40}, showlegend: false, hovermode: "closest",
  dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
  legend: {orientation: "h", y: 1, yanchor: "bottom", x: 0, xanchor: "left"}, ...more,
});
// Methods from above, each at its index.
const methodAxis = (colours, width, more = {}) => axis(colours, "Method", {
  tickmode: "array", tickvals: indices(data.methods), range: [data.methods.length - 0.45, -0.55], zeroline: false,
  ticktext: data.methods.map((method) => short(method.name, width < 480 ? 14 : 28)), ...more,
});
// What stands in a chart without a value.
const emptiness = (traces) => (traces.some((trace) => trace.x.length) ? [] : [{
  xref: "paper", yref: "paper", x: 0.5, y: 0.5, showarrow: false, text: "there are no figures", bgcolor: "rgba(127,127,127,0.2)", borderpad: 6}]);
const config = {displayModeBar: false, showTips: false, logging: 0};

const download = (name, blob) => {
  const address = URL.createObjectURL(blob);
  element("a", {href: address, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
};
const save = async (chart, format) => {
  const {traces, layout, name} = chart.build(theme(false), 720);
  const picture = {data: traces, layout: {...layout, paper_bgcolor: "#fff", plot_bgcolor: "#fff"}};
  const address = await Plotly.toImage(picture, {format, width: layout.width, height: layout.height, scale: format === "png" ? 3 : 1});
  const content = address.slice(address.indexOf(",") + 1);
  download(`${name}.${format}`, format === "svg"
    ? new Blob([decodeURIComponent(content)], {type: "image/svg+xml"})
    : new Blob([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], {type: "image/png"}));
};
const drawChart = (chart, width) => {
  const {traces, layout, label} = chart.build(theme(chart.printed ? false : darkGround.matches), width ?? chart.box.clientWidth);
  chart.box.setAttribute("aria-label", label);
  Plotly.react(chart.box, traces, layout, config);
};
// `build(colours, width)` gives {traces, layout, name, label}: of the file, and for who cannot see it.
const addChart = (place, title, build) => {
  const box = element("div", {className: "chart", role: "img"});
  const chart = {box, build};
  const button = (format) => element("button", {type: "button", ariaLabel: `Save ${title} as ${format.toUpperCase()}`,
    onclick: () => save(chart, format)}, `Save as ${format.toUpperCase()}`);
  place.append(element("figure", {}, element("figcaption", {}, title, element("span", {}, button("svg"), button("png"))), box));
  charts.push(chart);
  return chart;
};
const redraw = () => charts.forEach((chart) => drawChart(chart));

// ---- Figures of songs and of windows.
const shown = {metric: 0, of: 0, shape: 0, against: data.floor >= 0 ? data.floor : data.methods.length - 1};
const metric = () => data.metrics[shown.metric];
const fileName = (...parts) => parts.join("_").toLowerCase().replace(/[^a-z0-9_.-]+/g, "-");
const valuesOf = (method, stem) => {
  if (shown.of === 1 && metric().windows) return {values: method.windows[metric().name][stem], texts: null};
  const songs = indices(data.songs).filter((i) => method.figures[i]?.[stem][shown.metric] != null);
  return {values: songs.map((i) => method.figures[i][stem][shown.metric]), texts: songs.map((i) => plain(data.songs[i]))};
};
const distribution = (stem) => (colours, width) => {
  const ofWindows = shown.of === 1 && metric().windows;
  const traces = [];
  data.methods.forEach((method, m) => {
    const {values, texts} = valuesOf(method, stem);
    if (!values.length) return;
    const colour = colours.colours[m % colours.colours.length];
    const common = {x: values, y: values.map(() => m), orientation: "h", name: plain(method.name), width: 0.7,
                    line: {color: colour, width: 1.5}, marker: {color: colour, size: 5, opacity: 0.75}, jitter: 0.5, pointpos: 0,
                    text: texts ?? undefined, hoverinfo: texts ? "x+text" : "x", hoveron: texts ? "points+" + (shown.shape ? "violins" : "boxes") : undefined};
    traces.push(shown.shape === 0
      ? {...common, type: "box", boxpoints: texts ? "all" : false, boxmean: true, fillcolor: colour + "33"}
      : {...common, type: "violin", points: texts ? "all" : false, box: {visible: true, width: 0.25}, meanline: {visible: true},
         spanmode: "hard", scalemode: "width", fillcolor: colour + "33", width: 0.85});
  });
  return {
    traces, name: fileName(metric().name, data.stems[stem], ofWindows ? "windows" : "songs"),
    label: `${metric().name} of ${data.stems[stem]}, ${ofWindows ? "windows" : "songs"}, by method: ` + data.methods.map((method, m) => {
      const {values} = valuesOf(method, stem);
      return `${method.name} ${figure(meanOf(values))}`;
    }).join(", ") + ` (means, ${metric().unit})`,
    layout: plotLayout(colours, width, Math.max(170, 75 + 32 * data.methods.length), {
      annotations: emptiness(traces),
      xaxis: axis(colours, `${metric().name} of ${short(data.stems[stem], 30)} (${metric().unit})`, {zeroline: true, hoverformat: ".2f"}),
      yaxis: methodAxis(colours, width)}),
  };
};

// ---- Means and differences: a row per method, a mark per stem.
const intervals = (title, name, meansOf) => (colours, width) => {
  const stems = data.stems.length, lines = [];
  const traces = data.stems.map((stem, s) => {
    const rows = data.methods.map((_, m) => [m, meansOf(m)?.[s][shown.metric]]).filter(([, mean]) => mean != null);
    const colour = colours.colours[data.stemColours[s]];
    lines.push(...rows.map(([m, mean]) => `${data.methods[m].name}, ${stem} ${figure(mean[0])}`));
    return {
      type: "scatter", mode: "markers", name: plain(stem), marker: {color: colour, size: 8, symbol: symbols[s % symbols.length]},
      x: rows.map(([, mean]) => mean[0]), y: rows.map(([m]) => m + (s - (stems - 1) / 2) * 0.7 / stems),
      error_x: {type: "data", symmetric: false, array: rows.map(([, mean]) => mean[2] - mean[0]),
                arrayminus: rows.map(([, mean]) => mean[0] - mean[1]), color: colour, thickness: 1.5, width: 3},
      text: rows.map(([m, mean]) => `${plain(data.methods[m].name)}, ${plain(stem)}<br>${figure(mean[0])} (${figure(mean[1])} to ${figure(mean[2])}), ${mean[3]} songs`),
      hoverinfo: "text",
    };
  });
  return {
    traces, name: fileName(metric().name, name), label: `${title()}: ${lines.join("; ")} (${metric().unit})`,
    layout: plotLayout(colours, width, Math.max(190, 100 + data.methods.length * Math.max(26, 11 * stems)), {
      annotations: emptiness(traces),
      showlegend: true, margin: {l: 20, r: 16, t: 30, b: 40},
      xaxis: axis(colours, `${title()} (${metric().unit})`, {zeroline: true}), yaxis: methodAxis(colours, width)}),
  };
};
const differenceTo = (other) => (method) => {
  if (method === other) return null;
  for (const difference of data.differences) {
    if (difference.method === method && difference.other === other) return difference.means;
    if (difference.method === other && difference.other === method)
      return difference.means.map((row) => row.map((mean) => mean && [-mean[0], -mean[2], -mean[1], mean[3]]));
  }
  return null;
};

// ---- Speed against quality.
const meanSdr = (method) => meanOf(method.means.map((row) => row[0]?.[0]));
const timed = data.methods.map((method, m) => ({...method, m, sdr: meanSdr(method)}))
  .filter((method) => method.speed != null && method.sdr != null && method.m !== data.floor);
const speed = (colours, width) => {
  const floor = data.floor >= 0 ? meanSdr(data.methods[data.floor]) : null;
  const logs = timed.map((method) => Math.log10(method.speed));
  const range = [Math.min(...logs) - 0.2, Math.max(...logs) + 0.2], steps = range[1] - range[0] > 3 ? [1] : [1, 2, 5];
  const ticks = indices(Array(16).fill()).flatMap((e) => steps.map((step) => step * 10 ** (e - 6)));
  return {
    name: "speed_quality",
    label: "Mean SDR and speed: " + timed.map((method) => `${method.name} ${figure(method.sdr)} dB, ${figure(method.speed, 1)} times real time`).join("; "),
    traces: timed.map((method) => ({
      type: "scatter", mode: "markers", name: short(method.name, 28), x: [method.speed], y: [method.sdr],
      marker: {size: 12, color: colours.colours[method.m % colours.colours.length], symbol: symbols[(method.m + Math.floor(method.m / symbols.length)) % symbols.length]},
      hovertemplate: `${plain(method.name)}<br>%{y:.2f} dB<br>%{x:.3~g} × real time<extra></extra>`,
    })),
    layout: plotLayout(colours, width, width < 480 ? 480 : 420, {
      showlegend: true, margin: {l: 20, r: 16, t: 10, b: 40},
      xaxis: axis(colours, "Speed (times real time, logarithmic)", {type: "log", range, tickmode: "array", tickvals: ticks, ticktext: ticks.map((tick) => String(Number(tick.toPrecision(1))))}),
      yaxis: axis(colours, "Mean SDR over stems (dB)", {zeroline: true}),
      shapes: floor == null ? [] : [{type: "line", xref: "paper", x0: 0, x1: 1, y0: floor, y1: floor, line: {color: colours.muted, dash: "dot", width: 1.5}}],
      annotations: floor == null ? [] : [{xref: "paper", x: 1, xanchor: "right", y: floor, yanchor: "bottom", showarrow: false,
                                          text: plain(data.methods[data.floor].name), font: {color: colours.muted}}]}),
  };
};

// ---- The sections.
const about = element("p", {className: "muted"});
const several = data.methods.length > 1;
const update = () => {
  about.textContent = `${metric().name}: ${metric().about}; ${metric().higher ? "higher" : "lower"} is better.` +
    (shown.of === 1 && !metric().windows ? " It has no figures of windows: those of songs are shown." : "");
  redraw();
  fillTable();
};
const set = (key) => (value) => { shown[key] = value; update(); };
section("figures", "Figures by stem",
  element("div", {className: "tools"},
    choice("Metric", data.metrics.map((m, i) => [i, withUnit(m)]), 0, set("metric")),
    choice("Values of", [[0, "songs"], [1, data.windowSeconds > 0 ? `windows of ${data.windowSeconds} s` : "windows"]], 0, set("of")),
    choice("Shape", [[0, "box plots"], [1, "violins"]], 0, set("shape"))), about,
  element("div", {className: "charts", id: "distributions"}),
  element("p", {className: "muted"}, "Boxes reach from quartile to quartile, with a line at the median and a dashed one at the mean; whiskers reach to the last " +
    "value within 1.5 times the box. Violins are as wide as values are dense. Points are songs."));
data.stems.forEach((stem, s) => addChart(document.getElementById("distributions"), stem, distribution(s)));
const means = section("means", "Means with 95 % intervals",
  element("p", {className: "muted"}, "Means over songs; the intervals are of 2000 bootstrap draws of songs. The metric is the one chosen above."));
addChart(means, "Means over songs", intervals(() => `Mean ${metric().name}`, "means", (m) => data.methods[m].means));
if (several) {
  const place = section("differences", "Paired differences",
    element("p", {className: "muted"}, "By how much a method differs from the chosen one, song by song: means over songs with 95 % intervals (bootstrap). An interval " +
      "that does not reach zero is a difference that these songs show."),
    element("div", {className: "tools"}, choice("Against", names(data.methods), shown.against, set("against"))));
  addChart(place, "Differences", intervals(
    () => `${metric().name} less that of ${short(data.methods[shown.against].name, 20)}`, "differences", (m) => differenceTo(shown.against)(m)));
}
if (several && timed.length) {
  const place = section("speed", "Speed and quality",
    element("p", {className: "muted"}, "How many times faster than the songs play a method separated them on this machine, and its mean SDR."));
  addChart(place, "Speed against mean SDR", speed);
}
