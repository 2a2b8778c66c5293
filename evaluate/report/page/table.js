// All songs by all methods, sorted by a click on a column's head.
const table = {method: -1, stem: -1, column: 0, ascending: true};
const body = element("tbody"), head = element("thead");
const songsPlace = section("songs", "All songs",
  element("div", {className: "tools"},
    choice("Metric", data.metrics.map((m, i) => [i, withUnit(m)]), 0, (value) => {
      document.querySelector("#figures select").value = String(value);
      set("metric")(value);
    }),
    choice("Method", [[-1, "all"], ...names(data.methods)], -1, (value) => { table.method = value; fillTable(); }),
    choice("Stem", [[-1, "all"], ...names(data.stems)], -1, (value) => { table.stem = value; table.column = 0; table.ascending = true; fillTable(); })),
  element("div", {className: "scroll", tabIndex: 0, role: "region", ariaLabel: "All songs"}, element("table", {className: "figures"}, head, body)));

function fillTable() {
  songsPlace.querySelector("select").value = String(shown.metric);
  const stems = table.stem < 0 ? indices(data.stems) : [table.stem];
  const columns = ["Song", "Method", ...stems.map((s) => `${data.stems[s]} (${metric().unit})`), ...(stems.length > 1 ? [`mean (${metric().unit})`] : [])];
  const rows = [];
  data.methods.forEach((method, m) => {
    if (table.method >= 0 && table.method !== m) return;
    method.figures.forEach((figures, song) => {
      if (!figures) return;
      const values = stems.map((s) => figures[s][shown.metric]);
      rows.push([data.songs[song], method.name, ...values, ...(stems.length > 1 ? [meanOf(values)] : [])]);
    });
  });
  const compare = (a, b) => typeof a === "string" ? a.localeCompare(b, "en", {numeric: true}) : a - b;
  // Rows without a figure come last, whichever way.
  rows.sort((a, b) => {
    const [x, y] = [a[table.column], b[table.column]];
    if (x == null || y == null) return (x == null) - (y == null);
    return (table.ascending ? 1 : -1) * compare(x, y);
  });
  const focused = head.contains(document.activeElement);
  head.replaceChildren(element("tr", {}, ...columns.map((name, c) => {
    const sorted = c === table.column;
    const cell = element("th", {scope: "col"}, element("button", {type: "button", onclick: () => {
      table.ascending = sorted ? !table.ascending : c < 2;
      table.column = c;
      fillTable();
    }}, name));
    if (sorted) cell.setAttribute("aria-sort", table.ascending ? "ascending" : "descending");
    return cell;
  })));
  if (focused) head.querySelectorAll("button")[table.column].focus();
  body.replaceChildren(...rows.map((row) => element("tr", {}, element("th", {scope: "row"}, row[0]),
    ...row.slice(1).map((value) => element("td", {}, typeof value === "string" ? value : figure(value))))));
}

update();
let drawnWidth = innerWidth;
addEventListener("resize", () => { if (innerWidth !== drawnWidth) { drawnWidth = innerWidth; redraw(); } });
darkGround.addEventListener("change", redraw);
// Paper is white and narrower than most windows.
addEventListener("beforeprint", () => charts.forEach((chart) => { chart.printed = true; drawChart(chart, Math.min(640, chart.box.clientWidth)); }));
addEventListener("afterprint", () => { charts.forEach((chart) => { chart.printed = false; }); redraw(); });
