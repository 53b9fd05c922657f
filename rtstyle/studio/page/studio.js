// The page: shows what the server says, and says what the viewer wants.

import { makeCamera } from "./camera.js";
import { connect } from "./link.js";

const $ = (id) => document.getElementById(id);
const HOLD = 800; // ms for which a control under the hand does not follow the server
const canvas = $("picture"), context = canvas.getContext("2d", { alpha: false });

let state = null, thumbnails = new Set(), lastNote = null;
let touched = {}; // control -> when a hand last moved it
let hand = ""; // the control that is held down now
let tour = 5; // seconds a style, that the switch asks for
let weights = {}; // of the mix, 0 to 100, as the sliders stand
let aim = { name: "", until: 0 }; // the style last chosen, while the picture is on its way there
let over = false; // the session has ended, as it told itself
let wantCamera = false, ownDelays = [], drawn = [];

const held = (name) => name === hand || performance.now() - (touched[name] ?? -1e9) < HOLD;
const touch = (name) => { touched[name] = performance.now(); };
const text = (element, value) => { if (element.textContent !== value) element.textContent = value; };
const pressed = (id, on) => $(id).setAttribute("aria-pressed", String(Boolean(on)));
const several = () => (state?.styles.length ?? 0) > 1;

// ---- the connection ----

const link = connect({
  open() {
    if (wantCamera) link.camera(true);
  },
  close() {
    state = null;
    document.body.classList.add("away");
    if (!over) say("status", "Reconnecting", "bad");
    const anew = location.pathname === "/" ? "" : " If it was started anew, open the address that it printed.";
    if (!over) veil("The studio is not there", `Connecting again by itself, as soon as there is room and rtstyle runs.${anew}`);
    drawn = [];
  },
  hello(message) { thumbnails = new Set(message.thumbnails); $("styles").replaceChildren(); },
  state(message) { state = message; render(); },
  error(message) { toast(message.message, "bad"); },
  took() { camera.took(); },
  picture(bitmap, stamp) {
    // Pictures come as small as they were restyled; the browser enlarges them as it shows the page.
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
    }
    context.drawImage(bitmap, 0, 0);
    const now = performance.now();
    drawn.push(now);
    const delay = now - stamp; // NaN for pictures that are not of this camera
    if (!Number.isNaN(delay)) ownDelays = [...ownDelays.slice(-149), delay];
    canvas.dispatchEvent(new CustomEvent("shown", { detail: delay })); // for whoever measures
  },
});
const camera = makeCamera(link, () => useCamera(false, "The camera of this device has gone."));

// ---- what is shown ----

function render() {
  const { mix } = state;
  document.body.classList.remove("away");
  const now = performance.now();
  drawn = drawn.filter((then) => now - then < 2000);
  const fps = drawn.length / 2, own = state.browser_camera?.owner === "you";
  const seen = own ? percentiles(ownDelays) : state.seen_ms;
  text($("fps"), fps ? fps.toFixed(0) : "–");
  text($("latency"), seen == null ? "–" : seen.p50.toFixed(0));
  text($("size"), state.camera.join(" × "));
  $("frame").style.setProperty("--aspect", state.camera[0] / state.camera[1]); // a processed size is rounded

  over = state.ended;
  if (over) {
    if (wantCamera) useCamera(false); // or its light stays on, and the next session gets it unasked
    say("status", "Ended", "bad");
    veil("The session has ended", `Start rtstyle again to go on.${location.pathname === "/" ? "" : " It prints a new address."}`, true);
  } else if (state.waiting && !state.frozen) {
    say("status", "No picture", "wait");
    const browser = state.browser_camera && !state.browser_camera.owner;
    veil("Waiting for a camera", browser ? "Press “Camera” to use the one of this device." : "It goes on as soon as one sends.");
  } else {
    say("status", state.frozen ? "Frozen" : "Live", "live");
    veil();
  }

  renderStyles();
  for (const each of ["strength", "canvas"]) slider(each, Math.round(100 * state[each]), (value) => `${value} %`);
  if (state.tour && !held("tour")) { tour = state.tour; $("tour-seconds").value = tour; }
  renderTour();
  slider("travel", null, (value) => (+value ? `${(+value).toFixed(1)} s` : "at once"));
  if (!held("tour")) $("do-tour").setAttribute("aria-checked", String(state.tour > 0));
  for (const each of document.querySelectorAll(".several")) each.hidden = !several();
  $("step").hidden = !several();
  if (!held("mix")) weights = Object.fromEntries(state.styles.map(({ name }) => [name, Math.round(100 * (mix[name] ?? 0))]));
  renderMix();

  if (!held("freeze")) pressed("do-freeze", state.frozen);
  if (!held("mirror")) pressed("do-mirror", state.mirror);
  $("hold").hidden = !state.frozen;
  if (!held("split")) renderSplit(state.split);
  renderRecording();
  renderCamera();
  renderFigures(fps, seen);
  for (const [number, line] of state.notes) if (lastNote !== null && number > lastNote) toast(line);
  lastNote = state.notes.at(-1)?.[0] ?? 0;
}

