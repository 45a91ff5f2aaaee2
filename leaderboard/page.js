"use strict";
// The page's tools: nodes, numbers, bars, tables, and which view an address means. Everything that comes from a
// record reaches the document as a text node, never as markup.

const index = JSON.parse(document.getElementById("index").textContent);
const main = document.getElementById("main");
const runs = new Map(index.runs.map((run) => [run.slug, run]));
const LIST_LENGTH = 50;

// Nodes

function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    } else if (name === "style") {
      for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
    } else {
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  node.append(...present(children));
  return node;
}

const present = (nodes) => nodes.flat(9).filter((node) => node !== null && node !== undefined && node !== false);
const title = (...children) => h("h1", { tabindex: "-1" }, ...children);
const tag = (kind, text) => h("span", { class: `tag ${kind}` }, text);
const note = (kind, ...children) => h("div", { class: `note ${kind}` }, h("p", {}, ...children));
const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
const facts = (...list) => h("dl", { class: "facts" }, list);
const details = (name, ...list) => h("details", {}, h("summary", {}, name), facts(...list));
const undefinedValue = () => h("span", { class: "soft", title: "not defined" }, "–");

/** The address of a view: address("agent", "x") is "#/agent/x". */
const address = (...parts) => "#/" + parts.map((part) => encodeURIComponent(part)).join("/");

function crumbs(...parts) {
  const arrow = () => h("span", { "aria-hidden": "true" }, "›");
  return h(
    "p",
    { class: "crumbs" },
    parts.map(([text, href], place) => [place > 0 && arrow(), href ? h("a", { href }, text) : h("span", {}, text)]),
  );
}

// Numbers

const minus = (text) => text.replace("-", "−");
const fixed = (value, digits = 3) => minus(value.toFixed(digits));
const percent = (value) => minus((100 * value).toFixed(1)) + " %";
const plain = (value) => minus(String(Math.round(value * 1e4) / 1e4));
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

function compact(value) {
  if (value >= 1e6) return (value / 1e6).toFixed(1) + " M";
  if (value >= 1e4) return (value / 1e3).toFixed(0) + " k";
  return value >= 100 ? value.toFixed(0) : plain(Math.round(value * 10) / 10);
}

/** A value and its interval, given as [value] or [value, low, high]. */
function estimate(values) {
  if (!values) return undefinedValue();
  const [value, low, high] = values;
  const range = low !== undefined && `${fixed(low, 2)} to ${fixed(high, 2)}`;
  return [
    h("span", { class: "value" }, fixed(value)),
    range && h("span", { class: "range", title: "95 % interval" }, range),
  ];
}

/** The same as a small bar on a scale, with the references as ticks. */
function meter(values, [from, to], ticks) {
  if (!values) return null;
  const share = (value) => (100 * (Math.min(to, Math.max(from, value)) - from)) / (to - from);
  const [value, low, high] = values;
  const band = low !== undefined && { left: `${share(low)}%`, width: `${share(high) - share(low)}%` };
  return h(
    "div",
    { class: "meter", "aria-hidden": "true" },
    h("i", { class: "track" }),
    band && h("i", { class: "band", style: band }),
    ticks.filter((tick) => tick !== null).map((tick) => h("i", { class: "tick", style: { left: `${share(tick)}%` } })),
    h("i", { class: "dot", style: { left: `${share(value)}%` } }),
  );
}

/** The scale of normalised scores: 0 to 1, or wider where a row leaves it. */
function scaleOf(list) {
  const edges = list.filter(Boolean).flat();
  return [Math.min(0, ...edges), Math.max(1, ...edges)];
}

// Tables: sorted by any column. Below 900 px the rows are cards, and a select takes the place of the headers.

/**
 * Draw a table.
 *
 * A column has an id, a title and `cell(row)`; with `sort(row)` it can be sorted by, rising first if `rising`.
 * `state` holds the choice, so that it survives leaving the view.
 */
