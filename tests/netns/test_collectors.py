"""The operator's guide: what it tells to type at a collector shows the mirrored packets."""

import re
import signal
from pathlib import Path

import pytest
from capture import read_pcap
from lab import HOST, wait_for

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "operating.md"
PORT = "40123"  # of no protocol that tcpdump would take it for
RULE = f'{{"priority": 1, "policy": "collect", "protocol": "udp", "destination_port": "{PORT}/{PORT}"}}'
INNER = rf"10\.90\.0\.2.*10\.90\.0\.1.*{PORT}"


def recipe(heading):
    """The lines of the block behind a heading, for the lab's collector."""
    block = re.search(rf"^### {heading}$.*?^```\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    return block[1].replace("eth1", "col0").splitlines()


@pytest.fixture
def collected(mirror):
    """Runs commands at the collector, the last until it has printed what a pattern finds in what is
    mirrored meanwhile."""
    mirror.apply(mirror.document(RULE))
    mirror.path.chmod(0o777)  # tcpdump is not root any more when it makes its file

    def collect(commands, pattern, file="output"):
        *before, last = commands
        for command in before:
            mirror.run("collector", "sh", "-c", command)
        process = mirror.start("collector", "sh", "-c",
                               f"cd {mirror.path} && exec stdbuf -oL {last} >output")

        def seen():
            assert process.popen.poll() is None, process.log.read_text()
            mirror.udp(HOST, PORT, "1", "100")
            path = mirror.path / file
            return path.exists() and pattern.search(path.read_bytes())

        wait_for(f"{last}: {pattern.pattern}", seen)
        process.stop(signal.SIGINT)
        return mirror.path / file

    return collect


@pytest.mark.any_kernel
def test_tcpdump(collected):
    collected(recipe("tcpdump")[:1], re.compile(b"vni 42\n.*" + INNER.encode()))


@pytest.mark.any_kernel
def test_tcpdump_into_a_file(collected):
    vxlan = bytes.fromhex("0800000000002a00")  # RFC 7348 §5, VNI 42
    file = collected(recipe("tcpdump")[1:], re.compile(re.escape(vxlan)), "copies.pcap")
    assert read_pcap(file)


@pytest.mark.tshark
@pytest.mark.any_kernel
def test_tshark(collected):
    collected(recipe("tshark"), re.compile(INNER.encode()))


@pytest.mark.any_kernel
def test_a_vxlan_device(collected):
    collected(recipe("A VXLAN device"), re.compile(rf"IP {INNER}: UDP, length 100\n".encode()))
