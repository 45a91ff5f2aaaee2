// The tables: a suite or family, one run, the refused records, and the text on replay.

const sorting = {}; // how each table was last sorted, by name
const remembered = (name, start) => (sorting[name] ||= start);

const model = (run) => run.policy.slice(Math.max(run.policy.lastIndexOf("#"), run.policy.lastIndexOf("/")) + 1);
const named = (run) => (run.policy ? `${run.agent} · ${model(run)}` : run.agent);
const roleTag = (run) => run.status === "reference" && tag("", `${run.role} reference`);
const suiteOf = (run) => index.suites.find((suite) => suite.name === run.suite);

function nothing(text) {
  const back = h("a", { href: "#/" }, "Back to the scores");
  return { name: "Not found", nodes: [title("Nothing here"), h("p", {}, text, " ", back)] };
}

/** The columns that a table of runs and a table of entries share; `cellOf` finds a row's numbers. */
function scoreColumns(cellOf, scale, ticksOf) {
  const solved = ([label, share]) => h("span", { class: "success" }, percent(share), h("small", {}, label));
  return {
    score: {
      id: "score",
      title: "Score",
      whole: true,
      sort: (row) => cellOf(row)?.score[0],
      cell: (row) => [estimate(cellOf(row)?.score), meter(cellOf(row)?.score, [0, 1], ticksOf(row))],
    },
    norm: {
      id: "norm",
      title: "Normalised",
      whole: true,
      sort: (row) => cellOf(row)?.norm?.[0],
      cell: (row) => [estimate(cellOf(row)?.norm), meter(cellOf(row)?.norm, scale, [0, 1])],
    },
    iqm: {
      id: "iqm",
      title: "IQM",
      class: "stack half",
      hint: "Interquartile mean of the entries’ normalised scores",
      sort: (row) => cellOf(row)?.iqm?.[0],
      cell: (row) => estimate(cellOf(row)?.iqm),
    },
    solved: {
      id: "success",
      title: "Solved",
      sort: (row) => cellOf(row)?.labels[0][1],
      cell: (row) => cellOf(row)?.labels.map(solved) ?? undefinedValue(),
    },
    steps: {
      id: "steps",
      title: "Steps",
      number: true,
      hint: "Environment steps an episode",
      sort: (row) => cellOf(row)?.steps,
      cell: (row) => (cellOf(row) ? compact(cellOf(row).steps) : undefinedValue()),
    },
    episodes: {
      id: "episodes",
      title: "Episodes",
      number: true,
      sort: (row) => cellOf(row)?.episodes ?? 0,
      cell: (row) => (cellOf(row)?.episodes ?? 0).toLocaleString("en"),
    },
  };
}

// A suite, or one family of it

/** Ranks by score, from 1; equal scores share a rank, and references and barred runs have none. */
function ranksOf(shown, scoreOf) {
  const ranks = new Map();
  const ranked = sorted(shown.filter((run) => run.status === "ranked"), scoreOf, false);
  ranked.forEach((run, place) => {
    const before = ranked[place - 1];
    const same = before && scoreOf(before) === scoreOf(run);
    ranks.set(run.slug, same ? ranks.get(before.slug) : place + 1);
  });
  return ranks;
}

function boardView(suiteName, family) {
  const suite = index.suites.find((item) => item.name === suiteName) || index.suites[0];
  if (!suite) return { name: "Scores", nodes: [title("No scores"), refusedNote() || h("p", {}, "There is no run here.")] };
  if (!(family in suite.references)) family = "";
  const cellOf = (run) => run.tables[family];
  const shown = suite.runs.map((slug) => runs.get(slug)).filter(cellOf);
  const ranks = ranksOf(shown, (run) => cellOf(run).score[0]);
  const shared = scoreColumns(cellOf, scaleOf(shown.map((run) => cellOf(run).norm)), () => suite.references[family]);
  const tokens = (run) => cellOf(run).tokens[0] + cellOf(run).tokens[1];
  const columns = [
    {
      id: "rank",
      title: "Rank",
      class: "rank",
      rising: true,
      sort: (run) => ranks.get(run.slug),
      cell: (run) => (ranks.has(run.slug) ? `#${ranks.get(run.slug)}` : h("span", { title: run.why.join(" ") }, "–")),
    },
    {
      id: "agent",
      title: "Agent",
      header: true,
      whole: true,
      rising: true,
      sort: named,
      cell: (run) => [
        h("a", { class: "name", href: address("agent", run.slug) }, named(run)),
        " ",
        roleTag(run),
        run.status === "unranked" && tag("amber", "not ranked"),
        run.policy && run.policy !== model(run) && h("span", { class: "meta" }, run.policy),
        h("span", { class: "meta" }, `run ${run.slug}`),
      ],
    },
    shared.score,
    shared.norm,
    shared.iqm,
    { ...shared.solved, class: "half" },
    shared.steps,
    {
      id: "tokens",
      title: "Tokens",
      number: true,
      hint: "Prompt and completion tokens an episode, as recorded",
      sort: tokens,
      cell: (run) => compact(tokens(run)),
    },
    shared.episodes,
    {
      id: "excluded",
      title: "Excluded",
      number: true,
      hint: "Left out of the scores: verifier time-outs and breakdowns",
      sort: (run) => cellOf(run).excluded,
      cell: (run) => String(cellOf(run).excluded),
    },
  ];
  const caption = `Scores of ${suite.title}${family ? `, family ${family}` : ""}`;
  return {
    name: "Scores",
    nodes: [
      title(family ? `${suite.title}: ${family}` : suite.title),
      h(
        "p",
        { class: "lead" },
        `${plural(index.replayed, "episode")} replayed when this page was built, from ${plural(index.runs.length, "run")}. `,
        h("a", { href: "#/proof" }, "What that proves"),
      ),
      h("div", { class: "controls" }, suitePicker(suite), familyChips(suite, family)),
      refusedNote(),
      table(columns, shown, remembered("board", { by: "score", rising: false }), {
        caption,
        describe: (run) => ({ class: run.status === "reference" ? "reference" : null }),
      }),
      h(
        "p",
        { class: "after small soft" },
        h("span", { class: "legend" }, h("i"), "random and expert references"),
        h("span", {}, "bar: 95 % interval"),
        suite.source && h("span", {}, `normalised by ${suite.source}`),
        h("a", { href: "#/proof/reading" }, "How to read the numbers"),
      ),
    ],
  };
}

