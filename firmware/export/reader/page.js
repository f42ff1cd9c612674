// The page itself: files in, findings on the screen. Text from a file is only ever set as text, never as HTML.

const $ = (id) => document.getElementById(id);
const session = new Session($("video"), () => viewSoon(), (text) => say(text));
let viewAsked = 0, worksDone = 0;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

// One thing that a person asked for, to its end: `aria-busy` tells it to a screen reader, `worksDone` to a test.
async function guarded(work) {
  document.body.setAttribute("aria-busy", "true");
  say("");
  try {
    await work();
  } catch (error) {
    say(error.name === "NotReadableError" ? "The file could not be read: was it moved or changed?" : error.message);
  } finally {
    view();
    worksDone++;
    document.body.setAttribute("aria-busy", "false");
  }
}

function viewSoon() { // at most ten times a second: checking is the work, showing is not
  viewAsked ||= setTimeout(view, 100);
}

function view() {
  clearTimeout(viewAsked);
  viewAsked = 0;
  const { findings, file, player } = session;
  viewGiven();
  $("drop").classList.toggle("small", file !== null);
  $("recording").hidden = !findings;
  $("about").hidden = file !== null;
  $("unlock").hidden = session.keyState !== "locked";
  if (!findings) return;
  viewVerdict(findings);
  const statement = covered(findings.streams), refused = isRefused(findings);
  $("not-covered").hidden = statement.tone !== "bad";
  $("not-covered").textContent = statement.text;
  $("partial").hidden = !(refused && player);
  $("partial").textContent = "Only what stands before the damage can be played. It is not the whole recording.";
  $("no-film").textContent = session.filmProblem || (player ? "" : noFilmWords());
  fill($("checks"), checks(findings, session));
  fill($("facts"), facts(findings, statement));
  viewConsent(findings);
  viewLine(findings);
  viewEvents(findings);
}

function noFilmWords() {
  if (session.findings.state && !session.findings.fragments.length) return "There is no picture that can be shown.";
  return { none: "To see the film, drop the archive's private key.", locked: "Unlock the private key with its passphrase.",
    given: "The key does not open this recording.", open: "The film is shown once the recording has been checked." }[session.keyState];
}

function viewGiven() {
  const given = [["Recording", session.name], ["Private key", session.keyName],
    ["Key envelope", session.envelope && "given"], ["Trusted devices", session.trust && `${session.trust.size} listed`]];
  $("given").replaceChildren(...given.filter(([, name]) => name)
    .map(([what, name]) => element("li", {}, element("b", { textContent: `${what}: ` }), name)));
}

function viewVerdict(findings) {
  const { tone, title, text } = verdict(findings, session.trusted);
  $("verdict").className = tone;
  $("verdict-title").textContent = title;
  $("verdict-text").textContent = text;
  $("progress").hidden = findings.state !== null;
  $("progress").value = session.file.size ? findings.bytesDone / session.file.size : 0;
}

function fill(list, rows) { // [{tone, title, text}] as terms and their words
  list.replaceChildren(...rows.filter((row) => row.text).flatMap(({ tone = "plain", title, text }) =>
    [element("dt", { textContent: title }), element("dd", { className: tone, textContent: text })]));
}

