# Code under test for the model engine: compiled with the compiler's callbacks for every access, and
# its calls to the system led to the model's.
include_guard(GLOBAL)

# ThreadSanitizer's own run-time library answers the callbacks. AddressSanitizer's does not: there
# the engine is built with it, and the code under test with the callbacks instead.
set(GAUNTLET_MODEL_IS_POSSIBLE ON)
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=[a-z,]*thread")
  set(GAUNTLET_MODEL_IS_POSSIBLE OFF)
endif()

# Calls that the model answers: <name of the symbol>=<function of fixtures/schedule/>.
set(GAUNTLET_MODELLED_CALLS
    malloc calloc realloc free memcpy memmove memset memcmp memfd_create fcntl fchmod close ftruncate posix_fallocate fstat stat mmap
    munmap open openat read pread poll sched_getaffinity sysconf syscall sched_yield getpid kill clock_gettime nanosleep abort
    sem_init sem_destroy sem_wait sem_trywait sem_timedwait sem_clockwait sem_post sem_getvalue
    pthread_mutex_init pthread_mutex_destroy pthread_mutex_lock pthread_mutex_trylock
    pthread_mutex_timedlock pthread_mutex_clocklock pthread_mutex_unlock pthread_mutex_consistent
    pthread_cond_init pthread_cond_destroy pthread_cond_wait pthread_cond_timedwait
    pthread_cond_clockwait pthread_cond_signal pthread_cond_broadcast)

# gauntlet_add_model_library(<library> SOURCES <file>… [LIBRARIES <library>…])
# makes an object library for executables that link gauntlet::schedule. LIBRARIES give include
# folders and definitions; their code is not instrumented.
function(gauntlet_add_model_library library)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  set(renames ${CMAKE_CURRENT_BINARY_DIR}/${library}.renames)
  set(lines "__assert_fail gauntlet_model_assert_fail
_ZNSt6chrono3_V212steady_clock3nowEv _Z25gauntlet_model_steady_nowv\n")
  # operator new and new[], which throw or do not; operator delete and delete[], without a size and
  # with one; all of them for larger alignments, too.
  foreach(
    symbol
    Znwm
    Znam
    ZnwmRKSt9nothrow_t
    ZnamRKSt9nothrow_t
    ZnwmSt11align_val_t
    ZnamSt11align_val_t
    ZdlPv
    ZdaPv
    ZdlPvm
    ZdaPvm
    ZdlPvSt11align_val_t
    ZdaPvSt11align_val_t
    ZdlPvmSt11align_val_t
    ZdaPvmSt11align_val_t)
    string(APPEND lines "_${symbol} gauntlet_model_${symbol}\n")
  endforeach()
  foreach(call IN LISTS GAUNTLET_MODELLED_CALLS)
    string(APPEND lines "${call} gauntlet_model_${call}\n")
  endforeach()
  file(GENERATE OUTPUT ${renames} CONTENT "${lines}")

  add_library(${library}_objects OBJECT ${ARG_SOURCES})
  target_link_libraries(${library}_objects PUBLIC gauntlet::scenario ${ARG_LIBRARIES})
  target_compile_features(${library}_objects PUBLIC cxx_std_20)
  if(COMMAND gauntlet_set_warnings)
    gauntlet_set_warnings(${library}_objects)
  endif()
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    target_compile_options(${library}_objects PRIVATE -fno-sanitize=all)
  endif()
  # Calls and returns are not steps; the callbacks only, not the run-time library, are wanted.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(
      ${library}_objects
      PRIVATE -fsanitize=thread --param tsan-instrument-func-entry-exit=0
              -fno-builtin-memcpy -fno-builtin-memset -fno-builtin-memmove -Wno-tsan
              -fno-omit-frame-pointer)
  else()
    target_compile_options(
      ${library}_objects
      PRIVATE -fsanitize=thread "SHELL:-mllvm -tsan-instrument-func-entry-exit=0" -fno-builtin
              -fno-omit-frame-pointer)
  endif()

  set(joined ${CMAKE_CURRENT_BINARY_DIR}/${library}.o)
  add_custom_command(
    OUTPUT ${joined}
    COMMAND ${CMAKE_LINKER} -r -o ${joined}.plain $<TARGET_OBJECTS:${library}_objects>
    COMMAND ${CMAKE_OBJCOPY} --redefine-syms=${renames} ${joined}.plain ${joined}
    DEPENDS ${library}_objects $<TARGET_OBJECTS:${library}_objects> ${renames}
    COMMAND_EXPAND_LISTS VERBATIM
    COMMENT "Leading the system calls of ${library} to the model")
  add_library(${library} INTERFACE)
  target_sources(${library} INTERFACE ${joined})
  target_link_libraries(${library} INTERFACE gauntlet::schedule ${ARG_LIBRARIES})
endfunction()
