// Shows the OpenAPI document of this server. Texts are only ever inserted as text, never as HTML.

const main = document.getElementById("document");
const key = document.getElementById("key");
const DOCUMENT = "/docs/openapi.json";
let api;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

function authorization() {
  return key.value ? { authorization: `Bearer ${key.value}` } : {};
}

// The document may refer to a component of its own; anything else is shown as it is.
function resolved(schema) {
  const path = schema?.$ref?.startsWith("#/") ? schema.$ref.slice(2).split("/") : null;
  if (path === null) return schema ?? {};
  return path.reduce((node, step) => node?.[step.replaceAll("~1", "/").replaceAll("~0", "~")], api) ?? {};
}

function typeOf(schema) {
  const { $ref, type, anyOf, oneOf, items, enum: values, const: value } = schema ?? {};
  if (value !== undefined) return JSON.stringify(value);
  if (values) return values.map((each) => JSON.stringify(each)).join(" | ");
  const options = anyOf ?? oneOf;
  if (options) return options.map(typeOf).join(" | ");
  if ($ref) return $ref.split("/").pop();
  if (type === "array") return `array of ${typeOf(items)}`;
  return [type ?? "any"].flat().join(" | ");
}

// The object types that a type consists of: those of its alternatives, and of an array's items.
function objectsOf(schema) {
  const here = resolved(schema);
  if (here.properties) return [here];
  return [...(here.anyOf ?? []), ...(here.oneOf ?? []), ...(here.items ? [here.items] : [])].flatMap(objectsOf);
}

// A type may contain itself, so its members are only built once they are opened.
function members(schema, label) {
  const found = objectsOf(schema);
  if (found.length === 0) return element("span", { className: "type" }, label);
  const shown = element("details", { className: "members" }, element("summary", { className: "type" }, label));
  shown.addEventListener("toggle", () => found.forEach((each) => shown.append(memberTable(each))), { once: true });
  return shown;
}

function memberTable(schema) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties).map(([name, member]) =>
    row(name, members(member, typeOf(member)), required.has(name), member.description ?? resolved(member).description));
  return element("table", {}, ...rows);
}

function row(name, type, isRequired, description) {
  const label = element("td", {}, element("code", {}, name), isRequired ? element("span", { className: "soft" }, " required") : null);
  return element("tr", {}, label, element("td", {}, type), element("td", {}, description ?? ""));
}

function parameters(list) {
  if (!list?.length) return null;
  const rows = list.map((each) => row(each.name, typeOf(each.schema), each.required, each.description));
  return element("section", {}, element("h3", {}, "Parameters"), element("table", {}, ...rows));
}

function content(title, described) {
  const entries = Object.entries(described?.content ?? {}).filter(([, { schema }]) => schema);
  const shown = entries.map(([type, { schema }]) => element("div", {}, `${type} `, members(schema, typeOf(schema))));
  return element("section", {}, title ? element("h3", {}, title) : null, described?.description ?? "", ...shown);
}

function responses(all) {
  const rows = Object.entries(all ?? {}).map(([status, described]) =>
    element("tr", {}, element("td", {}, element("code", {}, status)), element("td", {}, content("", described))));
  return element("section", {}, element("h3", {}, "Responses"), element("table", {}, ...rows));
}

const EXAMPLE = {
  model: "",
  messages: [{ role: "user", content: "Hello!" }],
  input: "Hello!",
  contents: [{ role: "user", parts: [{ text: "Hello!" }] }],
};

function example(schema) {
  const names = Object.keys(resolved(schema).properties ?? {});
  const used = Object.entries(EXAMPLE).filter(([name]) => names.includes(name));
  return JSON.stringify(Object.fromEntries(used), null, 2);
}

function trial(method, path, operation) {
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  const url = element("input", { value: path, size: 50, ariaLabel: "Path" });
  const body = schema ? element("textarea", { value: example(schema), spellcheck: false, ariaLabel: "Body" }) : null;
  const answer = element("pre", { hidden: true });
  const form = element("form", {}, element("h3", {}, "Try it"), url, " ", element("button", {}, "Send"), body, answer);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(method, url.value, body?.value, answer).catch((error) => answer.append(`\n${error}`));
  });
  return form;
}

async function send(method, path, body, answer) {
  answer.hidden = false;
  answer.textContent = "…";
  const headers = { ...authorization(), ...(body ? { "content-type": "application/json" } : {}) };
  const response = await fetch(path, { method, body, headers });
  answer.textContent = `${response.status} ${response.statusText}\n\n`;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) answer.append(piece.value);
}

function operation(path, method, described) {
  const summary = element("summary", {}, element("span", { className: "method" }, method.toUpperCase()),
    element("code", { className: "path" }, path), element("span", { className: "soft" }, described.summary ?? ""));
  const shown = element("details", { className: "operation" }, summary);
  shown.addEventListener("toggle", () => shown.append(
    element("p", {}, described.description ?? ""), parameters(described.parameters) ?? "",
    described.requestBody ? content("Body", described.requestBody) : "", responses(described.responses),
    trial(method.toUpperCase(), path, described)), { once: true });
  return shown;
}

function show() {
  const tags = new Map();
  for (const [path, methods] of Object.entries(api.paths ?? {}))
    for (const [method, described] of Object.entries(methods)) {
      const tag = described.tags?.[0] ?? "Other";
      tags.set(tag, [...(tags.get(tag) ?? []), operation(path, method, described)]);
    }
  const { title, version, description } = api.info;
  document.title = `${title} ${version}`;
  document.querySelector("h1").textContent = `${title} ${version}`;
  const sections = [...tags].map(([tag, shown]) => element("section", {}, element("h2", {}, tag), ...shown));
  main.replaceChildren(element("p", {}, description ?? "", " ", element("a", { href: DOCUMENT }, "openapi.json")), ...sections);
}

async function load() {
  const response = await fetch(DOCUMENT, { headers: authorization() });
  const answer = await response.json();
  if (!response.ok) {
    main.replaceChildren(element("p", {}, `${answer.error.message}. Enter a key above.`));
    return;
  }
  api = answer;
  show();
}

function start() {
  load().catch((error) => main.replaceChildren(element("p", {}, `The document cannot be loaded: ${error}`)));
}

document.getElementById("access").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
start();
