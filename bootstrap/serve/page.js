"use strict";
const at = (id) => document.getElementById(id);

async function ask(path, options) {
  const answer = await fetch(path, options);
  const said = await answer.json().catch(() => ({ detail: answer.statusText }));
  if (!answer.ok) throw new Error(said.detail);
  return said;
}

function add(parent, name, text) {
  const child = parent.appendChild(document.createElement(name));
  child.textContent = text;
  return child;
}

async function identify(photo) {
  for (const id of ["answer", "detail", "nearest", "facts"]) at(id).replaceChildren();
  URL.revokeObjectURL(at("shown").src);
  at("shown").src = URL.createObjectURL(photo);
  at("shown").hidden = false;
  at("answer").textContent = "…";
  try {
    const found = await ask("/identify", { method: "POST", body: photo });
    at("answer").textContent = found.unlike ? "Unlike anything in the lake" : found.label;
    at("detail").textContent = found.unlike
      ? `The nearest is a ${found.nearest[0].label}.`
      : `${Math.round(100 * found.confidence)} % of the nearest photos' votes`;
    for (const near of found.nearest) {
      const row = add(at("nearest"), "tr", "");
      add(row, "td", near.label);
      add(row, "td", near.distance.toFixed(2));
    }
    if (found.unlike) return;
    const known = await ask(`/labels/${encodeURIComponent(found.label)}`).catch(() => null);
    if (!known) return; // a variety so new that the lake's marts lack it
    const lookalikes = known.lookalikes.map((other) => other.label).join(", ");
    const facts = { "Photos in the lake": known.photos, "Looks most like": lookalikes, ...known.facts };
    for (const [name, value] of Object.entries(facts)) {
      add(at("facts"), "dt", name);
      add(at("facts"), "dd", value);
    }
  } catch (error) {
    at("answer").textContent = "No answer";
    at("detail").textContent = error.message;
  }
}

at("photo").addEventListener("change", (event) => event.target.files[0] && identify(event.target.files[0]));
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
addEventListener("drop", (event) => event.dataTransfer.files[0] && identify(event.dataTransfer.files[0]));
