"""The dialect of docs/commands, read into blocks: headings, paragraphs, bullets, tables, code."""

import dataclasses
import re


@dataclasses.dataclass
class Block:
    kind: str  # "paragraph", "bullet", "step", "table" or "code"
    text: str = ""
    rows: list[list[str]] = dataclasses.field(default_factory=list)  # of a table, its head first


@dataclasses.dataclass
class Section:
    title: str  # "" before the first heading
    blocks: list[Block] = dataclasses.field(default_factory=list)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def read(text: str) -> list[Section]:
    """The sections of a page, without its own title."""
    sections = [Section("")]
    open_block = None  # what a line without a sign of its own goes on with
    for line in text.splitlines():
        blocks = sections[-1].blocks
        item = re.match(r"(-|\d+\.) +(.*)", line)
        if line.startswith("# "):
            continue
        if line.startswith("## "):
            sections.append(Section(line[3:].strip()))
            open_block = None
        elif line.startswith("    ") and (open_block is None or open_block.kind == "code"):
            if open_block is None and blocks and blocks[-1].kind == "code":
                blocks[-1].text += "\n\n" + line[4:]  # an empty line within the code
                open_block = blocks[-1]
            elif open_block is None:
                open_block = Block("code", line[4:])
                blocks.append(open_block)
            else:
                open_block.text += "\n" + line[4:]
        elif not line.strip():
            open_block = None
        elif line.startswith("|"):
            if open_block is None or open_block.kind != "table":
                open_block = Block("table")
                blocks.append(open_block)
            if not re.fullmatch(r"[|\s:-]+", line):
                open_block.rows.append(_cells(line))
        elif item:
            open_block = Block("bullet" if item.group(1) == "-" else "step", item.group(2))
            blocks.append(open_block)
        elif open_block is not None and open_block.kind in ("paragraph", "bullet", "step"):
            open_block.text += " " + line.strip()
        else:
            open_block = Block("paragraph", line.strip())
            blocks.append(open_block)
    return sections
