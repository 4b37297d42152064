# The program `berth`. People wait for it, and the time from its exec to the start of a task is one
# of the project's figures: it must start fast. Loading some 60 shared libraries takes 10 ms, so in
# ordinary builds gRPC, protobuf, absl and yaml-cpp are linked from their archives, which leaves libc
# and libm (2 ms). gRPC is the one without TLS, as long as the program speaks only to Unix sockets
# and loopback.
#
# With a sanitizer it is linked like every other program.

if(BERTH_SANITIZE)
  berth_executable(NAME berth SRCS berth_main.cc DEPS berth::cli)
  return()
endif()

pkg_check_modules(BERTH_STATIC REQUIRED grpc++_unsecure)
find_library(BERTH_YAML_ARCHIVE NAMES libyaml-cpp.a REQUIRED)

add_executable(berth berth_main.cc)
berth_own_code(berth)

# Targets bring their shared libraries along, so archives are named as files here.
set(archives "")
foreach(target IN ITEMS
    berth_cli berth_features berth_jobfile berth_snapshot berth_yaml berth_base
    grpc_berth_v1_scheduler grpc_berth_v1_admin grpc_berth_v1_features
    proto_google_rpc_error_details proto_google_rpc_status
    proto_berth_snapshot_v1_snapshot proto_berth_v1_scheduler proto_berth_v1_admin
    proto_berth_v1_features proto_berth_v1_types)
  add_dependencies(berth ${target})
  list(APPEND archives $<TARGET_FILE:${target}>)
endforeach()

# The .pc file leaves out what gRPC bundles, and names libraries of libc and of TLS that are not needed.
set(libraries ${BERTH_STATIC_STATIC_LDFLAGS} -lprotobuf -lupb -lcares -laddress_sorting -lre2 -lz)
list(FILTER libraries EXCLUDE REGEX "^-l(ssl|crypto|dl|rt|atomic|pthread)$|^-pthread$|push-state|pop-state|as-needed")
list(REMOVE_DUPLICATES libraries)

target_include_directories(berth PRIVATE SYSTEM ${BERTH_GEN_DIR})
target_link_options(berth PRIVATE -static-libstdc++ -static-libgcc -Wl,--gc-sections -Wl,-O1)
target_link_libraries(berth PRIVATE
    -Wl,--start-group ${archives}
    -Wl,-Bstatic ${BERTH_YAML_ARCHIVE} ${libraries} -Wl,-Bdynamic
    -Wl,--end-group
    Threads::Threads)
