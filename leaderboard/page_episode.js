// One episode, step by step. Episodes are packed by the hundred; a chunk is unpacked when one of its own is opened.

const unpacked = new Map();

function chunk(number) {
  if (!unpacked.has(number)) unpacked.set(number, unpack(document.getElementById(`chunk-${number}`).textContent));
  return unpacked.get(number);
}

async function unpack(base64) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("This browser cannot unpack episodes; Chrome 80, Firefox 113, Safari 16.4 and later can.");
  }
  const packed = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

async function episodeView(slug, key, start) {
  const run = runs.get(slug);
  const place = run ? run.episodes.findIndex((item) => item.key === key) : -1;
  if (place < 0) return nothing("There is no such episode on this page.");
  const summary = run.episodes[place];
  const record = (await chunk(summary.chunk))[summary.slot];
  const reached = summary.success ? ["good", "goal reached"] : ["bad", "goal missed"];
  const outcome = summary.excluded ? ["amber", "excluded"] : reached;
  const player = makePlayer(record.items, summary, start, (step) =>
    step ? address("agent", slug, "episode", key, "step", step) : address("agent", slug, "episode", key),
  );
  const other = (offset, text) => {
    const found = run.episodes[place + offset];
    return found ? h("a", { href: address("agent", slug, "episode", found.key) }, text) : h("span");
  };
  onKey = player.onKey;
  return {
    name: `${key} · ${named(run)}`,
    ready: player.ready,
    nodes: [
      crumbs(["Scores", address("suite", run.suite)], [named(run), address("agent", slug)], [key]),
      title(suiteOf(run).entries[summary.entry].name, " ", tag(...outcome)),
      facts(
        fact("Score", fixed(summary.score)),
        fact("Reward", plain(summary.reward)),
        fact("Steps", String(summary.steps)),
        fact("Ended", record.ended),
        fact("Environment", record.env),
      ),
      details(
        "Task and seed",
        fact("Task", h("code", {}, record.task)),
        fact("Seed", h("code", {}, record.seed)),
      ),
      [record.error, ...record.notes].filter(Boolean).map((text) => note("", text)),
      note(
        summary.bad ? "bad" : summary.success ? "good" : "",
        summary.bad && h("b", {}, `First bad step: ${summary.bad.step}. `),
        record.remark,
      ),
      player.nodes,
      h("p", { class: "small soft after" }, "Keys: ← → step, Home and End, b for the first bad step."),
      h(
        "nav",
        { class: "pager", "aria-label": "Other episodes" },
        other(-1, "‹ Next worse episode"),
        other(1, "Next better episode ›"),
      ),
    ],
  };
}

/** The buttons, the slider, the scene and the list of all steps; `addressOf(step)` is what the address bar shows. */
function makePlayer(items, summary, start, addressOf) {
  const last = items.length - 1;
  const bad = summary.bad ? summary.bad.step : null;
  let at = Math.min(last, start);

  const wide = (text) => h("span", { class: "only-wide" }, text);
  const button = (id, label, kind, act, ...text) =>
    h("button", { type: "button", id, class: `button ${kind}`, "aria-label": label, on: { click: act } }, ...text);
  const back = button("prev", "Previous step", "", () => go(at - 1), "‹", wide(" Back"));
  const next = button("next", "Next step", "", () => go(at + 1), wide("Next "), "›");
  const jump =
    bad !== null && button("bad", `First bad step: ${bad}`, "strong", () => go(bad), "First bad step");
  const count = h("span", { class: "count" });
  const slider = h("input", {
    type: "range",
    min: "0",
    max: String(last),
    step: "1",
    "aria-label": "Step",
    on: { input: () => go(Number(slider.value)) },
  });
  const flag =
    bad !== null &&
    h("i", { class: "flag", "aria-hidden": "true", style: { left: `calc(8px + (100% - 16px) * ${bad / last})` } });
  const stage = h("div", { class: "step", "aria-live": "polite" });
  const rows = items.map((item, number) => trailRow(item, number, number === bad, addressOf(number), go));
  const headings = ["Step", "Action", "Reward", ""].map((text) =>
    h("th", { scope: "col", class: text === "Reward" && "number" }, h("span", {}, text)),
  );
  const trail = h(
    "div",
    { class: "panel scroll trail", tabindex: "0", role: "region", "aria-label": "All steps" },
    h("table", {}, h("thead", {}, h("tr", {}, headings)), h("tbody", {}, rows)),
  );

  function go(number) {
    at = Math.min(last, Math.max(0, number));
    stage.replaceChildren(...scene(items, at, summary.success, at === bad));
    slider.value = String(at);
    slider.setAttribute("aria-valuetext", `step ${at} of ${last}`);
    count.textContent = `${at} / ${last}`;
    back.disabled = at === 0;
    next.disabled = at === last;
    rows.forEach((row, here) => {
      if (here === at) row.setAttribute("aria-current", "step");
      else row.removeAttribute("aria-current");
    });
    if (trail.isConnected) trail.scrollTop = rows[at].offsetTop - trail.clientHeight / 2;
    history.replaceState(null, "", addressOf(at));
  }

  function handleKey(event) {
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last, b: bad ?? at };
    const elsewhere = event.key !== "b" && event.target.closest("select, input"); // the slider moves itself
    if (!(event.key in moves) || elsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    go(moves[event.key]);
  }

  const bar = h(
    "div",
    { class: "player", role: "group", "aria-label": "Step through the episode" },
    back,
    count,
    next,
    jump,
    h("div", { class: "slide" }, slider, flag),
  );
  return { onKey: handleKey, ready: () => go(at), nodes: [bar, stage, h("h2", {}, "All steps"), trail] };
}

