"""The picture of the player that the README shows: python -m tests.player_picture

Writes diagrams/player.png: the real race two steps before its end, in Debian's Chromium."""

import shutil
import sys
import tempfile
from pathlib import Path

from swapmodel import Replay, check

PICTURE = Path(__file__).parent.parent / "diagrams" / "player.png"


def main() -> int:
    from playwright.sync_api import sync_playwright

    where = shutil.which("chromium")
    if where is None:
        print("no Chromium here: install Debian's package chromium", file=sys.stderr)
        return 2
    with sync_playwright() as started, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "replay.html"
        Replay(check("shmem-truncate", "v6.8")).save(file)
        browser = started.chromium.launch(executable_path=where, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 800})
        page.goto(file.as_uri())
        player = page.locator(".smr")
        player.focus()
        for key in ("v", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
            page.keyboard.press(key)
        page.evaluate("document.activeElement.blur()")
        player.screenshot(path=PICTURE)
        browser.close()
    print(f"{PICTURE.name}: {PICTURE.stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
