# A room is one folder of src/ and one static library. Files are told apart by their suffix:
#   x.cc        the room itself
#   x_test.cc   GoogleTest, linked into ROOM_test
#   x_bench.cc  Google Benchmark, linked into ROOM_bench
#   x_fuzz.cc   one libFuzzer program each, named fuzz_x (with IVTRACE_FUZZ, clang only)
# All of them run in the checkout's root: the paths in them are relative, so that one checkout's objects serve the next.
#
# ivtrace_room(NAME [DEPS room...] [LIBS target...] [TEST_DEPS room...])
# DEPS are the arrows of the architecture: tools/layers checks every #include against them.

# Debian ships fmt as a shared library only; the static agent needs it in its headers, and one way serves all.
find_package(fmt REQUIRED)

if(IVTRACE_FUZZ)
  add_custom_target(fuzzers)
endif()

function(ivtrace_room name)
  cmake_parse_arguments(ROOM "" "" "DEPS;LIBS;TEST_DEPS;TEST_LIBS" ${ARGN})
  set(dir ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc)
  set(tests ${sources})
  set(benches ${sources})
  set(fuzzers ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER benches INCLUDE REGEX "_bench\\.cc$")
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  list(FILTER sources EXCLUDE REGEX "(_test|_bench|_fuzz|_main)\\.cc$")

  if(sources)
    add_library(${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${name} ${scope} ${CMAKE_SOURCE_DIR}/src)
  target_compile_definitions(${name} ${scope} IVTRACE_VERSION="${PROJECT_VERSION}")
  target_link_libraries(${name} ${scope} ${ROOM_DEPS} ${ROOM_LIBS} Threads::Threads)

  if(IVTRACE_FUZZ)
    foreach(file ${fuzzers})
      get_filename_component(stem ${file} NAME_WE)
      string(REGEX REPLACE "_fuzz$" "" stem ${stem})
      add_executable(fuzz_${stem} ${file})
      add_dependencies(fuzzers fuzz_${stem})
      target_link_libraries(fuzz_${stem} PRIVATE ${name} ${ROOM_TEST_DEPS} ${ROOM_TEST_LIBS} -fsanitize=fuzzer)
      # A short run from a fixed seed; the corpus beside the code, when there is one, is read first.
      set(corpus ${dir}/testdata/${stem}_corpus)
      if(NOT IS_DIRECTORY ${corpus})
        set(corpus)
      endif()
      set(work ${CMAKE_BINARY_DIR}/corpus/${stem})
      file(MAKE_DIRECTORY ${work})
      add_test(NAME fuzz/${stem} COMMAND fuzz_${stem} -seed=1 -runs=200000 -max_total_time=15 -timeout=10
               -rss_limit_mb=1024 -print_final_stats=1 -verbosity=0 ${work} ${corpus})
    endforeach()
    return()
  endif()

  if(tests AND (NOT IVTRACE_TEST_ROOMS OR name IN_LIST IVTRACE_TEST_ROOMS))
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE ${name} ${ROOM_TEST_DEPS} ${ROOM_TEST_LIBS} GTest::gmock GTest::gtest_main)
    gtest_discover_tests(${name}_test TEST_PREFIX ${name}/ WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
                         DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
  endif()
  if(benches)
    add_executable(${name}_bench EXCLUDE_FROM_ALL ${benches})
    target_link_libraries(${name}_bench PRIVATE ${name} ${ROOM_TEST_DEPS} ${ROOM_TEST_LIBS} benchmark::benchmark_main)
    set_property(GLOBAL APPEND PROPERTY IVTRACE_BENCHES ${name}_bench)
  endif()
endfunction()
