"""Numbered datagrams: load.py send ADDRESS PORT | receive ADDRESS PORT OFFSET

Both run until SIGTERM, and say then in JSON which numbers they sent or got. A receiver finds the
number OFFSET bytes into what arrives, so that one can be a collector of VXLAN.
"""

import json
import signal
import socket
import struct
import sys
import time

NUMBER = struct.Struct("!Q")
PAUSE = 0.004  # seconds between datagrams
IDLE = 2.0  # seconds without a datagram, after which a receiver that shall stop has them all


def send(address, port):
    count, stop = 0, []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        print("ready", flush=True)
        while not stop:
            sender.sendto(NUMBER.pack(count), (address, int(port)))
            count += 1
            time.sleep(PAUSE)
    print(json.dumps(count))


def receive(address, port, offset):
    numbers, stop = [], []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        receiver.bind((address, int(port)))
        receiver.settimeout(IDLE)
        print("ready", flush=True)
        while True:
            try:
                data = receiver.recv(2048)
            except TimeoutError:
                if stop:
                    break
                continue
            numbers += NUMBER.unpack_from(data, int(offset))
    print(json.dumps(numbers))


if __name__ == "__main__":
    {"send": send, "receive": receive}[sys.argv[1]](*sys.argv[2:])
