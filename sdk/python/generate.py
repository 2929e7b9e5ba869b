"""Writes the messages of the gRPC API as Python into `src/stepfleet_sdk/_proto`.

Needs grpcio-tools (see `tests/requirements.txt`); users of the library do not. With `--check` nothing is written, and
the exit status says whether what is there is what the .proto files give.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc  # type: ignore[import-untyped]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = HERE / "src" / "stepfleet_sdk" / "_proto"
# Where a source folder's files begin, and what is compiled from it.
SOURCES = ((ROOT / "proto", "stepfleet/v1/*.proto"), (ROOT / "sdk" / "proto", "stepfleet/sdk/*.proto"))


def generate(folder: Path) -> dict[str, str]:
    """Compiles into a folder and gives the texts by file name. No file imports another of ours, so they stand flat."""
    texts = {}
    for source, pattern in SOURCES:
        files = sorted(str(path.relative_to(source)) for path in source.glob(pattern))
        include = Path(protoc.__file__).parent / "_proto"
        arguments = [f"-I{source}", f"-I{include}", f"--python_out={folder}", f"--pyi_out={folder}", *files]
        if protoc.main(["protoc", *arguments]) != 0:
            sys.exit(f"protoc refused the files in {source}")
    for path in sorted([*folder.rglob("*_pb2.py"), *folder.rglob("*_pb2.pyi")]):
        texts[path.name] = path.read_text(encoding="utf-8")
    return texts


def main() -> int:
    """Generates, or compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, tell what is stale")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory(prefix="stepfleet-generate.") as folder:
        wanted = generate(Path(folder))
    present = {path.name: path.read_text(encoding="utf-8") for path in TARGET.glob("*_pb2.py*")}
    if check:
        stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
        if stale:
            print(f"stale: {', '.join(stale)}; run sdk/python/generate.py", file=sys.stderr)
        return 1 if stale else 0
    for name in present.keys() - wanted.keys():
        (TARGET / name).unlink()
    for name, text in wanted.items():
        (TARGET / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
