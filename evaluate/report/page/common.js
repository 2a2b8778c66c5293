// What the parts of the page share. The data beside it:
// {stems, stemColours, colours: {light, dark}, songs, floor: index of a method or −1, windowSeconds,
//  metrics: [{name, unit, about, higher, windows}],
//  methods: [{name, speed, figures: [song][stem][metric], windows: {metric: [stem][…]}, means}],
//  differences: [{method, other, means}]}, where means are [stem][metric] → [mean, low, high, songs]; null where there
// is nothing. Stems, methods, songs and metrics are indices.
const data = JSON.parse(document.getElementById("data").textContent);
const indices = (list) => list.map((_, i) => i);

const element = (tag, properties = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
};
const figure = (value, decimals = 2) =>
  value == null ? "–" : value.toFixed(decimals).replace("-", "\u2212");
const meanOf = (values) => {
  const known = values.filter((v) => v != null);
  return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
};
const withUnit = (metric) => `${metric.name} (${metric.unit})`;

// A heading with an entry in the page's list of parts, and a place below it.
const section = (id, title, ...children) => {
  const place = element("section", {id}, element("h2", {}, title), ...children);
  document.getElementById("charts").append(place);
  return place;
};
// <label>TITLE <select></label>; `options` are [value, text].
const choice = (title, options, value, change) => {
  const select = element("select", {onchange: () => change(Number(select.value))});
  for (const [key, text] of options) select.append(element("option", {value: String(key)}, text));
  select.value = String(value);
  return element("label", {}, title, select);
};
const names = (list) => list.map((item, i) => [i, item.name ?? item]);
