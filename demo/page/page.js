import { clock, gradient, percent, spectrogram, timeline, waveform } from "./draw.js";
import { converted, record } from "./sound.js";

const MAX_RECORDING = 60; // seconds
const CORPORA = {
  tess: ["Toronto Emotional Speech Set (TESS)", "Know other voices: it was trained on two actresses, who say “Say the word …” in English. With other voices it is mostly unsure, and often wrong."],
  synthetic: ["synthesised speech", "Know human voices at all: it was trained on synthesised speech."],
};
const PROTOCOLS = { random: "New clips of voices and words it knows", word: "New words, in voices it knows", speaker: "A voice it does not know" };

const $ = (id) => document.getElementById(id);
let about = { labels: [], limits: { bytes: Infinity, seconds: Infinity }, sample_rate: 16000 };
let shown = null; // the last answer
let turn = 0; // of asking: an answer that comes after the next question is dropped

function make(name, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
}

// --- Asking

// Ask about a recording, or the promise of one.
async function ask(recording, name) {
  const mine = ++turn;
  fail("");
  $("status").textContent = `Listening to ${name} …`;
  $("answer").ariaBusy = "true";
  try {
    const file = await recording;
    const answer = await sent(file, name);
    if (mine === turn) show(answer, file);
  } catch (error) {
    if (mine === turn) fail(error.message);
  } finally {
    if (mine === turn) {
      $("status").textContent = "";
      $("answer").ariaBusy = "false";
    }
  }
}

async function sent(file, name) {
  const { bytes } = about.limits;
  if (file.size <= bytes) {
    const first = await post(file, name);
    if (first.status !== 422) return given(first);
    // What the server does not decode, the browser may: m4a of a telephone, say.
    const sound = await converted(file, about.sample_rate).catch(() => null);
    if (!sound) return given(first);
    const seconds = sound.size / 2 / about.sample_rate; // 16 bits each
    if (sound.size > bytes) throw new Error(`${name}: expected at most ${about.limits.seconds / 60} minutes, received ${clock(seconds, 0)}`);
    const again = await post(sound, name);
    return given(again.status === 422 ? first : again); // the first reason speaks of the file, not of a copy
  }
  throw new Error(`${name}: expected at most ${bytes / 1e6} MB, received ${(file.size / 1e6).toFixed(1)} MB`);
}

async function post(file, name) {
  const query = new URLSearchParams({ pictures: 1, file: name });
  try {
    return await fetch(`predict?${query}`, { method: "POST", body: file });
  } catch {
    throw new Error("The server does not answer, or the recording could not be read.");
  }
}

