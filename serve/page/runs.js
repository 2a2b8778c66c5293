// Training runs and comparisons: their reports in a frame of its own origin, live.
import {askJson, byId, day, element} from "/page/common.js";

const view = byId("runs_view");
let timer = null;

export const loadRuns = async () => (await askJson("runs").catch(() => ({runs: []}))).runs.length > 0;

const list = (runs) => element("ul", {className: "list"}, ...runs.map((run) => element("li", {className: "row"},
  element("div", {className: "what"}, element("a", {href: `#run=${encodeURIComponent(run.name)}`, className: "title"}, run.name),
    element("p", {className: "muted"}, `${run.kind}, changed ${day(run.changed_at)}`)))));

export const showRuns = async (name) => {
  const title = element("h1", {tabIndex: -1}, name ?? "Training runs");
  const fault = element("p", {className: "fault", role: "alert"});
  const place = element("div");
  view.replaceChildren(...(name ? [element("a", {href: "#runs", className: "to_list"}, "All runs")] : []), title, fault, place);
  title.focus();
  let changed = null, frame = null;
  const look = async () => {
    try {
      const {runs} = await askJson("runs");
      fault.textContent = "";
      const run = runs.find((other) => other.name === name);
      if (!name) {
        const text = JSON.stringify(runs);
        if (text !== changed) place.replaceChildren(runs.length ? list(runs) : element("p", {className: "muted"}, "There are no runs."));
        changed = text;
      } else if (!run) fault.textContent = "There is no run of this name.";
      else if (run.changed_at !== changed) {
        changed = run.changed_at;
        // A frame without this page's origin: reports hold scripts.
        const made = element("iframe", {title: `Report of ${name}`, sandbox: "allow-scripts allow-downloads", src: run.page});
        frame?.remove();
        frame = made;
        place.append(made);
      }
    } catch (error) {
      fault.textContent = error.message;
    }
  };
  await look();
  if (title.isConnected) timer = setInterval(() => { if (!document.hidden) look(); }, 5000);
};
export const hideRuns = () => { clearInterval(timer); view.replaceChildren(); };
