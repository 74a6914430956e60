/* The sum of a whole packet, for a checksum that covers it: RFC 1071. */
#ifndef VXTAP_CHECKSUM_H
#define VXTAP_CHECKSUM_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define SUM_CHUNK 512 /* the most that bpf_csum_diff() takes */
#define MAX_CHUNKS (65536 / SUM_CHUNK)

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8[SUM_CHUNK + 4]); /* the verifier does not see that a size is whole words already */
} chunks SEC(".maps");

struct summing {
	struct __sk_buff *skb;
	__u8 *chunk;
	__s64 sum; /* 32 bits, to be folded; negative: an error */
};

/* The packet is read by the helper, since it may lie in pages. 1: that was the last. */
static long add_chunk(__u32 index, void *context)
{
	struct summing *summing = context;
	__u32 offset = index * SUM_CHUNK;
	__u64 size = summing->skb->len - offset;

	if (offset >= summing->skb->len)
		return 1;
	if (size > SUM_CHUNK)
		size = SUM_CHUNK;
	barrier_var(size); /* or clang forgets the bound that the verifier has to see */
	if (size == 0 || size > SUM_CHUNK)
		return 1;
	if (size % 4) /* what is missing to a whole word counts as zeros */
		*(__u32 *)(summing->chunk + (size & (SUM_CHUNK - 4))) = 0;
	if (bpf_skb_load_bytes(summing->skb, offset, summing->chunk, size)) {
		summing->sum = -1;
		return 1;
	}
	summing->sum = bpf_csum_diff(NULL, 0, (__be32 *)summing->chunk, (size + 3) & ~3ULL, summing->sum);
	return summing->sum < 0;
}

/* Of 16-bit words as they lie in memory, 32 bits to be folded; or negative. */
static __always_inline __s64 sum_packet(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct summing summing = {.skb = skb, .chunk = bpf_map_lookup_elem(&chunks, &zero)};

	if (!summing.chunk)
		return -1;
	bpf_loop(MAX_CHUNKS, add_chunk, &summing, 0);
	return summing.sum;
}

#endif
