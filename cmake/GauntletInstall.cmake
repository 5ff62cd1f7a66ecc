# The installed package: find_package(gauntlet) gives gauntlet::contracts (to write a subject),
# gauntlet_add_subjects and gauntlet_add_suite (to run every contract case on it),
# gauntlet_add_model_library and gauntlet::schedule (to explore scenarios of your own code), and
# gauntlet::reference alone.
include(CMakePackageConfigHelpers)

get_property(targets GLOBAL PROPERTY GAUNTLET_INSTALLED_TARGETS)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gauntlet)

install(TARGETS ${targets} EXPORT gauntlet-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT gauntlet-targets NAMESPACE gauntlet:: DESTINATION ${package_dir})
install(
  DIRECTORY ${PROJECT_SOURCE_DIR}/fixtures/
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gauntlet
  FILES_MATCHING
  PATTERN "*.h"
  PATTERN bugs EXCLUDE
  PATTERN reference/bench EXCLUDE)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/gauntlet-config.cmake.in
                              ${CMAKE_BINARY_DIR}/gauntlet-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/gauntlet-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/gauntlet-config.cmake
              ${CMAKE_BINARY_DIR}/gauntlet-config-version.cmake
              ${PROJECT_SOURCE_DIR}/cmake/GauntletModel.cmake
              ${PROJECT_SOURCE_DIR}/cmake/GauntletSuite.cmake
        DESTINATION ${package_dir})

if(GAUNTLET_BUILD_TESTS)
  add_test(
    NAME InstalledPackage.OutOfTreeSubject_RunsTheContractCases
    COMMAND
      ${CMAKE_COMMAND} -DBUILD=${CMAKE_BINARY_DIR} -DSOURCE=${CMAKE_SOURCE_DIR}
      -DSCRATCH=${CMAKE_BINARY_DIR}/out_of_tree -DCOMPILER=${CMAKE_CXX_COMPILER}
      -DBUILD_TYPE=${CMAKE_BUILD_TYPE} -DFLAGS=${CMAKE_CXX_FLAGS} -P
      ${CMAKE_CURRENT_LIST_DIR}/out_of_tree_test.cmake)
  set_tests_properties(InstalledPackage.OutOfTreeSubject_RunsTheContractCases
                       PROPERTIES LABELS selftest COST 50 TIMEOUT 600)
endif()
