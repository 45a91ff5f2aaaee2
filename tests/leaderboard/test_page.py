"""The page in a real browser: a stranger's clicks, both sizes, both colour schemes, keyboard, hostile records."""

import json
from collections.abc import Iterator

import pytest

from rlvr.leaderboard.build import BuildReport

from .browser import Browser, find_chromium
from .conftest import page_data

SIZES = [(1280, 900), (390, 844)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    binary = find_chromium()
    if binary is None:
        pytest.skip("Chromium is absent (apt-get install chromium)")
    browser = Browser(binary)
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser, site: BuildReport) -> Iterator[Browser]:
    browser.requests.clear()
    browser.console.clear()
    browser.base = site.page.as_uri()
    yield browser
    assert browser.console == [], "the console must stay silent"
    assert {url for url in browser.requests if not url.startswith("data:")} <= {browser.base, "about:blank"}


def views(site: BuildReport) -> dict[str, str]:
    """Every kind of view, by name, as a hash."""
    index, _ = page_data(site.page.read_text())
    thinker = next(run for run in index["runs"] if run["slug"] == "thinker")
    episode = "#/agent/thinker/episode/" + thinker["episodes"][0]["key"].replace("/", "%2F")
    maze = next(item for item in thinker["episodes"] if item["key"].startswith("maze/"))
    suite = index["suites"][0]["name"].replace("/", "%2F")
    return {
        "scores": "",
        "family": f"#/suite/{suite}/family/game24",
        "agent": "#/agent/thinker",
        "not ranked": "#/agent/tampered",
        "episode": episode,
        "step": "#/agent/thinker/episode/" + maze["key"].replace("/", "%2F") + "/step/2",
        "refused": "#/refused",
        "proof": "#/proof",
        "nowhere": "#/agent/nobody",
    }


