"""The command line of the lab."""

import argparse
import contextlib
import os
import select
import socket
import sys
import termios
import time
import tty
from pathlib import Path

from . import accel, disks, guest, initramfs, kernels, nested, nested_image
from .channel import GuestDied, GuestTimeout

QUIT_KEY = b"\x1d"  # Ctrl-]
BUILD = Path(__file__).resolve().parents[2] / "build" / "bin"


def _file_pairs(pairs: list[str]) -> dict[str, Path]:
    """HOST[:GUEST] arguments; without GUEST a program goes to /bin."""
    files = {}
    for pair in pairs:
        host_path, _, guest_path = pair.partition(":")
        files[guest_path or f"/bin/{Path(host_path).name}"] = Path(host_path)
    return files


def _guest_of(args, **more) -> guest.Guest:
    return guest.Guest(args.name, kernels.get(args.kernel), smp=args.smp, memory_mb=args.memory, ring_mb=args.ring,
                       files=_file_pairs(args.file), append=args.append, lockdown=args.lockdown,
                       lifetime=args.lifetime, **more)


def _bridge(connection: socket.socket) -> None:
    """Terminal <-> console until the guest ends or the quit key is pressed."""
    terminal = sys.stdin.fileno()
    saved = termios.tcgetattr(terminal) if os.isatty(terminal) else None
    if saved:
        tty.setraw(terminal)
    sources = [terminal, connection]
    try:
        while True:
            for source in select.select(sources, [], [])[0]:
                data = connection.recv(4096) if source is connection else os.read(terminal, 4096)
                if source is connection:
                    if not data:
                        return
                    os.write(1, data)
                elif not data:
                    sources.remove(terminal)  # a script piped in; the guest ends by its own `exit`
                elif QUIT_KEY in data and saved:
                    return
                else:
                    connection.sendall(data)
    finally:
        if saved:
            termios.tcsetattr(terminal, termios.TCSADRAIN, saved)


def _shell(args) -> int:
    machine = _guest_of(args, shell=True)
    print(f"booting {machine.kernel.release}; Ctrl-] or `exit` ends the guest", flush=True)
    _shell_in(machine)
    return 0


def _shell_in(machine: guest.Guest) -> None:
    with machine, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(machine.console_socket))
        if os.isatty(0):
            connection.sendall(b"\n")  # the prompt was printed before we came
        _bridge(connection)
    print()


def _nested_of(args, **more) -> dict:
    if not (args.bin / "ivtrace").exists():
        print(f"ivlab: no build in {args.bin}: the host has no ivtrace (--bin names another)", file=sys.stderr)
    return {"bin_dir": args.bin, "smp": args.smp, "memory_mb": args.memory, "lifetime": args.lifetime, **more}


def _nested_shell(args) -> int:
    print("booting the emulated KVM host; Ctrl-] or `exit` ends it", flush=True)
    _shell_in(nested.NestedHost(args.name, **_nested_of(args, shell=True)))
    return 0


def _nested_run(args) -> int:
    def run(host: nested.NestedHost) -> int:
        code, output = host.run_file(args.script, *args.arguments, timeout=args.lifetime)
        sys.stdout.write(output)
        host.bring_back(args.results)
        return code

    return nested.on_host(run, say=lambda text, **_: print(f"ivlab: {text}", file=sys.stderr), **_nested_of(args))


def _nested_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bin", type=Path, default=Path(os.environ.get("IVTRACE_BIN", BUILD)), metavar="DIR", help="the build to put in")
    parser.add_argument("--smp", type=int, default=2, help="the host's CPUs")
    parser.add_argument("--memory", type=int, default=2048, help="MiB")
    parser.add_argument("--lifetime", type=float, default=3600, help="seconds after which the host is ended")


def _run(args) -> int:
    with contextlib.ExitStack() as stack:
        images = []
        if args.disks:
            directory = stack.enter_context(disks.image_dir())
            images = [disks.Disk(disks.make_image(directory / f"disk{i}.img", 64), aio=args.aio) for i in range(args.disks)]
        machine = stack.enter_context(_guest_of(args, disks=images))
        code, output = machine.run(args.command, args.lifetime)
        sys.stdout.write(output)
        return code


