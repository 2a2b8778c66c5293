// The views of the page and what leads to them: #songs, #job=ID, #runs, #run=NAME.
import {askJson, byId, element, listen, size} from "/page/common.js";
import {leaveJob, loadJobs, showJob} from "/page/jobs.js";
import {setFormats} from "/page/mixer.js";
import {addFiles, addWaiting, setOffer} from "/page/songs.js";
import {hideRuns, loadRuns, showRuns} from "/page/runs.js";
import {setColours} from "/page/waveform.js";

const views = ["songs_view", "job_view", "runs_view"].map(byId);
let first = true;
const route = () => {
  const [name, value] = decodeURIComponent(location.hash.slice(1)).split(/=(.*)/s);
  const view = byId(name === "job" && value ? "job_view" : name === "runs" || name === "run" ? "runs_view" : "songs_view");
  leaveJob();
  hideRuns();
  for (const other of views) other.hidden = other !== view;
  for (const link of document.querySelectorAll("#views a"))
    link.toggleAttribute("aria-current", link.hash === (view.id === "runs_view" ? "#runs" : "#songs"));
  document.title = "stemsmith";
  if (view.id === "job_view") showJob(value);
  else if (view.id === "runs_view") showRuns(value);
  else if (!first) view.querySelector("h1").focus();
  if (!first) scrollTo(0, 0);
  first = false;
};

// ---- Files: chosen, dropped anywhere, pasted.
const files = byId("files"), veil = byId("veil");
byId("choose").onclick = () => files.click();
files.onchange = () => { addFiles([...files.files]); files.value = ""; };
const take = (transfer) => {
  const items = [...transfer.items ?? []].filter((item) => item.kind === "file");
  const chosen = items.filter((item) => !item.webkitGetAsEntry?.()?.isDirectory).map((item) => item.getAsFile()).filter(Boolean);
  if (chosen.length < items.length) byId("connection").textContent = "Folders are left out: drop the files in them.";
  if (chosen.length) addFiles(chosen);
};
const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
let depth = 0;  // of elements that are dragged over
addEventListener("dragenter", (event) => { if (hasFiles(event)) { event.preventDefault(); ++depth; veil.hidden = false; } });
addEventListener("dragover", (event) => { if (hasFiles(event)) event.preventDefault(); });
addEventListener("dragleave", (event) => { if (hasFiles(event) && --depth <= 0) { depth = 0; veil.hidden = true; } });
addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  depth = 0;
  veil.hidden = true;
  take(event.dataTransfer);
});
addEventListener("paste", (event) => { if (event.clipboardData?.files.length) take(event.clipboardData); });

// ---- Start.
try {
  const offer = await askJson("models");
  setColours(offer.colours);
  setOffer(offer);
  setFormats(offer);
  byId("limits").textContent = `Any audio or video file, up to ${Math.floor(offer.limits.song_seconds / 60)} minutes and ${size(offer.limits.upload_bytes)}`;
  addEventListener("hashchange", route);
  route();
  listen();
  await loadJobs();
  await addWaiting();
  byId("views").hidden = !await loadRuns();
} catch (error) {
  byId("songs_view").hidden = false;
  byId("drop").replaceChildren(element("p", {className: "fault", role: "alert"}, error.message),
    element("p", {}, element("button", {type: "button", onclick: () => location.reload()}, "Try again")));
}
