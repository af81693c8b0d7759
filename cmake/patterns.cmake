# The patterns of patterns/ as one source file of a room: a program that was copied alone has them too.
function(ivtrace_embed_patterns room)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/patterns/*.sql)
  set(embedded ${CMAKE_CURRENT_BINARY_DIR}/embedded_patterns.cc)
  add_custom_command(
    OUTPUT ${embedded}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${embedded} "-DFILES=${files}" -P ${CMAKE_SOURCE_DIR}/cmake/embed_patterns.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/embed_patterns.cmake
    COMMENT "Patterns"
    VERBATIM)
  target_sources(${room} PRIVATE ${embedded})
endfunction()
