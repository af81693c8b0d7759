# The tapset of tapset/ as a source file of a room: a program that was copied alone has it too.
function(ivtrace_embed_tapset room)
  set(TAPSET_FILE ${CMAKE_SOURCE_DIR}/tapset/ivtrace.stp)
  set(embedded ${CMAKE_CURRENT_BINARY_DIR}/embedded_tapset.cc)
  add_custom_command(
    OUTPUT ${embedded}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${embedded} -DFILE=${TAPSET_FILE} -P ${CMAKE_SOURCE_DIR}/cmake/embed_tapset.cmake
    DEPENDS ${TAPSET_FILE} ${CMAKE_SOURCE_DIR}/cmake/embed_tapset.cmake
    COMMENT "Tapset"
    VERBATIM)
  target_sources(${room} PRIVATE ${embedded})
endfunction()
