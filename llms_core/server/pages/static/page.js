// What every page does: local times, the browser's own address of the server, and buttons that copy.

export function localize(root) {
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const isToday = at.toDateString() === new Date().toDateString();
    time.textContent = isToday ? at.toLocaleTimeString() : at.toLocaleString();
    time.title = at.toLocaleString();
  }
  for (const origin of root.querySelectorAll("[data-origin]")) origin.textContent = location.origin;
  for (const button of root.querySelectorAll("[data-copies]")) button.hidden = false;
}

async function copy(text) {
  // The clipboard is only there for pages from this machine, or by TLS.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  if (!isCopied) throw new Error("the browser does not allow it");
}

async function onCopy(button) {
  const label = button.dataset.label ??= button.textContent;
  try {
    await copy(document.getElementById(button.dataset.copies).textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select it";
    getSelection().selectAllChildren(document.getElementById(button.dataset.copies));
  }
  button.focus();
  setTimeout(() => { button.textContent = label }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copies]");
  if (button) onCopy(button);
});

localize(document);
