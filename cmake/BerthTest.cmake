# How tests are declared. Each reports its cases, as JUnit XML, to build/<preset>/test-results/<name>.xml;
# tools/count_tests.py adds them up.
#
#   berth_test(NAME n SRCS ... [DEPS ...] [LABELS asan tsan long] [TIMEOUT seconds] [ARGS ...])
#       One GoogleTest binary in build/<preset>/tests; by custom one per room. It has gmock's main().
#       Tests include what they share from the root: "tests/support/fake_clock.h".
#   berth_test_library(NAME n SRCS ... [DEPS ...])
#       What tests share: fakes and builders. Linked as berth_test_<n>.
#   berth_python_test(NAME n SRCS file.py [LABELS ...] [TIMEOUT seconds])
#       A file of unittest cases.
#
# Tests run in the root of the repository (tests/data/... is a valid path) and see where this build lies
# in BERTH_BUILD_DIR. Labels: asan and tsan choose what `.ci/run` builds and runs with a sanitizer
# (targets berth_asan_tests and berth_tsan_tests build just those); long runs only with --long.

set(BERTH_TEST_RESULTS ${CMAKE_BINARY_DIR}/test-results)
file(MAKE_DIRECTORY ${BERTH_TEST_RESULTS})
add_custom_target(berth_asan_tests)
add_custom_target(berth_tsan_tests)

function(berth_test_properties name labels timeout)
  if(NOT timeout)
    set(timeout 120)
  endif()
  set_tests_properties(${name} PROPERTIES
      LABELS "${labels}" TIMEOUT ${timeout} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
      ENVIRONMENT "BERTH_BUILD_DIR=${CMAKE_BINARY_DIR}")
endfunction()

function(berth_test)
  cmake_parse_arguments(A "" "NAME;TIMEOUT" "SRCS;DEPS;LABELS;ARGS" ${ARGN})
  if(A_UNPARSED_ARGUMENTS OR NOT A_NAME OR NOT A_SRCS)
    message(FATAL_ERROR "berth_test(NAME n SRCS ... [DEPS ...] [LABELS ...]): got ${ARGN}")
  endif()
  add_executable(${A_NAME} ${A_SRCS})
  berth_own_code(${A_NAME})
  target_include_directories(${A_NAME} PRIVATE ${CMAKE_SOURCE_DIR})
  set_target_properties(${A_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${A_NAME} PRIVATE ${A_DEPS} GTest::gmock GTest::gmock_main Threads::Threads)
  add_test(NAME ${A_NAME}
           COMMAND ${A_NAME} --gtest_output=xml:${BERTH_TEST_RESULTS}/${A_NAME}.xml ${A_ARGS})
  berth_test_properties(${A_NAME} "${A_LABELS}" "${A_TIMEOUT}")
  foreach(sanitizer IN ITEMS asan tsan)
    if(sanitizer IN_LIST A_LABELS)
      add_dependencies(berth_${sanitizer}_tests ${A_NAME})
    endif()
  endforeach()
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
  cmake_parse_arguments(A "" "NAME;TIMEOUT" "SRCS;LABELS" ${ARGN})
  list(LENGTH A_SRCS count)
  if(A_UNPARSED_ARGUMENTS OR NOT A_NAME OR NOT count EQUAL 1)
    message(FATAL_ERROR "berth_python_test(NAME n SRCS file.py [LABELS ...]): got ${ARGN}")
  endif()
  cmake_path(ABSOLUTE_PATH A_SRCS BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  add_test(NAME ${A_NAME}
           COMMAND ${BERTH_PYTHON} ${CMAKE_SOURCE_DIR}/tests/support/run_unittest.py
                   ${A_SRCS} ${BERTH_TEST_RESULTS}/${A_NAME}.xml)
  berth_test_properties(${A_NAME} "${A_LABELS}" "${A_TIMEOUT}")
endfunction()
