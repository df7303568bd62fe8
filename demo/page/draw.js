// Waveform, timeline and spectrogram: three pictures with one time axis. SVG, so that the style sheet colours them.

const LEFT = 76, RIGHT = 10, AXIS = 22; // px
const INFERNO = [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];

export const percent = (share) => `${Math.round(100 * share)} %`;

export function clock(seconds, digits = 2) {
  const rounded = Number(seconds.toFixed(digits)), minutes = Math.floor(rounded / 60);
  return `${minutes}:${(rounded - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
}

function element(name, attributes, parent, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent?.append(made);
  return made;
}

// An empty picture with its time axis, and the function from seconds to pixels.
function panel(host, height, duration, label) {
  const width = Math.max(host.clientWidth, 240);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height + AXIS}`, height: height + AXIS, role: "img", "aria-label": label });
  const x = (seconds) => LEFT + (seconds / duration) * (width - LEFT - RIGHT);
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120];
  const step = steps.find((one) => x(one) - LEFT > 56) ?? 120;
  const digits = step < 1 ? 1 : 0;
  for (let i = 0; i * step <= duration; i++) {
    const at = i * step;
    element("line", { class: "axis", x1: x(at), x2: x(at), y1: height, y2: height + 5 }, svg);
    const text = duration > 90 ? clock(at, 0) : at.toFixed(digits) + (i ? "" : " s");
    if (x(at) < width - 14) element("text", { x: x(at), y: height + 18, "text-anchor": "middle" }, svg, text);
  }
  element("rect", { class: "field", x: LEFT, y: 0, width: width - LEFT - RIGHT, height }, svg);
  host.replaceChildren(svg);
  return { svg, x, right: width - RIGHT };
}

function finish({ svg, x }, height, duration, seek) {
  const head = element("line", { class: "head", y1: 0, y2: height }, svg);
  svg.moveTo = (seconds, on) => {
    head.setAttribute("x1", x(seconds));
    head.setAttribute("x2", x(seconds));
    head.classList.toggle("on", on);
  };
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const share = (event.clientX - box.left - x(0)) / (x(duration) - x(0));
    seek(Math.min(Math.max(share, 0), 1) * duration);
  });
}

export function waveform(host, peaks, duration, seek) {
  const height = 84, made = panel(host, height, duration, `Waveform, ${duration.toFixed(2)} seconds`);
  const at = (i, sign) => `${made.x((i * duration) / peaks.length)},${height / 2 - sign * Math.max(peaks[i] * (height / 2 - 3), 0.5)}`;
  const index = [...peaks.keys()];
  const points = [...index.map((i) => at(i, 1)), ...index.reverse().map((i) => at(i, -1))];
  element("polygon", { class: "wave", points: points.join(" ") }, made.svg);
  finish(made, height, duration, seek);
}

// Slanting lines that fill a place from 0 to a height, one every 10 pixels of the picture, so that neighbours go on.
function stripes({ x, width }, height) {
  const lines = [];
  for (let foot = Math.ceil(x / 10) * 10; foot < x + width + height; foot += 10) {
    const low = Math.min(foot, x + width), high = Math.max(foot - height, x);
    lines.push(`M${low},${foot - low}L${high},${foot - high}`);
  }
  return lines.join("");
}

export function timeline(host, parts, labels, duration, seek) {
  const lane = 20, height = lane * labels.length;
  const spoken = parts.map((part) => `${clock(part.start)} to ${clock(part.end)} ${part.emotion}`).slice(0, 20).join(", ");
  const made = panel(host, height, duration, `Timeline: ${spoken}`);
  labels.forEach((label, i) => {
    element("text", { x: LEFT - 8, y: lane * i + 14, "text-anchor": "end" }, made.svg, label);
    if (i) element("line", { class: "axis", x1: LEFT, x2: made.right, y1: lane * i, y2: lane * i }, made.svg);
  });
  for (const { start, end, emotion, probability } of parts) {
    if (emotion === "silence") continue;
    const row = labels.indexOf(emotion), place = { x: made.x(start), width: Math.max(made.x(end) - made.x(start), 1.5) };
    const block = row < 0
      ? element("rect", { ...place, y: 0, height, fill: "transparent" }, made.svg)
      : element("rect", { ...place, y: lane * row + 3, height: lane - 6, rx: 3, class: "part" }, made.svg);
    if (row < 0) element("path", { class: "stripe", d: stripes(place, height) }, made.svg);
    block.style.setProperty("--tone", `var(--${emotion})`);
    element("title", {}, block, `${clock(start)} – ${clock(end)} ${emotion}${row < 0 ? "" : " " + percent(probability)}`);
  }
  finish(made, height, duration, seek);
}

export function spectrogram(host, seen, duration, seek) {
  const height = 168, made = panel(host, height, duration, "Mel spectrogram of what the network heard");
  const width = made.x(Math.min(seen.duration, duration)) - LEFT;
  const image = element("image", { x: LEFT, y: 0, width, height, preserveAspectRatio: "none", href: pixels(seen) }, made.svg);
  if (seen.columns < width) image.style.imageRendering = "pixelated"; // frame by frame, as it is
  for (const hertz of [500, 1000, 2000, 4000, 8000, 16000]) {
    const above = seen.hertz.findIndex((centre) => centre >= hertz);
    if (above < 1) continue;
    const [low, high] = [seen.hertz[above - 1], seen.hertz[above]];
    const y = height * (1 - (above - 0.5 + (hertz - low) / (high - low)) / seen.hertz.length);
    element("line", { class: "axis", x1: LEFT - 5, x2: LEFT, y1: y, y2: y }, made.svg);
    element("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, made.svg, hertz < 1000 ? `${hertz} Hz` : `${hertz / 1000} kHz`);
  }
  finish(made, height, duration, seek);
}

function pixels(seen) {
  const bytes = Uint8Array.from(atob(seen.pixels), (character) => character.charCodeAt(0));
  const mels = seen.hertz.length;
  const canvas = Object.assign(document.createElement("canvas"), { width: seen.columns, height: mels });
  const context = canvas.getContext("2d"), image = context.createImageData(seen.columns, mels);
  bytes.forEach((value, i) => {
    const column = Math.floor(i / mels), row = mels - 1 - (i % mels);
    // 0 is what the network did not hear: it stays transparent.
    if (value) image.data.set([...colour((value - 1) / 254), 255], 4 * (row * seen.columns + column));
  });
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

function colour(share) {
  const place = share * (INFERNO.length - 1), below = Math.min(Math.floor(place), INFERNO.length - 2);
  return INFERNO[below].map((value, i) => Math.round(value + (place - below) * (INFERNO[below + 1][i] - value)));
}

export const gradient = `linear-gradient(to right, ${INFERNO.map((rgb) => `rgb(${rgb})`).join(", ")})`;