function renderStyles() {
  const grid = $("styles"), { styles, mix } = state;
  const names = styles.map(({ name }) => name).join("\n");
  if (grid.dataset.names !== names || !grid.children.length) {
    grid.dataset.names = names;
    grid.replaceChildren(...styles.map((style, place) => chip(style, place)));
    $("mix").replaceChildren(...styles.map(mixRow));
  }
  const strongest = Math.max(...Object.values(mix));
  styles.forEach(({ name }, place) => {
    const part = mix[name] ?? 0, each = grid.children[place];
    each.setAttribute("aria-pressed", String(part > 0 && part === strongest));
    each.style.setProperty("--part", part);
    const share = each.querySelector(".share");
    share.hidden = part === 0 || part > 0.995;
    text(share, `${Math.round(100 * part)} %`);
  });
  const main = styles.filter(({ name }) => mix[name]).sort((a, b) => mix[b.name] - mix[a.name]);
  text($("title"), main.map(({ name, title }) => title || nice(name)).join("  +  "));
}

function chip({ name, title }, place) {
  const button = make("button", "style");
  button.title = title || nice(name);
  const art = make(thumbnails.has(name) ? "img" : "span", "art");
  art.style.setProperty("--hue", (place * 67 + 20) % 360);
  if (art.tagName === "IMG") Object.assign(art, { src: `thumbnail/${encodeURIComponent(name)}`, alt: "", width: 256, height: 160 });
  const parts = [art, make("span", "name", nice(name)), make("span", "share"), make("span", "bar")];
  if (place < 9) { parts.push(make("kbd", "", String(place + 1))); parts.at(-1).ariaHidden = "true"; }
  button.append(...parts);
  button.onclick = () => choose(name);
  return button;
}

function mixRow({ name }) {
  const label = make("label", "slider"), input = make("input", ""), out = make("output", "");
  Object.assign(input, { type: "range", min: 0, max: 100, name, id: `mix-${name}` });
  label.htmlFor = input.id; // else it would name the output, which comes first
  input.oninput = () => {
    touch("mix");
    aim.until = 0;
    weights[name] = +input.value;
    if (Object.values(weights).some((weight) => weight > 0)) link.soon("mix", { weights });
    renderMix();
  };
  label.append(make("span", "", nice(name)), out, input);
  return label;
}

function renderMix() {
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0) || 1;
  for (const row of $("mix").children) {
    const input = row.querySelector("input"), weight = weights[input.name] ?? 0;
    if (+input.value !== weight) input.value = weight;
    fill(input);
    text(row.querySelector("output"), `${Math.round((100 * weight) / total)} %`);
  }
}

function renderTour() {
  slider("tour-seconds", null, () => `${+tour.toFixed(1)} s a style`, "tour-out"); // it may be out of the slider's range
}

function renderSplit(share) {
  const on = share !== null;
  pressed("do-split", on);
  for (const id of ["split", "tag-before", "tag-after"]) $(id).hidden = !on;
  if (!on) return;
  $("split").style.left = `${100 * share}%`;
  $("split").setAttribute("aria-valuenow", String(Math.round(100 * share)));
  $("tag-before").hidden = share < 0.2;
  $("tag-after").hidden = share > 0.8;
}

