// The list of jobs, and the view of one: its progress, why it failed, or its mixer.
import {announce, ask, askJson, byId, changes, clock, confirmed, day, element, forget, iconButton, isOpen, percent, see, timeLeft} from "/page/common.js";
import {openMixer} from "/page/mixer.js";
import {addSong} from "/page/songs.js";
import {drawWaveform} from "/page/waveform.js";

const nth = (place) => place === 1 ? "next in the queue" : `number ${place} in the queue`;
// What a job is doing, in a few words.
const stateText = (job) => ({
  queued: () => `Waits, ${nth(job.place)}`,
  running: () => [percent(job.progress), timeLeft(job.seconds_left)].filter(Boolean).join(", "),
  done: () => clock(job.result?.seconds ?? 0),
  failed: () => job.message ?? "It failed.",
  cancelled: () => "Cancelled",
})[job.state]();
const progressBar = (job) => element("progress", {max: 1, ariaLabel: `Progress of ${job.title}`,
  ...(job.state === "running" ? {value: job.progress} : {value: 0})});

// ---- What can be done with one.
const faultOf = (error) => { announce(error.message); byId("connection").textContent = error.message; };
const cancel = (job) => ask(`jobs/${job.id}/cancel`, {method: "POST"}).then(async (answer) => see(await answer.json())).catch(faultOf);
const retry = async (job) => {
  const again = see(await askJson("jobs", {method: "POST", json: job.request}));
  announce(`${job.title} is in the queue.`);
  return again;
};
const remove = async (job) => {
  if (!await confirmed(`Delete “${job.title}” and its stems from the server?`)) return false;
  await ask(`jobs/${job.id}`, {method: "DELETE"});
  forget(job.id);
  announce(`${job.title} is deleted.`);
  return true;
};

// ---- Announcements: quarters of jobs that are looked at, and every end.
const told = new Map();
changes.addEventListener("job", ({detail: job}) => {
  const before = told.get(job.id);
  const step = job.state === "running" ? `running ${Math.floor(4 * job.progress)}` : job.state;
  told.set(job.id, step);
  if (before === undefined || before === step) return;
  if (job.state === "running" && shownJob !== job.id) return;
  announce({
    queued: () => `${job.title} waits in the queue.`,
    running: () => `${job.title}: ${25 * Math.floor(4 * job.progress)} %`,
    done: () => `${job.title} is separated.`,
    failed: () => `${job.title} failed: ${job.message}`,
    cancelled: () => `${job.title} is cancelled.`,
  }[job.state]());
});

// ---- The list.
const rows = new Map();  // id → {job, root}, newest first
let next = null, asked = 0;
const search = byId("search");

const makeRow = (job) => {
  const row = {root: element("li", {className: "row"})};
  row.draw = (job) => {
    const kept = row.root.contains(document.activeElement) ? document.activeElement.dataset.action : null;
    row.job = job;
    row.root.dataset.state = job.state;
    const action = (name, picture, label, onclick) => iconButton(picture, `${label} ${job.title}`, onclick, {"data-action": name});
    row.root.replaceChildren(
      element("div", {className: "what"},
        element("a", {href: `#job=${job.id}`, className: "title", "data-action": "open"}, job.title),
        element("p", {className: "muted"},
          ...(job.result?.stems ?? job.stems.map((name) => ({name}))).map(({name, colour}) => element("span", {className: "stem", css: {"--stem": colour === undefined ? "var(--line)" : `var(--stem-${colour})`}},
            element("i", {className: "dot"}), `${name} `)), `${job.model} · ${day(job.created_at)}`)),
      element("div", {className: "how"}, isOpen(job) ? progressBar(job) : null,
        element("p", {className: job.state === "failed" ? "fault" : "muted"}, stateText(job))),
      element("span", {className: "buttons"},
        isOpen(job) ? action("cancel", "remove", "Cancel", () => cancel(job)) : null,
        job.state === "failed" || job.state === "cancelled" ? action("again", "again", "Try again:", () => retry(job).catch(faultOf)) : null,
        isOpen(job) ? null : action("delete", "bin", "Delete", () => remove(job).catch(faultOf))));
    if (kept) (row.root.querySelector(`[data-action=${kept}]`) ?? row.root.querySelector("a")).focus();
  };
  // Nothing but figures: the row stays as it is.
  row.update = (job) => {
    const figures = job.state === row.job.state && isOpen(job);
    if (!figures) return row.draw(job);
    row.job = job;
    if (job.state === "running") row.root.querySelector("progress").value = job.progress;
    row.root.querySelector(".how p").textContent = stateText(job);
  };
  row.draw(job);
  return row;
};
const showNone = () => {
  const none = byId("none");
  none.hidden = rows.size > 0;
  none.textContent = search.value ? `No song is called “${search.value}”.` : "Songs that you separate appear here.";
  byId("more").hidden = next === null;
};
const place = (job) => {
  const row = rows.get(job.id);
  if (row) return row.update(job);
  if (!job.title.toLowerCase().includes(search.value.trim().toLowerCase())) return;
  const older = [...rows.values()].find((other) => other.job.number < job.number);
  if (!older && next !== null) return;  // of a page that is not shown
  const made = makeRow(job);
  byId("rows").insertBefore(made.root, older?.root ?? null);
  rows.set(job.id, made);
  const sorted = [...rows].sort((a, b) => b[1].job.number - a[1].job.number);
  rows.clear();
  for (const [id, entry] of sorted) rows.set(id, entry);
  showNone();
};
const load = async (more) => {
  const turn = ++asked;
  const query = new URLSearchParams({limit: "30"});
  if (search.value.trim()) query.set("search", search.value.trim());
  if (more && next !== null) query.set("before", next);
  const page = await askJson(`jobs?${query}`).catch(faultOf);
  if (!page || turn !== asked) return;
  if (!more) { rows.clear(); byId("rows").replaceChildren(); }
  next = null;
  for (const job of page.jobs) { place(job); see(job); }
  next = page.next;
  showNone();
};
changes.addEventListener("job", ({detail: job}) => place(job));
changes.addEventListener("removed", ({detail: id}) => {
  const row = rows.get(id);
  if (!row) return;
  const focused = row.root.contains(document.activeElement) || document.activeElement === document.body;
  const other = row.root.nextElementSibling ?? row.root.previousElementSibling;
  row.root.remove();
  rows.delete(id);
  if (focused && !byId("songs_view").hidden) (other?.querySelector("a") ?? search).focus();
  showNone();
});
changes.addEventListener("reload", () => load(false));
let typing = null;
search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => load(false), 250); });
byId("more").onclick = () => load(true);
export const loadJobs = () => load(false);

