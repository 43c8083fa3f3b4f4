// A gateway in miniature: the plugin, with Node's own HTTP and two maps around it.
//
// What stands between two `await`s is done alone: nothing comes between a look at the store and a
// write. ../README.md tells how to run it, and what a real one must add.
import { transpileBytes } from "@bytecodealliance/jco-transpile";
import { timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const { webhook: webhooks, credential: credentials, egress, ...plugins } = JSON.parse(await readFile(process.argv[3]));
const configuration = JSON.stringify(plugins); // without any secret
const tokens = new Map(webhooks.map(({ path, bearer }) => [path, secret(bearer[0])]));
for (const credential of Object.values(credentials)) credential.secret = secret(credential.value);
let [store, queue, revisions] = [new Map(), new Map(), 0n];
// jco makes of a component what JavaScript can run: core modules, and a module that joins them.
const { files } = await transpileBytes(await readFile(process.argv[2]), { name: "plugin", instantiation: "sync" });
const script = Buffer.from(files["plugin.js"]).toString("base64");
const { instantiate } = await import(`data:text/javascript;base64,${script}`);
for (const name in files) if (name.endsWith(".wasm")) files[name] = new WebAssembly.Module(files[name]);
// Each session has an instance of its own, so that a trap ends it alone. It gets no imports: it has none.
const plugin = () => instantiate((name) => files[name], {})["integration:plugin/integration@0.1.0"];

// Without this a variable that is not set would be the token "undefined", which anybody could send.
function secret({ env }) {
  if (process.env[env]) return process.env[env];
  throw new Error(`expected a secret in the variable ${env}, which ${process.argv[3]} names, found none`);
}

// Runs a session, and returns its verdict.
async function run(input, respond) {
  const session = new (plugin().Session)(input, { configuration });
  for (let effects, replies = []; (effects = session.resume(BigInt(Date.now()), replies)).length > 0;) {
    replies = [];
    for (const { tag, val } of effects) {
      if (tag === "finish") return val;
      replies.push(await carryOut(tag, val, respond));
    }
  }
  return { tag: "done" };
}

async function carryOut(effect, asked, respond) {
  switch (effect) {
    case "respond": respond(asked); break; // there is nobody to answer in a work session: that ends it
    case "log": console.log(asked.level, asked.message, Object.fromEntries(asked.fields)); break;
    case "schedule": schedule(asked.key, Number(asked.dueMs), [asked.reason]); break;
    case "http": return { tag: "http", val: await send(asked) };
    case "get": return { tag: "entries", val: asked.map((key) => store.get(key)) };
    case "scan": {
      const keys = [...store.keys()].filter((key) => key.startsWith(asked.prefix) && key > (asked.after ?? "")).sort();
      const page = keys.slice(0, asked.limit);
      const entries = page.map((key) => ({ key, entry: store.get(key) }));
      return { tag: "page", val: { entries, next: page.length < keys.length ? page.at(-1) : undefined } };
    }
    case "write": {
      if (store.get(asked.key)?.revision !== asked.precondition.val) return { tag: "written", val: { tag: "err" } };
      if (asked.value === undefined) store.delete(asked.key);
      else store.set(asked.key, { value: asked.value, revision: ++revisions });
      return { tag: "written", val: { tag: "ok", val: store.get(asked.key)?.revision ?? 0n } };
    }
    default: throw new Error(`there is no ${effect} here`);
  }
  return { tag: "done" };
}

// Adds the credential that the plugin names and never sees, if it belongs to the place that is asked.
async function send(request) {
  const [url, credential] = [new URL(request.url), credentials[request.credential]];
  const failed = (tag, val) => ({ tag: "err", val: { tag, val } });
  if (credential?.origin !== url.origin) return failed("refused", `no credential for ${url.origin}`);
  const headers = new Headers(request.headers);
  if (credential.kind === "header") headers.set(credential.name, credential.secret);
  else url.search += `${url.search && "&"}${new URLSearchParams({ [credential.name]: credential.secret })}`;
  const [signal, body] = [AbortSignal.timeout(request.timeoutMs), request.body.length > 0 ? request.body : undefined];
  try { // a redirect is an answer as any other: none is followed
    const answer = await fetch(url, { method: request.method, headers, body, signal, redirect: "manual" });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return { tag: "ok", val: { status: answer.status, headers: [...answer.headers], body: bytes } };
  } catch (error) { // was it sent? Only if there was a connection
    const unsent = ["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "UND_ERR_CONNECT_TIMEOUT"].includes(error.cause?.code);
    return failed(unsent ? "unreachable" : "unknown", error.cause?.message ?? error.message);
  }
}

// Work of one key is one item: the earlier time stays, the reasons are added.
function schedule(key, due, reasons, attempt = 0, tries = 0) {
  const item = queue.get(key) ?? { due, reasons: [], attempt, tries };
  [attempt, tries] = [Math.max(attempt, item.attempt), Math.max(tries, item.tries)];
  const all = [...new Set([...item.reasons, ...reasons])].slice(0, 16);
  queue.set(key, { due: Math.min(due, item.due), reasons: all, attempt, tries });
}

// Work runs one after the other, so no key has two sessions at a time.
async function work(key) {
  const { reasons, attempt, tries } = queue.get(key);
  queue.delete(key); // what is scheduled from here on runs once more
  const broke = (error) => ({ tag: "retry", val: { counts: true, reason: `broke: ${error}` } });
  const verdict = await run({ tag: "work", val: { key, reasons, attempt } }).catch(broke);
  console.log("work", key, verdict.tag, verdict.val ?? "");
  if (verdict.tag !== "retry") return;
  const later = Date.now() + (1000 + 1000 * Math.random()) * Math.min(2 ** tries, 150);
  const due = Math.max(later, Number(verdict.val.notBeforeMs ?? 0));
  schedule(key, due, reasons, attempt + verdict.val.counts, tries + 1);
}

async function webhook(request, response) {
  const [path, query = ""] = request.url.split("?");
  const texts = [request.headers.authorization ?? "", `Bearer ${tokens.get(path)}`];
  const [proof, expected] = texts.map((text) => Buffer.from(text));
  const proven = tokens.has(path) && proof.length === expected.length && timingSafeEqual(proof, expected);
  if (!proven) return response.writeHead(401).end();
  const body = Buffer.concat(await request.toArray());
  const val = { method: request.method, path, query, headers: [], body };
  await run({ tag: "request", val }, (r) => response.writeHead(r.status, r.headers.flat()).end(r.body));
}

const { standing } = plugin().configure(configuration); // throws what is wrong with it
for (const key of standing) schedule(key, 0, ["the gateway starts"]);
const server = createServer((request, response) => webhook(request, response)
  .catch((error) => { console.log("broke", error); response.destroy(); })); // and the caller gets no 2xx
server.listen(process.env.PORT, "127.0.0.1", () => console.log("listening on", server.address().port));
for (;;) {
  const due = [...queue].find(([, item]) => item.due <= Date.now());
  await (due ? work(due[0]) : sleep(50));
}
