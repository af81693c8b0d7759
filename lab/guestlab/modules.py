"""Kernel modules: which ones a guest must load, in which order, decompressed.

Debian's package has no modules.dep (its post-install script makes it), but each
module tells its own needs: `depends=` in its .modinfo. That is what is read
here, so neither depmod nor an installed kernel is needed.
"""

import lzma
import re
from pathlib import Path

# What a guest needs to see its disks and the lab's command channel.
WANTED = ("virtio_pci", "virtio_blk", "virtio_console")


def _name(path: Path) -> str:
    return path.name.split(".ko")[0].replace("-", "_")


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _depends(module: bytes) -> list[str]:
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    names = found.group(1).decode() if found else ""
    return [name.replace("-", "_") for name in names.split(",") if name]


def load_order(module_dir: Path, wanted=WANTED) -> list[tuple[str, bytes]]:
    """(name, ELF image) of the wanted modules and all they need, each after its needs.

    What is built into the kernel is left out. Raises KeyError for a module that
    is neither there nor built in.
    """
    files = {_name(path): path for path in module_dir.glob("kernel/**/*.ko*")}
    builtin = {_name(Path(line)) for line in (module_dir / "modules.builtin").read_text().split()}
    ordered: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in ordered or name in builtin:
            return
        content = _content(files[name])
        for needed in _depends(content):
            add(needed)
        ordered[name] = content

    for name in wanted:
        add(name)
    return list(ordered.items())
