/* From a packet to the rule that decides. */
#ifndef VXTAP_CLASSIFY_H
#define VXTAP_CLASSIFY_H

#include "bpf/maps.h"
#include "bpf/wire.h"

struct search {
	const struct packet *packet;
	void *table; /* a struct rule_map */
	__u32 rule_id;
	__u8 policy;
	bool found;
};

static __always_inline bool in_network(const __be32 *address, const __be32 *network,
				       const __be32 *mask)
{
	for (int i = 0; i < 4; i++)
		if ((address[i] & mask[i]) != network[i])
			return false;
	return true;
}

static __always_inline bool matches(const struct mirror_rule *rule, const struct packet *packet)
{
	if (rule->match_protocol && rule->protocol != packet->protocol)
		return false;
	if (rule->match_ports) {
		if (!packet->ports_seen || packet->source_port < rule->source_port_first ||
		    packet->source_port > rule->source_port_last ||
		    packet->destination_port < rule->destination_port_first ||
		    packet->destination_port > rule->destination_port_last)
			return false;
	}
	if (rule->family == MIRROR_FAMILY_ANY)
		return true;
	return rule->family == packet->family &&
	       in_network(packet->source, rule->source, rule->source_mask) &&
	       in_network(packet->destination, rule->destination, rule->destination_mask);
}

static long try_rule(__u32 index, void *context)
{
	struct search *search = context;
	const struct mirror_rule *rule = bpf_map_lookup_elem(search->table, &index);

	if (!rule || !matches(rule, search->packet))
		return 0;
	search->rule_id = rule->rule_id;
	search->policy = rule->policy;
	search->found = true;
	return 1;
}

static __always_inline void find_rule(struct search *search,
				      const struct mirror_attachment *attachment,
				      enum mirror_direction direction)
{
	__u32 number = attachment->rule_table[direction];

	search->table = bpf_map_lookup_elem(&rule_tables, &number);
	if (search->table)
		bpf_loop(attachment->rule_count[direction], try_rule, search, 0);
}

static __always_inline void count_rule(__u32 session_id, __u32 rule_id, const struct wire *wire)
{
	struct mirror_rule_counter_key key = {session_id, rule_id};
	struct mirror_rule_counters *counters = bpf_map_lookup_elem(&rule_counters, &key);

	if (!counters) {
		struct mirror_rule_counters zero = {};

		bpf_map_update_elem(&rule_counters, &key, &zero, BPF_NOEXIST);
		counters = bpf_map_lookup_elem(&rule_counters, &key);
		if (!counters)
			return;
	}
	counters->packets += wire->packets;
	counters->bytes += wire->bytes;
}

/* The mirror's own packets, and VXLAN packets to any session's destination. The later fragments of
 * such a packet show no port: any UDP fragment to a collector counts as one, or a copy that was sent
 * in fragments would be mirrored again without end. */
static __always_inline bool is_own(const struct packet *packet)
{
	struct mirror_destination destination = {};

	if (packet->protocol != IPPROTO_UDP)
		return false;
	if (!packet->later_fragment &&
	    (!packet->ports_seen || packet->destination_port != tunnel_port))
		return false;
	__builtin_memcpy(destination.address, packet->destination, sizeof(destination.address));
	destination.family = packet->family;
	return bpf_map_lookup_elem(&collectors, &destination);
}

#endif
