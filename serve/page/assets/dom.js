/** Small helpers around the document. Text is set as text, never as markup. */

/** @returns {any} The element with that id. */
export function byId(id) {
  return document.getElementById(id);
}

/** An element with attributes and children; `undefined` and `false` are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  setAttributes(made, attributes);
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

/** The same for a picture. */
export function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  setAttributes(made, attributes);
  made.append(...children);
  return made;
}

export function setAttributes(to, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) to.removeAttribute(name);
    else if (to.getAttribute(name) !== `${value}`) to.setAttribute(name, value);
  }
}

/** Sets the text of an element, if it is another one. */
export function setText(of, text) {
  if (of.textContent !== text) of.textContent = text;
}

/** Makes the children of `parent` those, in that order, without moving what is in place. */
export function setChildren(parent, children) {
  for (const [i, child] of children.entries()) {
    if (parent.children[i] !== child) {
      parent.insertBefore(child, parent.children[i] ?? null);
    }
  }
  while (parent.children.length > children.length) {
    parent.lastElementChild.remove();
  }
}

/** Has a screen reader say something. */
export function say(text) {
  byId("said").textContent = text;
}

/**
 * Sends a command to the page's own process.
 *
 * @throws {Error} With what it answered, if that is no success.
 */
export async function send(command, fields) {
  const answer = await fetch(`/_page/${command}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(fields),
  }).catch(() => {
    throw new Error("This page’s process cannot be reached");
  });
  const text = await answer.text();
  const isJson = answer.headers.get("Content-Type") === "application/json";
  const result = isJson ? JSON.parse(text) : { error: text.trim() };
  if (!answer.ok) throw new Error(result.error);
  return result;
}
