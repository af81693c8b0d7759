# cmake -DOUTPUT=FILE -DFILE=FILE -P: writes a source file that holds the file's text.
file(READ ${FILE} text)
file(WRITE ${OUTPUT} "#include \"tracers/embedded.h\"\n\nnamespace ivtrace::tracers {\n\nstd::string_view embedded_tapset() { return R\"tapset(${text})tapset\"; }\n\n}  // namespace ivtrace::tracers\n")
