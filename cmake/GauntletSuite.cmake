# What a suite needs, in this tree and in an out-of-tree one that calls find_package(gauntlet):
# subjects, the executable, and its cases under ctest with labels for method, kind and subject.
include_guard(GLOBAL)

set(GAUNTLET_METHODS shared_memory message_passing pipes sockets semaphores message_queues mapped_files
                     signals futures middleware)

# gauntlet_add_subjects(<library> METHOD <method> SUBJECTS <name>…)
# adds <method>/<name>.cpp of this folder to the library. Each file registers itself with
# GAUNTLET_SUBJECT.
function(gauntlet_add_subjects library)
  cmake_parse_arguments(ARG "" "METHOD" "SUBJECTS" ${ARGN})
  if(NOT TARGET ${library})
    add_library(${library} STATIC)
    target_link_libraries(${library} PUBLIC gauntlet::contracts)
  endif()
  foreach(subject IN LISTS ARG_SUBJECTS)
    target_sources(${library} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_METHOD}/${subject}.cpp)
  endforeach()
endfunction()

# gauntlet_add_suite(<executable> [SOURCES <file>…] [SUBJECTS <library>…] [UNLISTED])
# makes a suite binary that runs every contract case on every subject of the libraries, and the
# cases of its own sources. UNLISTED keeps it out of `suites.json`, so that `gauntlet validate` does
# not run it, and out of ctest.
function(gauntlet_add_suite executable)
  cmake_parse_arguments(ARG "UNLISTED" "" "SOURCES;SUBJECTS" ${ARGN})
  set(main ${CMAKE_CURRENT_BINARY_DIR}/${executable}_main.cpp)
  file(
    CONFIGURE
    OUTPUT ${main}
    CONTENT
      "#include \"cases/suite_main.h\"\n\nint main(int argc, char** argv) { return gauntlet::suite_main(argc, argv); }\n"
  )
  add_executable(${executable} ${main} ${ARG_SOURCES})
  target_link_libraries(${executable} PRIVATE gauntlet::cases)
  target_link_libraries(${executable}
                        PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,gauntlet::contract_suites>)
  foreach(library IN LISTS ARG_SUBJECTS)
    target_link_libraries(${executable} PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,${library}>)
  endforeach()
  if(ARG_UNLISTED)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY GAUNTLET_SUITES ${executable})

  # ctest asks the binary itself, once and again when it was built anew.
  set(SUITE_LIST ${CMAKE_CURRENT_BINARY_DIR}/${executable}_ctest.cmake)
  file(
    GENERATE
    OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${executable}_discover.cmake
    CONTENT
      "set(suite [==[$<TARGET_FILE:${executable}>]==])
set(list [==[${SUITE_LIST}]==])
if(EXISTS \"\${suite}\")
  if(NOT EXISTS \"\${list}\" OR \"\${suite}\" IS_NEWER_THAN \"\${list}\")
    execute_process(COMMAND \"\${suite}\" --gauntlet_ctest OUTPUT_FILE \"\${list}\" COMMAND_ERROR_IS_FATAL ANY)
  endif()
  include(\"\${list}\")
else()
  add_test(${executable}_NOT_BUILT ${executable}_NOT_BUILT)
endif()
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES
                                         ${CMAKE_CURRENT_BINARY_DIR}/${executable}_discover.cmake)
endfunction()

# gauntlet_write_suite_list(): writes suites.json, by which the harness finds the suites of a build.
function(gauntlet_write_suite_list)
  get_property(suites GLOBAL PROPERTY GAUNTLET_SUITES)
  set(paths "")
  foreach(suite IN LISTS suites)
    list(APPEND paths "\"$<TARGET_FILE:${suite}>\"")
  endforeach()
  list(JOIN paths ", " joined)
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/suites.json CONTENT "{\"suites\": [${joined}]}\n")
endfunction()