function suitePicker(suite) {
  if (index.suites.length < 2) return null;
  const change = (event) => {
    location.hash = address("suite", event.target.value);
  };
  const option = (item) => h("option", { value: item.name, selected: item === suite }, item.title);
  return h("label", { class: "field" }, "Suite", h("select", { id: "suite", on: { change } }, index.suites.map(option)));
}

function familyChips(suite, family) {
  if (!suite.families.length) return null;
  const chip = (name) => {
    const href = name ? address("suite", suite.name, "family", name) : address("suite", suite.name);
    return h("a", { href, "aria-current": name === family ? "true" : null }, name || "All families");
  };
  return h("div", { class: "chips", role: "group", "aria-label": "Family" }, ["", ...suite.families].map(chip));
}

function refusedNote() {
  const count = index.refused.length;
  if (!count) return null;
  return note(
    "bad",
    h("b", {}, `${plural(count, "record")} refused. `),
    "What did not replay counts nowhere, and its run is not ranked. ",
    h("a", { href: "#/refused" }, "See which, and where they differ"),
  );
}

// One run

function agentView(slug) {
  const run = runs.get(slug);
  if (!run) return nothing("There is no such run on this page.");
  const suite = suiteOf(run);
  const total = run.tables[""];
  const labels = total ? total.labels.map(([label, share]) => fact(label, percent(share))) : [];
  const worst = run.episodes[0].key;
  return {
    name: `${named(run)} · ${slug}`,
    nodes: [
      crumbs(["Scores", address("suite", run.suite)], [named(run)]),
      title(named(run), " ", roleTag(run)),
      facts(
        fact("Run", slug),
        fact("Agent", run.agent),
        run.policy && fact("Policy", run.policy),
        fact("Suite", suite.title),
        fact("Score", estimate(total?.score)),
        fact("Normalised", estimate(total?.norm)),
        fact("IQM", estimate(total?.iqm)),
        ...labels,
        total && fact("Tokens an episode", `${compact(total.tokens[0])} prompt, ${compact(total.tokens[1])} completion`),
      ),
      details(
        "Settings and packages",
        run.config && fact("Settings", h("code", {}, run.config)),
        run.versions && fact("Packages", run.versions),
      ),
      run.why.length > 0 && note("", h("b", {}, "Not ranked. "), run.why.join(" ")),
      h(
        "p",
        {},
        h("a", { class: "button", id: "worst", href: address("agent", slug, "episode", worst) }, "Open its worst episode"),
      ),
      h("h2", {}, "Entries"),
      entryTable(run, suite),
      h("h2", {}, "Episodes, worst first"),
      episodeList(run, suite),
    ],
  };
}

function entryTable(run, suite) {
  const entryOf = (row) => suite.entries[row.entry];
  const scale = scaleOf(run.entries.map((row) => row.cell?.norm));
  const shared = scoreColumns((row) => row.cell, scale, (row) => entryOf(row).references);
  const columns = [
    {
      id: "entry",
      title: "Entry",
      header: true,
      whole: true,
      rising: true,
      sort: (row) => entryOf(row).name,
      cell: (row) => [
        h("span", { class: "value" }, entryOf(row).name),
        h("span", { class: "meta" }, [entryOf(row).env, entryOf(row).difficulty].filter(Boolean).join(" · ")),
      ],
    },
    shared.score,
    shared.norm,
    shared.solved,
    shared.steps,
    shared.episodes,
    {
      id: "excluded",
      title: "Excluded",
      number: true,
      sort: (row) => row.excluded,
      cell: (row) => String(row.excluded),
    },
  ];
  const state = remembered(`entries ${run.slug}`, { by: "entry", rising: true });
  return table(columns, run.entries, state, { caption: "Entries" });
}

