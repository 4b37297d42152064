# Files as constants of a program, so that it works without them beside it.
#
#   berth_embed(TARGET t NAMESPACE a::b HEADER room/name.h FILES kName=path ...)
#
# HEADER, written by hand, declares each constant: `extern const std::string_view kName;`. Paths are from the
# root of the repository. What is generated lies under build/<preset>/embedded, and is made anew when a file
# changes. Files are text: no NUL.

set(BERTH_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_DIR}/embed_files.cmake)

function(berth_embed)
  cmake_parse_arguments(A "" "TARGET;NAMESPACE;HEADER" "FILES" ${ARGN})
  if(A_UNPARSED_ARGUMENTS OR NOT A_TARGET OR NOT A_NAMESPACE OR NOT A_HEADER OR NOT A_FILES)
    message(FATAL_ERROR "berth_embed(TARGET t NAMESPACE ns HEADER h FILES kName=path ...): got ${ARGN}")
  endif()
  cmake_path(REPLACE_EXTENSION A_HEADER cc OUTPUT_VARIABLE name)
  set(out ${CMAKE_BINARY_DIR}/embedded/${name})
  set(paths "")
  foreach(file IN LISTS A_FILES)
    string(REGEX REPLACE "^[^=]*=" "" path ${file})
    list(APPEND paths ${CMAKE_SOURCE_DIR}/${path})
  endforeach()
  string(REPLACE ";" "|" files "${A_FILES}")
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -D OUT=${out} -D NAMESPACE=${A_NAMESPACE} -D HEADER=${A_HEADER}
            -D ROOT=${CMAKE_SOURCE_DIR} -D "FILES=${files}" -P ${BERTH_EMBED_SCRIPT}
    DEPENDS ${paths} ${BERTH_EMBED_SCRIPT} VERBATIM)
  set_source_files_properties(${out} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_sources(${A_TARGET} PRIVATE ${out})
endfunction()