function facts(findings, statement) {
  const { header, deviceFingerprint, fragments, streams, frames, clean, masked, blanked } = findings;
  if (!header) return [];
  const stream = streams[0]?.told, last = fragments.at(-1);
  const clockWords = { ntp: "network time", rtc: "its own clock" }[header.clock?.source] ?? "an unknown clock";
  return [
    { title: "Recording", text: header.recording_id },
    { title: "Device", text: `${header.device.name}, key ${deviceFingerprint}` },
    { title: "Made", text: `${whenInWords(header)} (by ${clockWords}${header.clock?.synchronised ? ", synchronised" : ""})` },
    { title: isRefused(findings) ? "Before the damage" : "Length", text: last ? `${counted(fragments.length, "fragment")}, `
      + `${clock((last.ptsNs + last.durationNs - fragments[0].ptsNs) / 1e9)} long` : "" },
    { title: "File", text: bytesInWords(session.file.size) },
    { title: "Picture", text: stream ? `${stream.width} × ${stream.height}, ${stream.codec}` : "" },
    { title: "Sound", text: stream ? stream.sound_codec || "none" : "" },
    { title: "Covered", text: statement.text, tone: statement.tone },
    { title: "Frames", text: frames ? `${frames.toLocaleString("en")}: ${clean} with nothing to cover, ${masked} with regions `
      + `filled, ${blanked} filled whole` : "" },
    { title: "Always filled", text: [...new Set(streams.flatMap((one) => one.told.site_zones ?? []))].join(", ") },
    { title: "Consent", text: consentInWords(header.consent ?? {}) },
    { title: "Opens with", text: (header.recipients ?? []).map((one) => `${one.role}, ${one.kem}: ${one.key_id}`).join("\n") },
    { title: "Certificates", text: header.device.certificates?.length
      ? `${header.device.certificates.length} of the device in the header; not checked by this page` : "" },
    { title: "Written by", text: header.software },
  ];
}

