# How the code of this project becomes targets. Each target of ours is made by one of the functions here
# (or by BerthTest.cmake), so that warnings, sanitizers and include roots are the same everywhere, and so
# that generated and foreign code is left alone.
#
#   berth_library(NAME n LAYER k SRCS ... [DEPS ...] [PRIVATE_DEPS ...])
#   berth_executable(NAME n SRCS ... [DEPS ...])
#   berth_static_executable(NAME n SRCS ...)
#
# Layers: 0 sdk (include/berth) · 1 base · 2 observe yaml snapshot plugin_dir · 3 files jobfile config state shim images
#         4 wire queue engine store features plugins · 5 agents pipeline optimize · 6 scheduler
#         7 api scoring monitor planning sim agentd · 8 cli · 9 exe

# Warnings are errors in our own code. Off again:
#   missing-field-initializers: a designated initializer leaves the rest at its declared default on purpose.
#   restrict: g++ 12 reports it falsely for std::string concatenation (GCC bug 105651).
set(BERTH_WARNINGS -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
    -Wformat=2 -Wundef -Wimplicit-fallthrough -Wno-missing-field-initializers -Wno-restrict)
if(BERTH_SANITIZE)
  # Instrumentation hides from g++ what it needs for these two: they report falsely.
  list(APPEND BERTH_WARNINGS -Wno-maybe-uninitialized -Wno-stringop-overflow)
endif()

if(CMAKE_UNITY_BUILD)
  # It takes a file that is compiled with others for a header.
  list(APPEND BERTH_WARNINGS -Wno-subobject-linkage)
endif()

# Code generation that holds for all of our code.
#   fp-contract=off: a kernel compiled for several targets must give the same bits on each; a fused
#     multiply-add would not. The two no-*-math flags change no result, and let loops vectorise.
#   file-prefix-map: messages and debug information name files from the root of the repository.
set(BERTH_CODEGEN -ffp-contract=off -fno-math-errno -fno-trapping-math
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)

# Instruments `target` when this is a sanitizer build.
function(berth_sanitize target)
  if(BERTH_SANITIZE)
    target_compile_options(${target} PRIVATE
        -fsanitize=${BERTH_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    if(BERTH_SANITIZE MATCHES "undefined")
      # AddressSanitizer sees what these look for; they cost a fifth of the time to compile. And vptr looks
      # at objects through a pipe: it calls them broken in tests that leave no descriptor for one.
      target_compile_options(${target} PRIVATE -fno-sanitize=null,object-size,vptr)
    endif()
    # PUBLIC: whoever links an instrumented archive needs the runtime.
    target_link_options(${target} PUBLIC -fsanitize=${BERTH_SANITIZE})
  endif()
endfunction()

# Warnings, code generation and include roots for code that we wrote.
function(berth_own_code target)
  target_compile_options(${target} PRIVATE ${BERTH_WARNINGS} ${BERTH_CODEGEN})
  target_include_directories(${target} PUBLIC
      ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/plugins)
  berth_sanitize(${target})
endfunction()

# One folder, one library: target berth_<n>, linked by others as berth::<n>.
# A library may link only libraries of a lower layer: the house's one-way rule, checked at configure time.
function(berth_library)
  cmake_parse_arguments(A "" "NAME;LAYER" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  if(A_UNPARSED_ARGUMENTS OR NOT A_NAME OR NOT DEFINED A_LAYER OR NOT A_SRCS)
    message(FATAL_ERROR "berth_library(NAME n LAYER k SRCS ... [DEPS ...] [PRIVATE_DEPS ...]): "
                        "got ${ARGN}")
  endif()
  add_library(berth_${A_NAME} STATIC ${A_SRCS})
  add_library(berth::${A_NAME} ALIAS berth_${A_NAME})
  set_target_properties(berth_${A_NAME} PROPERTIES BERTH_LAYER ${A_LAYER})
  berth_own_code(berth_${A_NAME})
  target_link_libraries(berth_${A_NAME} PUBLIC ${A_DEPS} PRIVATE ${A_PRIVATE_DEPS})
  foreach(dep IN LISTS A_DEPS A_PRIVATE_DEPS)
    if(dep MATCHES "^berth::" AND TARGET ${dep})
      get_target_property(dep_layer ${dep} BERTH_LAYER)
      if(NOT dep_layer LESS A_LAYER)
        message(FATAL_ERROR "layering: berth::${A_NAME} (layer ${A_LAYER}) may not link ${dep} "
                            "(layer ${dep_layer}): what a room needs lies below it")
      endif()
    elseif(dep MATCHES "^berth::")
      message(FATAL_ERROR "layering: ${dep} must be declared before berth::${A_NAME}")
    endif()
  endforeach()
endfunction()

# A program in build/<preset>/bin, named <n>.
function(berth_executable)
  cmake_parse_arguments(A "" "NAME" "SRCS;DEPS" ${ARGN})
  if(A_UNPARSED_ARGUMENTS OR NOT A_NAME OR NOT A_SRCS)
    message(FATAL_ERROR "berth_executable(NAME n SRCS ... [DEPS ...]): got ${ARGN}")
  endif()
  add_executable(${A_NAME} ${A_SRCS})
  berth_own_code(${A_NAME})
  target_link_libraries(${A_NAME} PRIVATE ${A_DEPS})
endfunction()

# A program that links nothing shared and carries no sanitizer: it must start fast, stay small, and run
# whatever libraries the machine has.
function(berth_static_executable)
  cmake_parse_arguments(A "" "NAME" "SRCS" ${ARGN})
  if(A_UNPARSED_ARGUMENTS OR NOT A_NAME OR NOT A_SRCS)
    message(FATAL_ERROR "berth_static_executable(NAME n SRCS ...): got ${ARGN}")
  endif()
  add_executable(${A_NAME} ${A_SRCS})
  target_compile_options(${A_NAME} PRIVATE ${BERTH_WARNINGS} ${BERTH_CODEGEN}
      -ffunction-sections -fdata-sections)
  target_include_directories(${A_NAME} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_options(${A_NAME} PRIVATE -static -Wl,--gc-sections)
  # Small files, most of them C in all but name, that gain nothing from being compiled together.
  set_target_properties(${A_NAME} PROPERTIES UNITY_BUILD OFF)
endfunction()
