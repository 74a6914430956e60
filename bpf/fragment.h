/* Later fragments of a datagram show no ports: they follow the decision of the first one, whose ports are
 * remembered. */
#ifndef VXTAP_FRAGMENT_H
#define VXTAP_FRAGMENT_H

#include "bpf/parse.h"

#define MAX_DATAGRAMS 16384 /* the least recently used ones are forgotten */

/* All fragments of one datagram have this in common: RFC 791 §2.3, RFC 8200 §4.5. */
struct datagram {
	__be32 source[4], destination[4];
	__be32 id;
	__u8 protocol; /* as the fragments say it */
	__u8 question; /* what explain is asked is no traffic */
	__u8 pad[2];
};

struct first_fragment {
	__u16 source_port, destination_port; /* host order */
	__u8 protocol;                       /* past the extension headers that only the first has */
	__u8 ports_seen;
	__u8 pad[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_DATAGRAMS);
	__type(key, struct datagram);
	__type(value, struct first_fragment);
} datagrams SEC(".maps");

static __always_inline void remember_first(const struct datagram *datagram,
					   const struct packet *packet)
{
	struct first_fragment first = {
		.source_port = packet->source_port,
		.destination_port = packet->destination_port,
		.protocol = packet->protocol,
		.ports_seen = packet->ports_seen,
	};

	bpf_map_update_elem(&datagrams, datagram, &first, BPF_ANY);
}

static __always_inline void follow_first(const struct datagram *datagram, struct packet *packet)
{
	const struct first_fragment *first = bpf_map_lookup_elem(&datagrams, datagram);

	if (!first) {
		packet->protocol_unknown = packet->family == MIRROR_FAMILY_IPV6 &&
					   is_extension(packet->protocol);
		packet->ports_unknown = packet->protocol_unknown || has_ports(packet->protocol);
		return;
	}
	packet->source_port = first->source_port;
	packet->destination_port = first->destination_port;
	packet->protocol = first->protocol;
	packet->ports_seen = first->ports_seen;
}

static __always_inline void follow_fragments(struct packet *packet, bool question)
{
	struct datagram datagram = {
		.id = packet->fragment_id,
		.protocol = packet->fragment_protocol,
		.question = question,
	};

	if (!packet->fragment)
		return;
	__builtin_memcpy(datagram.source, packet->source, sizeof(datagram.source));
	__builtin_memcpy(datagram.destination, packet->destination, sizeof(datagram.destination));
	if (packet->later_fragment)
		follow_first(&datagram, packet);
	else
		remember_first(&datagram, packet);
}

#endif
