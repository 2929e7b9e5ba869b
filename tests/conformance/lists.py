"""The lists of cases: `passes.txt`, and `waiting.txt` with what each other case waits for, below headings (`#`)."""

import os

HERE = os.path.dirname(os.path.abspath(__file__))
PASSES = os.path.join(HERE, "passes.txt")
WAITING = os.path.join(HERE, "waiting.txt")


def judge(known, played):
    """What is wrong, a line each. `known` has the names of all cases; `played` says of a name why it fails, or None."""
    passes, waiting = read(PASSES), read(WAITING)
    wrong = []
    for name in sorted(played):
        why = played[name]
        if name in passes and why is not None:
            wrong.append(f"REGRESSION {name}\n           {why}")
        elif name in waiting and why is None:
            wrong.append(f"NEW PASS   {name}: still listed as waiting (play.py --update)")
        elif name not in passes and name not in waiting:
            wrong.append(f"UNLISTED   {name}: {why or 'passes (play.py --update)'}")
    wrong += [f"TWICE      {name}: listed as passing and as waiting" for name in sorted(passes & waiting)]
    return wrong + [f"NO CASE    {name}: listed" for name in sorted((passes | waiting) - known)]


def update(played):
    """Writes what passes now. What does not pass any more has to be listed as waiting by hand, below its heading."""
    passed = {name for name, why in played.items() if why is None}
    names = (read(PASSES) - played.keys()) | passed
    with open(PASSES, "w", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in sorted(names))
    with open(WAITING, encoding="utf-8") as file:
        kept = [line for line in file if line.strip() not in passed]
    with open(WAITING, "w", encoding="utf-8") as file:
        file.writelines(kept)


def read(path):
    with open(path, encoding="utf-8") as file:
        lines = [line.strip() for line in file]
    return {line for line in lines if line and not line.startswith("#")}
