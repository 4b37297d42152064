# The wire and the stored records, as libraries: one per .proto file, so that a change in one recompiles
# those that use it and no others.
#
#   berth_proto   messages of every file below; headers as "berth/v1/types.pb.h"
#   berth_grpc    stubs of the services;        headers as "berth/v1/scheduler.grpc.pb.h"
#
# Generated code lies under build/<preset>/gen. It is a SYSTEM include and has no warnings of ours.

set(BERTH_PROTO_ROOT ${CMAKE_SOURCE_DIR}/proto)
set(BERTH_GEN_DIR ${CMAKE_BINARY_DIR}/gen)
file(MAKE_DIRECTORY ${BERTH_GEN_DIR})

add_library(berth_proto INTERFACE)
add_library(berth_grpc INTERFACE)
target_link_libraries(berth_grpc INTERFACE berth_proto)

function(berth_generated_library name)
  cmake_parse_arguments(A "" "" "SRCS;LINKS" ${ARGN})
  add_library(${name} STATIC ${A_SRCS})
  target_include_directories(${name} SYSTEM PUBLIC ${BERTH_GEN_DIR})
  # Nobody steps through generated code; its debug information would be most of the build tree.
  target_compile_options(${name} PRIVATE -g0 -w)
  target_link_libraries(${name} PUBLIC ${A_LINKS})
  berth_sanitize(${name})
  if(BERTH_SANITIZE MATCHES "undefined")
    target_compile_options(${name} PRIVATE -fno-sanitize=undefined)  # not our code
  endif()
endfunction()

# berth_proto_file(path [SERVICES] [IMPORTS path ...]): path from proto/, without ".proto"; IMPORTS are
# those of our own files that it names in import statements.
function(berth_proto_file path)
  cmake_parse_arguments(A "SERVICES" "" "IMPORTS" ${ARGN})
  set(proto ${BERTH_PROTO_ROOT}/${path}.proto)
  set(imports "")
  set(links protobuf::libprotobuf)
  foreach(import IN LISTS A_IMPORTS)
    list(APPEND imports ${BERTH_PROTO_ROOT}/${import}.proto)
    string(MAKE_C_IDENTIFIER ${import} id)
    list(APPEND links proto_${id})
  endforeach()
  string(MAKE_C_IDENTIFIER ${path} id)
  set(out ${BERTH_GEN_DIR}/${path})

  add_custom_command(
    OUTPUT ${out}.pb.cc ${out}.pb.h
    COMMAND protobuf::protoc --cpp_out=${BERTH_GEN_DIR} -I ${BERTH_PROTO_ROOT} ${proto}
    DEPENDS ${proto} ${imports} VERBATIM)
  berth_generated_library(proto_${id} SRCS ${out}.pb.cc ${out}.pb.h LINKS ${links})
  target_link_libraries(berth_proto INTERFACE proto_${id})

  if(A_SERVICES)
    add_custom_command(
      OUTPUT ${out}.grpc.pb.cc ${out}.grpc.pb.h
      COMMAND protobuf::protoc --grpc_out=${BERTH_GEN_DIR} -I ${BERTH_PROTO_ROOT}
              --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin> ${proto}
      DEPENDS ${proto} ${imports} VERBATIM)
    berth_generated_library(grpc_${id} SRCS ${out}.grpc.pb.cc ${out}.grpc.pb.h
                            LINKS proto_${id} gRPC::grpc++)
    target_link_libraries(berth_grpc INTERFACE grpc_${id})
  endif()
endfunction()

if(EXISTS ${BERTH_PROTO_ROOT}/berth/v1/types.proto)
  berth_proto_file(berth/v1/types)
endif()
if(EXISTS ${BERTH_PROTO_ROOT}/berth/v1/scheduler.proto)
  berth_proto_file(berth/v1/scheduler SERVICES IMPORTS berth/v1/types)
endif()
if(EXISTS ${BERTH_PROTO_ROOT}/berth/v1/agent.proto)
  berth_proto_file(berth/v1/agent SERVICES IMPORTS berth/v1/types)
endif()
if(EXISTS ${BERTH_PROTO_ROOT}/berth/v1/admin.proto)
  berth_proto_file(berth/v1/admin SERVICES IMPORTS berth/v1/types)
endif()
if(EXISTS ${BERTH_PROTO_ROOT}/berth/v1/scorer.proto)
  berth_proto_file(berth/v1/scorer SERVICES IMPORTS berth/v1/types)
endif()
if(EXISTS ${BERTH_PROTO_ROOT}/google/rpc/status.proto)
  berth_proto_file(google/rpc/status)
  berth_proto_file(google/rpc/error_details)
endif()
if(EXISTS ${BERTH_PROTO_ROOT}/berth/snapshot/v1/snapshot.proto)
  berth_proto_file(berth/snapshot/v1/snapshot)
endif()
if(EXISTS ${BERTH_PROTO_ROOT}/berth/store/v1/records.proto)
  berth_proto_file(berth/store/v1/records IMPORTS berth/v1/types)
endif()
if(EXISTS ${BERTH_PROTO_ROOT}/berth/v1/features.proto)
  berth_proto_file(berth/v1/features SERVICES)
endif()
if(EXISTS ${BERTH_PROTO_ROOT}/berth/features/v1/history.proto)
  berth_proto_file(berth/features/v1/history)
  berth_proto_file(berth/features/v1/admission IMPORTS berth/v1/features)
endif()
