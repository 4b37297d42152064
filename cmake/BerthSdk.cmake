# All that a plugin author reads: headers only, the ground floor of the house. In here it is berth::sdk for
# our own libraries; installed, component `sdk`, it is the package berth-sdk for those of others:
#
#   cmake --install build/release --component sdk --prefix /opt/berth-sdk
#
#   find_package(berth-sdk CONFIG REQUIRED)
#   target_link_libraries(my_plugins PRIVATE berth::sdk)
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

file(GLOB BERTH_SDK_HEADERS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/berth/*.h)

# Sets `result` to a hash of what the headers say, comments and white space apart: part of the fingerprint by
# which berthd knows libraries of plugins that were built of other headers (include/berth/plugin_library.h).
function(berth_hash_headers result)
  set(said "")
  foreach(header IN LISTS ARGN)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
    file(READ ${header} text)
    string(REGEX REPLACE "//[^\n]*" "" text "${text}")
    string(REGEX REPLACE "[ \t\n]+" " " text "${text}")
    cmake_path(GET header FILENAME name)
    string(APPEND said "${name}:${text}\n")
  endforeach()
  string(SHA256 hash "${said}")
  string(SUBSTRING ${hash} 0 16 hash)
  set(${result} ${hash} PARENT_SCOPE)
endfunction()

berth_hash_headers(BERTH_SDK_HASH ${BERTH_SDK_HEADERS})
set(BERTH_SDK_GEN_DIR ${CMAKE_BINARY_DIR}/sdk)
# Written when it changes, and not else.
configure_file(${CMAKE_CURRENT_LIST_DIR}/sdk_hash.h.in ${BERTH_SDK_GEN_DIR}/berth/sdk_hash.h @ONLY)

add_library(berth_sdk INTERFACE)
add_library(berth::sdk ALIAS berth_sdk)
set_target_properties(berth_sdk PROPERTIES BERTH_LAYER 0 EXPORT_NAME sdk
                      VERIFY_INTERFACE_HEADER_SETS ON)
target_sources(berth_sdk INTERFACE FILE_SET HEADERS
               BASE_DIRS ${CMAKE_SOURCE_DIR}/include ${BERTH_SDK_GEN_DIR}
               FILES ${BERTH_SDK_HEADERS} ${BERTH_SDK_GEN_DIR}/berth/sdk_hash.h)
target_compile_features(berth_sdk INTERFACE cxx_std_20)
target_link_libraries(berth_sdk INTERFACE absl::status absl::statusor absl::strings)
# Our own code has these from BERTH_CODEGEN: the same arithmetic on every machine, see there.
target_compile_options(berth_sdk INTERFACE
    $<INSTALL_INTERFACE:-ffp-contract=off$<SEMICOLON>-fno-math-errno$<SEMICOLON>-fno-trapping-math>)

# Not part of an installation of the programs: machines that run them need no headers.
set(BERTH_SDK_CONFIG_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/berth-sdk)
install(TARGETS berth_sdk EXPORT berth-sdk
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sdk EXCLUDE_FROM_ALL)
install(EXPORT berth-sdk NAMESPACE berth:: FILE berth-sdkTargets.cmake DESTINATION ${BERTH_SDK_CONFIG_DIR}
        COMPONENT sdk EXCLUDE_FROM_ALL)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/berth-sdkConfig.cmake.in
                              ${CMAKE_BINARY_DIR}/sdk/berth-sdkConfig.cmake
                              INSTALL_DESTINATION ${BERTH_SDK_CONFIG_DIR})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/sdk/berth-sdkConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/sdk/berth-sdkConfig.cmake
              ${CMAKE_BINARY_DIR}/sdk/berth-sdkConfigVersion.cmake
        DESTINATION ${BERTH_SDK_CONFIG_DIR} COMPONENT sdk EXCLUDE_FROM_ALL)
