/* From a decision to a copy on its way to the underlay, and its accounts.
 *
 * A copy reaches the underlay within the one call that clones the packet, on one CPU: no queue lies
 * between. So the programs on its way find in a per-CPU entry what the first one knows, and leave there
 * what became of the copy; copies of one flow keep their order; and what is lost is known at once. */
#ifndef VXTAP_COPY_H
#define VXTAP_COPY_H

#include <linux/errno.h>
#include <linux/pkt_cls.h>

#include "bpf/maps.h"
#include "bpf/way.h"
#include "bpf/wire.h"

struct copy {
	__u32 active;         /* there is one: whatever else happens on this CPU is caused by it */
	__u32 limit;          /* bytes of a wire packet that stay, from the Ethernet header on; 0: all */
	__u32 vni;
	__u32 hash;           /* of the inner flow: the outer source port comes from it */
	__u32 destination_id; /* keys destinations, and says which place of ways */
	__u32 room;           /* bytes of a wire packet that the path takes, as the agent knows it; 0: it does not */
	__u32 fragments;      /* what the path does not take is sent in fragments, and not cut */
	__u32 longest;        /* bytes of the longest wire packet that it may become */
	__u32 tcp;            /* what super-packets are made of, if there are any */
	__u32 finished;       /* nothing is left to the hardware: it comes from the segmenter */
	__u32 wrapped;        /* a program has written the outer headers */
	__u32 naked_on;       /* ifindex of the underlay whose hook has yet to write the outer headers, or 0 */
	__u32 part_size;      /* bytes of its UDP datagram in each fragment but the last; 0: it goes in one packet */
	__u32 part_offset;    /* of the fragment that comes to the hook next, in that datagram */
	__be32 part_id;       /* of the datagram, the same in all fragments */
	__u32 sum;            /* of all bytes of the copy, folded */
	__u32 packets, bytes; /* of the original, on the wire */
	/* What has got its outer headers, or entered the tunnel device: wire packets, their bytes, and how many of
	 * them were cut. */
	__u32 sent_packets, sent_bytes, cut_packets;
	__u32 drop;           /* enum mirror_drop: why the first that has not did not; MIRROR_DROPS: not said */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct copy);
} copies SEC(".maps");

/* The copy under way on this CPU, or NULL. */
static __always_inline struct copy *copy_under_way(void)
{
	__u32 zero = 0;
	struct copy *copy = bpf_map_lookup_elem(&copies, &zero);

	return copy && copy->active ? copy : NULL;
}

/* How many bytes of each wire packet stay, or 0 if none needs a cut. */
static __always_inline __u32 cut_at(const struct mirror_attachment *attachment,
				    const struct wire *wire)
{
	__u32 limit = attachment->fragments ? 0 : attachment->frame_limit;

	if (attachment->packet_length) {
		__u32 length = wire->network_offset + attachment->packet_length;

		if (!limit || length < limit)
			limit = length;
	}
	return limit < wire->longest ? limit : 0;
}

#define CHECKSUM_PARTIAL 3 /* of ip_summed: the hardware has to write it */

/* Whether nothing is left to the hardware. Where ip_summed can't be read, the kernel still tells programs
 * of two states of a checksum, CHECKSUM_UNNECESSARY and CHECKSUM_COMPLETE, and leaves two in doubt. */
static __always_inline bool is_finished(struct __sk_buff *skb)
{
	__u8 bits;

	if (!ip_summed_byte)
		return bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) >= 0 || bpf_csum_update(skb, 0) >= 0;
	/* The context is the kernel's own struct sk_buff. */
	return !bpf_probe_read_kernel(&bits, sizeof(bits), (void *)skb + ip_summed_byte) &&
	       (bits >> ip_summed_shift & 3) != CHECKSUM_PARTIAL;
}

/* Whether the packet must become wire packets with finished checksums before it is cut: a super-packet
 * that is cut as a whole would lose all of its segments but the first ones, and a checksum that is left
 * to the hardware would be made of what is left. */
static __always_inline bool needs_segmenter(struct __sk_buff *skb)
{
	return skb->gso_size || !is_finished(skb);
}

/* Bytes of a copy that fit into one packet of the path. What MTU a route has been given, the kernel tells the
 * agent, but not programs. */
static __always_inline __u32 room_of(const struct copy *copy, const struct way *way)
{
	return copy->room && copy->room < way->room ? copy->room : way->room;
}

/* Whether `length` bytes of a packet are too many and the kernel would not do what is due: over IPv6 it sends
 * nothing that is too long, over IPv4 fragments, whatever the session wants. */
static __always_inline bool is_too_long(const struct copy *copy, const struct way *way, __u32 length)
{
	return (way->ipv6 || !copy->fragments) && length > room_of(copy, way);
}

