# What lets Zephyr sources compile and run: part of sockhost_core, and main().
target_sources(sockhost_core PRIVATE
  application_log.cc
  init_levels.cc
  kernel/clock.cc
  kernel/event.cc
  kernel/heap.cc
  kernel/lock.cc
  kernel/mem_slab.cc
  kernel/queue.cc
  kernel/thread.cc
  kernel/timer.cc
  kernel/wait.cc
  kernel/work.cc
  net_address.cc
  random.cc
  socket_calls.cc)

# Makes a program of Zephyr sources: starts the service thread, runs the functions of
# SYS_INIT, then the application's main() or its tests. The application's main() is
# renamed, so that it may have one.
add_library(sockhost_zephyr_main STATIC zephyr_main.cc ztest.cc)
add_library(sockhost::zephyr_main ALIAS sockhost_zephyr_main)
set_target_properties(sockhost_zephyr_main PROPERTIES EXPORT_NAME zephyr_main)
target_include_directories(sockhost_zephyr_main PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_compile_definitions(sockhost_zephyr_main INTERFACE main=zephyr_app_main)
target_link_libraries(sockhost_zephyr_main
  PUBLIC sockhost_core
  PRIVATE $<BUILD_INTERFACE:sockhost_options>)
