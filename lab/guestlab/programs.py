"""Programs of this machine for guests, which have no libraries of their own."""

import re
import subprocess
from pathlib import Path


def with_libraries(programs) -> dict[str, Path]:
    """Guest path -> host file of programs and of all libraries that they load, for a guest's initramfs."""
    files = {str(program): Path(program) for program in programs}
    for program in programs:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        files |= {path: Path(path).resolve() for path in re.findall(r"(?:=> )?(/\S+) \(0x", listed)}
    return files
