/* vxtap's kernel side. The way of a packet:
 *
 *   source interface, mirror_ingress or mirror_egress:
 *                        attachment.h, parse.h, fragment.h, wire.h, own.h, classify.h,
 *                        copy.h, way.h
 *     -> framer:         only from a source without Ethernet headers: frame_egress adds one
 *     -> segmenter:      only super-packets and unfinished checksums that must be cut, or sent in fragments over
 *                        IPv6: a bridge whose transmit side makes wire packets of them, and whose one
 *                        port, a macvlan device, leads to the underlay (segment_egress) or to the tunnel device
 *     -> underlay:       underlay_egress writes the outer headers: encapsulate.h,
 *                        outer_headers.h, outer_fragments.h
 *     or tunnel device:  what that can't carry: tunnel_egress, tunnel.h; then the kernel's VXLAN transmit
 *
 * Whatever the copy meets, the original goes on unchanged: the two programs on a source always
 * return TC_ACT_UNSPEC (the same value as TCX_NEXT). */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "bpf/attachment.h"
#include "bpf/classify.h"
#include "bpf/copy.h"
#include "bpf/encapsulate.h"
#include "bpf/explain.h"
#include "bpf/fragment.h"
#include "bpf/maps.h"
#include "bpf/own.h"
#include "bpf/parse.h"
#include "bpf/tunnel.h"
#include "bpf/wire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct mirroring {
	struct __sk_buff *skb;
	void *configuration; /* a struct slot_map */
	const struct mirror_attachment *first; /* the session in position 0 */
	const struct packet *packet;
	const struct wire *wire;
	enum mirror_direction direction;
	bool question; /* nothing is counted or copied */
	bool doubtful; /* what was not seen of the packet would decide */
};

/* One session; 1 ends the search. */
static long try_session(__u32 position, void *context)
{
	struct mirroring *mirroring = context;
	const struct mirror_attachment *attachment =
		position ? later_attachment(mirroring->configuration, mirroring->skb->ifindex,
					    mirroring->question, position) :
			   mirroring->first;
	struct search search = {.packet = mirroring->packet};
	enum mirror_direction direction;
	__u8 last, fall_through; /* no bool: each of its values would be a way of its own for the verifier */

	if (!attachment)
		return 1;
	/* Before a copy is sent: see first_attachment(). */
	last = attachment->last;
	fall_through = attachment->fall_through;
	direction = (mirroring->direction ^ attachment->flip) & (MIRROR_DIRECTIONS - 1);
	find_rule(&search, attachment, direction);
	if (mirroring->question)
		explain_session(position, attachment->session_id, &search);
	if (is_doubtful(&search)) {
		mirroring->doubtful = true;
		return 1;
	}
	if (!search.found)
		return last != 0;
	if (!mirroring->question)
		count_rule(attachment->session_id, search.rule_id, mirroring->wire);
	if (!mirroring->question && search.policy == MIRROR_COLLECT)
		send_copy(mirroring->skb, attachment, direction, mirroring->packet,
			  mirroring->wire);
	return last || !fall_through;
}

static __always_inline void mirror(struct __sk_buff *skb, enum mirror_direction direction)
{
	struct packet packet = {};
	struct wire wire;
	struct mirroring mirroring = {.skb = skb, .packet = &packet, .wire = &wire,
				      .direction = direction, .question = is_question(skb)};
	const struct mirror_attachment *attachment;
	struct mirror_source_counters *counters;
	bool no_ethernet;

	attachment = first_attachment(skb->ifindex, mirroring.question, &mirroring.configuration);
	if (!attachment)
		return;
	counters = mirroring.question ?
			   &explanation.counters :
			   bpf_map_lookup_elem(&source_counters, &attachment->source_id);
	if (!counters)
		return;
	no_ethernet = attachment->no_ethernet && !mirroring.question;
	if (parse(skb, &packet, no_ethernet)) {
		counters->seen_packets++;
		counters->skipped_packets++;
		return;
	}
	follow_fragments(&packet, mirroring.question);
	if (mirroring.question)
		explain_packet(&packet);
	measure(skb, &packet, no_ethernet, &wire);
	counters->seen_packets += wire.packets;
	if (copy_under_way() || is_own(skb, &packet)) {
		counters->own_packets += wire.packets;
		return;
	}
	mirroring.first = attachment;
	bpf_loop(MAX_SLOTS, try_session, &mirroring, 0);
	if (mirroring.doubtful)
		counters->undecided_packets += wire.packets;
}

SEC("tc")
int mirror_ingress(struct __sk_buff *skb)
{
	mirror(skb, MIRROR_INBOUND);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int mirror_egress(struct __sk_buff *skb)
{
	mirror(skb, MIRROR_OUTBOUND);
	return TC_ACT_UNSPEC;
}

/* Ends what is on the devices of the mirror and no copy of ours: a predecessor's, whose program comes next,
 * or what must not leave here. */
static __always_inline int refuse(void)
{
	return handing_over ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

/* On the framer, which has no Ethernet header and never sends anything itself. */
SEC("tc")
int frame_egress(struct __sk_buff *skb)
{
	struct copy *copy = copy_under_way();

	if (!copy)
		return refuse();
	if (add_ethernet(skb))
		return TC_ACT_SHOT;
	return bpf_redirect(next_device(skb, copy), 0);
}

/* On the segmenter's port: wire packets with finished checksums. */
SEC("tc")
int segment_egress(struct __sk_buff *skb)
{
	struct copy *copy = copy_under_way();

	if (!copy)
		return refuse();
	copy->finished = 1;
	return bpf_redirect(last_device(skb, copy, find_way(skb, copy->destination_id, false)), 0);
}

/* On the underlay, before all other programs there: what they see has its outer headers. */
SEC("tc")
int underlay_egress(struct __sk_buff *skb)
{
	struct copy *copy = copy_under_way();

	if (!copy || copy->naked_on != skb->ifindex)
		return TC_ACT_UNSPEC;
	copy->naked_on = 0;
	if (copy->part_size) {
		if (!become_part(skb))
			return TC_ACT_UNSPEC;
		lose(copy, MIRROR_DROP_ERROR);
		return TC_ACT_SHOT;
	}
	return encapsulate(skb, copy);
}

/* On the tunnel device: the last step before the kernel's VXLAN transmit. Only copies leave here, whatever
 * else the host would send through the device. */
SEC("tc")
int tunnel_egress(struct __sk_buff *skb)
{
	struct copy *copy = copy_under_way();

	if (!copy)
		return refuse();
	return enter_tunnel(skb, copy) ? TC_ACT_OK : TC_ACT_SHOT; /* OK: no other program follows */
}

/* The device listens on the tunnel's port because the kernel knows no other way to have one; nothing
 * that anybody sends there may reach the host's network stack. */
SEC("tc")
int tunnel_ingress(struct __sk_buff *skb)
{
	(void)skb;
	return TC_ACT_SHOT;
}
