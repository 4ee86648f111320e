"""The report as users see it: opened from disk in headless Chromium, at the sizes of a phone and a desktop."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from expectations.report import write_report
from expectations.report.page import render
from tests.expectations.test_report import SECTIONS, hostile_contents
from tests.lakes import Lake

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = [
    "--headless",
    "--no-sandbox",  # required if the tests run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
FETCHED = "return performance.getEntriesByType('resource').map(r => r.name).filter(n => !n.startsWith('data:'))"
SIZES = {"phone": (390, 844), "desk": (1280, 900)}

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs the packages chromium and chromium-driver (apt-get install them)"
)


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """A headless Chromium with this folder as its profile."""
    options = ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = Chrome(options=options, service=Service(DRIVER))
    try:
        yield opened
    finally:
        opened.quit()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="module")
def report(built: Lake) -> Path:
    return Path(write_report(built.tables))


def show(browser: Chrome, page: Path, size: str, scheme: str = "light") -> None:
    width, height = SIZES[size]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    still = {"name": "prefers-reduced-motion", "value": "reduce"}  # smooth scrolling would move buttons
    features = [{"name": "prefers-color-scheme", "value": scheme}, still]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(page.as_uri())


def complaints(browser: Chrome) -> list[object]:
    said: list[dict[str, object]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry for entry in said if entry["level"] in ("SEVERE", "WARNING")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_report_opens_from_disk(browser: Chrome, report: Path, size: str, scheme: str, tmp_path: Path) -> None:
    show(browser, report, size, scheme)
    assert browser.title.startswith("Fruitlake report")
    for section in SECTIONS:
        assert browser.find_element(By.ID, section).is_displayed()
    assert browser.execute_script("return document.documentElement.scrollWidth") <= SIZES[size][0]
    assert browser.execute_script(FETCHED) == []
    picture = tmp_path / f"report-{size}-{scheme}.png"
    assert browser.save_screenshot(str(picture))
    assert picture.stat().st_size > 10_000
    assert complaints(browser) == []


def test_the_map_shows_photos_and_picks_out_varieties(browser: Chrome, report: Path) -> None:
    show(browser, report, "desk")
    keys = browser.find_elements(By.CSS_SELECTOR, "#keys button")
    clouds = browser.find_elements(By.CSS_SELECTOR, "path.cloud")
    assert len(keys) == len(clouds) > 1
    keys[0].click()
    assert [c.get_attribute("data-label") for c in clouds if "off" not in (c.get_attribute("class") or "")] == [
        keys[0].get_attribute("data-label")
    ]
    assert browser.find_elements(By.CSS_SELECTOR, "#strip img")
    browser.find_element(By.ID, "everything").click()
    assert not browser.find_elements(By.CSS_SELECTOR, "path.cloud.off")
    chart = browser.find_element(By.ID, "chart")
    x, y = browser.execute_script(
        "document.getElementById('chart').scrollIntoView({block: 'center'});"
        "const p = JSON.parse(document.getElementById('map-data').textContent).points[0];"
        "const b = document.getElementById('chart').getBoundingClientRect();"
        "return [(p[1] / 100 - .5) * b.width, (p[2] / 100 - .5) * b.height]"
    )
    ActionChains(browser).move_to_element_with_offset(chart, round(x), round(y)).perform()
    tip = browser.find_element(By.ID, "tip")
    assert tip.is_displayed()
    assert tip.find_element(By.TAG_NAME, "img").get_property("naturalWidth")
    browser.find_element(By.ID, "photos").click()
    assert browser.find_elements(By.CSS_SELECTOR, "#stickers img")
    assert complaints(browser) == []


def test_hostile_text_runs_nothing(browser: Chrome, tmp_path: Path) -> None:
    page = tmp_path / "hostile.html"
    page.write_text(render(hostile_contents()), encoding="utf-8")
    show(browser, page, "phone")
    for key in browser.find_elements(By.CSS_SELECTOR, "#keys button"):
        key.click()  # raises if an alert has opened
    assert browser.execute_script("return document.documentElement.scrollWidth") <= SIZES["phone"][0]
    assert complaints(browser) == []
