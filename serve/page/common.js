// What the parts of the page share: elements, texts, requests, and the jobs as they change.

export const byId = (id) => document.getElementById(id);

// `on…` are listeners, `css` custom properties, the rest properties or attributes.
export const element = (tag, properties = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "css") for (const [key, text] of Object.entries(value)) made.style.setProperty(key, text);
    else if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
};

const paths = {
  play: "M7 4.5v15l13-7.5z", pause: "M6 5h4v14H6zM14 5h4v14h-4z", back: "M14.5 5 8 12l6.5 7 1.5-1.4L10.7 12 16 6.4z",
  download: "M11 3h2v9.2l3.3-3.3 1.4 1.4L12 16l-5.7-5.7 1.4-1.4 3.3 3.3zM4 18h16v2H4z",
  remove: "M6.4 5 12 10.6 17.6 5 19 6.4 13.4 12l5.6 5.6-1.4 1.4L12 13.4 6.4 19 5 17.6l5.6-5.6L5 6.4z",
  bin: "M9 3h6l1 2h4v2H4V5h4zM6 9h12l-1 12H7zm3 2 .5 8h1.5l-.5-8zm4.5 0-.5 8h1.5l.5-8z",
  loop: "M7 7h10v3l4-4-4-4v3H5v6h2zm10 10H7v-3l-4 4 4 4v-3h12v-6h-2z",
  spectrogram: "M4 4h3v16H4zM9 9h3v11H9zM14 6h3v14h-3zM19 12h2v8h-2z",
  again: "M12 5V2L7 6.5 12 11V8a5 5 0 1 1-5 5H5a7 7 0 1 0 7-8z",
};
export const icon = (name) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(svg.namespaceURI, "path"));
  svg.firstChild.setAttribute("d", paths[name]);
  return svg;
};
// A button that shows a picture; `label` is what it does.
export const iconButton = (name, label, onclick, more = {}) =>
  element("button", {type: "button", className: "icon", title: label, ariaLabel: label, onclick, ...more}, icon(name));

// ---- Texts.
const two = (number) => String(number).padStart(2, "0");
// "3:05", "1:02:03".
export const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds + 1e-6)), minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
};
export const timeLeft = (seconds) =>
  seconds == null ? "" : seconds < 1 ? "almost done" : seconds < 60 ? `${Math.ceil(seconds)} s left` :
  seconds < 3600 ? `${Math.ceil(seconds / 60)} min left` : `${(seconds / 3600).toFixed(1)} h left`;
export const percent = (part) => `${Math.floor(100 * part + 1e-9)} %`;
export const size = (bytes) => {
  for (const [unit, factor] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]])
    if (bytes >= factor) return `${(bytes / factor).toFixed(bytes < 10 * factor ? 1 : 0)} ${unit}`;
  return `${bytes} bytes`;
};
export const day = (text) => {
  const date = new Date(text), today = new Date().toDateString() === date.toDateString();
  return date.toLocaleString([], today ? {hour: "2-digit", minute: "2-digit"} : {day: "numeric", month: "short", year: "numeric"});
};

// For screen readers: what happened, not every step of it.
export const announce = (text) => { byId("live").textContent = text; };

export const remembered = (key, otherwise) => {
  try { return JSON.parse(localStorage.getItem(key)) ?? otherwise; } catch { return otherwise; }
};
export const remember = (key, value) => {
  try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* not in private windows */ }
};

// ---- Dialogs.
export const confirmed = (text) => new Promise((resolve) => {
  const dialog = byId("confirm");
  byId("confirm_text").textContent = text;
  dialog.returnValue = "no";
  dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), {once: true});
  dialog.showModal();
});

let asking = null;
// Resolves when the server has taken a token. All who are refused wait for the same answer.
export const askToken = () => asking ??= new Promise((resolve, reject) => {
  const dialog = byId("token"), form = dialog.querySelector("form"), fault = form.querySelector(".fault");
  let open = false;
  form.onsubmit = async (event) => {
    event.preventDefault();
    fault.textContent = "";
    try {
      const answer = await fetch("/api/v1/session", {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({token: form.token.value.trim()})});
      if (!answer.ok) throw await problemOf(answer);
      open = true;
      form.reset();
      dialog.close();
    } catch (error) {
      fault.textContent = error.message;
      form.token.select();
    }
  };
  dialog.onclose = () => {
    asking = null;
    if (open) resolve();
    else reject(new Problem(401, "The server asks for a token. Reload the page to enter it."));
  };
  fault.textContent = "";
  dialog.showModal();
});

