/* From an interface to the sessions that mirror it. */
#ifndef VXTAP_ATTACHMENT_H
#define VXTAP_ATTACHMENT_H

#include <stdbool.h>

#include "bpf/maps.h"

/* Behind the first sessions, by place_of(ifindex): two interfaces that share a place are looked up in turn. The
 * later session that is being tried; the one that explain asks about, which traffic may interrupt. */
#define LATER_PLACE PLACES
#define QUESTION_PLACE (PLACES + 1)

struct remembered_attachment {
	__u64 edition; /* of the configuration that it comes from; 0: to be looked up again */
	__u32 ifindex;
	struct mirror_attachment attachment;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PLACES + 2);
	__type(key, __u32);
	__type(value, struct remembered_attachment);
} attachments SEC(".maps");

/* NULL if the interface is not a source. What it points to may be another interface's once a copy has been
 * sent. `configuration` becomes a struct slot_map, in which the later sessions are. */
static __always_inline const struct mirror_attachment *
first_attachment(__u32 ifindex, bool question, void **configuration)
{
	__u32 only = 0, place = question ? QUESTION_PLACE : place_of(ifindex);
	struct mirror_slot slot = {ifindex, 0};
	const struct mirror_edition *edition = bpf_map_lookup_elem(&editions, &only);
	struct remembered_attachment *remembered =
		bpf_map_lookup_elem(&attachments, &place);
	const struct mirror_attachment *attachment;
	__u64 current;

	if (!edition || !remembered)
		return NULL;
	/* Before the look into the configuration, or one that is just replaced would be taken for the new one. */
	current = *(const volatile __u64 *)&edition->current;
	*configuration = bpf_map_lookup_elem(&configurations, &only);
	if (!*configuration)
		return NULL;
	if (current && remembered->edition == current && remembered->ifindex == ifindex)
		return &remembered->attachment;
	attachment = bpf_map_lookup_elem(*configuration, &slot);
	if (!attachment)
		return NULL;
	remembered->attachment = *attachment;
	remembered->ifindex = ifindex;
	/* Where there are several sessions, all must come from one configuration, and so from its map. */
	remembered->edition = attachment->last && !question ? current : 0;
	return &remembered->attachment;
}

/* The session in a position behind the first, or NULL. A copy of it, or the verifier would go through all that
 * is done with an attachment twice: once for each map that it may lie in. */
static __always_inline const struct mirror_attachment *
later_attachment(void *configuration, __u32 ifindex, bool question, __u32 position)
{
	struct mirror_slot slot = {ifindex, position};
	const struct mirror_attachment *attachment = bpf_map_lookup_elem(configuration, &slot);
	__u32 place = question ? QUESTION_PLACE : LATER_PLACE;
	struct remembered_attachment *copy = bpf_map_lookup_elem(&attachments, &place);

	if (!attachment || !copy)
		return NULL;
	copy->attachment = *attachment;
	return &copy->attachment;
}

#endif
