// Builds elements. Text always becomes a text node: nothing here reads markup, so nothing a customer writes can become any.

const SVG = "http://www.w3.org/2000/svg";

/** Return a new element. `options`: `text`, `on` (listeners), `data`, `style` (custom properties), any attribute. */
export function el(name, options = {}, ...children) {
  const { text, on = {}, data = {}, style = {}, ...attributes } = options;
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    // ARIA says "true" and "false"; of HTML's own attributes, presence alone counts.
    if (key.startsWith("aria-")) element.setAttribute(key, String(value));
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false) element.setAttribute(key, String(value));
  }
  for (const [key, value] of Object.entries(data)) element.dataset[key] = value;
  for (const [key, value] of Object.entries(style)) element.style.setProperty(key, String(value));
  for (const [key, listener] of Object.entries(on)) element.addEventListener(key, listener);
  if (text !== undefined) element.append(String(text));
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Put `children` into `element` in place of what it holds; `null` stands for no child. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null));
}

/** Return an icon of the sprite in index.html. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Return the element with that id. */
export function byId(id) {
  return document.getElementById(id);
}
