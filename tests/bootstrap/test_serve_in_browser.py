"""The page of `fruitlake serve` as seen on a phone, in headless Chromium."""

from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from ingestion.samples import sample_photos
from tests.expectations.test_report_in_browser import SIZES, browser, complaints, pytestmark
from tests.lakes import Lake
from tests.serving import Service, serving

__all__ = ["browser", "pytestmark"]


@pytest.fixture(scope="module")
def service(built: Lake) -> Iterator[Service]:
    with serving(built.tables, {"Banana": {"season": "<b>all</b> year"}}) as served:
        yield served


def show(browser: Chrome, url: str) -> None:
    width, height = SIZES["phone"]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(url)


def answer(browser: Chrome) -> str:
    heading = browser.find_element(By.ID, "answer")
    WebDriverWait(browser, 20).until(lambda _: heading.text not in ("", "…"))
    return heading.text


def test_a_photo_that_is_chosen_gets_its_answer(browser: Chrome, service: Service) -> None:
    show(browser, service.url)
    browser.find_element(By.ID, "photo").send_keys(str(sample_photos("Banana")[20]))
    assert answer(browser) == "Banana"
    WebDriverWait(browser, 20).until(lambda _: "season" in browser.find_element(By.ID, "facts").text)
    assert "<b>all</b> year" in browser.find_element(By.ID, "facts").text, "text from the CSV must not become markup"
    assert browser.find_element(By.ID, "shown").get_property("naturalWidth")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= SIZES["phone"][0]
    assert complaints(browser) == []


def test_a_file_that_is_no_photo_is_told(browser: Chrome, service: Service) -> None:
    show(browser, service.url)
    browser.find_element(By.ID, "photo").send_keys(__file__)
    assert answer(browser) == "No answer"
    assert "not an image" in browser.find_element(By.ID, "detail").text
    [said] = complaints(browser)
    assert "status of 415" in str(said)


def test_the_interface_is_described_without_the_network(browser: Chrome, service: Service) -> None:
    show(browser, f"{service.url}/docs")
    assert "POST /identify" in browser.find_element(By.TAG_NAME, "main").text
    assert complaints(browser) == []
