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

# gauntlet_add_test(<name> [SERIAL] <source>… LIBRARIES <lib>…): one of the project's own tests, label
# selftest. SERIAL: its races want the CPUs for themselves.
function(gauntlet_add_test name)
  cmake_parse_arguments(ARG "SERIAL" "" "LIBRARIES" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARIES} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_features(${name} PRIVATE cxx_std_20)
  gauntlet_set_warnings(${name})
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS selftest TIMEOUT 300
                       RUN_SERIAL ${ARG_SERIAL})
endfunction()
