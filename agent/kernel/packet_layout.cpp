#include "agent/kernel/packet_layout.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <memory>
#include <string_view>

namespace vxtap {
namespace {

constexpr uint32_t kBits = 8;  // of a byte

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};

// The offset in bits. Looks into the members without a name, as the C compiler does.
std::optional<uint32_t> find_member(const btf* types, uint32_t id, std::string_view wanted) {
  const btf_type* type = btf__type_by_id(types, id);
  if (type == nullptr || !btf_is_composite(type)) return std::nullopt;
  for (uint32_t i = 0; i < btf_vlen(type); ++i) {
    const btf_member& member = btf_members(type)[i];
    const uint32_t offset = btf_member_bit_offset(type, i);
    const std::string_view name = btf__name_by_offset(types, member.name_off);
    if (name == wanted) return offset;
    if (!name.empty()) continue;
    if (const auto inside = find_member(types, member.type, wanted)) return offset + *inside;
  }
  return std::nullopt;
}

}  // namespace

std::optional<PacketField> find_ip_summed() {
  if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_probe_read_kernel, nullptr) != 1) {
    return std::nullopt;
  }
  const std::unique_ptr<btf, FreeBtf> types(btf__load_vmlinux_btf());
  if (!types) return std::nullopt;
  const int packet = btf__find_by_name_kind(types.get(), "sk_buff", BTF_KIND_STRUCT);
  if (packet < 0) return std::nullopt;
  const auto bit = find_member(types.get(), static_cast<uint32_t>(packet), "ip_summed");
  if (!bit) return std::nullopt;
  return PacketField{*bit / kBits, *bit % kBits};
}

}  // namespace vxtap
