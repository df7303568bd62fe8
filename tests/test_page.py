"""The page of ``python -m demo`` in a real browser: what people do with it, and that it asks nobody else."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from demo import app
from ser import EMOTIONS
from tests.served import served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
PATIENCE = 120_000  # ms; a busy machine is slow
STOP = re.compile(r"Stop 0:(0[1-9]|[1-5]\d)")  # a second or more was recorded


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with served(folder / "model.onnx", folder / "log") as where:
        yield where + "/"
    assert (folder / "log").read_text() == ""


@pytest.fixture(scope="module")
def browser(folder: Path, clip: Path) -> Iterator[Browser]:
    """Chromium whose microphone plays the clip."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
                  f"--use-file-for-fake-audio-capture={clip}"],
        )  # fmt: skip
        yield browser
        browser.close()


@pytest.fixture(params=[{"width": 1280, "height": 900}], ids=["desktop"])
def page(browser: Browser, url: str, request) -> Iterator[Page]:
    """The page, opened; at the end, nothing but this machine was asked, and no script failed."""
    context = browser.new_context(viewport=request.param, permissions=["microphone"], reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    hosts, faults = set(), []
    page.on("request", lambda asked: hosts.add((urlsplit(asked.url).scheme, urlsplit(asked.url).hostname)))
    page.on("pageerror", lambda error: faults.append(str(error)))
    # Refusals of the server are reported there, too; what the content security policy stops is a fault.
    page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    page.goto(url)
    expect(page.locator("#examples button").first).to_be_visible()
    expect(page.locator("#about")).to_contain_text("Revision")
    yield page
    context.close()
    assert {(scheme, host) for scheme, host in hosts if scheme not in ("blob", "data")} == {("http", "127.0.0.1")}
    assert not faults


PHONE = pytest.mark.parametrize("page", [{"width": 360, "height": 740}], ids=["phone"], indirect=True)


def answered(page: Page) -> str:
    """Wait for the answer and return its emotion."""
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#emotion")).to_be_visible()
    return page.locator("#emotion").inner_text().split()[0].lower()


def refuse(route: Route, status: int, sentence: str) -> None:
    """Answer in the server's place."""
    route.fulfill(status=status, body=json.dumps({"error": sentence}))


def is_drawn(page: Page, figure: str) -> None:
    expect(page.locator(f"#{figure} svg")).to_be_visible()
    expect(page.locator(f"#{figure} figcaption")).to_be_visible()


def boxes(page: Page, selector: str) -> list[dict[str, float]]:
    """Where all of these are, at one moment: a figure that is drawn anew has other elements."""
    return page.evaluate(
        """selector => [...document.querySelectorAll(selector)].map((one) => {
            const { x, y, width, height } = one.getBoundingClientRect();
            return { x, y, width, height };
        })""",
        selector,
    )


def test_a_file_is_answered(page: Page, clip: Path) -> None:
    page.get_by_label("Choose a file").set_input_files(clip)
    assert answered(page) == clip.parent.name
    expect(page.locator("#bars li")).to_have_count(len(EMOTIONS))
    expect(page.locator("#bars .best")).to_contain_text(clip.parent.name)
    expect(page.locator("#source")).to_contain_text(clip.name)
    for figure in ("waveform", "spectrogram"):
        is_drawn(page, figure)
    expect(page.locator("#timeline")).to_be_hidden()
    assert page.locator("#spectrogram image").get_attribute("href").startswith("data:image/png")
    shown = page.locator("#spectrogram").text_content()
    assert "4 kHz" in shown and "0.0 s" in shown and "dB below the maximum" in shown and "−80 dB" in shown
    assert f'"emotion": "{clip.parent.name}"' in page.locator("#json").text_content()
    page.locator("#player").evaluate("player => player.play()")
    expect(page.locator("#waveform .head.on")).to_have_count(1)


def test_a_dropped_file_is_answered(page: Page, clip: Path) -> None:
    transfer = page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.wav"));
            return transfer;
        }""",
        list(clip.read_bytes()),
    )
    page.dispatch_event("body", "dragover", {"dataTransfer": transfer})
    expect(page.locator("body")).to_have_class("dropping")
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
    assert answered(page) == clip.parent.name
    expect(page.locator("body")).not_to_have_class("dropping")


def test_the_microphone_is_recorded(page: Page) -> None:
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name=re.compile(r"Stop 0:(0[2-9]|[1-5]\d)")).wait_for()
    # The clip is silent at its ends.
    page.wait_for_function("new DOMMatrix(getComputedStyle(document.querySelector('#level')).transform).a > 0.01")
    page.locator("#record").click()
    assert answered(page) in (*EMOTIONS, "unsure")  # the clip plays in a loop: where it was cut, nobody knows
    expect(page.locator("#source")).to_have_text(re.compile(r"recording\.wav, ([2-9]|\d\d)\.\d\d s"))
    expect(page.get_by_role("button", name="Record")).to_be_visible()
    heights = page.locator("#waveform .wave").get_attribute("points").split()
    assert len({point.split(",")[1] for point in heights}) > 20, "silence was recorded"


def test_a_double_click_ends_a_recording_once(page: Page) -> None:
    page.locator("#record").click()
    page.get_by_role("button", name=STOP).wait_for()
    with page.expect_response("**/predict?*"):
        page.locator("#record").evaluate("button => (button.click(), button.click())")
    answered(page)
    page.wait_for_timeout(300)  # a second recording would have begun by now
    assert page.locator("#record").inner_text() == "Record"  # not `expect`: it would wait until that one ends, too


def test_a_recording_ends_by_itself(page: Page) -> None:
    limit = "MAX_RECORDING = 60;"

    def shortened(route: Route) -> None:
        script = route.fetch(timeout=PATIENCE).text()
        assert limit in script
        route.fulfill(body=script.replace(limit, "MAX_RECORDING = 1;"), content_type="text/javascript")

    page.route("**/page.js", shortened)
    page.reload()
    page.locator("#record").click()
    answered(page)
    expect(page.locator("#source")).to_have_text(re.compile(r"recording\.wav, \d+\.\d\d s"))
    expect(page.locator("#record")).to_have_text("Record")


def test_a_microphone_that_is_refused_is_a_sentence(browser: Browser, url: str) -> None:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))"
    )
    page.goto(url)
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_role("alert")).to_have_text("The browser was not allowed to use the microphone.")
    expect(page.get_by_role("button", name="Record")).to_be_enabled()
    page.close()


def test_the_keyboard_starts_and_stops_a_recording(page: Page) -> None:
    page.locator("#record").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name=STOP).wait_for()
    expect(page.locator("#record")).to_be_focused()
    page.keyboard.press("Space")
    answered(page)


def test_a_late_answer_leaves_a_recording_alone(page: Page) -> None:
    held: list[Route] = []
    page.route("**/predict?*", lambda route: held.append(route))
    page.get_by_role("button", name="Silence").click()
    until = time.monotonic() + PATIENCE / 1000
    while not held and time.monotonic() < until:
        page.wait_for_timeout(20)
    page.locator("#record").click()
    page.get_by_role("button", name=STOP).wait_for()
    with page.expect_response("**/predict?*"):
        held[0].continue_()
    page.wait_for_timeout(200)
    expect(page.locator("#answer")).to_be_hidden()
    expect(page.locator("#status")).to_be_empty()
    page.unroute("**/predict?*")
    page.locator("#record").click()
    answered(page)
    expect(page.locator("#source")).to_contain_text("recording.wav")


@pytest.mark.parametrize("broken", ["AudioContext", "AudioWorkletNode", "AudioWorklet.prototype.addModule"])
def test_a_recording_that_cannot_begin_leaves_no_microphone_on(page: Page, broken: str) -> None:
    page.evaluate(
        """() => {
            const devices = navigator.mediaDevices, open = devices.getUserMedia.bind(devices);
            devices.getUserMedia = async (wanted) => (window.opened = await open(wanted));
            BROKEN = function () { throw new Error("The tap did not load."); };
        }""".replace("BROKEN", broken)
    )
    page.locator("#record").click()
    expect(page.get_by_role("alert")).to_have_text("The tap did not load.")
    assert page.evaluate("window.opened.getTracks().map((track) => track.readyState)") == ["ended"]


def test_what_the_browser_alone_decodes_is_answered(page: Page) -> None:
    """WebM, which the server refuses: the browser makes one, as it would from the microphone."""
    recorded = page.evaluate(
        """async () => {
            const recorder = new MediaRecorder(await navigator.mediaDevices.getUserMedia({ audio: true }));
            const data = new Promise((resolve) => (recorder.ondataavailable = (event) => resolve(event.data)));
            recorder.start();
            setTimeout(() => recorder.stop(), 2000);
            return [...new Uint8Array(await (await data).arrayBuffer())];
        }"""
    )
    assert bytes(recorded[:4]) == b"\x1aE\xdf\xa3"
    page.get_by_label("Choose a file").set_input_files(
        {"name": "memo.webm", "mimeType": "audio/webm", "buffer": bytes(recorded)}
    )
    answered(page)
    expect(page.locator("#source")).to_contain_text("memo.webm")


def test_channels_that_cancel_each_other_are_not_silence(page: Page) -> None:
    """What the browser decodes is mixed as the server mixes: the loudest channel, where the mean is next to nothing."""
    mixed = page.evaluate(
        """async () => {
            const { mono } = await import("./sound.js");
            const [one, half] = [[0.5, -0.25, 0.5], [0.25, 0.75, 0]].map((samples) => new Float32Array(samples));
            return [[one, one.map((value) => -value)], [one, half], [half]].map((channels) => [...mono(channels)]);
        }"""
    )
    assert mixed == [[0.5, -0.25, 0.5], [0.375, 0.25, 0.25], [0.25, 0.75, 0]]


def test_what_was_decoded_here_and_is_refused_then_says_why(page: Page, clip: Path) -> None:
    """A long m4a is not told to be converted: it is too long."""
    answers = [(422, "received MP4; convert it"), (413, "expected at most 10 minutes")]
    page.route("**/predict?*", lambda route: refuse(route, *answers.pop(0)))
    page.get_by_label("Choose a file").set_input_files(clip)
    expect(page.get_by_role("alert")).to_have_text("expected at most 10 minutes")
    assert not answers


def test_a_bad_file_is_a_sentence_and_the_next_one_is_answered(page: Page, clip: Path) -> None:
    choose = page.get_by_label("Choose a file")
    choose.set_input_files({"name": "<b>text.wav", "mimeType": "audio/wav", "buffer": b"This is no recording.\n" * 9})
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("<b>text.wav: expected audio that libsndfile reads, received: Format not recognised.")
    expect(page.locator("#answer")).to_be_hidden()
    assert "Traceback" not in page.content()
    choose.set_input_files(clip)
    assert answered(page) == clip.parent.name
    expect(alert).to_be_hidden()


def test_too_large_and_too_long_are_sentences(page: Page, folder: Path) -> None:
    (folder / "large.wav").write_bytes(bytes(app.MAX_BYTES + 1_000_000))
    soundfile.write(folder / "long.wav", np.zeros(4000 * 601, np.int16), 4000, subtype="PCM_U8")
    choose, alert = page.get_by_label("Choose a file"), page.get_by_role("alert")
    choose.set_input_files(folder / "large.wav")
    expect(alert).to_have_text("large.wav: expected at most 25 MB, received 26.0 MB")
    choose.set_input_files(folder / "long.wav")
    expect(alert).to_have_text("long.wav: expected at most 10 minutes, received more")


def test_a_server_that_is_gone_is_a_sentence(page: Page, clip: Path) -> None:
    page.route("**/predict*", lambda route: route.abort())
    page.get_by_label("Choose a file").set_input_files(clip)
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")


def test_an_example_that_does_not_come_is_a_sentence(page: Page) -> None:
    example, alert = page.locator("#examples button").first, page.get_by_role("alert")
    page.route("**/examples/*", lambda route: route.abort())
    example.click()
    expect(alert).to_have_text("The server does not answer.")
    page.unroute("**/examples/*")
    page.route("**/examples/*", lambda route: route.fulfill(status=404, json={"error": "expected an example"}))
    example.click()
    expect(alert).to_have_text("expected an example")


@pytest.mark.parametrize("page", [{"width": 1280, "height": 900}, {"width": 360, "height": 740}], indirect=True)
def test_a_long_recording_has_a_timeline(page: Page) -> None:
    page.get_by_role("button", name="Several in a row").click()
    answered(page)
    for figure in ("waveform", "timeline", "spectrogram"):
        is_drawn(page, figure)
    assert page.locator("#timeline svg title").count() >= 2
    fill = page.evaluate("getComputedStyle(document.querySelector('#timeline rect:not(.field)')).fill")
    assert fill not in ("rgb(0, 0, 0)", "")
    page.get_by_text("The timeline as a table").click()
    expect(page.locator("#timeline tbody tr").first).to_be_visible()
    places = boxes(page, "figure .field")
    assert len(places) == 3
    assert len({(place["x"], place["width"]) for place in places}) == 1, "one time axis"
    # A click seeks, in all three.
    page.locator("#timeline svg").click(position={"x": places[0]["width"] / 2, "y": 20})
    expect(page.locator("svg .head.on")).to_have_count(3)
    assert page.locator("#player").evaluate("player => player.currentTime") > 0.5


def test_figures_are_drawn_anew_when_their_width_changes_and_not_for_less(page: Page) -> None:
    two_frames = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    page.get_by_role("button", name="Several in a row").click()
    answered(page)
    page.evaluate(two_frames)  # an answer that appears has a new width
    page.evaluate("document.querySelector('#timeline svg').first = true")
    page.get_by_text("The timeline as a table").click()
    expect(page.locator("#timeline tbody tr").first).to_be_visible()
    page.evaluate(two_frames)
    assert page.evaluate("document.querySelector('#timeline svg').first")
    page.set_viewport_size({"width": 600, "height": 900})
    page.wait_for_function("!document.querySelector('#timeline svg').first")
    host, field = boxes(page, "#timeline > div, #timeline .field")
    assert 0.5 * host["width"] < field["width"] < host["width"]


@PHONE
def test_a_phone_shows_all_of_it(page: Page) -> None:
    page.get_by_role("button", name="Several in a row").click()
    answered(page)
    page.locator("#json").evaluate("json => (json.parentElement.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    controls = page.locator("button:visible, label.button, summary:visible, footer a, audio")
    assert controls.count() >= 10
    for i in range(controls.count()):
        box = controls.nth(i).bounding_box()
        assert box["height"] >= 44 and box["width"] >= 44, controls.nth(i).inner_text()


def test_the_keyboard_suffices(page: Page) -> None:
    opened: list[object] = []
    page.on("filechooser", lambda chooser: opened.append(chooser))
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        here = page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")
        # What has the focus shows it; the file input does so on its label.
        ring = page.evaluate(
            "getComputedStyle(document.activeElement.id === 'file' ? document.querySelector('[for=file]') : "
            "document.activeElement).outlineStyle"
        )
        assert ring != "none", here
        reached.append(here)
        if here.startswith("Silence"):
            break
    assert reached[:2] == ["file", "record"]
    page.keyboard.press("Enter")
    assert answered(page) == "silence"
    expect(page.locator("#answer")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#player")).to_be_focused()
    page.locator("#file").focus()
    page.keyboard.press("Enter")
    until = time.monotonic() + PATIENCE / 1000
    while not opened and time.monotonic() < until:
        page.wait_for_timeout(50)
    assert opened


def test_it_says_what_stands_behind_it(page: Page) -> None:
    facts = page.locator("#about").inner_text()
    for fact in ("model.onnx", "synthesised speech", "word", "test"):
        assert fact in facts
    expect(page.locator("#accuracy")).to_contain_text("How accurate it is, is not known")
    expect(page.get_by_text("What it cannot do")).to_be_visible()
    expect(page.locator("#limits")).to_contain_text("up to 10 minutes, 25\u00a0MB")


def test_figures_are_the_cards(page: Page, url: str) -> None:
    health = page.request.get(f"{url}health", timeout=PATIENCE).json()
    accuracy = {"word": 0.875, "speaker_a": 0.5, "speaker_b": 0.25}
    page.route("**/health", lambda route: route.fulfill(json=health | {"accuracy": accuracy}))
    page.reload()
    expect(page.locator(".measure")).to_have_count(2)
    assert [text.split("\n")[-1] for text in page.locator(".measure").all_inner_texts()] == ["88 %", "38 %"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(page: Page, scheme: str) -> None:
    """Contrast of every text with what is behind it: 4.5 at least."""
    page.emulate_media(color_scheme=scheme)
    page.get_by_role("button", name="Several in a row").click()
    answered(page)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    page.evaluate("fail => (fail.hidden = false, fail.textContent = 'x')", page.locator("#error").element_handle())
    poor = page.evaluate(CONTRAST)
    assert not poor


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_part_of_a_timeline_can_be_seen(page: Page, scheme: str) -> None:
    """Contrast of its edge with what is behind it: 3 at least (WCAG 2.2, 1.4.11)."""

    def unsure_at_the_end(route: Route) -> None:
        answer = route.fetch(timeout=PATIENCE).json()
        answer["timeline"] = [part for part in answer["timeline"] if part["emotion"] != "silence"]
        answer["timeline"][-1]["emotion"] = "unsure"
        route.fulfill(json=answer)

    page.route("**/predict?*", unsure_at_the_end)
    page.emulate_media(color_scheme=scheme)
    page.get_by_role("button", name="Several in a row").click()
    answered(page)
    around, inside = boxes(page, "#timeline rect:not(.field):not(.part), #timeline .stripe")
    assert inside == pytest.approx(around, abs=5)  # striped all over, and nothing else is
    contrasts = page.evaluate(EDGES, [*EMOTIONS])
    assert len(contrasts) == len(EMOTIONS) + 1 and min(contrasts.values()) >= 3, contrasts


EDGES = """(emotions) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const light = (colour) => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => linear(v / 255));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const field = light(getComputedStyle(document.querySelector("#timeline .field")).fill);
    const contrast = (colour) => {
        const [low, high] = [light(colour), field].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const part = document.querySelector("#timeline .part");
    const edge = (emotion) => {
        part.style.setProperty("--tone", `var(--${emotion})`);
        return contrast(getComputedStyle(part).stroke);
    };
    const found = Object.fromEntries(emotions.map((emotion) => [emotion, edge(emotion)]));
    return { ...found, unsure: contrast(getComputedStyle(document.querySelector("#timeline .stripe")).stroke) };
}"""


CONTRAST = """() => {
    const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const weights = [0.2126, 0.7152, 0.0722];
    const light = (colour) => weights.reduce((sum, weight, i) => sum + weight * linear(parse(colour)[i] / 255), 0);
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if ((parse(colour)[3] ?? 1) > 0) return colour;
        }
    };
    const texts = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility() &&
        [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
    return texts.map((one) => {
        const style = getComputedStyle(one), ink = one.ownerSVGElement ? style.fill : style.color;
        const [low, high] = [light(ink), light(behind(one))].sort((a, b) => a - b);
        return [one.textContent.trim().slice(0, 30), (high + 0.05) / (low + 0.05)];
    }).filter(([, contrast]) => contrast < 4.5);
}"""
