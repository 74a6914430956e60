/* Asking the loaded programs what they would do with a packet: the agent runs them by BPF_PROG_TEST_RUN
 * with a key in skb->cb that was drawn at random when they were loaded, so that no packet of a wire can
 * be taken for a question. What they find is written here in the place of counters and copies. */
#ifndef VXTAP_EXPLAIN_H
#define VXTAP_EXPLAIN_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/mirror_abi.h"
#include "bpf/classify.h"

const volatile __u32 explain_key[MIRROR_EXPLAIN_KEY_WORDS] = {};

/* One question at a time; the agent clears the first before each. */
struct mirror_explanation explanation;
struct mirror_explained_session explained_sessions[MIRROR_MAX_EXPLAINED];

static __always_inline bool is_question(const struct __sk_buff *skb)
{
	return skb->cb[0] == explain_key[0] && skb->cb[1] == explain_key[1] &&
	       skb->cb[2] == explain_key[2] && skb->cb[3] == explain_key[3] &&
	       skb->cb[4] == explain_key[4];
}

static __always_inline void explain_packet(const struct packet *packet)
{
	__builtin_memcpy(explanation.source, packet->source, sizeof(packet->source));
	__builtin_memcpy(explanation.destination, packet->destination, sizeof(packet->destination));
	explanation.network_offset = packet->network_offset;
	explanation.source_port = packet->source_port;
	explanation.destination_port = packet->destination_port;
	explanation.family = packet->family;
	explanation.protocol = packet->protocol;
	explanation.ports_seen = packet->ports_seen;
	explanation.ports_unknown = packet->ports_unknown;
	explanation.protocol_unknown = packet->protocol_unknown;
}

static __always_inline void explain_session(__u32 position, __u32 session_id,
					    const struct search *search)
{
	struct mirror_explained_session *explained;

	explanation.sessions = position + 1;
	if (position >= MIRROR_MAX_EXPLAINED)
		return;
	explained = &explained_sessions[position];
	explained->session_id = session_id;
	explained->rule_id = search->rule_id;
	explained->found = search->found;
	explained->policy = search->policy;
	explained->doubtful = is_doubtful(search);
}

#endif
