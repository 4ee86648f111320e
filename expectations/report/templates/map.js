// The map of gold: point at or tap a photo, pick out varieties, show thumbnails in place of dots.
"use strict";
(() => {
  const source = document.getElementById("map-data");
  if (!source) return;
  const { labels, points, thumbnails } = JSON.parse(source.textContent);
  const byId = (id) => document.getElementById(id);
  const chart = byId("chart"), tip = byId("tip"), ring = byId("ring"), stickers = byId("stickers");
  const strip = byId("strip"), everything = byId("everything"), toggle = byId("photos"), find = byId("find");
  const keys = [...byId("keys").children];
  const picked = new Set();
  const REACH = 28; // px; a dot is selected from up to this far away
  const STRIP = 30; // most thumbnails shown for the picked varieties
  const jpeg = (index) => "data:image/jpeg;base64," + thumbnails[index];
  const shown = (label) => !picked.size || picked.has(label);

  function element(name, properties) {
    return Object.assign(document.createElement(name), properties);
  }

  function nearest(event) {
    const box = chart.getBoundingClientRect();
    let best = null, least = REACH * REACH;
    for (const point of points) {
      if (!shown(point[0]) || (!stickers.hidden && point[3] < 0)) continue;
      const dx = box.left + (point[1] / 100) * box.width - event.clientX;
      const dy = box.top + (point[2] / 100) * box.height - event.clientY;
      const distance = dx * dx + dy * dy;
      if (distance < least) [best, least] = [point, distance];
    }
    return best;
  }

  function tell(point) {
    tip.hidden = ring.hidden = !point;
    if (!point) return;
    const [label, x, y, thumbnail, id] = point;
    const text = element("div");
    text.append(element("b", { textContent: labels[label] }), element("span", { className: "muted", textContent: id + "…" }));
    tip.replaceChildren(text);
    if (thumbnail >= 0) tip.prepend(element("img", { src: jpeg(thumbnail), alt: "a photo of " + labels[label] }));
    Object.assign(ring.style, { left: x + "%", top: y + "%" });
    Object.assign(tip.style, x > 50 ? { right: 102 - x + "%", left: "auto" } : { left: x + 2 + "%", right: "auto" });
    Object.assign(tip.style, y > 50 ? { bottom: 102 - y + "%", top: "auto" } : { top: y + 2 + "%", bottom: "auto" });
  }

  function paint() {
    for (const part of chart.querySelectorAll("[data-label]")) {
      part.classList.toggle("off", !shown(+part.dataset.label));
      part.classList.toggle("picked", picked.has(+part.dataset.label));
    }
    for (const key of keys) key.setAttribute("aria-pressed", picked.has(+key.dataset.label));
    everything.hidden = strip.hidden = !picked.size;
    tell(null);
    if (!picked.size) return;
    const names = [...picked].map((label) => labels[label]).join(", ");
    const some = points.filter((point) => picked.has(point[0]) && point[3] >= 0).slice(0, STRIP);
    strip.replaceChildren(element("p", { textContent: names + (some.length ? "" : ": no thumbnail here") }));
    for (const point of some) strip.append(element("img", { src: jpeg(point[3]), alt: labels[point[0]] }));
  }

  function stick() {
    const clouds = new Map([...chart.querySelectorAll(".cloud")].map((c) => [+c.dataset.label, getComputedStyle(c).stroke]));
    for (const [label, x, y, thumbnail] of points) {
      if (thumbnail < 0) continue;
      const image = element("img", { src: jpeg(thumbnail), alt: "" });
      image.dataset.label = label;
      Object.assign(image.style, { left: x + "%", top: y + "%", borderColor: clouds.get(label) });
      stickers.append(image);
    }
  }

  chart.addEventListener("pointermove", (event) => event.pointerType === "mouse" && tell(nearest(event)));
  chart.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && tell(null));
  chart.addEventListener("click", (event) => tell(nearest(event)));
  document.addEventListener("keydown", (event) => event.key === "Escape" && tell(null));
  for (const key of keys) {
    key.addEventListener("click", () => {
      const label = +key.dataset.label;
      if (!picked.delete(label)) picked.add(label);
      paint();
    });
  }
  everything.addEventListener("click", () => { picked.clear(); paint(); });
  toggle.addEventListener("click", () => {
    if (!stickers.childElementCount) stick();
    stickers.hidden = !stickers.hidden;
    toggle.setAttribute("aria-pressed", !stickers.hidden);
    for (const name of chart.querySelectorAll(".cloud-name")) name.hidden = !stickers.hidden;
    paint();
  });
  if (find) {
    find.addEventListener("input", () => {
      const wanted = find.value.trim().toLowerCase();
      for (const key of keys) key.hidden = !key.textContent.toLowerCase().includes(wanted);
    });
  }
})();