function renderRecording() {
  const on = state.recording !== null;
  if (!held("record")) pressed("do-record", on);
  $("rec").hidden = !on;
  const seconds = on ? Math.floor(state.recorded) : 0;
  text($("rec-time"), `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
  text($("do-record").lastElementChild, on ? "Stop" : "Record");
}

function renderCamera() {
  const offered = state.browser_camera, owner = offered?.owner;
  if (camera.on && owner === "another") useCamera(false, "Another viewer's camera has taken over.");
  $("do-camera").hidden = $("camera-box").hidden = !offered;
  if (!offered) return;
  $("do-camera").disabled = owner === "another";
  pressed("do-camera", camera.on);
  text($("camera-note"), owner === "you" ? "The camera of this device is restyled on the server and comes back."
    : owner === "another" ? "Another viewer's camera is in use."
    : `${offered.otherwise ? "The server's own is shown. " : ""}“Camera” below the picture uses the one of this device.`);
  $("camera-choice").hidden = !camera.on || $("camera-device").options.length < 2;
}

function renderFigures(fps, seen) {
  const { stats } = state, rows = {
    "Camera": `${stats.fps_in.toFixed(1)} fps`,
    "Restyled": `${stats.fps_out.toFixed(1)} of ${state.fps} fps`,
    "This screen": `${fps.toFixed(1)} fps`,
    "Dropped, last 5 s": String(stats.dropped),
    "Latency, restyled": spread(stats.latency_ms),
    "Latency, this screen": seen == null ? "–" : spread(seen),
    "Processed at": state.size.join(" × ") + (state.fixed_size ? " (fixed)" : ""),
    "Runs on": `${state.device}, ${state.engine}`,
    "Viewers": String(state.viewers),
  };
  const list = $("figures");
  if (!list.children.length) list.append(...Object.keys(rows).flatMap((name) => [make("dt", "", name), make("dd", "")]));
  Object.values(rows).forEach((value, place) => text(list.children[2 * place + 1], value));
  for (const place of [8, 10]) list.children[place].title = "Half, 95 % and 99 % of all pictures are faster";
}

function slider(id, value, say_, out = `${id}-out`) {
  const input = $(id);
  if (value !== null && !held(id)) input.value = value;
  fill(input);
  text($(out), say_(input.value));
}

function fill(input) {
  const { min, max, value } = input;
  input.style.setProperty("--fill", `${(100 * (value - min)) / (max - min)}%`);
}

function say(id, what, kind) {
  text($("status-text"), what);
  $(id).dataset.kind = kind;
}

function veil(title, line, still = false) {
  $("veil").classList.toggle("off", !title);
  $("veil").classList.toggle("still", still);
  if (title) { text($("veil-title"), title); text($("veil-text"), line); }
}

function toast(line, kind = "") {
  const note = make("div", `toast ${kind}`, line);
  const all = $("toasts");
  if (all.lastElementChild?.textContent === line) all.lastElementChild.remove();
  all.append(note);
  while (all.children.length > 3) all.firstElementChild.remove();
  setTimeout(() => note.remove(), 4500);
}

function make(tag, kind, content = "") {
  const element = document.createElement(tag);
  element.className = kind;
  element.textContent = content;
  return element;
}

function nice(name) {
  const words = name.replaceAll(/[_-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function percentiles(values) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part) => sorted[Math.ceil(part * sorted.length) - 1];
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

const spread = ({ p50, p95, p99 }) => `${p50.toFixed(0)} / ${p95.toFixed(0)} / ${p99.toFixed(0)} ms`;

// ---- what the viewer does ----

function choose(name) {
  const seconds = +$("travel").value;
  aim = { name, until: performance.now() + 1000 * seconds + HOLD };
  if (seconds && several()) link.act("travel", { to: name, seconds }); else link.act("style", { name });
}

function step(by) {
  if (!several()) return;
  const { styles, mix } = state;
  const strongest = Object.keys(mix).reduce((best, name) => (mix[name] > mix[best] ? name : best));
  const from = performance.now() < aim.until ? aim.name : strongest; // two quick steps are two, travelling or not
  const at = styles.findIndex(({ name }) => name === from);
  choose(styles[(at + by + styles.length) % styles.length].name);
}

function toggle(action, on) {
  touch(action);
  pressed(`do-${action}`, on);
  link.act(action, { on });
}

function setShare(name, value) {
  $(name).value = value;
  touch(name);
  slider(name, null, (each) => `${each} %`);
  link.soon(name, { value: $(name).value / 100 });
}

function setTour(on) {
  touch("tour");
  $("do-tour").setAttribute("aria-checked", String(on));
  link.act("tour", { seconds: on ? tour : 0 });
}

function setSplit(share) {
  touch("split");
  renderSplit(share);
  if (share === null) link.act("split", { on: false }); else link.soon("split", { on: true, position: share });
}

async function useCamera(on, why = "") {
  wantCamera = on;
  if (why) toast(why, "bad");
  if (!on) {
    camera.stop();
    link.camera(false);
  } else {
    try {
      await camera.start(state.browser_camera, $("camera-device").value);
      if (!camera.on) return; // stopped meanwhile
      link.camera(true);
      ownDelays = [];
      const devices = await camera.devices();
      $("camera-device").replaceChildren(...devices.map(({ deviceId, label }) => new Option(label || "Camera", deviceId)));
      $("camera-device").value = camera.device;
    } catch (error) {
      wantCamera = false;
      toast(error.message, "bad");
    }
  }
  if (state) renderCamera();
}

function fullScreen() {
  if (document.fullscreenElement) document.exitFullscreen(); else $("room").requestFullscreen?.();
}
// Nothing else is seen then.
document.onfullscreenchange = () => (document.fullscreenElement ?? document.body).append($("toasts"));

const control = (target) => (target.closest("#mix") ? "mix" : target.id === "tour-seconds" ? "tour" : target.id);
document.addEventListener("pointerdown", ({ target }) => { hand = control(target); });
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => { if (hand) touch(hand); hand = ""; });

const share = (x) => {
  const { left, width } = $("frame").getBoundingClientRect();
  return Math.round(1000 * Math.min(1, Math.max(0, (x - left) / width))) / 1000;
};

for (const target of [canvas, $("split")]) {
  let start = null;
  target.onpointerdown = (event) => {
    if (!state || event.button) return;
    start = event.clientX;
    target.setPointerCapture(event.pointerId);
  };
  target.onpointermove = (event) => {
    if (start === null || !state) return;
    if (target === canvas && Math.abs(event.clientX - start) < 5) return; // a click is no drag
    start = -1e9;
    setSplit(share(event.clientX));
  };
  target.onpointerup = target.onpointercancel = () => { start = null; };
}

$("split").onkeydown = (event) => {
  const by = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key];
  if (!by) return;
  event.preventDefault();
  event.stopPropagation();
  setSplit(Math.min(1, Math.max(0, parseFloat($("split").style.left) / 100 + by)));
};

const isOn = (id) => $(id).getAttribute("aria-pressed") === "true";
const does = {
  split: () => setSplit(isOn("do-split") ? null : state.split ?? 0.5),
  freeze: () => toggle("freeze", !isOn("do-freeze")),
  mirror: () => toggle("mirror", !isOn("do-mirror")),
  record: () => toggle("record", !isOn("do-record")),
  snapshot: () => link.act("snapshot"),
  camera: () => { if (state.browser_camera && !$("do-camera").disabled) useCamera(!camera.on); },
  full: fullScreen,
  canvas: () => setShare("canvas", +$("canvas").value ? 0 : 50),
  tour: () => { if (several()) setTour($("do-tour").getAttribute("aria-checked") !== "true"); },
  previous: () => step(-1),
  next: () => step(1),
};
for (const [name, action] of Object.entries(does)) {
  const button = $(`do-${name}`); // the canvas has a slider instead
  if (button) button.onclick = () => { if (state) action(); };
}
const help = (on = !$("help").open) => (on ? $("help").showModal() : $("help").close());
for (const each of ["strength", "canvas"]) $(each).oninput = () => setShare(each, $(each).value);
$("travel").oninput = () => slider("travel", null, (value) => (+value ? `${(+value).toFixed(1)} s` : "at once"));
$("tour-seconds").oninput = () => {
  touch("tour");
  tour = +$("tour-seconds").value;
  renderTour();
  if (state?.tour) link.soon("tour", { seconds: tour });
};
$("camera-device").onchange = () => useCamera(true);
$("help-open").onclick = () => help(true);
$("help-close").onclick = () => help(false);
$("help").onclick = (event) => { if (event.target === $("help")) help(false); };
$("help").onclose = () => text($("quit"), "End the session");
$("quit").onclick = () => {
  if ($("quit").textContent.startsWith("Really")) { link.act("quit"); help(false); }
  else text($("quit"), "Really end it, for all who watch?");
};

// Those of the window, and arrows.
const KEYS = {
  k: "canvas", s: "split", f: "freeze", m: "mirror", r: "record", p: "snapshot", c: "camera", e: "full", t: "tour",
  b: "previous", n: "next", ArrowLeft: "previous", ArrowRight: "next",
};
const STRENGTH = { "+": 10, "=": 10, "-": -10, ArrowUp: 5, ArrowDown: -5 };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !event.key.startsWith("Arrow")) return;
  const { key, target } = event;
  if (key === "h" || key === "?") { help(); return; }
  if (!state || $("help").open || target.matches("select") || target.matches("input") && key.startsWith("Arrow")) return;
  if (KEYS[key]) does[KEYS[key]]();
  else if (STRENGTH[key]) setShare("strength", +$("strength").value + STRENGTH[key]);
  else if (key >= "1" && key <= "9" && state.styles[key - 1]) choose(state.styles[key - 1].name);
  else if (key === "q") { help(true); $("quit").focus(); }
  else return;
  event.preventDefault();
});
