"""Real traffic between the hosts of a lab. Run as a program: one end of it, inside a namespace."""

import errno
import fcntl
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


def udp_client(address, port, count, size, source_port="0", pause="0", until="all"):
    """Sends numbered datagrams and wants each of them back exactly once, in order; all of them, or fewer
    if it is told to stop."""
    stopped = []
    if until == "until_stopped":
        signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(30)
        client.bind(("", int(source_port)))
        client.connect((address, int(port)))
        for number in range(int(count)):
            if stopped:
                break
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


def udp_recorder(address, port, path):
    """Writes what comes, each datagram behind its length: whole ones, also if they came in fragments."""
    so_rcvbufforce = 33
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as receiver, open(path, "wb", 0) as record:
        receiver.setsockopt(socket.SOL_SOCKET, so_rcvbufforce, 1 << 26)
        receiver.bind((address, int(port)))
        print("listening", file=sys.stderr, flush=True)
        while True:
            data = receiver.recv(65536)
            record.write(struct.pack("=I", len(data)) + data)


def udp_sink(address, *ports):
    """Takes datagrams and reads none: nobody is told that a port is closed."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sinks = [socket.socket(family, socket.SOCK_DGRAM) for _ in ports]
    for sink, port in zip(sinks, ports):
        sink.bind((address, int(port)))
    print("listening", file=sys.stderr, flush=True)
    signal.pause()


def udp_stream(address, rate, *ports):
    """Sends every number from 0 to each of the ports, so many numbers a second, until it is told to
    stop; then says how many."""
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


def udp_segments(address, port, size, count):
    """Sends super-packets of datagrams of that size and a shorter last one, or the same one by one where
    the kernel has no segmentation offload for them."""
    udp_segment = 103
    most = min(20, 60000 // int(size))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    data = b"s" * (int(size) * most + int(size) // 2)
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.connect((address, int(port)))
        for _ in range(int(count)):
            sender.setsockopt(socket.IPPROTO_UDP, udp_segment, int(size))
            try:
                sender.send(data)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                sender.setsockopt(socket.IPPROTO_UDP, udp_segment, 0)
                for offset in range(0, len(data), int(size)):
                    sender.send(data[offset:offset + int(size)])


def raw_frame(device, *texts):
    """Sends Ethernet frames, given in hexadecimal."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((device, 0))
        for text in texts:
            sender.send(bytes.fromhex(text))


def transport(packet):
    """The protocol of an IP packet, where its header begins, and whether that is in another fragment."""
    if packet[0] >> 4 == 4:
        later = struct.unpack_from("!H", packet, 6)[0] & 0x1FFF
        return packet[9], (packet[0] & 15) * 4, later
    if packet[6] == socket.IPPROTO_FRAGMENT:
        return packet[40], 48, struct.unpack_from("!H", packet, 42)[0] & ~7
    return packet[6], 40, 0


def turned_round(packet):
    """The answer to an ICMP echo request or a datagram: for these, swapping keeps every checksum but that
    of the request's type."""
    start, size = (12, 4) if packet[0] >> 4 == 4 else (8, 16)
    protocol, header, later = transport(packet)
    answer = bytearray(packet)
    answer[start:start + size] = packet[start + size:start + 2 * size]
    answer[start + size:start + 2 * size] = packet[start:start + size]
    if later:
        return bytes(answer)
    if protocol == socket.IPPROTO_UDP:
        answer[header:header + 4] = packet[header + 2:header + 4] + packet[header:header + 2]
        return bytes(answer)
    request, reply = (8, 0) if protocol == socket.IPPROTO_ICMP else (128, 129)
    if protocol not in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6) or packet[header] != request:
        return None
    checksum = struct.unpack_from("!H", packet, header + 2)[0] + ((request - reply) << 8)
    checksum = (checksum & 0xFFFF) + (checksum >> 16) if checksum > 0 else checksum + 0xFFFF
    answer[header] = reply
    struct.pack_into("!H", answer, header + 2, checksum)
    return bytes(answer)


def tun(device, path):
    """The far end of a tun device, which answers; writes what it gets and gives to `path`.out and .in,
    each packet behind its length."""
    tunsetiff, iff_tun, iff_no_pi = 0x400454CA, 0x0001, 0x1000
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(descriptor, tunsetiff, struct.pack("16sH", device.encode(), iff_tun | iff_no_pi))
    print("listening", file=sys.stderr, flush=True)
    with open(path + ".out", "wb", 0) as sent, open(path + ".in", "wb", 0) as received:
        while True:
            packet = os.read(descriptor, 65536)
            sent.write(struct.pack("=I", len(packet)) + packet)
            answer = turned_round(packet)
            if answer:
                received.write(struct.pack("=I", len(answer)) + answer)
                os.write(descriptor, answer)


def advertise_router(device):
    """One router advertisement, RFC 4861 §4.2, from a link-local address: a default route."""
    seconds = 1800
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        sender.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, seconds, 0, 0),
                      ("ff02::1", 0, 0, socket.if_nametoindex(device)))


def raw_ip(address, protocol):
    """Sends one IPv4 packet of any protocol."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, int(protocol)) as sender:
        sender.sendto(b"raw payload", (address, 0))


if __name__ == "__main__":
    # All on one processor: between two, packets of one flow overtake each other on a virtual cable.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    {f.__name__: f for f in (tcp_server, tcp_client, udp_echo, udp_client, udp_recorder, udp_segments, udp_sink,
                             udp_stream, advertise_router, raw_frame, raw_ip, tun)}[sys.argv[1]](*sys.argv[2:])
