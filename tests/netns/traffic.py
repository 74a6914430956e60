"""Real traffic between the hosts of a lab. Run as a program: one end of it, inside a namespace."""

import os
import signal
import socket
import struct
import sys
import time


def receive(connection, size):
    """Reads that many bytes, or ends the program."""
    received = 0
    while received < size:
        data = connection.recv(65536)
        if not data:
            sys.exit(f"only {received} bytes came")
        received += len(data)


def tcp_server(address, port, size):
    """Takes one connection, reads `size` bytes and sends as many."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, int(port)), family=family) as server:
        print("listening", file=sys.stderr, flush=True)
        connection, _ = server.accept()
        with connection:
            receive(connection, int(size))
            connection.sendall(b"s" * int(size))


def tcp_client(address, port, size):
    with socket.create_connection((address, int(port)), 60) as connection:
        connection.sendall(b"c" * int(size))
        receive(connection, int(size))


def udp_echo(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        server.bind((address, int(port)))
        print("listening", file=sys.stderr, flush=True)
        while True:
            data, peer = server.recvfrom(65536)
            server.sendto(data, peer)


def udp_client(address, port, count, size, source_port="0", pause="0"):
    """Sends numbered datagrams and wants each of them back exactly once, in order."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        client.bind(("", int(source_port)))
        client.connect((address, int(port)))
        for number in range(int(count)):
            client.send(struct.pack("!I", number).ljust(int(size), b"u"))
            answer = client.recv(65536)
            if struct.unpack_from("!I", answer)[0] != number:
                sys.exit(f"datagram {number} was lost or doubled")
            time.sleep(float(pause))
        client.settimeout(0.3)
        try:
            client.recv(65536)
            sys.exit("a datagram too many")
        except TimeoutError:
            pass


def udp_sink(address, *ports):
    """Takes datagrams and reads none: nobody is told that a port is closed."""
    sinks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in ports]
    for sink, port in zip(sinks, ports):
        sink.bind((address, int(port)))
    print("listening", file=sys.stderr, flush=True)
    signal.pause()


def udp_stream(address, rate, *ports):
    """Sends every number from 0 to each of the ports, so many numbers a second, until it is told to
    stop; then says how many. It keeps to one processor, so that packets pass in their order."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    number, start = 0, time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while not stopped:
            for port in ports:
                sender.sendto(struct.pack("!I", number), (address, int(port)))
            number += 1
            time.sleep(max(0, start + number / float(rate) - time.monotonic()))
    print(f"sent {number}", file=sys.stderr, flush=True)


def raw_frame(device, text):
    """Sends one Ethernet frame, given in hexadecimal."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((device, 0))
        sender.send(bytes.fromhex(text))


def raw_ip(address, protocol):
    """Sends one IPv4 packet of any protocol."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, int(protocol)) as sender:
        sender.sendto(b"raw payload", (address, 0))


if __name__ == "__main__":
    {f.__name__: f for f in (tcp_server, tcp_client, udp_echo, udp_client, udp_sink, udp_stream,
                             raw_frame, raw_ip)}[sys.argv[1]](*sys.argv[2:])