async function given(response) {
  const answer = await response.json().catch(() => ({ error: "The server's answer could not be read." }));
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

function fail(sentence) {
  $("error").textContent = sentence;
  $("error").hidden = !sentence;
  if (sentence) {
    shown = null; // the last answer is not this recording's
    $("answer").hidden = true;
  }
}

// --- The answer

function show({ pictures, ...answer }, file) {
  shown = { ...answer, ...pictures };
  const { emotion, probability, reason, timeline: parts } = answer;
  const sure = reason === null && emotion !== "silence";
  $("source").textContent = `${answer.file}, ${answer.duration < 60 ? `${answer.duration.toFixed(2)} s` : `${clock(answer.duration, 0)} min`}`;
  $("emotion").style.setProperty("--tone", `var(--${emotion})`);
  $("emotion").replaceChildren(emotion, " ", make("small", { textContent: sure ? percent(probability) : "" }));
  $("reason").textContent = explained(emotion, reason, parts);
  $("bars").classList.toggle("void", !sure);
  $("bars").replaceChildren(...Object.entries(answer.probabilities).map(([label, share]) => bar(label, share, sure && label === emotion)));
  $("json").textContent = JSON.stringify(answer, null, 2);
  $("timeline").hidden = !parts.length;
  $("timeline").querySelector("tbody").replaceChildren(...parts.map(row));
  $("spectrogram").hidden = !pictures.spectrogram;
  URL.revokeObjectURL($("player").src);
  $("player").hidden = false;
  $("player").src = URL.createObjectURL(file);
  $("answer").hidden = false;
  draw();
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  $("answer").scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
  $("answer").focus({ preventScroll: true });
}

function explained(emotion, reason, parts) {
  if (emotion === "silence") return "Nothing is loud enough to be a voice, so the network was not asked.";
  if (reason) return `${reason[0].toUpperCase()}${reason.slice(1)}. The bars are what the network would have said, and mean nothing here.`;
  return parts.length ? "The mean over the parts that were answered." : "";
}

function bar(label, share, best) {
  const tone = make("i", { ariaHidden: "true" });
  tone.style.setProperty("--tone", `var(--${label})`);
  tone.style.setProperty("--share", `${100 * share}%`);
  return make("li", { className: best ? "best" : "" }, make("span", {}, label), tone, make("b", {}, percent(share)));
}

function row({ start, end, emotion, probability }) {
  const sure = emotion !== "unsure" && emotion !== "silence";
  return make("tr", {}, ...[clock(start), clock(end), emotion, sure ? percent(probability) : ""].map((cell) => make("td", {}, cell)));
}

function draw() {
  if (!shown) return;
  const host = (id) => $(id).querySelector("div");
  const { duration } = shown;
  const seek = (seconds) => {
    $("player").currentTime = seconds;
    head();
  };
  waveform(host("waveform"), shown.waveform, duration, seek);
  if (shown.timeline.length) timeline(host("timeline"), shown.timeline, Object.keys(shown.probabilities), duration, seek);
  if (shown.spectrogram) {
    spectrogram(host("spectrogram"), shown.spectrogram, duration, seek);
    const [low, colours] = document.querySelector(".scale").children;
    low.textContent = `−${shown.spectrogram.range} dB`;
    colours.style.background = gradient;
  }
  head();
}

let frame = 0;

function head() {
  const player = $("player");
  cancelAnimationFrame(frame); // one after the other, whoever asks
  document.querySelectorAll("figure svg").forEach((svg) => svg.moveTo?.(player.currentTime, player.currentTime > 0));
  if (!player.paused) frame = requestAnimationFrame(head);
}

// --- Giving a recording

function take(files) {
  if (files.length) {
    mark(null);
    ask(files[0], files[0].name);
  }
}

function mark(button) {
  document.querySelectorAll(".examples button").forEach((one) => (one === button ? (one.ariaCurrent = "true") : one.removeAttribute("aria-current")));
}

let stop = null; // while recording

async function toggle() {
  const button = $("record"), label = button.querySelector("span");
  if (button.ariaDisabled === "true") return; // the browser still asks for the microphone, or lets go of it
  if (stop) {
    const ended = stop;
    stop = null;
    button.classList.remove("recording");
    label.textContent = "Record";
    $("level").style.transform = "";
    button.ariaDisabled = "true"; // a double click would record anew, and its answer take the page
    const sound = await ended().finally(() => (button.ariaDisabled = "false"));
    return ask(sound, "recording.wav");
  }
  turn++; // an answer that is under way would take the page from under the recording
  $("status").textContent = "";
  $("answer").ariaBusy = "false";
  fail("");
  mark(null);
  button.ariaDisabled = "true"; // `disabled` would take the focus away
  try {
    stop = await record((seconds, level) => {
      if (!stop) return; // the last block comes after the end
      label.textContent = `Stop ${clock(Math.floor(seconds), 0)}`;
      $("level").style.transform = `scaleX(${Math.min(1, Math.sqrt(level))})`;
      if (seconds >= MAX_RECORDING) toggle();
    });
    button.classList.add("recording");
    label.textContent = "Stop 0:00";
  } catch (error) {
    const told = { NotAllowedError: "The browser was not allowed to use the microphone.", NotFoundError: "The browser finds no microphone." };
    fail(told[error.name] ?? error.message);
  }
  button.ariaDisabled = "false";
}

// --- What does not change

async function introduce() {
  about = await given(await fetch("health"));
  const { limits, corpus, accuracy, labels } = about;
  const [name, lack] = CORPORA[corpus] ?? [corpus, $("heard").textContent];
  $("limits").textContent = `or drop one anywhere on this page: up to ${limits.seconds / 60} minutes, ${limits.bytes / 1e6}\u00a0MB`;
  $("heard").textContent = lack;
  const facts = { Model: about.model, "Trained on": name, Protocol: about.protocol, Revision: about.revision };
  $("about").replaceChildren(...Object.entries(facts).flatMap(([key, value]) => [make("dt", {}, key), make("dd", {}, value)]));
  const unheard = Object.entries(accuracy).filter(([protocol]) => protocol.startsWith("speaker")).map(([, share]) => share);
  const measures = [[PROTOCOLS[about.protocol] ?? about.protocol, accuracy[about.protocol]]];
  if (unheard.length) measures.push([PROTOCOLS.speaker, unheard.reduce((sum, share) => sum + share) / unheard.length]);
  $("accuracy").replaceChildren(...measures.filter(([, share]) => share !== undefined).map(measure),
    make("p", { className: "note" }, accuracy[about.protocol] === undefined
      ? "How accurate it is, is not known: the model file came without its card."
      : `Accuracy on clips held out from training; guessing would be right in ${percent(1 / labels.length)}. For a voice it does not know, the same network was trained without it.`));
}

function measure([label, share]) {
  const tone = make("i", { ariaHidden: "true" });
  tone.style.setProperty("--share", `${100 * share}%`);
  return make("div", { className: "measure" }, make("span", {}, label), make("b", {}, percent(share)), tone);
}

async function offer() {
  const examples = await given(await fetch("examples"));
  $("examples").replaceChildren(...examples.map(({ file, title, note }) => {
    const button = make("button", { type: "button" }, make("b", {}, title), make("span", {}, note));
    button.addEventListener("click", () => {
      mark(button);
      ask(example(file), file);
    });
    return button;
  }));
}

async function example(file) {
  const response = await fetch(`examples/${file}`).catch(() => {
    throw new Error("The server does not answer.");
  });
  return response.ok ? response.blob() : given(response);
}

$("file").addEventListener("change", ({ target }) => {
  take([...target.files]);
  target.value = ""; // the same file may be chosen again
});
$("file").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return; // Chromium opens the dialog with the space bar alone
  event.preventDefault();
  event.target.click();
});
$("record").addEventListener("click", toggle);
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    const over = kind === "dragenter" || kind === "dragover" || (kind === "dragleave" && event.relatedTarget);
    document.body.classList.toggle("dropping", Boolean(over));
    if (kind === "drop") take([...event.dataTransfer.files]);
  });
}
$("player").addEventListener("play", head);
$("player").addEventListener("seeked", head);
$("player").addEventListener("error", () => ($("player").hidden = true)); // a format that the browser does not play
let width = 0;
new ResizeObserver(([{ contentRect }]) => {
  if (contentRect.width === width) return; // details that open make it taller, and no figure wider
  width = contentRect.width;
  draw();
}).observe($("answer"));
$("curl").textContent = `curl -F file=@clip.wav ${location.origin}/predict`;
introduce().catch((error) => fail(error.message));
offer().catch((error) => $("examples").replaceChildren(make("p", { className: "note" }, error.message)));
