"""How quick the explorer is with a run, in Chromium on this machine: `python benchmarks/explorer.py RUN --minutes 30`.

It starts a server and a browser of its own (CHROMIUM, else the one on the path) and prints a small table. The pointer
moves 60 times a second over the map. A picture's time is from the pointer's event to the picture drawn; the heap is
that of the page after a collection, at the start and every tenth of the time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import time
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from results import machine

from armoire.publish.serve import in_background
from armoire.publish.site import site_files
from armoire.training.run import Run

FLAGS = (
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-quic", "--no-first-run"),
)
OPENINGS = 5
WATCH = """
window.timed = []
document.addEventListener('picture', (event) => {
  window.first ??= performance.now()
  timed.push([event.detail.ms, event.detail.model])
}, true)
"""
# A walk that comes everywhere: the two periods have no common multiple.
WALK = """(seconds) => new Promise((resolve) => {
  const map = document.querySelector('[data-map]')
  const { left, top, width, height } = map.getBoundingClientRect()
  const end = performance.now() + 1000 * seconds
  let moves = 0
  const timer = setInterval(() => {
    const t = performance.now() / 1000
    const clientX = left + width * (0.5 + 0.35 * Math.sin(t))
    const clientY = top + height * (0.5 + 0.35 * Math.sin(t * Math.SQRT2))
    const type = 'onpointerrawupdate' in map ? 'pointerrawupdate' : 'pointermove'
    map.dispatchEvent(new PointerEvent(type, { clientX, clientY, pointerType: 'mouse', bubbles: true }))
    moves++
    if (performance.now() < end) return
    clearInterval(timer)
    setTimeout(() => resolve(moves), 500)
  }, 1000 / 60)
})"""


def main() -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description="How quick the explorer is with a run.")
    parser.add_argument("run", help="the run's folder")
    parser.add_argument("--minutes", type=float, default=0.5, help="how long the pointer moves (default 0.5)")
    arguments = parser.parse_args()
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not chromium:
        parser.error("there is no chromium: apt-get install chromium, or set CHROMIUM to one")
    files = site_files(Run.open(arguments.run))
    with in_background(files) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        rows = {"machine": f"{machine()}, Chromium {browser.version}"}
        rows |= openings(browser, address) | moving(browser, address, arguments.minutes)
        browser.close()
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:{width}}  {value}")


def opened(browser: Browser, address: str) -> Page:
    """A page whose first picture is there."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.add_init_script(WATCH)
    page.goto(address)
    while not page.evaluate("window.first"):
        page.wait_for_timeout(20)
    return page


def openings(browser: Browser, address: str) -> dict[str, str]:
    """From navigation to the first picture, with nothing in the browser's cache."""
    seconds = []
    for _ in range(OPENINGS):
        page = opened(browser, address)
        seconds.append(page.evaluate("first") / 1000)
        page.context.close()
    return {f"first picture, s, median of {OPENINGS}": f"{statistics.median(seconds):.2f} (worst {max(seconds):.2f})"}


def moving(browser: Browser, address: str, minutes: float) -> dict[str, str]:
    """The pointer moves for some minutes."""
    page = opened(browser, address)
    page.wait_for_timeout(2000)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    page.evaluate(WALK, 3)  # until everything is compiled
    page.evaluate("() => { timed.length = 0 }")
    heaps, waits, model, moves = [heap(session)], [], [], 0
    end = time.monotonic() + 60 * minutes
    while (left := end - time.monotonic()) > 0:
        moves += page.evaluate(WALK, min(left, 6 * minutes))
        for ms, model_ms in page.evaluate("timed.splice(0)"):
            waits.append(ms)
            model.append(model_ms)
        heaps.append(heap(session))
    page.context.close()
    hundredths = statistics.quantiles(waits, n=100)
    return {
        "pointer to picture, ms, median": f"{statistics.median(waits):.1f}",
        "pointer to picture, ms, 95th and 99th percentile": f"{hundredths[94]:.1f}, {hundredths[98]:.1f}",
        "of it in the model, ms, median": f"{statistics.median(model):.1f}",
        "moves, pictures": f"{moves:,}, {len(waits):,}",
        "heap, MB, at the start": f"{heaps[0]:.1f}",
        f"heap, MB, after {minutes:g} min (most)": f"{heaps[-1]:.1f} ({max(heaps):.1f})",
    }


def heap(session: CDPSession) -> float:
    """Megabytes that are in use after a collection."""
    session.send("HeapProfiler.collectGarbage")
    metrics: dict[str, Any] = session.send("Performance.getMetrics")
    return next(one["value"] for one in metrics["metrics"] if one["name"] == "JSHeapUsedSize") / 1e6


if __name__ == "__main__":
    main()
