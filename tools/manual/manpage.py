"""Man pages (man(7)) from a declared command line and its page in docs/commands.

NAME, SYNOPSIS and the heads of OPTIONS are the declaration's. A bullet of the docs that begins with an option is that
option's text; one without such a bullet has its declared help. All else of the docs' page follows in its own order.
"""

import re
from pathlib import Path

import markdown

SECTIONS = {"ivtrace-agent": 8}  # for the administrator; all others are commands of section 1
PROGRAM = "\\fB\\-\\-\\fR \\fICMD\\fR..."  # what record runs
DESCRIPTION = "DESCRIPTION"
LAST = ("FILES", "EXAMPLES", "EXIT STATUS")  # where man pages have them


class ManualError(Exception):
    """Docs and declaration do not fit; the text says where."""


def _escape(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("~", "\\(ti").replace("^", "\\(ha")


def _prose(text: str) -> str:
    """As _escape(), but hyphens between words stay hyphens."""
    escaped = re.sub(r"(?<=\w)\\-(?=[a-zA-Z])", "-", _escape(text))
    return escaped.replace("\\(aq", "'")


def _page_of(name: str) -> str:
    return f"\\fB{_escape(name)}\\fR({SECTIONS.get(name, 1)})"


def _link(title: str, target: str) -> str:
    stem = Path(target).stem
    if not target.endswith(".md"):
        return _prose(title)
    return _page_of(stem if stem.startswith("ivtrace") else f"ivtrace-{stem}")


def _inline(text: str) -> str:
    """Code and links made bold; one line that no requests of roff can begin."""
    out = []
    for piece in re.split(r"(`[^`]+`|\*+[^*]+\*+|\[[^]]+\]\([^)]+\))", text):
        link = re.fullmatch(r"\[([^]]+)\]\(([^)]+)\)", piece)
        if link:
            out.append(_link(link.group(1).strip("`"), link.group(2)))
        elif piece.startswith("`"):
            out.append(f"\\fB{_escape(piece[1:-1])}\\fR")
        elif piece.startswith("*"):
            out.append(f"\\fI{_prose(piece.strip('*'))}\\fR")
        else:
            out.append(_prose(piece))
    line = "".join(out)
    return "\\&" + line if line[:1] in (".", "'") else line


def _sentence(text: str) -> str:
    """With a capital, unless it begins with code, and a full stop."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", ":", "?")) else text + "."


def _tagged(tag: str, text: str) -> list[str]:
    return [".TP", tag, text]


def _table(rows: list[list[str]]) -> list[str]:
    """Each row as a tag and its text: it reads well at any width."""
    head, lines = rows[0], []
    for row in rows[1:]:
        rest = [_sentence(cell) for cell in row[1:2] if cell]
        rest += [f"{head[i][:1].upper()}{head[i][1:]}: {_sentence(row[i])[0].lower()}{_sentence(row[i])[1:]}" for i in range(2, len(row)) if row[i]]
        lines += _tagged(_inline(row[0]), _inline(" ".join(rest)) or "\\&")
    return lines


def _block(block: markdown.Block, number: int) -> list[str]:
    if block.kind == "code":
        code = [("\\&" if line[:1] in (".", "'") else "") + _escape(line) for line in block.text.splitlines()]
        return [".PP", ".RS 4", ".EX", *code, ".EE", ".RE"]
    if block.kind == "table":
        return _table(block.rows)
    if block.kind == "bullet":
        return [".IP \\(bu 2", _inline(block.text)]
    if block.kind == "step":
        return [f".IP {number}. 3", _inline(block.text)]
    return [".PP", _inline(block.text)]


def _blocks(blocks: list[markdown.Block]) -> list[str]:
    lines, number = [], 0
    for block in blocks:
        number = number + 1 if block.kind == "step" else 0
        lines += _block(block, number)
    return lines


def _option_head(option: dict) -> str:
    names = ", ".join(f"\\fB{_escape(name)}\\fR" for name in option["names"])
    value = _value(option["value"])
    return names + (f" {value}" if names and value else value)


def _value(value: str) -> str:
    return "|".join(f"\\fB{word}\\fR" for word in value.split("|")) if "|" in value else f"\\fI{value}\\fR" if value else ""


def _synopsis(title: str, declared: dict) -> list[str]:
    words = []
    for option in sorted(declared["options"], key=lambda option: (not option["required"], bool(option["names"]))):
        if "--help" in option["names"] or "--version" in option["names"]:
            continue
        word = " ".join(filter(None, [f"\\fB{_escape(option['names'][0])}\\fR" if option["names"] else "", _value(option["value"])]))
        words.append((word if option["required"] else f"[{word}]") + ("..." if option["repeated"] else ""))
    if declared.get("takes_program"):
        words.append(f"[{PROGRAM}]")
    if declared.get("commands"):
        words = ["\\fICOMMAND\\fR", "[\\fIOPTION\\fR...]"]
    # A break is only allowed between options, not within one.
    return [f'.SY "{_escape(title)}"', *(word.replace(" ", "\\ ") for word in words), ".YS"]


def _documented(block: markdown.Block) -> tuple[list[str], str] | None:
    """(options, text) of a bullet that describes options."""
    head, colon, text = block.text.partition(": ")
    if block.kind != "bullet" or not colon or not head.startswith("`-"):
        return None
    spans = [span.split()[0] for span in re.findall(r"`(-[^`]*)`", head)]
    return spans, _sentence(text)


def _options(declared: dict, blocks: list[markdown.Block], where: str) -> tuple[list[str], list[markdown.Block]]:
    """OPTIONS, and the blocks that it did not use."""
    options = sorted(declared["options"], key=lambda option: bool({"--help", "--version"} & set(option["names"])))
    rest, described = [], []
    for block in blocks:
        found = _documented(block)
        if found:
            described.append(found)
        else:
            rest.append(block)
    known = {name for option in options for name in option["names"]} | ({"--"} if declared.get("takes_program") else set())
    for names, _ in described:
        if set(names) - known:
            raise ManualError(f"{where}: there is no option {', '.join(sorted(set(names) - known))}")
    lines, told = [], set()
    for option in options:
        if option["names"] and option["names"][-1] in told:
            continue
        names, text = next((entry for entry in described if set(entry[0]) & set(option["names"])), ([], _sentence(option["help"])))
        group = [other for other in options if set(other["names"]) & set(names)] or [option]
        heads = [_option_head(other) for other in group] + ([PROGRAM] if "--" in names else [])
        lines += [".TP", heads[0], *(line for head in heads[1:] for line in (".TQ", head)), _inline(text)]
        told |= {name for other in group for name in other["names"]}
    return lines, rest


def _exit_status(footer: str) -> list[str]:
    """From "Exit status: 0 ok, 1 failed, …"."""
    entries = re.findall(r"(\d) (.*?)(?=, \d |\.$)", footer.partition(": ")[2])
    return [line for number, text in entries for line in _tagged(f"\\fB{number}\\fR", _inline(_sentence(text)))]


def _page(title: str, declared: dict, version: str, doc: str, where: str, footer: str, others: list[str], program: bool) -> str:
    sections = markdown.read(doc)
    first = sections[0].blocks
    about = declared["about"].rstrip(".")
    # The docs open with what the command does, which NAME says, and with a synopsis; both are the declaration's here.
    synopses = [block for block in first if block.kind == "code" and block.text.startswith("ivtrace")]
    if not first or not synopses:
        raise ManualError(f"{where}: it does not begin with a sentence and a synopsis")
    # An example of what the command prints often follows in the same block.
    synopses[0].text = synopses[0].text.partition("\n\n")[2]
    options, blocks = _options(declared, [block for section in sections for block in section.blocks], where)
    kept = {id(block) for block in blocks if block.kind != "code" or block.text}
    body: dict[str, list[str]] = {}
    for section in sections:
        wanted = [block for block in section.blocks if id(block) in kept]
        if wanted:
            body[section.title.lstrip("-").upper() or DESCRIPTION] = _blocks(wanted)
    body.setdefault("EXIT STATUS", _exit_status(footer))
    number = SECTIONS.get(title, 1)
    lines = [f".TH {_escape(title).upper()} {number} \"\" \"ivtrace {version}\" \"ivtrace manual\"",
             ".SH NAME", f"{_escape(title)} \\- {_prose(about[:1].lower() + about[1:])}", ".SH SYNOPSIS", *_synopsis(title if program else title.replace("-", " ", 1), declared)]
    order = [DESCRIPTION, "OPTIONS", *(name for name in body if name not in (DESCRIPTION, *LAST)), *(name for name in LAST if body.get(name))]
    body["OPTIONS"] = options
    for name in order:
        if body.get(name):
            if body[name][0] == ".PP":
                del body[name][0]  # a section begins with a paragraph anyway
            lines += [f".SH {_escape(name)}" if " " not in name else f".SH \"{_escape(name)}\"", *body[name]]
    lines += [".SH \"SEE ALSO\"", ",\n".join(_page_of(other) for other in others if other != title)]
    return "\n".join(lines) + "\n"


def pages(declared: dict, docs: Path) -> dict[str, str]:
    """File name -> man page, for a program and each of its commands."""
    program, commands = declared["name"], declared["commands"]
    names = [program, *(f"{program}-{command['name']}" for command in commands)]
    others = sorted({*names, "ivtrace", "ivtrace-agent", "ivtrace-mark", "ivtrace-record"})
    made = {}
    for name, one in zip(names, [declared, *commands]):
        path = docs / f"{one['name']}.md"
        if not path.exists():
            raise ManualError(f"{name} has no {path}")
        made[f"{name}.{SECTIONS.get(name, 1)}"] = _page(name, one, declared["version"], path.read_text(), str(path), declared["footer"], others, one is declared)
    return made
