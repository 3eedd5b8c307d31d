# The tests of the preset `simulated`: all that run on a CUDA device, here a simulated one, and those of
# the simulated device itself.
set(rooms base comm engine models packed train)

# Shapes that a GPU does not notice are made this share of themselves where a test allows it.
set(device_environment MGQE_TEST_SCALE=0.1)

foreach(room ${rooms})
  file(GLOB sources CONFIGURE_DEPENDS ${room}/*_test.cpp)
  list(FILTER sources EXCLUDE REGEX "ranks_test\\.cpp$")
  mgqe_test_program(${room}_test ${sources})
  target_link_libraries(${room}_test PRIVATE GTest::gtest_main)
  gtest_discover_tests(${room}_test TEST_FILTER "*/cuda:Nccl.*" DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT 900 LABELS ${room} ENVIRONMENT "${device_environment}")
endforeach()

# Every op once more on a device that differs in what grids, orders and limits depend on.
gtest_discover_tests(engine_test TEST_FILTER "*/cuda" TEST_PREFIX "other_device/" DISCOVERY_TIMEOUT 60
  PROPERTIES TIMEOUT 600 LABELS engine ENVIRONMENT
  "${device_environment};CUDASIM_SMS=1;CUDASIM_SEED=2;CUDASIM_ARCH=80;CUDASIM_EAGER=1")

# Bodies of kernels alone, on fibers: other presets have them as tests, here only mutants.sh asks them.
file(GLOB sources CONFIGURE_DEPENDS kernels/*_test.cpp)
mgqe_test_program(kernels_test ${sources})
target_link_libraries(kernels_test PRIVATE GTest::gtest_main)
set_target_properties(kernels_test PROPERTIES EXCLUDE_FROM_ALL ON)

# Its faulty kernels are instrumented as those of the back end are.
mgqe_device_object(faulty_kernels ${CMAKE_CURRENT_SOURCE_DIR}/simulator/faulty_kernels.cu)
mgqe_test_program(simulator_test simulator/simulator_test.cpp ${PROJECT_BINARY_DIR}/faulty_kernels.o)
target_link_libraries(simulator_test PRIVATE GTest::gtest_main mgqe_cuda)
target_include_directories(simulator_test PRIVATE simulator/include)
gtest_discover_tests(simulator_test DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 120 LABELS simulator)

# Whole runs: as on the CPU, on machines whose GPU cannot be used or gives up, and the first hour.
foreach(script simulator/same_runs_test simulator/broken_devices_test simulator/stuck_ranks_test
    gpu/gpu_test)
  cmake_path(GET script FILENAME name)
  add_test(NAME ${name} COMMAND bash ${script}.sh ${PROJECT_BINARY_DIR}
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 900 LABELS simulator)
endforeach()

# Two ranks on one device, staged through the host; then each with its own, by NCCL.
set(few "Exchanges.*:*/gmf_mgqe_rows")
set(more "${few}:*/gmf_dpq_sx_none:*AreEqualAndRepeat/sasrec_full_rows")
mgqe_ranks_test(ranks_test_2/cuda 2 600 cuda "--gtest_filter=${few}")
set(device_environment "${device_environment};CUDASIM_DEVICES=4")
mgqe_ranks_test(ranks_test_2/nccl 2 600 cuda "--gtest_filter=${more}")
mgqe_ranks_test(ranks_test_4/nccl 4 600 cuda "--gtest_filter=${few}")
