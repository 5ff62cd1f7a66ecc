# What a suite needs, in this tree and in an out-of-tree one that calls find_package(gauntlet):
# subjects, the executable, and its cases under ctest with labels for method, kind and subject.
include_guard(GLOBAL)
include(GoogleTest)

set(GAUNTLET_KINDS Conformance Properties Races Crashes Overload)

# gauntlet_add_subjects(<library> METHOD <method> SUBJECTS <name>…)
# adds <method>/<name>.cpp of this folder to the library and remembers the names for ctest's labels.
# Each file registers itself with GAUNTLET_SUBJECT.
function(gauntlet_add_subjects library)
  cmake_parse_arguments(ARG "" "METHOD" "SUBJECTS" ${ARGN})
  if(NOT TARGET ${library})
    add_library(${library} STATIC)
    target_link_libraries(${library} PUBLIC gauntlet::contracts)
  endif()
  foreach(subject IN LISTS ARG_SUBJECTS)
    target_sources(${library} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_METHOD}/${subject}.cpp)
    set_property(TARGET ${library} APPEND PROPERTY GAUNTLET_SUBJECTS ${ARG_METHOD}:${subject})
  endforeach()
endfunction()

# gauntlet_add_suite(<executable> [SOURCES <file>…] [SUBJECTS <library>…] [METHODS <method>…]
#                    [LABEL <label>] [UNLISTED])
# makes a suite binary that runs every contract case on every subject of the libraries, and the
# cases of its own sources. METHODS are those that the sources have cases of. UNLISTED keeps it out
# of `suites.json`, so that `gauntlet validate` does not run it, and out of ctest.
function(gauntlet_add_suite executable)
  cmake_parse_arguments(ARG "UNLISTED" "LABEL" "SOURCES;SUBJECTS;METHODS" ${ARGN})
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

  foreach(kind IN LISTS GAUNTLET_KINDS)
    string(TOLOWER ${kind} kind_label)
    foreach(library IN LISTS ARG_SUBJECTS)
      get_target_property(named ${library} ALIASED_TARGET)
      if(NOT named)
        set(named ${library})
      endif()
      get_target_property(subjects ${named} GAUNTLET_SUBJECTS)
      foreach(entry IN LISTS subjects)
        string(REPLACE ":" ";" entry ${entry})
        list(GET entry 0 method)
        list(GET entry 1 subject)
        gtest_discover_tests(
          ${executable}
          DISCOVERY_MODE PRE_TEST
          TEST_FILTER "*${kind}.*/${subject}"
          TEST_LIST ${executable}_${kind_label}_${subject}
          PROPERTIES LABELS "${method};${kind_label};${subject};suite" TIMEOUT 600)
      endforeach()
    endforeach()
    foreach(method IN LISTS ARG_METHODS)
      string(REPLACE "_" ";" words ${method})
      set(camel "")
      foreach(word IN LISTS words)
        string(SUBSTRING ${word} 0 1 first)
        string(SUBSTRING ${word} 1 -1 rest)
        string(TOUPPER ${first} first)
        string(APPEND camel ${first}${rest})
      endforeach()
      gtest_discover_tests(
        ${executable}
        DISCOVERY_MODE PRE_TEST
        TEST_FILTER "${camel}${kind}.*-*/*"
        TEST_LIST ${executable}_${kind_label}_${method}
        PROPERTIES LABELS "${method};${kind_label};suite" TIMEOUT 600)
    endforeach()
  endforeach()
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