@pytest.mark.parametrize("way", ["#worst", 'a.name[href*="/episode/"]'], ids=["button", "list"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_stranger_finds_the_worst_episode_and_its_first_bad_step_within_four_clicks(
    page: Browser, site: BuildReport, width: int, height: int, way: str
) -> None:
    index, _ = page_data(site.page.read_text())
    page.size(width, height)
    page.open(page.base)
    clicks = 0

    def click(selector: str) -> None:
        nonlocal clicks
        page.click(selector)
        clicks += 1

    slug = page.js("[...document.querySelectorAll('tbody tr:not(.reference) a.name')][0].getAttribute('href')")
    run = next(run for run in index["runs"] if slug.endswith(f"/{run['slug']}"))
    click(f'a.name[href="{slug}"]')
    page.wait("location.hash.split('/').length === 3 && document.querySelector('#entry') !== null")
    click(way)
    page.wait("document.querySelector('#bad') !== null")
    key = page.js("decodeURIComponent(location.hash.split('/')[4])")
    worst = min(episode["score"] for episode in run["episodes"])
    opened = next(episode for episode in run["episodes"] if episode["key"] == key)
    assert opened["score"] == worst
    click("#bad")
    page.wait("document.querySelector('.panel.marked') !== null")
    title = "document.querySelector('.panel.marked h2')"
    assert page.js(f"{title}.textContent").startswith(f"Step {opened['bad']['step']} ")
    box = page.js(f"(({{top, bottom}}) => [top, bottom])({title}.getBoundingClientRect())")
    assert box[0] >= 0 and box[1] <= height, "what was asked for must be in view"
    assert clicks <= 4


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_no_view_is_wider_than_the_window(page: Browser, site: BuildReport, width: int, height: int) -> None:
    page.size(width, height)
    for name, view in views(site).items():
        page.open(page.base + view)
        assert page.js("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0, name
        assert page.js("document.querySelector('h1').textContent.trim()"), name


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_enough_contrast(page: Browser, site: BuildReport, dark: bool) -> None:
    """WCAG AA: 4.5 to 1 against the nearest background that is not transparent."""
    page.size(1280, 900, dark=dark)
    for name, view in views(site).items():
        page.open(page.base + view)
        assert page.js(CONTRAST) == [], name


CONTRAST = """(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (colour) => colour.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())) continue;
    if (!node.getClientRects().length || node.closest(":disabled, .off, option, script, .skip, .hidden-text")) continue;
    let under = node;
    while (under && parse(getComputedStyle(under).backgroundColor)[3] === 0) under = under.parentElement;
    const [x, y] = [light(parse(getComputedStyle(node).color)), light(parse(getComputedStyle(under).backgroundColor))];
    const ratio = (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
    if (ratio < 4.5) poor.push([node.className || node.tagName, node.textContent.slice(0, 30), ratio.toFixed(2)]);
  }
  return poor;
})()"""


def test_what_records_say_is_text_and_never_runs(page: Browser, site: BuildReport) -> None:
    page.size(1280, 900)
    for name, view in views(site).items():
        page.open(page.base + view)
        assert page.js("document.images.length") == 0, name
        assert page.js("window.hacked === undefined"), name
    assert "onerror" in page.js("(location.hash = '#/agent/thinker', document.documentElement.textContent)")
    index, chunks = page_data(site.page.read_text())
    run = next(run for run in index["runs"] if run["slug"] == "thinker")
    episode = next(
        episode
        for episode in run["episodes"]
        if any("onerror" in item.get("action", "") for item in chunks[episode["chunk"]][episode["slot"]]["items"])
    )
    step = next(
        number
        for number, item in enumerate(chunks[episode["chunk"]][episode["slot"]]["items"])
        if "onerror" in item.get("action", "")
    )
    page.open(f"{page.base}#/agent/thinker/episode/{episode['key'].replace('/', '%2F')}/step/{step}")
    assert page.js("document.querySelector('pre.action').textContent") == "</script><img src=x onerror=window.hacked=1>"
    assert page.js("document.images.length") == 0
    assert page.js("window.hacked === undefined")


def test_the_policy_of_the_page_forbids_what_the_script_never_does(page: Browser) -> None:
    """Even code that got in could neither run inline nor reach the network."""
    page.open(page.base)
    page.js(
        """(() => { const script = document.createElement('script');
            script.textContent = 'window.hacked = 1'; document.body.append(script); })()"""
    )
    assert page.js("window.hacked === undefined")
    assert page.js("fetch('https://example.org/').then(() => 'sent', () => 'stopped')") == "stopped"
    assert any("Content Security Policy" in text for text in page.console)
    page.console.clear()
    page.requests.clear()


def test_the_keyboard_steps_through_an_episode(page: Browser, site: BuildReport) -> None:
    index, chunks = page_data(site.page.read_text())
    run = next(run for run in index["runs"] if run["slug"] == "thinker")
    episode = next(episode for episode in run["episodes"] if episode["bad"] and episode["bad"]["step"] > 2)
    last = len(chunks[episode["chunk"]][episode["slot"]]["items"]) - 1
    page.size(1280, 900)
    page.open(f"{page.base}#/agent/thinker/episode/{episode['key'].replace('/', '%2F')}")
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "b", "End", "ArrowRight", "Home", "ArrowLeft"):
        page.key(key)
        seen.append(page.js("document.querySelector('.count').textContent"))
    assert seen == [f"{step} / {last}" for step in (1, 2, 1, episode["bad"]["step"], last, last, 0, 0)]
    page.key("ArrowRight")
    assert page.js("location.hash").endswith("/step/1")
    assert page.js("document.querySelector('.trail tr[aria-current] td').textContent") == "1"
    page.js("document.querySelector('input[type=range]').focus()")
    page.key("ArrowRight")
    assert page.js("document.querySelector('.count').textContent") == f"2 / {last}", "the slider moves by one, not two"


def test_any_column_sorts_and_says_so(page: Browser) -> None:
    page.size(1280, 900)
    page.open(page.base)
    page.js("document.querySelector('[data-sort=steps]').focus()")
    page.key("Enter")
    steps = "[...document.querySelectorAll('tbody td[data-label=Steps]')].map((cell) => parseFloat(cell.textContent))"
    down = page.js(steps)
    assert down == sorted(down, reverse=True)
    assert page.js("document.querySelector('th[aria-sort]').getAttribute('aria-sort')") == "descending"
    assert page.js("document.activeElement.dataset.sort") == "steps", "the focus stays where it was"
    page.key("Enter")
    assert page.js(steps) == down[::-1]


def test_cards_can_be_sorted_too(page: Browser) -> None:
    page.size(390, 844)
    page.open(page.base)
    names = "[...document.querySelectorAll('tbody a.name')].map((node) => node.textContent)"
    page.js(
        """(() => { const select = document.querySelector('.only-narrow select');
            select.value = 'agent'; select.dispatchEvent(new Event('change')); })()"""
    )
    found = page.js(names)
    assert found == sorted(found)
    assert page.js("getComputedStyle(document.querySelector('.only-narrow')).display") != "none"


def test_family_chips_and_suite_addresses_lead_to_their_tables(page: Browser, site: BuildReport) -> None:
    page.size(1280, 900)
    page.open(page.base)
    page.click('.chips a[href$="/family/maze"]')
    page.wait("document.querySelector('h1').textContent.endsWith('maze')")
    index, _ = page_data(site.page.read_text())
    run = next(run for run in index["runs"] if run["slug"] == "scripted")
    shown = page.js(
        """document.querySelector('a[href="#/agent/scripted"]').closest('tr').querySelector('.value').textContent"""
    )
    assert shown == f"{run['tables']['maze']['score'][0]:.3f}"


def test_refused_records_are_named_on_the_page(page: Browser, site: BuildReport) -> None:
    page.size(1280, 900)
    page.open(page.base)
    assert "3 records refused." in page.js("document.querySelector('.note').textContent")
    page.click(".note a")
    page.wait("document.querySelector('main h1').textContent === 'Refused records'")
    text = page.js("document.querySelector('main').textContent")
    for record in site.refused:
        assert record.key in text and record.reason in text
        assert record.step is None or f"step {record.step}" in text


def test_the_page_says_what_replay_proves_and_what_not(page: Browser) -> None:
    page.size(1280, 900)
    page.open(page.base)
    page.click('nav a[href="#/proof"]')
    page.wait("document.querySelector('main h1').textContent.startsWith('What replay proves')")
    text = page.js("document.querySelector('main').innerText")
    for phrase in (
        "These actions lead to these rewards",
        "Which model wrote the replies",
        "best of many",
        "First bad step",
    ):
        assert phrase in text
    assert page.js("document.querySelector('nav a[aria-current]').textContent") == "What replay proves"


def test_the_back_button_returns_from_an_episode_in_one_go(page: Browser) -> None:
    """Stepping replaces the address, so that the history holds pages, not steps."""
    page.size(1280, 900)
    page.open(page.base + "#/agent/thinker")
    page.click('a.name[href*="/episode/"]')
    page.wait("document.querySelector('#next') !== null")
    for _ in range(3):
        page.click("#next")
    page.js("history.back()")
    page.wait("location.hash === '#/agent/thinker' && document.querySelector('#entry') !== null")


def test_numbers_are_aligned(page: Browser) -> None:
    page.size(1280, 900)
    page.open(page.base)
    assert "tabular-nums" in page.js("getComputedStyle(document.querySelector('td.number')).fontVariantNumeric")
    edges = page.js(
        "[...document.querySelectorAll('td[data-label=Episodes]')].map((cell) => getComputedStyle(cell).textAlign)"
    )
    assert set(edges) == {"right"}, json.dumps(edges)
