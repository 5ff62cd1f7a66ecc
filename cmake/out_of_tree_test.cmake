# Installs this build into a scratch prefix, builds examples/out_of_tree against it with nothing but
# find_package(gauntlet), and sees its subject go through contract cases of all five kinds.
# Called as: cmake -DBUILD=… -DSOURCE=… -DSCRATCH=… -DCOMPILER=… -DBUILD_TYPE=… -P out_of_tree_test.cmake
file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})

include(${CMAKE_CURRENT_LIST_DIR}/RunOrFail.cmake)

run("install" ${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/prefix)
run("configure" ${CMAKE_COMMAND} -S ${SOURCE}/examples/out_of_tree -B ${SCRATCH}/build -G Ninja
    -DCMAKE_PREFIX_PATH=${SCRATCH}/prefix -DCMAKE_CXX_COMPILER=${COMPILER}
    -DCMAKE_BUILD_TYPE=${BUILD_TYPE} "-DCMAKE_CXX_FLAGS=${FLAGS}")
run("build" ${CMAKE_COMMAND} --build ${SCRATCH}/build)
run("list" ${SCRATCH}/build/my_suite --gauntlet_list)
foreach(kind conformance properties races crashes overload)
  if(NOT output MATCHES "\"kind\": \"${kind}\"")
    message(FATAL_ERROR "the out-of-tree subject has no case of kind ${kind}")
  endif()
endforeach()
run("conformance of the out-of-tree subject" ${SCRATCH}/build/my_suite
    --gtest_filter=MessageQueuesConformance.*/locked_ring --gtest_brief=1)
if(NOT output MATCHES "PASSED")
  message(FATAL_ERROR "nothing passed:\n${output}")
endif()
file(REMOVE_RECURSE ${SCRATCH})
