"""Makes the man pages and the shells' completion out of the declared command lines.

    python3 tools/manual --docs docs/commands --into DIR DECLARATION.json...

Each declaration (src/cli/declaration.h) gives DIR/man/*, and DIR/completion/NAME.bash, NAME.zsh and NAME.fish. Names,
values and what must be given come from the declaration; what the docs say about a command is its page's text. An option
that the docs describe and the program does not have ends this with an error.
"""

import argparse
import json
import sys
from pathlib import Path

import completion
import manpage


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/manual", description=__doc__.splitlines()[0])
    parser.add_argument("declarations", nargs="+", type=Path, metavar="DECLARATION.json")
    parser.add_argument("--docs", required=True, type=Path)
    parser.add_argument("--into", required=True, type=Path)
    arguments = parser.parse_args()
    for kind in ("man", "completion"):
        (arguments.into / kind).mkdir(parents=True, exist_ok=True)
    for path in arguments.declarations:
        declared = json.loads(path.read_text())
        try:
            pages = manpage.pages(declared, arguments.docs)
        except manpage.ManualError as error:
            print(f"tools/manual: {error}", file=sys.stderr)
            return 1
        for name, text in pages.items():
            (arguments.into / "man" / name).write_text(text)
        for name, text in completion.files(declared).items():
            (arguments.into / "completion" / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
