// Serves this folder to this machine: node serve.js [PORT], 8000 without; 0 takes a free one.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

const kinds = {
  ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript",
  ".mjs": "text/javascript", ".wasm": "application/wasm",
};

// What lies at an URL's path. Its parser has taken out `..`: nothing above this folder can be asked for.
async function find(path) {
  try {
    const { pathname } = new URL(path, "http://localhost");
    const file = fileURLToPath(new URL("." + pathname.replace(/\/$/, "/index.html"), import.meta.url));
    return { kind: kinds[extname(file)] ?? "application/octet-stream", content: await readFile(file) };
  } catch {
    return null;
  }
}

const server = createServer(async (request, response) => {
  const found = await find(request.url);
  response.writeHead(found ? 200 : 404, {
    "Content-Type": found?.kind ?? "text/plain",
    // These two isolate the page from others; only then browsers share memory between threads.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-cache",
  });
  response.end(found?.content ?? "there is no such file\n");
});
server.on("error", (error) => {
  console.error(`serve: ${error.message}; another port: node serve.js PORT`);
  process.exit(1);
});
server.listen(Number(process.argv[2] ?? 8000), "127.0.0.1",
              () => console.log(`http://localhost:${server.address().port}/ (Ctrl-C ends)`));