function episodeList(run, suite) {
  const chosen = remembered(`filter ${run.slug}`, { entry: "", missed: false });
  const number = (id, name, value, text) => ({ id, title: name, number: true, sort: value, cell: text });
  const columns = [
    { id: "worst", title: "Worst", class: "rank", rising: true, sort: (row) => row.place, cell: (row) => `${row.place}` },
    {
      id: "key",
      title: "Episode",
      header: true,
      whole: true,
      rising: true,
      sort: (row) => row.key,
      cell: (row) => h("a", { class: "name", href: address("agent", run.slug, "episode", row.key) }, row.key),
    },
    number("score", "Score", (row) => row.score, (row) =>
      row.excluded ? tag("amber", "excluded") : h("span", { class: "value" }, fixed(row.score)),
    ),
    number("reward", "Reward", (row) => row.reward, (row) => plain(row.reward)),
    number("steps", "Steps", (row) => row.steps, (row) => String(row.steps)),
    number("tokens", "Tokens", (row) => row.tokens, (row) => compact(row.tokens)),
    {
      id: "bad",
      title: "First bad step",
      class: "half",
      rising: true,
      sort: (row) => row.bad?.step,
      cell: (row) =>
        row.bad
          ? [h("span", { class: "place" }, String(row.bad.step)), tag("bad", row.bad.kind)]
          : h("span", { class: "soft" }, "none"),
    },
    {
      id: "end",
      title: "Ended",
      class: "half",
      rising: true,
      sort: (row) => row.end,
      cell: (row) => tag(row.success ? "good" : "", row.end),
    },
  ];
  const list = h("div");
  const draw = () => {
    const rows = run.episodes
      .map((row, place) => ({ ...row, place: place + 1 }))
      .filter((row) => chosen.entry === "" || row.entry === Number(chosen.entry))
      .filter((row) => !chosen.missed || !row.success);
    const state = remembered(`episodes ${run.slug}`, { by: "worst", rising: true });
    list.replaceChildren(table(columns, rows, state, { caption: "Episodes, worst first", limit: LIST_LENGTH }));
  };
  const choose = (change) => {
    Object.assign(chosen, change);
    draw();
  };
  const option = (value, text) => h("option", { value, selected: chosen.entry === value }, text);
  draw();
  return [
    h(
      "div",
      { class: "controls" },
      h(
        "label",
        { class: "field" },
        "Entry",
        h(
          "select",
          { id: "entry", on: { change: (event) => choose({ entry: event.target.value }) } },
          option("", "all"),
          run.entries.map((row) => option(String(row.entry), suite.entries[row.entry].name)),
        ),
      ),
      h(
        "label",
        { class: "field" },
        h("input", {
          type: "checkbox",
          checked: chosen.missed,
          on: { change: (event) => choose({ missed: event.target.checked }) },
        }),
        "only those that missed the goal",
      ),
    ),
    list,
  ];
}

// Refused records, and the text on replay

function refusedView() {
  const columns = [
    {
      id: "run",
      title: "Run",
      header: true,
      whole: true,
      rising: true,
      sort: (row) => row.run,
      cell: (row) => h("span", { class: "value" }, row.run),
    },
    { id: "key", title: "Record", whole: true, rising: true, sort: (row) => row.key, cell: (row) => row.key },
    {
      id: "step",
      title: "First difference",
      whole: true,
      rising: true,
      sort: (row) => row.step,
      cell: (row) => (row.step === null ? undefinedValue() : `step ${row.step}`),
    },
    { id: "reason", title: "Why", whole: true, cell: (row) => row.reason },
  ];
  const state = remembered("refused", { by: "run", rising: true });
  return {
    name: "Refused records",
    nodes: [
      crumbs(["Scores", "#/"], ["Refused records"]),
      title("Refused records"),
      h(
        "p",
        { class: "lead" },
        index.refused.length
          ? "These records do not replay. They count nowhere, and their runs are not ranked."
          : "Every record on this page replays.",
      ),
      index.refused.length > 0 &&
        table(columns, index.refused, state, { caption: "Refused records", limit: LIST_LENGTH }),
    ],
  };
}

function proofView(part) {
  const text = document.getElementById("proof-text").cloneNode(true);
  return {
    name: "What replay proves",
    nodes: [...text.children],
    ready: () => part && main.querySelector(`[id="${CSS.escape(part)}"]`)?.scrollIntoView(),
  };
}