function whenInWords({ created_unix_s: unix, clock: told }) {
  const offset = told?.utc_offset_s ?? 0, local = new Date((unix + offset) * 1000).toISOString();
  const sign = offset < 0 ? "-" : "+", minutes = Math.abs(offset) / 60;
  const zone = `${sign}${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
  return `${local.slice(0, 10)} ${local.slice(11, 19)}, UTC${zone}`;
}

function viewConsent({ marks }) {
  const said = marks.filter((mark) => mark.type === CONSENT && mark.said?.state).at(-1)?.said;
  $("consent-part").hidden = !said;
  if (!said) return;
  const names = { by: "Given by", evidence: "On what evidence", purpose: "Purpose", purpose_class: "Class", audience: "Audience",
    destination: "Kept where", retention_days: "Kept for (days)", medical_record: "Medical record", patient_ref: "Patient reference" };
  const words = (value) => ({ true: "yes", false: "no", 0: "" })[value] ?? (Array.isArray(value) ? value.join(", ") : String(value ?? ""));
  fill($("consent"), [{ title: "State", text: consentInWords(said) },
    ...Object.entries(names).map(([name, title]) => ({ title, text: words(said[name]) }))]);
}

// Marks and damage as shares of the line; the line is as long as what the player or the walk knows.
function viewLine(findings) {
  const { fragments, marks } = findings;
  const startNs = session.player?.timeline.firstNs ?? fragments[0]?.ptsNs ?? 0;
  const seenNs = fragments.length ? fragments.at(-1).ptsNs + fragments.at(-1).durationNs : startNs;
  const refused = isRefused(findings);
  const playableNs = session.player?.timeline.endNs ?? seenNs, spanNs = (playableNs - startNs) * (refused ? 1.15 : 1) || 1;
  const share = (ns) => Math.min(Math.max((ns - startNs) / spanNs, 0), 1);
  const bar = (kind, from, until) => {
    const mark = element("i", { className: kind });
    [mark.style.left, mark.style.width] = [`${100 * share(from)}%`, `${100 * (share(until) - share(from))}%`];
    return mark;
  };
  const shown = [
    ...blankedSpans(fragments).map(([from, until]) => bar("blanked", from, until)),
    ...marks.filter((one) => one.type === GAP).map(({ told }) => bar("gap", told.pts_ns, told.pts_ns + told.duration_ns)),
    ...marks.filter((one) => one.type === BOOKMARK).map(({ told }) => bar("bookmark", told.pts_ns, told.pts_ns)),
    ...(refused ? [bar("damage", playableNs, startNs + spanNs)] : []),
  ];
  $("marks").replaceChildren(...shown);
  session.line = { startNs, spanNs };
  $("length").textContent = clock((playableNs - startNs) / 1e9);
  $("line").setAttribute("aria-valuemax", Math.round((playableNs - startNs) / 1e9));
  for (const kind of ["bookmark", "gap", "blanked", "damage"]) {
    document.querySelector(`.key.${kind}`).hidden = !shown.some((one) => one.className === kind);
  }
}

function blankedSpans(fragments) { // neighbours joined, so that a long pause is one mark
  const spans = [];
  for (const one of fragments.filter((fragment) => fragment.blankedWhole)) {
    const end = one.ptsNs + one.durationNs, last = spans.at(-1);
    if (last && one.ptsNs - last[1] < 1e8) last[1] = end;
    else spans.push([one.ptsNs, end]);
  }
  return spans;
}

function viewEvents({ marks, fragments }) {
  const startNs = session.line.startNs;
  const rows = marks.filter((mark) => mark.type !== CONSENT).map(({ type, told, said = {} }) => {
    const seconds = Math.max(0, (told.pts_ns - startNs) / 1e9);
    const words = [said.state, said.reason, said.note, said.text, said.origin && `by ${said.origin}`].filter(Boolean).join(", ");
    const length = type === GAP ? ` of ${(told.duration_ns / 1e9).toFixed(1)} s` : "";
    return element("li", {}, element("button", { type: "button", textContent: clock(seconds), onclick: () => goTo(seconds) }),
      `${RECORD_TYPE_WORDS[type]}${length}${words ? `: ${words}` : ""}`);
  });
  if (!rows.length) rows.push(element("li", { textContent: fragments.length ? "No bookmark, no gap." : "" }));
  const old = $("events"), same = old.childElementCount === rows.length
    && rows.every((row, i) => row.textContent === old.children[i].textContent);
  if (!same) old.replaceChildren(...rows); // else not under a reader's pointer
}

function goTo(seconds) {
  if (!session.player) return;
  $("video").currentTime = Math.min(Math.max(seconds, 0), Math.max(session.player.lengthS - 0.05, 0));
}

const take = (files) => guarded(() => session.take(files));
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
addEventListener("dragleave", () => $("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  take([...event.dataTransfer.files]);
});
$("files").addEventListener("change", () => {
  const files = [...$("files").files];
  $("files").value = "";
  take(files);
});
$("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  const passphrase = $("passphrase").value;
  $("passphrase").value = "";
  $("unlocking").textContent = "Unlocking: this takes a few seconds.";
  guarded(() => session.unlock(passphrase)).finally(() => { $("unlocking").textContent = ""; });
});
$("line").addEventListener("click", (event) => {
  const box = $("line").getBoundingClientRect();
  if (session.line) goTo((event.clientX - box.left) / box.width * session.line.spanNs / 1e9);
});
$("line").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -5, ArrowRight: 5 }[event.key];
  if (step) goTo($("video").currentTime + step);
});
$("video").addEventListener("timeupdate", () => {
  const now = $("video").currentTime;
  $("now").textContent = clock(now);
  $("played").style.width = session.line ? `${Math.min(100, 100 * now * 1e9 / session.line.spanNs)}%` : 0;
  $("line").setAttribute("aria-valuenow", Math.round(now));
});
$("can-open").textContent = whatCanBeOpened();

function whatCanBeOpened() {
  if (!globalThis.crypto?.subtle) return "This browser has no WebCrypto here: open the page from a file or over https.";
  const kinds = Object.keys(KEMS).filter(canOpen);
  const lacking = Object.keys(KEMS).filter((kem) => !canOpen(kem));
  return `In this browser it opens recordings sealed for keys of kind ${kinds.join(", ")}, with or without a passphrase`
    + `${lacking.length ? `; not ${lacking.join(" or ")}, for which a newer browser is needed` : ""}. Checking needs no key.`;
}
