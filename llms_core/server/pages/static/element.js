// Makes an element with properties and children. Strings become text, never HTML.

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== ""));
  return made;
}
