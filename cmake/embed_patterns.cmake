# cmake -DOUTPUT=FILE -DFILES=LIST -P: writes a source file that holds each file's name and text.
set(source "#include \"patterns/embedded.h\"\n\nnamespace ivtrace::patterns {\n\nstd::span<const EmbeddedPattern> embedded_patterns() {\n  static const EmbeddedPattern kPatterns[] = {\n")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND source "      {\"${name}\", R\"pattern(${text})pattern\"},\n")
endforeach()
string(APPEND source "  };\n  return kPatterns;\n}\n\n}  // namespace ivtrace::patterns\n")
file(WRITE ${OUTPUT} "${source}")
