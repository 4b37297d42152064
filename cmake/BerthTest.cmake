# How tests are declared. Each reports its cases, as JUnit XML, to
# build/<preset>/test-results/<name>.xml; tools/count_tests.py adds them up.
#
#   berth_test(NAME n SRCS ... [DEPS ...] [LABELS asan tsan long] [TIMEOUT seconds] [SERIAL]
#              [OPTIMISED] [TARGETS ...] [ARGS ...])
#       One GoogleTest binary in build/<preset>/tests; by custom one per room. It has
#       gmock's main(). Tests include what they share from the root: "tests/support/fake_clock.h".
#   berth_test_library(NAME n SRCS ... [DEPS ...])
#       What tests share: fakes and builders. Linked as berth_test_<n>.
#   berth_python_test(NAME n SRCS file.py [LABELS ...] [TIMEOUT seconds] [SERIAL] [TARGETS ...])
#       A file of unittest cases.
#
# Tests run in the root of the repository (tests/data/... is a valid path) and see where this build
# lies in BERTH_BUILD_DIR. Labels: asan and tsan choose what `.ci/run` builds and runs with a
# sanitizer (targets berth_asan_tests and berth_tsan_tests build just those); long runs only with
# --long. SERIAL: runs alone. OPTIMISED: its own code runs for long, and is optimised in sanitizer
# builds too. TARGETS are programs that the test runs, so that they are built with
# it.

set(BERTH_TEST_RESULTS ${CMAKE_BINARY_DIR}/test-results)
file(MAKE_DIRECTORY ${BERTH_TEST_RESULTS})
add_custom_target(berth_asan_tests)
add_custom_target(berth_tsan_tests)

# What a test has in common with every other. Reads A_LABELS, A_TIMEOUT, A_SERIAL of its caller;
# `targets` must be built before it runs.
function(berth_register_test name targets)
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES
      LABELS "${A_LABELS}" TIMEOUT ${A_TIMEOUT} RUN_SERIAL ${A_SERIAL}
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} ENVIRONMENT "BERTH_BUILD_DIR=${CMAKE_BINARY_DIR}")
  foreach(sanitizer IN ITEMS asan tsan)
    if(targets AND sanitizer IN_LIST A_LABELS)
      add_dependencies(berth_${sanitizer}_tests ${targets})
    endif()
  endforeach()
endfunction()

function(berth_test)
  cmake_parse_arguments(A "SERIAL;OPTIMISED" "NAME;TIMEOUT" "SRCS;DEPS;LABELS;TARGETS;ARGS" ${ARGN})
  if(A_UNPARSED_ARGUMENTS OR NOT A_NAME OR NOT A_SRCS)
    message(FATAL_ERROR "berth_test(NAME n SRCS ... [DEPS ...] [LABELS ...]): got ${ARGN}")
  endif()
  add_executable(${A_NAME} ${A_SRCS})
  berth_own_code(${A_NAME})
  if(BERTH_SANITIZE AND NOT A_OPTIMISED)
    # What is under test is optimised and looked at by both sanitizers. The tests' own code is most of
    # what there is to compile, and compiles so in two fifths of the time.
    target_compile_options(${A_NAME} PRIVATE -O0 -fno-sanitize=undefined)
  endif()
  target_include_directories(${A_NAME} PRIVATE ${CMAKE_SOURCE_DIR})
  set_target_properties(${A_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${A_NAME} PRIVATE ${A_DEPS} GTest::gmock GTest::gmock_main Threads::Threads)
  add_test(NAME ${A_NAME}
           COMMAND ${A_NAME} --gtest_output=xml:${BERTH_TEST_RESULTS}/${A_NAME}.xml ${A_ARGS})
  if(A_TARGETS)
    add_dependencies(${A_NAME} ${A_TARGETS})
  endif()
  berth_register_test(${A_NAME} ${A_NAME})
endfunction()

function(berth_test_library)
  cmake_parse_arguments(A "" "NAME" "SRCS;DEPS" ${ARGN})
  if(A_UNPARSED_ARGUMENTS OR NOT A_NAME OR NOT A_SRCS)
    message(FATAL_ERROR "berth_test_library(NAME n SRCS ... [DEPS ...]): got ${ARGN}")
  endif()
  add_library(berth_test_${A_NAME} STATIC ${A_SRCS})
  berth_own_code(berth_test_${A_NAME})
  target_include_directories(berth_test_${A_NAME} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(berth_test_${A_NAME} PUBLIC ${A_DEPS} GTest::gmock)
endfunction()

function(berth_python_test)
  cmake_parse_arguments(A "SERIAL" "NAME;TIMEOUT" "SRCS;LABELS;TARGETS" ${ARGN})
  list(LENGTH A_SRCS count)
  if(A_UNPARSED_ARGUMENTS OR NOT A_NAME OR NOT count EQUAL 1)
    message(FATAL_ERROR "berth_python_test(NAME n SRCS file.py [LABELS ...]): got ${ARGN}")
  endif()
  cmake_path(ABSOLUTE_PATH A_SRCS BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  add_test(NAME ${A_NAME}
           COMMAND ${BERTH_PYTHON} ${CMAKE_SOURCE_DIR}/tests/support/run_unittest.py
                   ${A_SRCS} ${BERTH_TEST_RESULTS}/${A_NAME}.xml)
  berth_register_test(${A_NAME} "${A_TARGETS}")
endfunction()