/* Whether a program may write the outer headers in front of the skb as it is. A super-packet of anything but
 * TCP has to be told more than it can say. A tag that is held outside the frame would be the outer frame's,
 * and is put into the frame before; over IPv6 the outer UDP checksum is due: neither can be done while
 * the hardware would still change what is inside. */
static __always_inline bool can_wrap(struct __sk_buff *skb, const struct copy *copy, const struct way *way)
{
	if (skb->gso_size && !copy->tcp)
		return false;
	return (!way->ipv6 && !skb->vlan_present) || copy->finished || !needs_segmenter(skb);
}

/* Straight to the underlay, or to the tunnel device if only the kernel's VXLAN transmit can carry the copy. `way`
 * may be NULL. */
static __always_inline __u32 last_device(struct __sk_buff *skb, struct copy *copy, const struct way *way)
{
	if (!way || !way->underlay || !can_wrap(skb, copy, way) ||
	    (copy->longest > room_of(copy, way) && !is_too_long(copy, way, copy->longest)))
		return tunnel_ifindex;
	copy->naked_on = way->underlay;
	return way->underlay;
}

static __always_inline __u32 next_device(struct __sk_buff *skb, struct copy *copy)
{
	const struct way *way = find_way(skb, copy->destination_id, false);
	bool is_whole = !copy->limit && !(way && is_too_long(copy, way, copy->longest));

	return !is_whole && needs_segmenter(skb) ? segmenter_ifindex : last_device(skb, copy, way);
}

#define NET_XMIT_DROP 1
#define NET_XMIT_CN 2

/* Of what bpf_clone_redirect() gave, where no program on the way has said why. */
static __always_inline enum mirror_drop drop_reason(const struct copy *copy, long error)
{
	switch (error) {
	case NET_XMIT_DROP:
	case NET_XMIT_CN:
		/* The tunnel device has no queue but while it goes down, and that takes nothing. */
		return copy->wrapped ? MIRROR_DROP_QUEUE : MIRROR_DROP_NO_DEVICE;
	case 0: /* lost between two devices of the mirror */
	case -EINVAL: /* no such device */
	case -ENETDOWN:
		return MIRROR_DROP_NO_DEVICE;
	case -ENOMEM:
		return MIRROR_DROP_NO_MEMORY;
	default:
		return MIRROR_DROP_ERROR;
	}
}

/* Of several segments, the first reason stays. */
static __always_inline void lose(struct copy *copy, __u32 reason)
{
	if (copy->drop >= MIRROR_DROPS)
		copy->drop = reason;
}

/* Matched is mirrored and dropped, whatever happened. */
static __always_inline void account(struct mirror_counters *counters, const struct copy *copy,
				    long error)
{
	__u32 reason = copy->drop;

	if (reason >= MIRROR_DROPS)
		reason = drop_reason(copy, error);
	counters->matched_packets += copy->packets;
	counters->matched_bytes += copy->bytes;
	if (error) {
		counters->dropped_packets[reason] += copy->packets;
		return;
	}
	counters->mirrored_packets += copy->sent_packets;
	counters->mirrored_bytes += copy->sent_bytes;
	counters->truncated_packets += copy->cut_packets;
	if (copy->sent_packets < copy->packets)
		counters->dropped_packets[reason] += copy->packets - copy->sent_packets;
}

static __always_inline void send_copy(struct __sk_buff *skb,
				      const struct mirror_attachment *attachment,
				      enum mirror_direction direction, const struct packet *packet,
				      const struct wire *wire)
{
	struct mirror_counter_key key = {attachment->counter_id, direction};
	struct mirror_counters *counters = bpf_map_lookup_elem(&mirror_counters, &key);
	__u32 zero = 0;
	struct copy *copy = bpf_map_lookup_elem(&copies, &zero);
	__u32 limit = cut_at(attachment, wire);
	long error;

	if (!counters || !copy)
		return;
	*copy = (struct copy){
		.active = 1,
		.limit = limit,
		.vni = attachment->vni,
		.hash = flow_hash(packet),
		.destination_id = attachment->destination_id,
		.room = attachment->frame_limit,
		.fragments = attachment->fragments,
		.longest = limit ? limit : wire->longest,
		.tcp = packet->protocol == IPPROTO_TCP,
		.packets = wire->packets,
		.bytes = wire->bytes,
		.drop = MIRROR_DROPS,
	};
	error = bpf_clone_redirect(
		skb, attachment->no_ethernet ? framer_ifindex : next_device(skb, copy), 0);
	copy->active = 0;
	if (!error && copy->naked_on)
		forget_underlay(copy->naked_on);
	account(counters, copy, error);
}

#endif
