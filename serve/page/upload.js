// Uploads after the tus protocol (1.0.0): in pieces, gone on with after a fault of the network or when the same
// file is chosen again.
import {askToken, Problem, problemFrom, remember, remembered, silence} from "/page/common.js";

const piece = 8 << 20;  // bytes
const longestPause = 30;  // seconds
const mostFaults = 12;  // without a byte in between
const atOnce = 2;  // leaves connections for the rest of the page

let running = 0;
const waiting = [];
const turn = () => new Promise((resolve) => {
  if (running < atOnce) { ++running; resolve(); } else waiting.push(resolve);
});
const leave = () => { const next = waiting.shift(); if (next) next(); else --running; };

const pause = (seconds, signal) => new Promise((resolve) => {
  const timer = setTimeout(done, 1000 * seconds);
  function done() {
    clearTimeout(timer);
    removeEventListener("online", done);
    resolve();
  }
  addEventListener("online", done);
  signal.addEventListener("abort", done, {once: true});
});

// Fetch does not say how much of a body is sent.
const send = (method, address, headers, body, signal, progress) => new Promise((resolve, reject) => {
  const request = new XMLHttpRequest();
  request.open(method, address);
  request.setRequestHeader("Tus-Resumable", "1.0.0");
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  if (progress) request.upload.onprogress = (event) => progress(event.loaded);
  const stop = () => request.abort();
  signal.addEventListener("abort", stop, {once: true});
  request.onabort = () => reject(new DOMException("given up", "AbortError"));
  request.onerror = () => reject(silence());
  request.onload = () => {
    if (request.status < 300) resolve(request);
    else reject(problemFrom(request.status, request.responseText, request.getResponseHeader("Retry-After")));
  };
  request.onloadend = () => signal.removeEventListener("abort", stop);
  request.send(body);
});

const inBase64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

// Resolves to the id of the song. `state` is told {sent, paused} (bytes, a sentence or null). Rejects with a
// Problem, or an AbortError once `signal` is.
export const upload = async (file, signal, state) => {
  await turn();
  const key = `upload:${file.name}:${file.size}:${file.lastModified}`;
  let address = remembered(key, null), offset = null, faults = 0;
  const drop = () => { localStorage.removeItem(key); address = null; offset = null; };
  try {
    for (;;) {
      signal.throwIfAborted();
      try {
        if (!address) {
          const made = await send("POST", "/api/v1/uploads",
            {"Upload-Length": file.size, "Upload-Metadata": `filename ${inBase64(file.name)}`}, null, signal);
          address = new URL(made.getResponseHeader("Location"), location.href).pathname;
          offset = 0;
          remember(key, address);
        }
        let song = null;
        if (offset === null) {
          const there = await send("HEAD", address, {}, null, signal);
          offset = Number(there.getResponseHeader("Upload-Offset"));
          song = there.getResponseHeader("Stemsmith-Song");  // the answer to the last piece was lost
        }
        while (!song) {
          state({sent: offset, paused: null});
          const begin = offset;
          const taken = await send("PATCH", address,
            {"Upload-Offset": begin, "Content-Type": "application/offset+octet-stream"}, file.slice(begin, begin + piece),
            signal, (sent) => state({sent: begin + sent, paused: null}));
          const now = Number(taken.getResponseHeader("Upload-Offset"));
          if (now > begin) faults = 0;
          offset = now;
          song = taken.getResponseHeader("Stemsmith-Song");
          if (!song && (offset >= file.size || now <= begin)) throw silence();
        }
        drop();
        return song;
      } catch (error) {
        if (error.name === "AbortError") throw error;
        const gone = address && (error.status === 404 || error.status === 410);
        if (gone) drop();  // begun again
        else if (error.status === 401) { await askToken(); offset = null; continue; }
        else if (error.status === 409 && offset !== null) offset = null;  // ask where it stands
        else if (error.status !== 0 && error.status !== 429 && error.status < 500) { drop(); throw error; }
        else offset = null;
        if (error.status === 0)
          await file.slice(0, 1).arrayBuffer().catch(() => { throw new Problem(400, "The file cannot be read any more."); });
        if (++faults > mostFaults) throw error;
        if (gone || error.status === 409) continue;
        const seconds = error.retryAfter ?? Math.min(2 ** (faults - 1), longestPause);
        state({paused: `${error.message} Trying again …`});
        await pause(seconds, signal);
      }
    }
  } catch (error) {
    if (error.name === "AbortError" && address) {
      fetch(address, {method: "DELETE", headers: {"Tus-Resumable": "1.0.0"}}).catch(() => null);
      drop();
    }
    throw error;
  } finally {
    leave();
  }
};
