// What was found, in words for a person. Findings in, text out; `tone` is good, bad, open (not known or not complete)
// or plain.

const RECORD_TYPE_WORDS = { [BOOKMARK]: "Bookmark", [STATE_CHANGE]: "State", [GAP]: "Gap", [NOTE]: "Note",
  [CONSENT]: "Consent" };

const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 0.0005)), two = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  return whole >= 3600 ? `${Math.floor(whole / 3600)}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function bytesInWords(count) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; count >= 1000 && unit < 4; unit++) count /= 1000;
  return `${unit ? count.toFixed(1) : count} ${units[unit]}`;
}

const isRefused = ({ state }) => state === "damaged" || state === "unsupported";

// Which place is not as it was written, named so that another person finds it again.
function placeInWords(problem) {
  if (problem.part === "record") return `Record ${problem.number} (at byte ${problem.offset.toLocaleString("en")})`;
  if (problem.part === "attachment") return `Attachment ${problem.number} behind the recording`;
  return "The header";
}

// The one sentence at the top: {tone, title, text}.
function verdict(findings, trusted) {
  const { problem } = findings, whole = wholeInWords(findings);
  switch (findings.state) {
    case null:
      return { tone: "open", title: "Not yet verified", text: "Every byte is being checked. Until that is done, what you "
        + "see may have been changed." };
    case "sealed":
      return trusted === false
        ? { tone: "bad", title: "Intact, but not from a device on your list",
          text: "Nothing was changed since it was signed, but the device that signed it is not one you trust." }
        : { tone: "good", title: "Intact, complete and signed", text: "Every record is as the device wrote it, in order, "
          + `from the first to the last. ${trusted ? "The device is one that you trust." : "Which device signed it is for you "
            + "to settle: compare its key below with your site's list."}` };
    case "interrupted":
      return { tone: "open", title: "Intact, but ended by a power cut or a crash", text: "Every record in it is as the device "
        + "wrote it. The recorder did not close it itself: the device added the end when it started again." };
    case "unfinished":
      return { tone: "open", title: "Intact as far as it goes, but it has no end", text: "It is still being written, was not yet "
        + "recovered after a power cut, or its end was cut off. It must not be taken for the whole recording." };
    case "unsupported":
      return { tone: "bad", title: "This page cannot read it to its end", text: `${placeInWords(problem)}: ${problem.text}. `
        + `A newer reader is needed. ${whole}` };
    default:
      return { tone: "bad", title: "Damaged or changed: refused as a whole",
        text: `${placeInWords(problem)}: ${problem.text}. ${whole}` };
  }
}

function wholeInWords({ fragments, headerSigned }) {
  if (!headerSigned) return "Nothing in it can be trusted.";
  if (!fragments.length) return "No picture stands before this place.";
  const last = fragments.at(-1), seconds = (last.ptsNs + last.durationNs - fragments[0].ptsNs) / 1e9;
  return `What stands before this place is intact: ${counted(fragments.length, "fragment")}, ${clock(seconds)} long.`;
}

// Each part that was checked: [{tone, title, text}].
function checks(findings, { trusted, keyState }) {
  const running = findings.state === null, damagedAt = isRefused(findings) ? findings.problem : null;
  const waiting = { tone: "open", text: "not yet checked" };
  const part = (title, found) => ({ title, ...found });
  return [
    part("Header", findings.headerSigned ? { tone: "good", text: "as the device signed it" }
      : running ? waiting : { tone: "bad", text: "its signature does not hold" }),
    part("Device", { tone: { true: "good", false: "bad" }[trusted] ?? "open", text: {
      true: "on your list of trusted devices", false: "not on your list of trusted devices",
    }[trusted] ?? "compare the fingerprint below with your site's, or drop the list of trusted devices here" }),
    part("Records", damagedAt?.part === "record"
      ? { tone: "bad", text: `${placeInWords(damagedAt)}: ${damagedAt.text}` }
      : { tone: running ? "open" : "good", text: `${counted(findings.records, "record")}, in order, none missing`
        + (running ? " so far" : "") }),
    part("Signatures", signatureWords(findings, running)),
    part("End", endWords(findings, running, waiting)),
    part("Keys in the file", envelopeWords(findings, running, waiting)),
    ...(damagedAt?.part === "attachment"
      ? [part("Attachments", { tone: "bad", text: `${placeInWords(damagedAt)}: ${damagedAt.text}` })] : []),
    part("Timestamps", timestampWords(findings, running)),
    part("Your key", openedWords(findings, keyState, running)),
  ];
}

function signatureWords({ signatures, signedRecords, records, end }, running) {
  const late = end?.state === "interrupted" ? records - (end.signed_to ?? records) : 0, unsigned = records - signedRecords;
  let text = `${counted(signatures, "signature")} by the device ${signatures === 1 ? "holds" : "hold"}`;
  if (running) return { tone: "open", text: `${text} so far` };
  if (unsigned) text += `; the last ${counted(unsigned, "record")} before that place ${unsigned === 1 ? "is" : "are"} not signed`;
  if (late > 0) text += `; the last ${counted(late, "record")} ${late === 1 ? "was" : "were"} signed only at recovery`;
  return { tone: unsigned || late > 0 || !signatures ? "open" : "good", text };
}

function endWords({ end, state, tornBytes, records }, running, waiting) {
  if (running) return waiting;
  if (!end) {
    const torn = tornBytes ? `; its last ${counted(tornBytes, "byte")} are no whole record` : "";
    return state === "unfinished" ? { tone: "open", text: `none: the file ends where record ${records} would begin${torn}` }
      : { tone: "bad", text: "not reached" };
  }
  const cut = end.cut_bytes ? `; ${bytesInWords(end.cut_bytes)} that were torn were taken off` : "";
  return { tone: end.state === "sealed" ? "good" : "open", text: `${end.state}${end.reason ? ` (${end.reason})` : ""}; `
    + `its counts of records, fragments and frames are right${cut}` };
}

function envelopeWords({ envelopeHolds, end }, running, waiting) {
  if (envelopeHolds === true) return { tone: "good", text: "the one that the signed header names" };
  if (envelopeHolds === false) return { tone: "bad", text: "not the one that the signed header names" };
  if (running) return waiting;
  return { tone: "plain", text: end ? "none: to see the film its key envelope is needed too" : "not reached" };
}

function timestampWords({ timestamps, end }, running) {
  if (!timestamps.length) return { tone: "plain", text: running ? "none so far" : end ? "none" : "not reached" };
  const when = timestamps.map((one) => `${one.at}: ${one.time ?? "time not readable"}`).join("; ");
  return { tone: "open", text: `${when}. They are for this recording; the authority's own signature is not checked here` };
}