// ---- One job.
const view = byId("job_view");
let shownJob = null, closeView = () => {}, updateView = () => {};

const head = (job) => {
  const again = element("button", {type: "button", onclick: () => { location.hash = "songs"; addSong(job.song).catch(faultOf); }}, "Separate again");
  return element("div", {className: "job_head"},
    element("a", {href: "#songs", className: "to_list"}, "All songs"),
    element("div", {className: "heading"},
      element("h1", {tabIndex: -1}, job.title),
      element("span", {className: "buttons"}, isOpen(job) ? null : again,
        isOpen(job) ? null : iconButton("bin", `Delete ${job.title}`, () => remove(job).then((gone) => { if (gone) location.hash = "songs"; }).catch(faultOf)))),
    element("p", {className: "muted"}, [job.result ? clock(job.result.seconds) : null, job.model, job.stems.join(", "), day(job.created_at)].filter(Boolean).join(" · ")));
};

const drawOpen = (job) => {
  const place = element("div", {className: "waveform", ariaHidden: "true"});
  const bar = progressBar(job);
  const text = element("p", {className: "state"});
  const share = element("p", {className: "share", ariaHidden: "true"});
  let wave = null, gone = false, now = job;
  askJson(`songs/${job.song}/peaks`).then((peaks) => {
    if (gone) return;
    wave = drawWaveform(place, peaks, {height: 120});
    wave.on("ready", () => update(now));
    wave.seconds = peaks.seconds;
  }).catch(() => null);
  const update = (job) => {
    now = job;
    bar.value = job.progress;
    share.textContent = job.state === "queued" ? "" : percent(job.progress);
    text.textContent = job.state === "queued" ? `Waits: ${nth(job.place)}` : timeLeft(job.seconds_left) || "Separating …";
    document.title = job.state === "queued" ? job.title : `${percent(job.progress)} · ${job.title}`;
    wave?.setTime(job.progress * wave.seconds);
  };
  update(job);
  view.append(element("div", {className: "card progress_card"}, place, bar, element("div", {className: "heading"}, share, text,
    element("button", {type: "button", onclick: () => cancel(now)}, "Cancel"))));
  return {update, close: () => { gone = true; wave?.destroy(); }};
};
const drawEnded = (job) => {
  const fault = element("p", {className: "fault", role: "alert"});
  view.append(element("div", {className: "card"},
    element("p", {className: job.state === "failed" ? "fault" : ""}, job.state === "failed" ? stateText(job) : "This job was cancelled before its end."),
    element("p", {className: "actions left"}, element("button", {type: "button", className: "primary",
      onclick: () => retry(job).then((made) => { location.hash = `job=${made.id}`; }).catch((error) => { fault.textContent = error.message; })}, "Try again")),
    fault));
  return {};
};
const drawJob = (job, focus) => {
  const inside = view.contains(document.activeElement) || document.activeElement === document.body;
  closeView();
  view.replaceChildren(head(job));
  document.title = job.title;
  const drawn = isOpen(job) ? drawOpen(job) : job.state === "done" ? openMixer(view, job) : drawEnded(job);
  let state = job.state;
  updateView = (changed) => {
    // From the queue to work nothing but figures changes.
    if (changed.state === state || (isOpen(changed) && isOpen({state}))) { state = changed.state; drawn.update?.(changed); }
    else drawJob(changed, inside);
  };
  closeView = () => { drawn.close?.(); closeView = () => {}; updateView = () => {}; };
  if (focus) view.querySelector("h1").focus();
};
changes.addEventListener("job", ({detail: job}) => { if (job.id === shownJob) updateView(job); });
changes.addEventListener("removed", ({detail: id}) => { if (id === shownJob && !view.hidden) location.hash = "songs"; });
changes.addEventListener("reload", () => { if (shownJob) askJson(`jobs/${shownJob}`).then(see).catch(() => null); });

export const showJob = async (id) => {
  shownJob = id;
  view.replaceChildren();
  try {
    const job = await askJson(`jobs/${encodeURIComponent(id)}`);
    if (shownJob === id) drawJob(job, true);
  } catch (error) {
    if (shownJob !== id) return;
    view.replaceChildren(element("a", {href: "#songs", className: "to_list"}, "All songs"),
      element("h1", {tabIndex: -1}, "This song cannot be shown"), element("p", {className: "fault"}, error.message));
    view.querySelector("h1").focus();
  }
};
export const leaveJob = () => { closeView(); shownJob = null; view.replaceChildren(); };
