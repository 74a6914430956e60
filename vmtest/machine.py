"""A machine in QEMU, without KVM, with one of Debian's cloud kernels."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

KERNELS = {"6.1": "linux-image-cloud-amd64", "6.12": "linux-image-6.12-cloud-amd64"}
PATIENCE = 2700  # seconds for the whole guest


def output(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def fetch_kernel(kernel, directory):
    """The unpacked package, kept for the next run."""
    depends = output("apt-cache", "depends", KERNELS[kernel])
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        sys.exit(f"{kernel}: apt knows no package for {KERNELS[kernel]}: run apt-get update")
    package = found[1]
    root = directory / package
    if not (root / "boot").is_dir():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        output("apt-get", "download", "-q", package, cwd=directory, stderr=subprocess.DEVNULL)
        output("dpkg-deb", "-x", str(next(directory.glob("*.deb"))), str(root) + ".part")
        os.rename(str(root) + ".part", root)
    return root


def module_order(modules, names):
    """Paths of what is named, dependencies first. What is built in needs no file."""
    built_in = {Path(line).name.split(".")[0].replace("-", "_")
                for line in (modules / "modules.builtin").read_text().splitlines()}
    # A package's modules.dep is made when it is installed; this one never is.
    output("/sbin/depmod", "-b", str(modules.parents[2]), modules.name)
    depends = dict(line.split(":") for line in (modules / "modules.dep").read_text().splitlines())
    paths = {Path(path).name.split(".")[0].replace("-", "_"): path for path in depends}
    order = []
    for name in names:
        if name in built_in:
            continue
        if name not in paths:
            sys.exit(f"{modules.name} has no module {name}")
        for path in [*reversed(depends[paths[name]].split()), paths[name]]:
            if path not in order:
                order.append(path)
    return order


def boot(kernel_root, initramfs, log_file, *words):
    """The guest's console, line by line; `words` are for the kernel's command line."""
    qemu = subprocess.Popen(
        ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "3072",
         "-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none", "-no-reboot",
         "-kernel", str(next((kernel_root / "boot").glob("vmlinuz-*"))),
         "-initrd", str(initramfs),
         "-append", " ".join(("console=ttyS0 quiet loglevel=1 panic=-1", *words))],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    deadline = time.monotonic() + PATIENCE
    timer = threading.Timer(PATIENCE, qemu.kill)
    timer.start()
    try:
        with open(log_file, "w", encoding="utf-8") as log:
            for raw in qemu.stdout:
                line = raw.decode(errors="replace").rstrip("\r\n")
                print(line, file=log, flush=True)
                yield line
        if time.monotonic() >= deadline:
            yield f"vxtap-guest: failed to end within {PATIENCE} s"
    finally:
        timer.cancel()
        qemu.kill()
        qemu.wait()
