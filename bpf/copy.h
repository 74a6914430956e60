/* From a decision to a copy on its way to the tunnel, and its accounts. */
#ifndef VXTAP_COPY_H
#define VXTAP_COPY_H

#include <linux/errno.h>
#include <linux/pkt_cls.h>

#include "bpf/maps.h"
#include "bpf/wire.h"

/* What travels with a copy in skb->cb: the marker that it is ours and how much of it may stay. The
 * clone, the redirect and software segmentation keep these five words. */
enum copy_words {
	COPY_MARK,        /* COPY_MAGIC << 16 | bytes that stay, from the Ethernet header on; 0: all */
	COPY_VNI,         /* direction << 24 | VNI */
	COPY_HASH,        /* of the inner flow: the outer source port comes from it */
	COPY_DESTINATION, /* keys destinations */
	COPY_COUNTER,     /* keys mirror_counters, with the direction */
	COPY_WORDS
};
#define COPY_MAGIC 0x7674u

static __always_inline bool is_copy(const struct __sk_buff *skb)
{
	return skb->cb[COPY_MARK] >> 16 == COPY_MAGIC;
}

static __always_inline __u32 copy_limit(const struct __sk_buff *skb)
{
	return skb->cb[COPY_MARK] & 0xffff;
}

/* How many bytes of each wire packet stay, or 0 if none needs a cut. */
static __always_inline __u32 cut_at(const struct mirror_attachment *attachment,
				    const struct wire *wire)
{
	__u32 limit = attachment->frame_limit;

	if (attachment->packet_length) {
		__u32 length = wire->network_offset + attachment->packet_length;

		if (!limit || length < limit)
			limit = length;
	}
	return limit < wire->longest ? limit : 0;
}

static __always_inline enum mirror_drop drop_reason(long error)
{
	switch (error) {
	case -EINVAL: /* no such device */
	case -ENETDOWN:
		return MIRROR_DROP_NO_DEVICE;
	case -ENOMEM:
		return MIRROR_DROP_NO_MEMORY;
	case 1: /* NET_XMIT_DROP */
		return MIRROR_DROP_TUNNEL;
	default:
		return MIRROR_DROP_ERROR;
	}
}

static __always_inline void count_drop(struct mirror_counters *counters, long error, __u32 packets)
{
	counters->dropped_packets[drop_reason(error)] += packets;
}

#define NET_XMIT_CN 2 /* queued, with a hint that the queue is long */

/* Sends a copy of the skb, whose cb says what is to become of it, to the tunnel device. */
static __always_inline void send_to_tunnel(struct __sk_buff *skb, struct mirror_counters *counters,
					   __u32 packets, __u32 bytes, bool cut)
{
	long error = bpf_clone_redirect(skb, tunnel_ifindex, 0);

	if (error && error != NET_XMIT_CN) {
		count_drop(counters, error, packets);
		return;
	}
	counters->mirrored_packets += packets;
	counters->mirrored_bytes += bytes;
	if (cut)
		counters->truncated_packets += packets;
}

/* A super-packet is never cut as a whole: that would lose all of its segments but the first ones. */
static __always_inline void send_to_segmenter(struct __sk_buff *skb,
					      struct mirror_counters *counters, __u32 packets)
{
	long error = bpf_clone_redirect(skb, segmenter_ifindex, 0);

	if (error && error != NET_XMIT_CN)
		count_drop(counters, error, packets);
}

/* Keeps the compiler from holding the address of skb->cb over a call: the verifier wants every access
 * to the context relative to its start. */
#define FORGET_ADDRESSES(skb) asm volatile("" : "+r"(skb))

static __always_inline void send_copy(struct __sk_buff *skb,
				      const struct mirror_attachment *attachment,
				      enum mirror_direction direction, const struct wire *wire,
				      __u32 hash)
{
	struct mirror_counter_key key = {attachment->counter_id, direction};
	struct mirror_counters *counters = bpf_map_lookup_elem(&mirror_counters, &key);
	__u32 limit = cut_at(attachment, wire);
	__u32 saved[COPY_WORDS];

	if (!counters)
		return;
	counters->matched_packets += wire->packets;
	counters->matched_bytes += wire->bytes;

	/* Others may have left something in the original's cb that someone later reads. */
	for (int i = 0; i < COPY_WORDS; i++)
		saved[i] = skb->cb[i];
	FORGET_ADDRESSES(skb);
	skb->cb[COPY_MARK] = COPY_MAGIC << 16 | limit;
	skb->cb[COPY_VNI] = (__u32)direction << 24 | attachment->vni;
	skb->cb[COPY_HASH] = hash;
	skb->cb[COPY_DESTINATION] = attachment->destination_id;
	skb->cb[COPY_COUNTER] = attachment->counter_id;
	if (limit && skb->gso_size)
		send_to_segmenter(skb, counters, wire->packets);
	else
		send_to_tunnel(skb, counters, wire->packets, limit ? limit : wire->bytes, limit);
	FORGET_ADDRESSES(skb);
	for (int i = 0; i < COPY_WORDS; i++)
		skb->cb[i] = saved[i];
}

#endif
