// Nodes from data. Text is only ever put into text nodes and attributes, never parsed as markup.

// What can have the focus. JupyterLab and Notebook 7 look from there outwards, and stop at the first element that one of their
// shortcuts fits; so each of these says itself that none does.
const FOCUSED = new Set(["button", "input", "select", "summary", "textarea"]);
const NO_SHORTCUTS = "data-lm-suppress-shortcuts";

function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (FOCUSED.has(tag)) node.setAttribute(NO_SHORTCUTS, "true");
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Puts new children into `node`, unless they would be the same as before: `data` is what they are made from.
function refill(node, data, build) {
  const signature = JSON.stringify(data);
  if (node.smrSignature === signature) return;
  node.smrSignature = signature;
  node.replaceChildren(...[build()].flat(9).filter(Boolean));
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function button(label, title, action, more = {}) {
  return h("button", { type: "button", title, "aria-label": title, onclick: action, ...more }, label);
}

// "1 step", "2 steps"
const counted = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
