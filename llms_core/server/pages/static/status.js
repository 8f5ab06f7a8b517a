// Keeps the status page current: asks for it again, and replaces the parts that have changed.

import { localize } from "./page.js";

const INTERVAL = 2000;
const button = () => document.getElementById("live");
let etag = "";
let isLive = true;
let timer;

// The parts as the server wrote them; those in the document have been changed by scripts and by the user.
let known = partsOf(document);

function partsOf(root) {
  return new Map([...root.querySelectorAll("[data-live]")].map((part) => [part.dataset.live, part.outerHTML]));
}

// What the user has opened and where the focus is stays as it is.
function replace(old, fresh) {
  const open = new Set([...old.querySelectorAll("details[open]")].map((each) => each.dataset.key));
  for (const details of fresh.querySelectorAll("details")) details.open = open.has(details.dataset.key);
  const focused = old.contains(document.activeElement) ? keyOf(document.activeElement) : null;
  localize(fresh);
  old.replaceWith(fresh);
  if (focused === null) return;
  const again = [...fresh.querySelectorAll("a, button, summary, [tabindex]")].find((each) => keyOf(each) === focused);
  again?.focus({ preventScroll: true });
}

function keyOf(element) {
  return element.dataset.key ?? element.closest("details")?.dataset.key ?? element.textContent;
}

function update(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const parts = partsOf(fresh);
  if (parts.size === 0) {
    // The session is over: the server shows the form to sign in.
    location.reload();
    return;
  }
  for (const [name, html] of parts) {
    if (known.get(name) === html) continue;
    const old = document.querySelector(`[data-live="${name}"]`);
    replace(old, document.importNode(fresh.querySelector(`[data-live="${name}"]`), true));
  }
  known = parts;
  showState();
}

async function ask() {
  const headers = { accept: "text/html", ...(etag ? { "if-none-match": etag } : {}) };
  const response = await fetch("/", { headers, cache: "no-store", signal: AbortSignal.timeout(10_000) });
  if (response.status === 304) return;
  if (!response.ok) throw new Error(`status ${response.status}`);
  update(await response.text());
  etag = response.headers.get("etag") ?? "";
}

async function tick() {
  clearTimeout(timer);
  if (!isLive || document.hidden) return;
  try {
    await ask();
    tell("");
  } catch {
    tell("The server does not answer. Trying again …");
  }
  clearTimeout(timer);
  timer = setTimeout(tick, INTERVAL);
}

function tell(text) {
  const place = document.getElementById("connection");
  if (place.textContent !== text) place.textContent = text;
}

function showState() {
  button().hidden = false;
  button().textContent = isLive ? "Pause updates" : "Resume updates";
}

document.addEventListener("click", (event) => {
  if (event.target !== button()) return;
  isLive = !isLive;
  showState();
  tick();
});
document.addEventListener("visibilitychange", tick);
showState();
timer = setTimeout(tick, INTERVAL);
