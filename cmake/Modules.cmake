# SPDX-License-Identifier: Apache-2.0
#
# The few functions by which every module, test and fuzz target is declared, so that flags stand in one place.
find_package(PkgConfig REQUIRED)

set(DG_SANITIZE "" CACHE STRING "Sanitizers for all targets, comma separated")
option(DG_FUZZ "Build libFuzzer targets instead of corpus replayers" OFF)
option(DG_COVERAGE "Instrument for gcov" OFF)
set(DG_FAULT "" CACHE STRING "A planted fault for testing the simulator (ENGINE 8); empty for every real build")

add_library(dg_flags INTERFACE)
target_compile_definitions(dg_flags INTERFACE _GNU_SOURCE)
target_compile_options(dg_flags INTERFACE -Wall -Wextra -Wshadow -Werror -fno-omit-frame-pointer
  -fstack-protector-strong -ffunction-sections
  $<$<C_COMPILER_ID:Clang>:-Wno-string-concatenation>
  $<$<COMPILE_LANGUAGE:C>:-Wconversion -Wswitch-enum -Wvla -Wstrict-prototypes -Wmissing-prototypes>)
target_link_options(dg_flags INTERFACE -Wl,-z,relro,-z,now)
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  target_compile_definitions(dg_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
if(DG_SANITIZE)
  target_compile_options(dg_flags INTERFACE -fsanitize=${DG_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(dg_flags INTERFACE -fsanitize=${DG_SANITIZE})
endif()
if(DG_FUZZ)
  target_compile_options(dg_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(DG_COVERAGE)
  target_compile_options(dg_flags INTERFACE --coverage)
  target_link_options(dg_flags INTERFACE --coverage)
endif()
if(DG_FAULT)
  target_compile_definitions(dg_flags INTERFACE DG_FAULT_${DG_FAULT}=1)
endif()

# dg_module(NAME SOURCES a.c... LINK dg_base... SYSTEM PkgConfig::X...): a static library with include/ public.
function(dg_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;SYSTEM" ${ARGN})
  add_library(dg_${name} STATIC ${ARG_SOURCES})
  target_include_directories(dg_${name} PUBLIC include PRIVATE src)
  target_link_libraries(dg_${name} PUBLIC ${ARG_LINK} ${ARG_SYSTEM} PRIVATE dg_flags)
endfunction()

# dg_package(lmdb): an imported target PkgConfig::lmdb for a Debian library that has a .pc file.
function(dg_package name)
  if(NOT TARGET PkgConfig::${name})
    pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${name})
  endif()
endfunction()

# dg_unit_test(NAME SOURCES ... LINK ...): a cmocka program, run by ctest with the label "unit".
function(dg_unit_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  dg_package(cmocka)
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} PkgConfig::cmocka dg_flags)
  target_compile_definitions(${name} PRIVATE DG_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 600)
endfunction()

# dg_failing_memory(NAME): for a test that includes tests/unit/failing_memory.h.
function(dg_failing_memory name)
  target_link_options(${name} PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup)
endfunction()

# dg_fuzz_target(NAME SOURCES ... LINK ... CORPUS dir): a libFuzzer program under the preset fuzz; elsewhere the same
# code replays its corpus once, as a test with the label "fuzz".
function(dg_fuzz_target name)
  cmake_parse_arguments(ARG "" "CORPUS" "SOURCES;LINK" ${ARGN})
  if(DG_FUZZ)
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LINK} dg_flags)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${ARG_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.c)
    target_link_libraries(${name} PRIVATE ${ARG_LINK} dg_flags)
    add_test(NAME ${name} COMMAND ${name} ${ARG_CORPUS})
    set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120)
  endif()
endfunction()

# Adds each module's folder, then the folder of its unit tests, where they exist.
function(dg_add_modules root)
  foreach(module ${ARGN})
    if(EXISTS ${CMAKE_SOURCE_DIR}/${root}/${module}/CMakeLists.txt)
      add_subdirectory(${root}/${module})
    endif()
    if(EXISTS ${CMAKE_SOURCE_DIR}/tests/unit/${module}/CMakeLists.txt)
      add_subdirectory(tests/unit/${module})
    endif()
  endforeach()
endfunction()
