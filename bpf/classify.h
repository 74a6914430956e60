/* From a packet to the rule that decides. */
#ifndef VXTAP_CLASSIFY_H
#define VXTAP_CLASSIFY_H

#include "bpf/maps.h"
#include "bpf/wire.h"

#define MAX_STEPS (1 << 23) /* what bpf_loop takes; a way through the trees ends far before */
#define STEPS_IN_LINE 3

struct search {
	const struct packet *packet;
	void *table; /* a struct rule_map */
	__u32 rule_id;
	__u8 policy;
	bool found;
	/* Rules before it that match if ports are right that were not seen, by their policy. */
	bool maybe_ignore, maybe_collect;
	__u32 nodes; /* index of the first cell with nodes */
	__u32 root, node;
	__u32 best; /* index of the rule found, or behind all rules */
};

enum match { MATCH_NO, MATCH_MAYBE, MATCH_YES };

static __always_inline bool in_network(const __be32 *address, const __be32 *network,
				       const __be32 *mask)
{
	for (int i = 0; i < 4; i++)
		if ((address[i] & mask[i]) != network[i])
			return false;
	return true;
}

static __always_inline bool addresses_match(const struct mirror_rule *rule,
					    const struct packet *packet)
{
	if (rule->family == MIRROR_FAMILY_ANY)
		return true;
	return rule->family == packet->family &&
	       in_network(packet->source, rule->source, rule->source_mask) &&
	       in_network(packet->destination, rule->destination, rule->destination_mask);
}

static __always_inline enum match ports_match(const struct mirror_rule *rule,
					      const struct packet *packet)
{
	if (!rule->match_ports)
		return MATCH_YES;
	if (packet->ports_unknown)
		return MATCH_MAYBE;
	return packet->ports_seen && packet->source_port >= rule->source_port_first &&
			       packet->source_port <= rule->source_port_last &&
			       packet->destination_port >= rule->destination_port_first &&
			       packet->destination_port <= rule->destination_port_last ?
		       MATCH_YES :
		       MATCH_NO;
}

static __always_inline enum match matches(const struct mirror_rule *rule,
					  const struct packet *packet)
{
	bool doubtful = rule->match_protocol && packet->protocol_unknown;
	enum match ports;

	if (rule->match_protocol && !doubtful && rule->protocol != packet->protocol)
		return MATCH_NO;
	if (!addresses_match(rule, packet))
		return MATCH_NO;
	ports = ports_match(rule, packet);
	return doubtful && ports == MATCH_YES ? MATCH_MAYBE : ports;
}

static long try_rule(__u32 index, void *context)
{
	struct search *search = context;
	const struct mirror_rule *rule = bpf_map_lookup_elem(search->table, &index);

	enum match match;

	if (!rule)
		return 0;
	match = matches(rule, search->packet);
	if (match == MATCH_MAYBE && rule->policy == MIRROR_COLLECT)
		search->maybe_collect = true;
	if (match == MATCH_MAYBE && rule->policy == MIRROR_IGNORE)
		search->maybe_ignore = true;
	if (match != MATCH_YES)
		return 0;
	search->rule_id = rule->rule_id;
	search->policy = rule->policy;
	search->found = true;
	return 1;
}

static __always_inline __u32 header_word(const struct packet *packet, __u8 word)
{
	switch (word) {
	case MIRROR_WORD_SOURCE_PORT:
		return packet->source_port;
	case MIRROR_WORD_DESTINATION_PORT:
		return packet->destination_port;
	case MIRROR_WORD_PROTOCOL:
		return packet->protocol;
	case MIRROR_WORD_FAMILY:
		return packet->family;
	default:
		return bpf_ntohl((word & 4 ? packet->destination : packet->source)[word & 3]);
	}
}

/* Whether a rule before the one found so far matches. */
static __always_inline bool is_better(struct search *search, __u32 index)
{
	const struct mirror_rule *rule;

	if (index >= search->best)
		return false;
	rule = bpf_map_lookup_elem(search->table, &index);
	if (!rule || matches(rule, search->packet) != MATCH_YES)
		return false;
	search->best = index;
	search->rule_id = rule->rule_id;
	search->policy = rule->policy;
	search->found = true;
	return true;
}

static __always_inline const struct mirror_node *current_node(const struct search *search)
{
	__u32 index = search->nodes + search->node / MIRROR_CELL_NODES;
	const union mirror_cell *cell = bpf_map_lookup_elem(search->table, &index);

	return cell ? &cell->nodes[search->node % MIRROR_CELL_NODES] : NULL;
}

/* Goes on to the next node, if this one only says which that is. */
static __always_inline bool follow(struct search *search, const struct mirror_node *node)
{
	if (node->kind == MIRROR_NODE_CUT)
		search->node = node->target + (header_word(search->packet, node->word) >>
						       (node->shift & 31) &
					       ((1U << (node->bits & 31)) - 1));
	else if (node->kind == MIRROR_NODE_JUMP)
		search->node = node->target;
	else
		return false;
	return true;
}

/* One node of the way through the trees, of which the first rule is wanted that matches. */
static long visit_node(__u32 step, void *context)
{
	struct search *search = context;
	const struct mirror_node *node = current_node(search);

	(void)step;
	if (!node || node->kind == MIRROR_NODE_END)
		return 1;
	if (follow(search, node))
		return 0;
	if (node->kind != MIRROR_NODE_NONE && !is_better(search, node->target) &&
	    node->target < search->best && node->kind == MIRROR_NODE_RULE) {
		search->node++;
		return 0;
	}
	search->node = ++search->root;
	return node->kind == MIRROR_NODE_FINAL_RULE;
}

/* The first steps without a call for each: ways begin with cuts, and many end there. Rules are left to
 * visit_node(): here they would take the verifier twice as long. */
static __always_inline void walk_trees(struct search *search)
{
	for (int step = 0; step < STEPS_IN_LINE; step++) {
		const struct mirror_node *node = current_node(search);

		if (!node || node->kind == MIRROR_NODE_END)
			return;
		if (!follow(search, node))
			break;
	}
	bpf_loop(MAX_STEPS, visit_node, search, 0);
}

/* The trees ask for all that they look at; a packet that does not show it is matched against one rule
 * after the other, which also finds those that may match. */
static __always_inline void find_rule(struct search *search,
				      const struct mirror_attachment *attachment,
				      enum mirror_direction direction)
{
	/* The verifier does not follow the value through memory: & tells it the range. */
	__u32 side = direction & (MIRROR_DIRECTIONS - 1);
	__u32 number = attachment->rule_table[side];
	__u32 count = attachment->rule_count[side];

	search->table = bpf_map_lookup_elem(&rule_tables, &number);
	if (!search->table || !count)
		return;
	search->nodes = search->best = count;
	if (search->packet->ports_unknown || search->packet->protocol_unknown) {
		bpf_loop(count, try_rule, search, 0);
		/* Or clang makes one call of the two, with a callback that is not constant, and the verifier
		 * can't unroll it: each step would be an indirect call. */
		barrier();
	} else {
		walk_trees(search);
	}
}

/* Whether the ports that were not seen would decide: all rules that may match must say the same as the one
 * that does. */
static __always_inline bool is_doubtful(const struct search *search)
{
	if (!search->found)
		return search->maybe_collect || search->maybe_ignore;
	return search->policy == MIRROR_COLLECT ? search->maybe_ignore : search->maybe_collect;
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

#endif