// ---- Requests.
export class Problem extends Error {
  constructor(status, message, retryAfter = null) {
    super(message);
    this.status = status;          // 0: no answer
    this.retryAfter = retryAfter;  // seconds
  }
}
export const problemFrom = (status, text, retryAfter) => {
  let detail = null;
  try { detail = JSON.parse(text).detail; } catch { /* of something between us and the server */ }
  return new Problem(status, detail ?? `The server answers with status ${status}.`, Number(retryAfter) || null);
};
const problemOf = async (answer) =>
  problemFrom(answer.status, await answer.text().catch(() => ""), answer.headers.get("Retry-After"));
export const silence = () => new Problem(0, "The server does not answer. Is it running, and is the network there?");

// The answer to a request under /api/v1/. Waits while the server is busy making files.
export const ask = async (path, {method = "GET", json, signal} = {}) => {
  for (let patience = 40;; --patience) {
    const answer = await fetch(`/api/v1/${path}`, {
      method, signal, body: json && JSON.stringify(json), headers: json ? {"Content-Type": "application/json"} : {},
    }).catch((error) => { throw error.name === "AbortError" ? error : silence(); });
    if (answer.ok) return answer;
    const problem = await problemOf(answer);
    if (problem.status === 401) await askToken();
    else if (problem.status === 503 && problem.retryAfter && patience > 0) {
      await new Promise((resolve) => setTimeout(resolve, 1000 * problem.retryAfter));
      signal?.throwIfAborted();
    } else throw problem;
  }
};
export const askJson = async (path, options) => (await ask(path, options)).json();

// ---- Jobs: events `job` (detail: a Job), `removed` (its id), `reload` (changes may have been missed).
export const changes = new EventTarget();
const tell = (type, detail) => changes.dispatchEvent(new CustomEvent(type, {detail}));
export const isOpen = (job) => job.state === "queued" || job.state === "running";
const open = new Map();  // jobs that are not at their end
const queue = {timer: null};
export const see = (job) => {
  const before = open.get(job.id);
  if (isOpen(job)) open.set(job.id, job); else open.delete(job.id);
  tell("job", job);
  // Those behind it have moved up.
  if (before?.state === "queued" && job.state !== "queued") {
    clearTimeout(queue.timer);
    queue.timer = setTimeout(async () => {
      if (![...open.values()].some((other) => other.state === "queued")) return;
      const page = await askJson("jobs?state=queued&limit=200").catch(() => ({jobs: []}));
      for (const other of page.jobs) if (open.get(other.id)?.place !== other.place) see(other);
    }, 300);
  }
  return job;
};
export const forget = (id) => { open.delete(id); tell("removed", id); };

let source = null, lost = false;
export const listen = () => {
  if (source) return;
  source = new EventSource("/api/v1/events");
  source.addEventListener("job", (event) => see(JSON.parse(event.data)));
  source.addEventListener("removed", (event) => forget(JSON.parse(event.data).id));
  source.onopen = () => {
    byId("connection").textContent = "";
    lost = false;
    tell("reload");  // what changed before the stream was there
  };
  source.onerror = () => {
    lost = true;
    byId("connection").textContent = "Connecting …";
    if (source.readyState !== EventSource.CLOSED) return;  // else it tries by itself
    source = null;
    setTimeout(() => ask("jobs?limit=1").catch(() => null).then(listen), 2000);
  };
};
// Browsers keep only six connections to a server, for all tabs together: one that nobody looks at
// and that waits for nothing gives its own back.
document.addEventListener("visibilitychange", () => {
  if (document.hidden && open.size === 0 && source) {
    source.close();
    source = null;
    lost = true;
  } else if (!document.hidden && lost) listen();
});