function openedWords({ openedRecords }, keyState, running) {
  if (keyState !== "open") return { tone: "plain", text: "opens nothing so far; checking needs no key" };
  return { tone: running ? "open" : "good", text: `opened ${counted(openedRecords, "encrypted record")}, `
    + `each proven by its tag${running ? ", so far" : ""}` };
}

// What may be said of what was covered; never more than what was done. {tone, text, zones}
function covered(streams) {
  const told = streams.map((stream) => stream.told);
  const zones = told.flatMap((one) => (one.field_zones ?? []).map((zone) => ({ ...zone, profile: one.profile })));
  if (zones.length) {
    const names = [...new Set(zones.map((zone) => `${zone.name} (${zone.profile})`))].join(", ");
    return { tone: "bad", text: `Not de-identified: faces were left visible in the field zone ${names}.` };
  }
  if (!told.length) return { tone: "plain", text: "Nothing recorded; no claim of anonymity." };
  if (told.some((one) => !one.detectors?.length)) {
    return { tone: "plain", text: "No detector ran, such frames are filled whole; no claim of anonymity." };
  }
  const words = { face: "faces", text: "text", code: "codes" };
  const all = Object.keys(words).filter((kind) => told.every((one) => one.covers?.includes(kind))).map((kind) => words[kind]);
  const list = all.length > 1 ? `${all.slice(0, -1).join(", ")} and ${all.at(-1)}` : all.join("");
  return { tone: "plain", text: list ? `Covered where found: ${list}. No claim of anonymity.`
    : "Covered as its detectors found; no claim of anonymity." };
}

const consentInWords = ({ state, video, audio, stills }) => {
  const given = Object.entries({ picture: video, sound: audio, stills }).filter(([, yes]) => yes).map(([name]) => name);
  return `${state}: ${given.length ? given.join(", ") : "nothing"}`;
};