def _kernels(args) -> int:
    for series in args.series or kernels.SERIES:
        kernel = kernels.get(series, update=args.update)
        print(f"{series}\t{kernel.release}\t{kernel.image}")
    return 0


def _initramfs(args) -> int:
    print(initramfs.build(kernels.get(args.kernel), _file_pairs(args.file)))
    return 0


def _accel(_args) -> int:
    print(accel.best())
    return 0


def _bench(args) -> int:
    for series in kernels.SERIES:
        kernel = kernels.get(series)
        for _ in range(args.times):
            begin = time.monotonic()
            with guest.Guest("boot", kernel):
                ready = time.monotonic()
            print(f"{kernel.release}\tboot {ready - begin:.2f} s\tstop {time.monotonic() - ready:.2f} s", flush=True)
    return 0


def _guest_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kernel", choices=kernels.SERIES, default="6.12")
    parser.add_argument("--name", default="ivlab", help="QEMU's -name")
    parser.add_argument("--smp", type=int, default=2, help="vCPUs")
    parser.add_argument("--memory", type=int, default=512, help="MiB")
    parser.add_argument("--ring", type=int, default=16, help="MiB of the ivshmem ring, 0 for none")
    parser.add_argument("--file", action="append", default=[], metavar="HOST[:GUEST]", help="static program to put in")
    parser.add_argument("--append", default="", help="kernel command line")
    parser.add_argument("--lockdown", choices=("integrity", "confidentiality"), help="raise lockdown after boot")
    parser.add_argument("--lifetime", type=float, default=3600, help="seconds after which the guest is ended")


def main() -> int:
    parser = argparse.ArgumentParser(prog="ivlab", description="Real guests for trying and testing ivtrace.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    shell = commands.add_parser("shell", help="boot a guest and give a shell in it")
    _guest_options(shell)
    shell.set_defaults(call=_shell)

    run = commands.add_parser("run", help="boot a guest, run one command in it, print its output")
    _guest_options(run)
    run.add_argument("--disks", type=int, default=0, help="number of 64 MiB disks")
    run.add_argument("--aio", choices=("threads", "native", "io_uring"), default="threads")
    run.add_argument("command")
    run.set_defaults(call=_run)

    kvm_host = commands.add_parser("nested", help="an emulated KVM host, whose guests run under KVM")
    kvm_commands = kvm_host.add_subparsers(required=True, metavar="COMMAND")
    kvm_shell = kvm_commands.add_parser("shell", help="boot it and give a shell in it")
    kvm_shell.add_argument("--name", default="ivlab-l1", help="QEMU's -name")
    _nested_options(kvm_shell)
    kvm_shell.set_defaults(call=_nested_shell)
    kvm_run = kvm_commands.add_parser("run", help="boot it, run a script in it, bring back its /results")
    _nested_options(kvm_run)
    kvm_run.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where /results goes (default: results)")
    kvm_run.add_argument("script", type=Path, help="NAME.py may use guestlab; else a shell script")
    kvm_run.add_argument("arguments", nargs="*")
    kvm_run.set_defaults(call=_nested_run)

    kernel = commands.add_parser("kernels", help="get the guests' kernels; print series, release and file")
    kernel.add_argument("--update", action="store_true", help="look for newer ones")
    kernel.add_argument("series", nargs="*", help=", ".join(kernels.SERIES))
    kernel.set_defaults(call=_kernels)

    image = commands.add_parser("initramfs", help="make an initramfs and print its path")
    image.add_argument("--kernel", choices=kernels.SERIES, default="6.12")
    image.add_argument("--file", action="append", default=[], metavar="HOST[:GUEST]", help="static program to put in")
    image.set_defaults(call=_initramfs)

    commands.add_parser("accel", help="print kvm or tcg: what boots guests here").set_defaults(call=_accel)

    bench = commands.add_parser("boot-time", help="measure how long booting takes")
    bench.add_argument("--times", type=int, default=3)
    bench.set_defaults(call=_bench)

    args = parser.parse_args()
    try:
        return args.call(args)
    except (GuestDied, GuestTimeout, kernels.KernelError, initramfs.InitramfsError, disks.DiskError,
            nested.NoNestedHost, nested_image.ImageError) as error:
        print(f"ivlab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