function table(columns, rows, state, { caption, describe = () => ({}), limit = Infinity }) {
  const holder = h("div");
  const sortable = columns.filter((column) => column.sort);
  const choose = (id, rising) => {
    Object.assign(state, { by: id, rising });
    draw(id);
  };

  function header(column, active) {
    const toggle = () => choose(column.id, active ? !state.rising : Boolean(column.rising));
    const direction = state.rising ? "ascending" : "descending";
    return h(
      "th",
      {
        scope: "col",
        class: column.number && "number",
        title: column.hint,
        "aria-sort": column.sort && active ? direction : null,
      },
      column.sort
        ? h("button", { type: "button", "data-sort": column.id, on: { click: toggle } }, column.title)
        : h("span", {}, column.title),
    );
  }

  function cell(column, row) {
    const kind = [column.number && "number", column.whole && "whole", column.class].filter(Boolean).join(" ");
    return h(
      column.header ? "th" : "td",
      { scope: column.header && "row", class: kind || null, "data-label": column.header ? null : column.title },
      column.cell(row),
    );
  }

  function picker(active) {
    const id = `sort ${caption}`;
    const change = (event) => {
      const column = columns.find((other) => other.id === event.target.value);
      choose(column.id, Boolean(column.rising));
    };
    return h(
      "p",
      { class: "field only-narrow" },
      h("label", { for: id }, "Sort by"),
      h(
        "select",
        { id, on: { change } },
        sortable.map((column) => h("option", { value: column.id, selected: column === active }, column.title)),
      ),
    );
  }

  function draw(focused) {
    const active = columns.find((column) => column.id === state.by) || sortable[0];
    const shown = Math.min(rows.length, state.shown || limit);
    const body = sorted(rows, active.sort, state.rising)
      .slice(0, shown)
      .map((row) => h("tr", describe(row), columns.map((column) => cell(column, row))));
    const more = () => {
      state.shown = shown + 4 * limit;
      draw();
    };
    const parts = [
      sortable.length > 1 && picker(active),
      h(
        "div",
        { class: "panel scroll cards" },
        h(
          "table",
          {},
          h("caption", { class: "hidden-text" }, caption),
          h("thead", {}, h("tr", {}, columns.map((column) => header(column, column === active)))),
          h("tbody", {}, body),
        ),
      ),
      shown < rows.length &&
        h(
          "p",
          { class: "after" },
          h("button", { type: "button", class: "button", on: { click: more } }, `Show more (${rows.length - shown} left)`),
        ),
    ];
    holder.replaceChildren(...present(parts));
    if (focused) holder.querySelector(`[data-sort="${focused}"]`)?.focus();
  }

  draw();
  return holder;
}

/** Sort by a key; rows without one come last either way. */
function sorted(rows, key, rising) {
  const lacks = (value) => value === null || value === undefined;
  return rows.slice().sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (lacks(x) || lacks(y)) return lacks(x) - lacks(y);
    return x === y ? 0 : (x < y ? -1 : 1) * (rising ? 1 : -1);
  });
}

// Which view an address means:
// #/  #/suite/S  #/suite/S/family/F  #/agent/A  #/agent/A/episode/E  #/agent/A/episode/E/step/N  #/refused  #/proof

let onKey = null;
let asked = 0;
let started = false;

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // not written by this page; no view has such a name
  }
}

async function view(parts) {
  const [kind, name, below, key, , step] = parts;
  if (kind === "agent" && below === "episode") return episodeView(name, key, /^\d+$/.test(step) ? Number(step) : 0);
  if (kind === "agent") return agentView(name);
  if (kind === "proof") return proofView(name);
  if (kind === "refused") return refusedView();
  return boardView(kind === "suite" ? name : undefined, below === "family" ? key : "");
}

async function show() {
  const mine = ++asked;
  const parts = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  onKey = null;
  let page;
  try {
    page = await view(parts);
  } catch (error) {
    page = { name: "Cannot show this", nodes: [title("Cannot show this"), h("p", {}, error.message)] };
  }
  if (mine !== asked) return; // somebody was faster
  main.replaceChildren(...present(page.nodes));
  document.title = `${page.name} · rlvr leaderboard`;
  for (const item of document.querySelectorAll("[data-nav]")) {
    const here = (item.dataset.nav === "proof") === (parts[0] === "proof");
    if (here) item.setAttribute("aria-current", "page");
    else item.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  if (started) main.querySelector("h1")?.focus({ preventScroll: true });
  started = true;
  page.ready?.();
}

document.addEventListener("keydown", (event) => onKey?.(event));
document.addEventListener("DOMContentLoaded", show);
addEventListener("hashchange", show);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.getElementById("foot").textContent =
  `Made by rlvr ${index.version}. This file is complete: it loads nothing, sends nothing, and works offline.`;
