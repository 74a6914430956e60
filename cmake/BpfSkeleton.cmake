# bpf_skeleton(NAME SOURCE): compiles SOURCE for BPF and makes the interface library NAME, whose
# consumers can include "<stem>.skel.h". Rebuilt when any header that SOURCE includes changes.
find_program(BPF_CLANG NAMES clang-14 clang REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin REQUIRED)

function(bpf_skeleton name source)
  string(REGEX REPLACE "\\.bpf\\.c$" "" stem ${source})
  set(input ${CMAKE_CURRENT_SOURCE_DIR}/${source})
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${stem}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${stem}.skel.h)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${BPF_CLANG} -target bpf -O2 -g -std=gnu11 -Wall -Wextra -Werror
            -I${PROJECT_SOURCE_DIR} -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -MD -MF ${object}.d -MT ${object} -c ${input} -o ${object}
    DEPENDS ${input} DEPFILE ${object}.d
    COMMENT "Compiling ${source} for BPF" VERBATIM)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND sh -c "'${BPFTOOL}' gen skeleton '${object}' name ${stem} > '${skeleton}'"
    DEPENDS ${object}
    COMMENT "Generating ${stem}.skel.h" VERBATIM)
  add_custom_target(${name}_generate DEPENDS ${skeleton})
  add_library(${name} INTERFACE)
  add_dependencies(${name} ${name}_generate)
  target_include_directories(${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
