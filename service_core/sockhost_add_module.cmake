# sockhost_add_module(NAME source.c…)
#
# Builds NAME.so, a module for `sockhostd --module NAME.so`, from C or C++ sources
# that use the socket service API. The API's symbols come from the program that
# loads the module, so it links nothing of sockhost. Warnings that the module's build asks
# for are for its own sources, not for these headers. A C++ source that includes
# sockhost/registration.h needs C++20, and absl::statusor:
#   target_link_libraries(NAME PRIVATE absl::statusor)
function(sockhost_add_module name)
  add_library(${name} MODULE ${ARGN})
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX .so C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden)
  target_include_directories(${name} SYSTEM PRIVATE
    $<TARGET_PROPERTY:sockhost::core,INTERFACE_INCLUDE_DIRECTORIES>)
endfunction()

# sockhost_offer_module_api(TARGET)
#
# For a program that loads modules with sockhost/module.h: links the core and offers
# modules every symbol of the API, whether the program itself calls it or not, and
# no other symbol.
function(sockhost_offer_module_api target)
  set(list ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/module_api.list)
  target_link_libraries(${target} PRIVATE sockhost::core)
  # An option, not a link feature: the program may link the core in other ways as
  # well, and two whole archives would clash.
  target_link_options(${target} PRIVATE
    "SHELL:-Wl,--whole-archive \"$<TARGET_FILE:sockhost::core>\" -Wl,--no-whole-archive")
  target_link_options(${target} PRIVATE -Wl,--export-dynamic-symbol-list=${list})
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${list})
endfunction()
