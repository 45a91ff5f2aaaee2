"use strict";
// Everything that comes from a record reaches the document as a text node, never as markup.

const index = JSON.parse(document.getElementById("index").textContent);
const main = document.getElementById("main");
const PAGE = 50;
const runs = new Map(index.runs.map((run) => [run.slug, run]));

// Small tools

function h(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else if (name === "style") for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const link = (parts, params) =>
  "#/" + parts.map((part) => encodeURIComponent(part)).join("/") + (params && params.size ? "?" + params : "");
const minus = (text) => text.replace("-", "−");
const fixed = (value, digits = 3) => minus(value.toFixed(digits));
const percent = (value) => minus((100 * value).toFixed(1)) + " %";
const plain = (value) => minus(String(Math.round(value * 1e4) / 1e4));
const compact = (value) =>
  value >= 1e6 ? (value / 1e6).toFixed(1) + " M" : value >= 1e4 ? (value / 1e3).toFixed(0) + " k" : value >= 100 ? value.toFixed(0) : plain(Math.round(value * 10) / 10);
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const none = () => h("span", { class: "soft", title: "not defined" }, "–");

function estimate(values) {
  if (!values) return none();
  const [value, low, high] = values;
  return [
    h("span", { class: "value" }, fixed(value)),
    low === undefined ? null : h("span", { class: "range", title: "95 % interval" }, `${fixed(low, 2)} to ${fixed(high, 2)}`),
  ];
}

function meter(values, [from, to], ticks) {
  if (!values) return null;
  const place = (value) => `${(100 * (Math.min(to, Math.max(from, value)) - from)) / (to - from)}%`;
  const [value, low, high] = values;
  const width = low === undefined ? null : `${(100 * (Math.min(to, high) - Math.max(from, low))) / (to - from)}%`;
  return h("div", { class: "meter", "aria-hidden": "true" },
    h("i", { class: "track" }),
    width && h("i", { class: "band", style: { left: place(low), width } }),
    ticks.filter((tick) => tick !== null && tick !== undefined).map((tick) => h("i", { class: "tick", style: { left: place(tick) } })),
    h("i", { class: "dot", style: { left: place(value) } }));
}

const span = (list) => {
  const edges = list.filter(Boolean).flat();
  return [Math.min(0, ...edges), Math.max(1, ...edges)];
};

// Tables: sorted by any column; below 900 px the rows become cards and a select takes the headers' place

function table(columns, rows, state, { caption, card = true, describe, limit }) {
  const holder = h("div");
  const draw = (focus) => {
    const column = columns.find((item) => item.id === state.by) || columns.find((item) => item.sort);
    const sorted = rows.slice().sort((a, b) => {
      const [x, y] = [column.sort(a), column.sort(b)];
      if (x === y) return 0;
      if (x === null || x === undefined) return 1;
      if (y === null || y === undefined) return -1;
      return (x < y ? -1 : 1) * (state.up ? 1 : -1);
    });
    const choose = (id, up) => {
      state.by = id;
      state.up = up;
      draw(id);
    };
    const sortable = columns.filter((item) => item.sort);
    const head = columns.map((item) => {
      const active = item === column;
      return h("th", { scope: "col", class: item.number && "number", title: item.hint, "aria-sort": item.sort && active ? (state.up ? "ascending" : "descending") : null },
        item.sort
          ? h("button", { type: "button", "data-sort": item.id, on: { click: () => choose(item.id, active ? !state.up : Boolean(item.up)) } }, item.title)
          : h("span", {}, item.title));
    });
    const body = sorted.slice(0, limit ? state.shown || limit : undefined).map((row) =>
      h("tr", describe ? describe(row) : {}, columns.map((item) =>
        h(item.header ? "th" : "td", { scope: item.header && "row", class: [item.number && "number", item.whole && "whole", item.class].filter(Boolean).join(" ") || null, "data-label": item.header ? null : item.title }, item.cell(row)))));
    const more = limit && rows.length > (state.shown || limit) && h("p", { class: "after" },
      h("button", { type: "button", class: "button", on: { click: () => { state.shown = (state.shown || limit) + 4 * limit; draw(); } } },
        `Show more (${rows.length - (state.shown || limit)} left)`));
    const picker = card && sortable.length > 1 && h("p", { class: "field only-narrow" }, h("label", { for: `sort-${caption}` }, "Sort by"),
      h("select", { id: `sort-${caption}`, on: { change: (event) => choose(event.target.value, Boolean(columns.find((item) => item.id === event.target.value).up)) } },
        sortable.map((item) => h("option", { value: item.id, selected: item === column }, item.title))));
    holder.replaceChildren(...[picker, h("div", { class: card ? "panel scroll cards" : "panel scroll" },
      h("table", {}, h("caption", { class: "hidden-text" }, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body))), more].filter(Boolean));
    if (focus) holder.querySelector(`[data-sort="${focus}"]`)?.focus();
  };
  draw();
  return holder;
}

// Leaderboard

const sorting = {};
const suiteTitle = (suite) => suite.title;
const model = (run) => run.policy && run.policy.slice(Math.max(run.policy.lastIndexOf("#"), run.policy.lastIndexOf("/")) + 1);
const named = (run) => (run.policy ? `${run.agent} · ${model(run)}` : run.agent);
const referenceTag = (run) => run.role && h("span", { class: "tag" }, `${run.role} reference`);
function board(suiteName, family) {
  const suite = index.suites.find((item) => item.name === suiteName) || index.suites[0];
  if (!suite) return empty("There is no run on this page.");
  if (!(family in suite.references)) family = "";
  const shown = suite.runs.map((slug) => runs.get(slug)).filter((run) => run.tables[family]);
  const cell = (run) => run.tables[family];
  const ticks = suite.references[family];
  const scale = span(shown.map((run) => cell(run).norm));
  const ranks = new Map();
  const ranked = shown.filter((run) => run.status === "ranked").sort((a, b) => cell(b).score[0] - cell(a).score[0]);
  ranked.forEach((run, place) => {
    const before = ranked[place - 1];
    ranks.set(run.slug, before && cell(before).score[0] === cell(run).score[0] ? ranks.get(before.slug) : place + 1);
  });
  const columns = [
    { id: "rank", title: "Rank", class: "rank", sort: (run) => ranks.get(run.slug) ?? null, up: true, cell: (run) => ranks.has(run.slug) ? `#${ranks.get(run.slug)}` : h("span", { title: run.why.join(" ") }, "–") },
    { id: "agent", title: "Agent", header: true, whole: true, up: true, sort: named, cell: (run) => [
      h("a", { class: "name", href: link(["agent", run.slug]) }, named(run)), " ", referenceTag(run),
      run.status === "unranked" && h("span", { class: "tag amber" }, "not ranked"),
      run.policy && run.policy !== model(run) && h("span", { class: "meta" }, run.policy), h("span", { class: "meta" }, `run ${run.slug}`)] },
    { id: "score", title: "Score", whole: true, sort: (run) => cell(run).score[0], cell: (run) => [estimate(cell(run).score), meter(cell(run).score, [0, 1], ticks)] },
    { id: "norm", title: "Normalised", whole: true, sort: (run) => cell(run).norm?.[0], cell: (run) => [estimate(cell(run).norm), meter(cell(run).norm, scale, [0, 1])] },
    { id: "iqm", title: "IQM", class: "stack half", sort: (run) => cell(run).iqm?.[0], hint: "Interquartile mean of the entries’ normalised scores", cell: (run) => estimate(cell(run).iqm) },
    { id: "success", title: "Solved", class: "half", sort: (run) => cell(run).labels[0][1], cell: (run) => cell(run).labels.map(([label, value]) => h("span", { class: "success" }, percent(value), h("small", {}, label))) },
    { id: "steps", title: "Steps", number: true, hint: "Environment steps an episode", sort: (run) => cell(run).steps, cell: (run) => compact(cell(run).steps) },
    { id: "tokens", title: "Tokens", number: true, hint: "Prompt and completion tokens an episode, as recorded", sort: (run) => cell(run).tokens[0] + cell(run).tokens[1], cell: (run) => h("span", { title: `${compact(cell(run).tokens[0])} prompt, ${compact(cell(run).tokens[1])} completion` }, compact(cell(run).tokens[0] + cell(run).tokens[1])) },
    { id: "episodes", title: "Episodes", number: true, sort: (run) => cell(run).episodes, cell: (run) => cell(run).episodes.toLocaleString("en") },
    { id: "excluded", title: "Excluded", number: true, hint: "Left out of the scores: verifier time-outs and breakdowns", sort: (run) => cell(run).excluded, cell: (run) => String(cell(run).excluded) },
  ];
  const state = (sorting.board ||= { by: "score", up: false });
  const verdict = index.refused.length
    ? h("div", { class: "note bad" }, h("p", {}, h("b", {}, `${plural(index.refused.length, "record")} refused. `), "What did not replay counts nowhere, and its run is not ranked. ", h("a", { href: "#/refused" }, "See which, and where they differ")))
    : null;
  return {
    title: "Scores",
    nodes: [
      h("h1", { tabindex: "-1" }, family ? `${suiteTitle(suite)}: ${family}` : suiteTitle(suite)),
      h("p", { class: "lead" }, `${plural(index.replayed, "episode")} replayed when this page was built, from ${plural(index.runs.length, "run")}. `, h("a", { href: "#/proof" }, "What that proves")),
      h("div", { class: "controls" },
        index.suites.length > 1 && h("label", { class: "field" }, "Suite",
          h("select", { id: "suite", on: { change: (event) => { location.hash = link(["suite", event.target.value]); } } },
            index.suites.map((item) => h("option", { value: item.name, selected: item === suite }, suiteTitle(item))))),
        suite.families.length > 0 && h("div", { class: "chips", role: "group", "aria-label": "Family" },
          ["", ...suite.families].map((name) => h("a", { href: link(name ? ["suite", suite.name, "family", name] : ["suite", suite.name]), "aria-current": name === family ? "true" : null }, name || "All families")))),
      verdict,
      table(columns, shown, state, { caption: `Scores of suite ${suiteTitle(suite)}${family ? `, family ${family}` : ""}`, describe: (run) => ({ class: run.role ? "reference" : null }) }),
      h("p", { class: "after small soft" }, h("span", { class: "legend" }, h("i"), "random and expert references"), h("span", {}, "bar: 95 % interval"), suite.source && h("span", {}, suite.source), h("a", { href: "#/proof/reading" }, "How to read the numbers")),
    ],
  };
}

// Agent

function agent(slug) {
  const run = runs.get(slug);
  if (!run) return empty("There is no such run on this page.");
  const suite = index.suites.find((item) => item.name === run.suite);
  const total = run.tables[""];
  const scale = span(run.entries.map((entry) => entry.cell?.norm));
  const entries = [
    { id: "entry", title: "Entry", header: true, whole: true, up: true, sort: (row) => suite.entries[row.entry].name, cell: (row) => [
      h("span", { class: "value" }, suite.entries[row.entry].name), h("span", { class: "meta" }, [suite.entries[row.entry].env, suite.entries[row.entry].difficulty].filter(Boolean).join(" · "))] },
    { id: "score", title: "Score", whole: true, sort: (row) => row.cell?.score[0], cell: (row) => row.cell ? [estimate(row.cell.score), meter(row.cell.score, [0, 1], suite.entries[row.entry].references)] : none() },
    { id: "norm", title: "Normalised", whole: true, sort: (row) => row.cell?.norm?.[0], cell: (row) => [estimate(row.cell?.norm), meter(row.cell?.norm, scale, [0, 1])] },
    { id: "success", title: "Solved", class: "half", sort: (row) => row.cell?.labels[0][1], cell: (row) => row.cell ? row.cell.labels.map(([label, value]) => h("span", { class: "success" }, percent(value), h("small", {}, label))) : none() },
    { id: "steps", title: "Steps", number: true, hint: "Environment steps an episode", sort: (row) => row.cell?.steps, cell: (row) => row.cell ? compact(row.cell.steps) : none() },
    { id: "episodes", title: "Episodes", number: true, sort: (row) => row.cell?.episodes, cell: (row) => String(row.cell?.episodes ?? 0) },
    { id: "excluded", title: "Excluded", number: true, sort: (row) => row.excluded, cell: (row) => String(row.excluded) },
  ];
  const filter = (sorting[`filter ${slug}`] ||= { entry: "", missed: false });
  const list = h("div");
  const draw = () => {
    const rows = run.episodes.map((episode, place) => ({ ...episode, place }))
      .filter((episode) => (filter.entry === "" || episode.entry === Number(filter.entry)) && (!filter.missed || !episode.success));
    const columns = [
      { id: "worst", title: "Worst", class: "rank", up: true, sort: (row) => row.place, cell: (row) => String(row.place + 1) },
      { id: "key", title: "Episode", header: true, whole: true, up: true, sort: (row) => row.key, cell: (row) => h("a", { class: "name", href: link(["agent", slug, "episode", row.key]) }, row.key) },
      { id: "score", title: "Score", number: true, sort: (row) => row.score, cell: (row) => row.excluded ? h("span", { class: "tag amber" }, "excluded") : h("span", { class: "value" }, fixed(row.score)) },
      { id: "reward", title: "Reward", number: true, sort: (row) => row.reward, cell: (row) => plain(row.reward) },
      { id: "steps", title: "Steps", number: true, sort: (row) => row.steps, cell: (row) => String(row.steps) },
      { id: "tokens", title: "Tokens", number: true, sort: (row) => row.tokens, cell: (row) => compact(row.tokens) },
      { id: "bad", title: "First bad step", class: "half", up: true, sort: (row) => row.bad?.step, cell: (row) => row.bad ? [h("span", { class: "place" }, String(row.bad.step)), h("span", { class: "tag bad" }, row.bad.kind)] : h("span", { class: "soft" }, "none") },
      { id: "end", title: "Ended", class: "half", up: true, sort: (row) => row.end, cell: (row) => h("span", { class: `tag ${row.success ? "good" : ""}` }, row.end) },
    ];
    list.replaceChildren(table(columns, rows, (sorting[`episodes ${slug}`] ||= { by: "worst", up: true }), { caption: "Episodes, worst first", limit: PAGE }));
  };
  draw();
  return {
    title: `${named(run)} · ${slug}`,
    nodes: [
      crumbs(["Scores", link(["suite", run.suite])], [named(run)]),
      h("h1", { tabindex: "-1" }, named(run), " ", referenceTag(run)),
      h("dl", { class: "facts" },
        fact("Run", slug), fact("Agent", run.agent), run.policy && fact("Policy", run.policy), fact("Suite", suiteTitle(suite)),
        fact("Score", total ? estimate(total.score) : none()), fact("Normalised", estimate(total?.norm)), fact("IQM", estimate(total?.iqm)),
        total && total.labels.map(([label, value]) => fact(label, percent(value))),
        fact("Tokens an episode", total ? `${compact(total.tokens[0])} prompt, ${compact(total.tokens[1])} completion` : none())),
      details("Settings and packages", run.config && fact("Settings", h("code", {}, run.config)), run.versions && fact("Packages", run.versions)),
      run.why.length > 0 && h("div", { class: "note" }, h("p", {}, h("b", {}, "Not ranked. "), run.why.join(" "))),
      h("h2", {}, "Entries"),
      table(entries, run.entries, (sorting[`entries ${slug}`] ||= { by: "entry", up: true }), { caption: "Entries" }),
      h("h2", {}, "Episodes, worst first"),
      h("div", { class: "controls" },
        h("label", { class: "field" }, "Entry", h("select", { id: "entry", on: { change: (event) => { filter.entry = event.target.value; draw(); } } },
          h("option", { value: "" }, "all"), run.entries.map((row) => h("option", { value: String(row.entry), selected: filter.entry === String(row.entry) }, suite.entries[row.entry].name)))),
        h("label", { class: "field" }, h("input", { type: "checkbox", checked: filter.missed, on: { change: (event) => { filter.missed = event.target.checked; draw(); } } }), "only those that missed the goal")),
      list,
    ],
  };
}

const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
const details = (title, ...facts) => h("details", {}, h("summary", {}, title), h("dl", { class: "facts" }, facts));
const crumbs = (...parts) => h("p", { class: "crumbs" }, parts.map(([text, href], place) => [place > 0 && h("span", { "aria-hidden": "true" }, "›"), href ? h("a", { href }, text) : h("span", {}, text)]));
const empty = (text) => ({ title: "Not found", nodes: [h("h1", { tabindex: "-1" }, "Nothing here"), h("p", {}, text, " ", h("a", { href: "#/" }, "Back to the scores"))] });

// Episode

const unpacked = new Map();

function chunk(number) {
  if (!unpacked.has(number)) {
    unpacked.set(number, (async () => {
      if (typeof DecompressionStream === "undefined") throw new Error("This browser cannot unpack the episodes; Chrome 80, Firefox 113, Safari 16.4 and later can.");
      const packed = Uint8Array.from(atob(document.getElementById(`chunk-${number}`).textContent), (letter) => letter.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
      return JSON.parse(await new Response(stream).text());
    })());
  }
  return unpacked.get(number);
}

let onKey = null;

async function episode(slug, key, wanted) {
  const run = runs.get(slug);
  const place = run ? run.episodes.findIndex((item) => item.key === key) : -1;
  if (place < 0) return empty("There is no such episode on this page.");
  const summary = run.episodes[place];
  const suite = index.suites.find((item) => item.name === run.suite);
  const record = (await chunk(summary.chunk))[summary.slot];
  const items = record.items;
  const last = items.length - 1;
  const bad = summary.bad ? summary.bad.step : null;
  let at = Math.min(last, Math.max(0, wanted ?? 0));

  const stage = h("div", { class: "step", "aria-live": "polite" });
  const slider = h("input", { type: "range", min: "0", max: String(last), step: "1", "aria-label": "Step", on: { input: () => go(Number(slider.value)) } });
  const count = h("span", { class: "count" });
  const button = (id, text, label, act, kind = "") => h("button", { type: "button", id, class: `button ${kind}`, "aria-label": label, on: { click: act } }, text);
  const wide = (text) => h("span", { class: "only-wide" }, text);
  const back = button("prev", ["‹", wide(" Back")], "Previous step", () => go(at - 1));
  const next = button("next", [wide("Next "), "›"], "Next step", () => go(at + 1));
  const jump = bad === null ? null : button("bad", "First bad step", `Go to the first bad step, step ${summary.bad.step}`, () => go(bad), "strong");
  const trailRows = items.map((item, number) => h("tr", { class: item.off ? "off" : null },
    h("td", {}, h("a", { href: link(["agent", slug, "episode", key, "step", number]), on: { click: (event) => { event.preventDefault(); go(number); } } }, String(number))),
    h("td", { class: "what" }, item.kind === "step" ? item.action : TITLES[item.kind]),
    h("td", { class: "number" }, item.kind === "step" ? plain(item.reward) : ""),
    h("td", {}, number === bad && h("span", { class: "tag bad" }, "first bad step"), item.invalid && number !== bad && h("span", { class: "tag amber" }, "invalid"))));
  const trail = h("div", { class: "panel scroll trail", tabindex: "0", role: "region", "aria-label": "All steps" },
    h("table", {}, h("thead", {}, h("tr", {}, ["Step", "Action", "Reward", ""].map((text) => h("th", { scope: "col", class: text === "Reward" && "number" }, h("span", {}, text))))), h("tbody", {}, trailRows)));

  function go(number) {
    at = Math.min(last, Math.max(0, number));
    stage.replaceChildren(...scene(items, at, summary, at === bad));
    slider.value = String(at);
    slider.setAttribute("aria-valuetext", `step ${at} of ${last}`);
    count.textContent = `${at} / ${last}`;
    back.disabled = at === 0;
    next.disabled = at === last;
    trailRows.forEach((row, here) => (here === at ? row.setAttribute("aria-current", "step") : row.removeAttribute("aria-current")));
    const row = trailRows[at];
    if (row.isConnected) trail.scrollTop = row.offsetTop - trail.clientHeight / 2;
    history.replaceState(null, "", link(at ? ["agent", slug, "episode", key, "step", at] : ["agent", slug, "episode", key]));
  }
  onKey = (event) => {
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last, b: bad ?? at };
    if (!(event.key in moves) || event.target === slider || event.target.closest("select") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    go(moves[event.key]);
  };
  go(at);
  const other = (offset, text) => run.episodes[place + offset] && h("a", { href: link(["agent", slug, "episode", run.episodes[place + offset].key]) }, text);
  return {
    title: `${key} · ${run.agent}`,
    ready: () => go(at),
    nodes: [
      crumbs(["Scores", link(["suite", run.suite])], [named(run), link(["agent", slug])], [key]),
      h("h1", { tabindex: "-1" }, suite.entries[summary.entry].name, " ", h("span", { class: `tag ${summary.excluded ? "amber" : summary.success ? "good" : "bad"}` }, summary.excluded ? "excluded" : summary.success ? "goal reached" : "goal missed")),
      h("dl", { class: "facts" }, fact("Score", fixed(summary.score)), fact("Reward", plain(summary.reward)), fact("Steps", String(summary.steps)), fact("Ended", record.ended), fact("Environment", record.env)),
      details("Task and seed", fact("Task", h("code", {}, record.task)), fact("Seed", h("code", {}, record.seed))),
      [record.error, ...record.notes].filter(Boolean).map((text) => h("div", { class: "note" }, h("p", {}, text))),
      h("div", { class: `note ${summary.bad ? "bad" : summary.success ? "good" : ""}` }, h("p", {}, summary.bad && h("b", {}, `First bad step: ${summary.bad.step}. `), record.remark)),
      h("div", { class: "player", role: "group", "aria-label": "Step through the episode" }, back, count, next, jump,
        h("div", { class: "slide" }, slider, bad !== null && h("i", { class: "flag", "aria-hidden": "true", style: { left: `calc(8px + (100% - 16px) * ${last ? bad / last : 0})` } }))),
      stage,
      h("h2", {}, "All steps"), trail,
      h("p", { class: "small soft after" }, "Keys: ← → step, Home and End, b for the first bad step."),
      h("nav", { class: "pager", "aria-label": "Other episodes" }, other(-1, "‹ Next worse episode") || h("span"), other(1, "Next better episode ›") || h("span")),
    ],
  };
}

const TITLES = { reset: "Start", restore: "Back to an earlier state", ask: "Asked, without acting", submit: "Handed in" };
const shown = (text, title) => [h("h3", {}, title), text ? h("pre", {}, text) : h("p", { class: "empty" }, "nothing")];

function scene(items, at, summary, marked) {
  const item = items[at];
  const before = items.slice(0, at).reverse().find((earlier) => earlier.observation !== undefined);
  const replies = (item.replies || []).map((reply) => [h("h3", {}, `${reply.agent} replied`), reply.text ? h("pre", {}, reply.text) : h("p", { class: "empty" }, "an empty text")]);
  if (item.kind === "reset") return [h("section", { class: "panel" }, h("h2", {}, "Start"), shown(item.observation, "The agent sees"))];
  if (item.kind !== "step") {
    return [h("section", { class: "panel" }, h("h2", {}, `Step ${at}: ${TITLES[item.kind].toLowerCase()}`), replies, item.observation !== undefined && shown(item.observation, "The agent sees"))];
  }
  const message = item.message && item.observation.startsWith(item.message) ? item.message : "";
  const view = message ? item.observation.slice(message.length).replace(/^\n+/, "") : item.observation;
  return [
    h("section", { class: `panel ${marked ? "marked" : ""}` },
      h("h2", {}, `Step ${at}`, " ", marked && h("span", { class: "tag bad" }, "first bad step"), item.off && h("span", { class: "tag" }, "not on the branch handed in")),
      shown(before ? before.observation : "", "The agent saw"),
      replies,
      h("h3", {}, item.rule ? `Action, read by rule “${item.rule}”` : "Action"),
      item.action ? h("pre", { class: "action" }, item.action) : h("p", { class: "empty" }, "an empty text")),
    h("section", { class: "panel" },
      h("h2", {}, "What came of it"),
      h("p", { class: "outcome" },
        h("span", {}, h("span", { class: "soft" }, "reward "), h("b", {}, plain(item.reward))),
        h("span", {}, h("span", { class: "soft" }, "score now "), h("b", {}, fixed(item.score))),
        item.invalid && h("span", { class: "tag bad" }, "invalid action"),
        item.end && h("span", { class: `tag ${summary.success && at === items.length - 1 ? "good" : ""}` }, item.end),
        item.verdict && h("span", { class: "tag" }, `verifier: ${item.verdict}`)),
      message && h("p", { class: "message" }, message),
      (view || !message) && shown(view, "The agent sees now")),
  ];
}

// Refused records and the text on replay

function refused() {
  const columns = [
    { id: "run", title: "Run", header: true, whole: true, up: true, sort: (row) => row.run, cell: (row) => h("span", { class: "value" }, row.run) },
    { id: "key", title: "Record", whole: true, up: true, sort: (row) => row.key, cell: (row) => row.key },
    { id: "step", title: "First difference", whole: true, sort: (row) => row.step, up: true, cell: (row) => (row.step === null ? none() : `step ${row.step}`) },
    { id: "reason", title: "Why", whole: true, cell: (row) => row.reason },
  ];
  return {
    title: "Refused records",
    nodes: [crumbs(["Scores", "#/"], ["Refused records"]), h("h1", { tabindex: "-1" }, "Refused records"),
      h("p", { class: "lead" }, index.refused.length ? "These records do not replay. They count nowhere, and their runs are not ranked." : "Every record on this page replays."),
      index.refused.length > 0 && table(columns, index.refused, (sorting.refused ||= { by: "run", up: true }), { caption: "Refused records", limit: PAGE })],
  };
}

function proof(part) {
  const text = document.getElementById("proof-text");
  const nodes = [...text.cloneNode(true).childNodes].filter((node) => node.nodeType === Node.ELEMENT_NODE);
  return { title: "What replay proves", nodes, ready: () => part && document.getElementById(part) && main.querySelector(`[id="${CSS.escape(part)}"]`)?.scrollIntoView() };
}

// Routes: #/  #/suite/S  #/suite/S/family/F  #/agent/A  #/agent/A/episode/E  #/agent/A/episode/E/step/N  #/refused  #/proof

let serial = 0;

async function show() {
  const mine = ++serial;
  const parts = location.hash.replace(/^#\/?/, "").split("/").map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  onKey = null;
  let page;
  try {
    if (parts[0] === "agent" && parts[2] === "episode") page = await episode(parts[1], parts[3], /^\d+$/.test(parts[5] ?? "") ? Number(parts[5]) : 0);
    else if (parts[0] === "agent") page = agent(parts[1]);
    else if (parts[0] === "proof") page = proof(parts[1]);
    else if (parts[0] === "refused") page = refused();
    else page = board(parts[0] === "suite" ? parts[1] : undefined, parts[2] === "family" ? parts[3] : "");
  } catch (error) {
    page = { title: "Cannot show this", nodes: [h("h1", { tabindex: "-1" }, "Cannot show this"), h("p", {}, String(error.message || error))] };
  }
  if (mine !== serial) return;
  main.replaceChildren(...page.nodes.flat(9).filter(Boolean));
  document.title = `${page.title} · rlvr leaderboard`;
  for (const item of document.querySelectorAll("[data-nav]")) {
    if ((item.dataset.nav === "proof") === (parts[0] === "proof")) item.setAttribute("aria-current", "page");
    else item.removeAttribute("aria-current");
  }
  scrollTo(0, 0);
  if (started) main.querySelector("h1")?.focus({ preventScroll: true });
  started = true;
  page.ready?.();
}

let started = false;
document.addEventListener("keydown", (event) => onKey?.(event));
addEventListener("hashchange", show);
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
document.getElementById("foot").textContent = `Made by rlvr ${index.version}. This file is complete: it loads nothing, sends nothing, and works offline.`;
show();
