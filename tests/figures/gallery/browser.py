"""A page in a real browser: headless Chromium, the page unchanged in a frame of a given width.

The outer page measures the inner one (both are files, and may read each other by a flag) and writes
what it finds as JSON into its own text, which ``--dump-dom`` prints. Errors come by Chromium's log.
"""

import html
import json
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

BINARY = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
needs_browser = pytest.mark.skipif(
    not BINARY, reason="needs chromium, chromium-browser or google-chrome on the PATH"
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--allow-file-access-from-files",
    "--enable-logging=stderr",
    "--virtual-time-budget=20000",
]
#: Flags that set prefers-color-scheme; --force-dark-mode changes the browser's own windows only.
DARK, LIGHT = (f"--blink-settings=preferredColorScheme={value}" for value in (0, 1))

OUTER = """<!DOCTYPE html><meta name="color-scheme" content="light dark"><title>outer</title>
<style>body{margin:0} iframe{border:0}</style>
<iframe src="page.html" style="width:%(width)dpx;height:%(height)dpx"></iframe><pre hidden></pre>
<script>
const frame = document.querySelector("iframe");
const rgba = text => [...text.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
const light = c => [.2126, .7152, .0722].reduce((sum, w, i) => {
  const s = c[i] / 255; return sum + w * (s <= .04045 ? s / 12.92 : ((s + .055) / 1.055) ** 2.4);
}, 0);
window.onload = () => {
  const view = frame.contentWindow, page = frame.contentDocument;
  const behind = node => {
    for (; node; node = node.parentElement) {
      const colour = rgba(view.getComputedStyle(node).backgroundColor);
      if (colour[3] == 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  for (const node of page.querySelectorAll("details")) node.open = true;
  const contrasts = [...page.querySelectorAll("body *")].filter(node => node.offsetParent &&
    [...node.childNodes].some(n => n.nodeType == 3 && n.data.trim())).map(node => {
      const pair = [rgba(view.getComputedStyle(node).color), behind(node)].map(light);
      return [(Math.max(...pair) + .05) / (Math.min(...pair) + .05),
              node.tagName + "." + node.className];
    }).sort((a, b) => a[0] - b[0]);
  const images = [...page.images], box = page.querySelector("input");
  const found = {
    images: images.length, broken: images.filter(i => !i.complete || !i.naturalWidth).length,
    distorted: images.filter(i => Math.abs(i.offsetWidth / i.offsetHeight
      - i.getAttribute("width") / i.getAttribute("height")) > .02).length,
    width: view.innerWidth, room: page.documentElement.clientWidth,
    across: page.documentElement.scrollWidth, contrast: contrasts[0], texts: contrasts.length,
    dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    background: view.getComputedStyle(page.body).backgroundColor, tall: page.body.scrollHeight,
  };
  const before = images[0].offsetWidth;
  box.click(); found.enlarged = [before, images[0].offsetWidth];
  found.across_enlarged = page.documentElement.scrollWidth; box.click();
  found.keyboard = [...page.querySelectorAll(".scroll, .card, a, summary, input")]
    .filter(n => n.tabIndex < 0).length;
  if (%(shot)d) for (const node of page.querySelectorAll("details")) node.open = %(open)d;
  document.querySelector("pre").textContent = JSON.stringify(found);
};
</script>"""


def measure(
    folder: Path,
    text: str,
    *,
    width: int = 1280,
    dark: bool = False,
    shot: Path | None = None,
    height: int = 900,
    opened: bool = False,
) -> dict[str, Any]:
    """What a browser finds in the page; `errors` are lines of its console.

    With `shot`, also a picture of the page, to be looked at.
    """
    folder.mkdir(parents=True)
    (folder / "page.html").write_text(text, encoding="utf-8")
    values = {"width": width, "height": height, "shot": shot is not None, "open": opened}
    (folder / "outer.html").write_text(OUTER % values, encoding="utf-8")
    address = (folder / "outer.html").as_uri()
    command = [BINARY, *FLAGS, DARK if dark else LIGHT, f"--user-data-dir={folder / 'profile'}"]
    run = partial(subprocess.run, capture_output=True, text=True, check=True, timeout=120)
    if shot is not None:
        size = f"--window-size={width},{height}"
        run([*command, size, "--hide-scrollbars", f"--screenshot={shot}", address])
    done = run([*command, "--dump-dom", address])
    dumped = re.search(r"<pre hidden(?:=\"\")?>(.+?)</pre>", done.stdout, re.DOTALL)
    if dumped is None:
        raise RuntimeError(f"the browser measured nothing: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(html.unescape(dumped[1]))
    return found | {"errors": [line for line in done.stderr.splitlines() if "CONSOLE" in line]}
