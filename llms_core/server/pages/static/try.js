// "Try it": a form for one operation, the same request for a terminal, and the answer as it arrives.

import { element } from "./element.js";

let count = 0;

const key = () => document.getElementById("key")?.value ?? "";

export function trial({ method, path, described, resolved, model }) {
  const inputs = (described.parameters ?? []).filter((each) => each.in === "path" || each.in === "query")
    .map((each) => parameter(each, model));
  const body = bodyOf(described.requestBody, resolved);
  const answer = element("div", { ariaLive: "polite" });
  // Several operations may be open: what they show needs different names.
  const operation = `${method} ${path}`;
  const button = element("button", {}, "Send");
  const stop = element("button", { type: "button", className: "quiet", hidden: true }, "Stop");
  const curl = element("code", { id: `curl-${++count}` });
  const copy = element("button", { type: "button", className: "quiet", ariaLabel: `Copy: ${operation} as a command` }, "Copy");
  copy.dataset.copies = curl.id;
  const form = element("form", { className: "trial" }, element("h3", {}, "Try it"), ...inputs.map((each) => each.shown),
    ...(body?.shown ?? []), element("div", { className: "actions" }, button, stop),
    element("div", { className: "actions" }, element("h4", {}, "As a command"), copy), scrollable(curl, `As a command: ${operation}`), answer);

  const request = () => ({ method, url: urlOf(path, inputs), body: body?.value(), isForm: body?.isForm, operation });
  const describe = () => { curl.textContent = asCurl(request()) };
  form.addEventListener("input", describe);
  document.getElementById("key")?.addEventListener("input", describe);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const abort = new AbortController();
    stop.onclick = () => abort.abort();
    [button.disabled, stop.hidden] = [true, false];
    try {
      await send(request(), answer, abort.signal);
    } catch (error) {
      answer.append(element("p", { className: "problem" }, abort.signal.aborted ? "Stopped." : `${error.message}`));
    } finally {
      [button.disabled, stop.hidden] = [false, true];
    }
  });
  describe();
  return form;
}

function scrollable(code, label) {
  const shown = element("pre", { tabIndex: 0, ariaLabel: label, role: "region" }, code);
  return shown;
}

function labelled(name, input, isRequired) {
  input.id = `input-${++count}`;
  input.required = Boolean(isRequired);
  return [element("label", { htmlFor: input.id }, isRequired ? `${name} (required)` : name), input];
}

function parameter({ name, in: place, required, example, schema }, model) {
  const value = example ?? (name === "model" ? model : schema?.default ?? "");
  const input = element("input", { value, spellcheck: false, autocomplete: "off" });
  return { name, place, input, shown: element("div", {}, ...labelled(name, input, required)) };
}

function urlOf(path, inputs) {
  const query = new URLSearchParams();
  for (const { name, place, input } of inputs) {
    // A name may contain slashes, which are part of the path.
    const encoded = input.value.split("/").map(encodeURIComponent).join("/");
    if (place === "path") path = path.replace(`{${name}}`, encoded);
    else if (input.value) query.set(name, input.value);
  }
  return query.size ? `${path}?${query}` : path;
}

function bodyOf(described, resolved) {
  const content = described?.content ?? {};
  if (content["application/json"]) return jsonBody(content["application/json"], resolved);
  if (content["multipart/form-data"]) return formBody(content["multipart/form-data"], resolved);
  return null;
}

function jsonBody({ schema, example }, resolved) {
  const text = JSON.stringify(example ?? sample(resolved(schema)), null, 2);
  const rows = Math.min(20, text.split("\n").length + 1);
  const input = element("textarea", { value: text, rows, spellcheck: false });
  return { shown: labelled("Body", input, true), value: () => input.value, isForm: false };
}

function sample(schema) {
  return Object.fromEntries((schema.required ?? []).map((name) => [name, ""]));
}

function formBody({ schema, example }, resolved) {
  const described = resolved(schema);
  const fields = Object.entries(described.properties ?? {}).map(([name, member]) => {
    const isFile = isBinary(member) || name === "file" || name === "image" || name === "mask";
    const input = element("input", isFile ? { type: "file" } : { value: example?.[name] ?? "", spellcheck: false });
    return { name, input, isFile, shown: labelled(name, input, described.required?.includes(name)) };
  });
  const value = () => fields.flatMap(({ name, input, isFile }) => {
    if (isFile) return [...input.files].map((file) => [name, file]);
    return input.value ? [[name, input.value]] : [];
  });
  return { shown: fields.flatMap((each) => each.shown), value, isForm: true };
}

function isBinary(member) {
  const options = [member, member.items ?? {}, ...(member.anyOf ?? [])];
  return options.some((each) => each.format === "binary" || each.contentEncoding === "base64");
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// Never with the key itself: commands end up in histories and chats.
function asCurl({ method, url, body, isForm }) {
  const lines = [`curl ${method === "GET" || body !== undefined ? "" : `-X ${method} `}${quoted(location.origin + url)}`];
  if (document.getElementById("key")) lines.push('-H "Authorization: Bearer $LLMS_KEY"');
  if (isForm) lines.push(...body.map(([name, value]) => `-F ${quoted(`${name}=${value.name ? `@${value.name}` : value}`)}`));
  else if (body !== undefined) lines.push('-H "Content-Type: application/json"', `-d ${quoted(compact(body))}`);
  return lines.join(" \\\n  ");
}

function compact(text) {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}

async function send({ method, url, body, isForm, operation }, answer, signal) {
  const started = performance.now();
  const headers = key() ? { authorization: `Bearer ${key()}` } : {};
  const data = isForm ? new FormData() : body;
  if (isForm) body.forEach(([name, value]) => data.append(name, value));
  else if (body !== undefined) headers["content-type"] = "application/json";
  const status = element("p", { className: "state idle" }, "Waiting …");
  answer.replaceChildren(element("h4", {}, "Answer"), status);
  const response = await fetch(url, { method, body: data, headers, signal });
  const summary = () => `${response.status} ${response.statusText} · ${Math.round(performance.now() - started)} ms`;
  status.className = response.ok ? "state ok" : "state bad";
  status.textContent = summary();
  const served = response.headers.get("x-llms-attempts");
  if (served) answer.append(element("p", { className: "soft" }, `Attempts: ${served}`));
  await show(response, answer, operation);
  status.textContent = summary();
}

async function show(response, answer, operation) {
  const type = response.headers.get("content-type") ?? "";
  if (!/json|text|event-stream/.test(type)) {
    const { size } = await response.blob();
    answer.append(element("p", {}, `${size} bytes of ${type || "an unknown type"}`));
    return;
  }
  const text = element("code");
  answer.append(scrollable(text, `The body of the answer: ${operation}`));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text.append(piece.value);
  if (/json/.test(type)) text.textContent = pretty(text.textContent);
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