function trailRow(item, number, marked, href, go) {
  const click = (event) => {
    event.preventDefault();
    go(number);
  };
  return h(
    "tr",
    { class: item.off ? "off" : null },
    h("td", {}, h("a", { href, on: { click } }, String(number))),
    h("td", { class: "what" }, item.kind === "step" ? item.action : TITLES[item.kind]),
    h("td", { class: "number" }, item.kind === "step" ? plain(item.reward) : ""),
    h("td", {}, marked ? tag("bad", "first bad step") : item.invalid && tag("amber", "invalid")),
  );
}

// What happened at one position

const TITLES = {
  reset: "Start",
  restore: "Back to an earlier state",
  ask: "Asked, without acting",
  submit: "Handed in",
};

const emptyText = (text) => h("p", { class: "empty" }, text);
const shownText = (name, text) => [h("h3", {}, name), text ? h("pre", {}, text) : emptyText("nothing")];

function scene(items, at, success, marked) {
  const item = items[at];
  const replies = (item.replies || []).map((reply) => [
    h("h3", {}, `${reply.agent} replied`),
    reply.text ? h("pre", {}, reply.text) : emptyText("an empty text"),
  ]);
  if (item.kind !== "step") {
    const heading = item.kind === "reset" && at === 0 ? "Start" : `Step ${at}: ${TITLES[item.kind].toLowerCase()}`;
    const seen = item.observation !== undefined && shownText("The agent sees", item.observation);
    return [h("section", { class: "panel" }, h("h2", {}, heading), replies, seen)];
  }
  const before = items.slice(0, at).reverse().find((earlier) => earlier.observation !== undefined);
  const did = h(
    "section",
    { class: `panel ${marked ? "marked" : ""}` },
    h("h2", {}, `Step ${at} `, marked && tag("bad", "first bad step"), item.off && tag("", "not on the branch handed in")),
    shownText("The agent saw", before ? before.observation : ""),
    replies,
    h("h3", {}, item.rule ? `Action, read by rule “${item.rule}”` : "Action"),
    item.action ? h("pre", { class: "action" }, item.action) : emptyText("an empty text"),
  );
  return [did, consequence(item, success && at === items.length - 1)];
}

function consequence(item, reached) {
  const message = item.message && item.observation.startsWith(item.message) ? item.message : "";
  const seen = message ? item.observation.slice(message.length).replace(/^\n+/, "") : item.observation;
  const named = (name, value) => h("span", {}, h("span", { class: "soft" }, `${name} `), h("b", {}, value));
  return h(
    "section",
    { class: "panel" },
    h("h2", {}, "What came of it"),
    h(
      "p",
      { class: "outcome" },
      named("reward", plain(item.reward)),
      named("score now", fixed(item.score)),
      item.invalid && tag("bad", "invalid action"),
      item.end && tag(reached ? "good" : "", item.end),
      item.verdict && tag("", `verifier: ${item.verdict}`),
    ),
    message && h("p", { class: "message" }, message),
    (seen || !message) && shownText("The agent sees now", seen),
  );
}
