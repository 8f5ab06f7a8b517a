// Shows the OpenAPI document of this server. Texts are only ever inserted as text, never as HTML.

import { trial } from "./try.js";
import { element } from "./element.js";

const DOCUMENT = "/docs/openapi.json";
let api;

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
  // Types of the same name have that of their module, too.
  if ($ref) return $ref.split("/").pop().split(".").pop();
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
  return table(["Name", "Type", "Description"], rows);
}

function table(columns, rows) {
  const head = element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name)));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
}

function row(name, type, isRequired, description) {
  const mark = isRequired ? element("span", { className: "soft" }, " required") : "";
  return element("tr", {}, element("td", {}, element("code", {}, name), mark), element("td", {}, type),
    element("td", {}, description ?? ""));
}

function parameters(list) {
  if (!list?.length) return "";
  const rows = list.map((each) =>
    row(each.name, element("span", { className: "type" }, typeOf(each.schema)), each.required, each.description));
  return element("section", {}, element("h3", {}, "Parameters"), table(["Name", "Type", "Description"], rows));
}

function content(title, described) {
  const entries = Object.entries(described?.content ?? {}).filter(([, { schema }]) => schema);
  const shown = entries.map(([type, { schema }]) =>
    element("div", {}, element("span", { className: "soft" }, `${type} `), members(schema, typeOf(schema))));
  const text = described?.description ?? "";
  return element("section", {}, title ? element("h3", {}, title) : "", text, ...shown);
}

function responses(all) {
  const rows = Object.entries(all ?? {}).map(([status, described]) =>
    element("tr", {}, element("td", {}, element("code", {}, status)), element("td", {}, content("", described))));
  return element("section", {}, element("h3", {}, "Responses"), table(["Status", "Meaning"], rows));
}

// The model that the server put into its examples.
function exampleModel() {
  const chat = api.paths["/v1/chat/completions"]?.post;
  return chat?.requestBody.content["application/json"].example?.model ?? "";
}

function operation(path, method, described) {
  const summary = element("summary", {},
    element("span", { className: `method ${method}` }, method.toUpperCase()),
    element("code", { className: "path" }, path),
    element("span", { className: "soft" }, described.summary ?? ""));
  const shown = element("details", { className: "operation" }, summary);
  const fill = () => shown.append(element("div", {},
    element("p", {}, described.description ?? ""),
    trial({ method: method.toUpperCase(), path, described, resolved, model: exampleModel() }),
    parameters(described.parameters),
    described.requestBody ? content("Request body", described.requestBody) : "",
    responses(described.responses)));
  shown.addEventListener("toggle", fill, { once: true });
  return shown;
}

function show() {
  const tags = new Map();
  for (const [path, methods] of Object.entries(api.paths ?? {}))
    for (const [method, described] of Object.entries(methods)) {
      const tag = described.tags?.[0] ?? "Other";
      tags.set(tag, [...(tags.get(tag) ?? []), operation(path, method, described)]);
    }
  const sections = [...tags].map(([tag, shown]) =>
    element("section", {}, element("h2", { className: "tag" }, tag), ...shown));
  const { version, description } = api.info;
  const about = element("p", { className: "soft" }, `${description ?? ""} Version ${version}. `,
    element("a", { href: DOCUMENT }, "openapi.json"));
  document.getElementById("document").replaceChildren(about, ...sections);
}

async function load() {
  const response = await fetch(DOCUMENT);
  if (!response.ok) throw new Error(`status ${response.status}`);
  api = await response.json();
  show();
}

load().catch((error) => {
  const problem = element("p", { className: "problem" }, `The document cannot be loaded: ${error.message}`);
  document.getElementById("document").replaceChildren(problem);
});
