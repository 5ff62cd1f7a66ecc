# How a part of Gauntlet's own tree is declared: warnings, include root, alias, installation, tests.

# gauntlet_add_library(<part> SOURCES … [PUBLIC lib…] [PRIVATE lib…])
# makes the static library gauntlet_<part>, alias gauntlet::<part>, include root fixtures/.
function(gauntlet_add_library part)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(target gauntlet_${part})
  add_library(${target} STATIC ${ARG_SOURCES})
  add_library(gauntlet::${part} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${part})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(
    ${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/fixtures>
                     $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/gauntlet>)
  target_link_libraries(${target} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
  gauntlet_set_warnings(${target})
  set_property(GLOBAL APPEND PROPERTY GAUNTLET_INSTALLED_TARGETS ${target})
endfunction()

function(gauntlet_set_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic)
  if(GAUNTLET_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

# gauntlet_optimise_less(<target>): -Og, for code that asserts, and that spends its time in what it
# asserts about. It is most of the tree, and -O1 and -O2 take a third and half as much again of the
# compiler's time. Never for the reference core, the subjects, the checkers or the model engine; nor
# under a sanitizer, which costs more when the code runs than when it is built.
function(gauntlet_optimise_less target)
  if(NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    target_compile_options(${target} PRIVATE $<$<CONFIG:RelWithDebInfo>:-Og>)
  endif()
endfunction()

# gauntlet_share_headers(<target>): for a part that is optimised in full. Parsing the standard library
# is most of its compilation, so that all such parts share it precompiled with what gauntlet_base says;
# the preset clang builds without.
function(gauntlet_share_headers target)
  if(target STREQUAL gauntlet_base)
    target_precompile_headers(
      ${target} PRIVATE <algorithm> <chrono> <functional> <map> <memory> <optional> <string> <utility>
      <vector> ${PROJECT_SOURCE_DIR}/fixtures/base/result.h)
  else()
    target_precompile_headers(${target} REUSE_FROM gauntlet_base)
  endif()
endfunction()

# gauntlet_join_files(<target>): four files of the target are compiled as one. What they include is the
# same, and most of the compiler's time goes into what all of them instantiate of it: half of it is
# saved. Names of their unnamed namespaces must differ therefore, or be written once in a header. The
# preset clang compiles each file by itself.
function(gauntlet_join_files target)
  if(NOT CMAKE_DISABLE_PRECOMPILE_HEADERS)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 4)
  endif()
endfunction()

# gauntlet_compile_as_test(<target>): optimises as little, and has the headers that nearly every test
# reads precompiled, once for all of them; the preset clang builds without.
function(gauntlet_compile_as_test target)
  if(NOT TARGET gauntlet_test_headers)
    set(source ${PROJECT_BINARY_DIR}/test_headers.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT "// The precompiled headers of the tests.\n")
    add_library(gauntlet_test_headers OBJECT ${source})
    target_link_libraries(gauntlet_test_headers PRIVATE GTest::gtest GTest::gmock)
    target_compile_features(gauntlet_test_headers PRIVATE cxx_std_20)
    gauntlet_set_warnings(gauntlet_test_headers)
    gauntlet_optimise_less(gauntlet_test_headers)
    target_precompile_headers(
      gauntlet_test_headers PRIVATE <gmock/gmock.h> <gtest/gtest.h> <algorithm> <atomic> <chrono>
      <functional> <map> <memory> <string> <thread> <vector>)
  endif()
  gauntlet_optimise_less(${target})
  target_precompile_headers(${target} REUSE_FROM gauntlet_test_headers)
endfunction()

# gauntlet_add_test(<name> [SERIAL] <source>… LIBRARIES <lib>… [WAITING <pattern>]): one of the
# project's own tests, label selftest. SERIAL: its races want the CPUs for themselves; but for the cases
# that WAITING matches, which mostly wait: they start before all others, and beside them.
function(gauntlet_add_test name)
  cmake_parse_arguments(ARG "SERIAL" "WAITING" "LIBRARIES" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_features(${name} PRIVATE cxx_std_20)
  gauntlet_set_warnings(${name})
  gauntlet_compile_as_test(${name})
  set(others "*")
  if(ARG_WAITING)
    set(others "*-${ARG_WAITING}")
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_FILTER ${ARG_WAITING}
                         PROPERTIES LABELS selftest TIMEOUT 300 COST 100)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_FILTER ${others}
                       PROPERTIES LABELS selftest TIMEOUT 300 RUN_SERIAL ${ARG_SERIAL})
endfunction()
