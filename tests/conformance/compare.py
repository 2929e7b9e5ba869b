"""Whether a value is the one that AWS recorded. Recordings have placeholders for names, ids and dates."""

import json
import re

# Texts that stand for a value which differs each time.
ANY = {"date", "timestamp", "datetime", "start-time", "entered-time", "start-date", "stop-date", "activity_arn",
       "map_run_arn", "RandomNumberGenerated", "generated-uuid"}
ROLE = re.compile(r"s(nf|fn)_role_arn(_t\d)?")
# Members that say when.
LEFT_OUT = {"timestamp", "ResponseMetadata"}
# Members that AWS answers since a later time than some recordings.
LATER = {"encryptionConfiguration", "RedriveCount", "redriveCount", "redriveStatus", "redriveStatusReason"}
PLACEHOLDER = re.compile(r"<[A-Za-z][\w:.-]*>")
# Placeholders that stand for the same text wherever they stand in a case.
BOUND = re.compile(r"<((Exec)?ArnPart_\d+idx|uuid:\d+|resource:\d+|alias)>")
DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def unfold(value):
    """Texts that are JSON objects or arrays become those, as in the recordings."""
    if isinstance(value, dict):
        return {key: unfold(item) for key, item in value.items() if key not in LEFT_OUT}
    if isinstance(value, list):
        return [unfold(item) for item in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return unfold(json.loads(value))
        except ValueError:
            return value
    return value


def fill(value, names):
    """The recording with this run's names in the place of their placeholders."""
    text = json.dumps(value)
    for placeholder, name in names.items():
        text = text.replace(placeholder, name)
    return json.loads(text)


def difference(want, got, place="events", names=None):
    """The first difference, as a text; None when there is none. Texts that placeholders stand for are added to `names`."""
    if isinstance(want, dict) and isinstance(got, dict):
        for key in sorted(want.keys() | got.keys()):
            if key not in got:
                return f"{place}.{key}: missing, want {short(want[key])}"
            if key not in want and key in LATER:
                continue
            if key not in want:
                return f"{place}.{key}: unexpected {short(got[key])}"
            if key in ("AllHttpHeaders", "HttpHeaders") and want[key].keys() == got[key].keys():
                continue  # their values are those of one answer
            if key == "RequestId" and isinstance(got[key], str):
                continue
            found = difference(want[key], got[key], f"{place}.{key}", names)
            if found:
                return found
        return None
    if isinstance(want, list) and isinstance(got, list):
        for number, (one, other) in enumerate(zip(want, got)):
            found = difference(one, other, f"{place}[{number}]", names)
            if found:
                return found
        if len(want) != len(got):
            return f"{place}: want {len(want)} of them, got {len(got)}"
        return None
    if want is None and got is None:
        return None
    if isinstance(want, str) and matches(want, got, names):
        return None
    # Recordings turned some numbers into texts.
    if scalar(want) and scalar(got) and str(want) == str(got):
        return None
    return f"{place}: want {short(want)} got {short(got)}"


def matches(want, got, names=None):
    """Whether a recorded text is this one, placeholders aside."""
    if want.strip('"') in ANY:
        return True
    if ROLE.fullmatch(want):
        return names is None or names.setdefault(want, got) == got
    if not isinstance(got, str):
        return PLACEHOLDER.fullmatch(want) is not None
    if want == got:
        return True
    found = PLACEHOLDER.findall(want)
    between = [exactly(part) for part in PLACEHOLDER.split(want)]
    match = re.fullmatch("(.*?)".join(between), got, re.DOTALL)
    if match is None or names is None:
        return match is not None
    bound = [pair for pair in zip(found, match.groups()) if BOUND.fullmatch(pair[0])]
    return all(names.setdefault(placeholder, text) == text for placeholder, text in bound)


def exactly(text):
    """The pattern of a recorded text. Moments and ids in it stand for any."""
    pattern = re.escape(text)
    pattern = re.sub(r"\d{4}\\-\d\d\\-\d\dT\d\d:\d\d:\d\d(?:\\\.\d+)?Z", lambda _: DATE, pattern)
    return re.sub(r"[0-9a-f]{8}(?:\\-[0-9a-f]{4}){3}\\-[0-9a-f]{12}", lambda _: UUID, pattern)


def loosen_parallel(events):
    """Where a recording gives no ids (`0` inside a Parallel), the order within is free: sorted, without ids. Such
    recordings lack ParallelStateSucceeded, which stands between the last branch and ParallelStateExited."""
    result, inside, within = [], [], False
    for event in events:
        kind = event.get("type", "")
        if kind == "ParallelStateSucceeded":
            continue
        if within and kind in ("ParallelStateExited", "ParallelStateFailed"):
            result += sorted(inside, key=lambda item: json.dumps(item, sort_keys=True))
            inside, within = [], False
        if within:
            inside.append({**event, "id": 0, "previousEventId": 0})
        else:
            result.append(event)
        within = within or kind == "ParallelStateStarted"
    return result + inside


def has_free_order(events):
    """Whether the recording left ids out."""
    return any(event.get("id") in (0, [0]) for event in events)


def scalar(value):
    return isinstance(value, (str, int, float, bool))


def short(value):
    return json.dumps(value)[:160]
