"""Take the README's screenshot of a report, its map of the photos, with the browser used by the tests.

python -m tests.expectations.picture fruitlake-demo/reports/index.html docs/report.png
"""

import base64
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from selenium.webdriver.common.by import By

from tests.expectations.test_report_in_browser import chromium, show

_COLOURS = 128  # in the PNG's palette: a third of the size, without visible difference


def take_picture(page: Path, target: Path) -> None:
    """Save the map, with photos in place of dots, as a PNG."""
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        show(browser, page, "desk")
        browser.find_element(By.ID, "photos").click()
        box = browser.find_element(By.ID, "map").rect
        clip = {name: box[name] for name in ("x", "y", "width", "height")} | {"scale": 1}
        answer = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        shot = Image.open(io.BytesIO(base64.b64decode(answer["data"])))
        shot.convert("RGB").quantize(_COLOURS).save(target, optimize=True)
        print(f"{target}: {shot.width}x{shot.height} px, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    take_picture(Path(sys.argv[1]).absolute(), Path(sys.argv[2]))
