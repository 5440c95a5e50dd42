"""How long a step of the player takes in a real browser: python -m tests.latency

From the key to the end of layout, for each step of a whole schedule, in milliseconds. A figure to quote, never an assertion."""

import shutil
import sys
import tempfile
from pathlib import Path

from swapmodel import Replay

from .browser.test_player import one_after_the_other

SIZES = [(2, 2), (2, 16), (2, 512), (6, 2)]
MEASURE = """() => {
  const player = document.querySelector(".smr"), times = [], most = 1500;
  const press = (key) => player.dispatchEvent(new KeyboardEvent("keydown", { key, code: key, bubbles: true }));
  const range = player.querySelector("input[type=range]"), all = Number(range.max);
  for (let i = 0; i < Math.min(all, most); i += 1) {
    const began = performance.now();
    press("ArrowRight");
    player.getBoundingClientRect();
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  const at = (p) => times[Math.min(times.length - 1, Math.floor(times.length * p))];
  return [all, at(0.5), at(0.95), at(1)];
}"""


def main() -> int:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("playwright, of the test extra, is not installed", file=sys.stderr)
        return 2
    where = shutil.which("chromium")
    if where is None:
        print("no Chromium here: install Debian's package chromium", file=sys.stderr)
        return 2
    print("processes  pages  steps  median  95th percentile  largest  (ms)    page")
    with sync_playwright() as started, tempfile.TemporaryDirectory() as folder:
        browser = started.chromium.launch(executable_path=where, args=["--no-sandbox"])
        for processes, pages in SIZES:
            file = Path(folder) / f"{processes}x{pages}.html"
            Replay(one_after_the_other(processes, pages), (), ()).save(file)
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            page.goto(file.as_uri())
            steps, median, late, largest = page.evaluate(MEASURE)
            size = f"{file.stat().st_size // 1000} kB"
            print(f"{processes:9}  {pages:5}  {steps:5}  {median:6.1f}  {late:15.1f}  {largest:7.1f}          {size}")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
