# Writes a C++ file whose function returns the text of another file, so that a program carries it.
#
#   cmake -DIN=text -DOUT=file.cc -DHEADER=declares.h -DNAMESPACE=a::b -DFUNCTION=Name -P EmbedText.cmake
#
# The function is std::string_view FUNCTION(). Literals are cut into pieces: compilers bound their length.
file(READ "${IN}" rest)
get_filename_component(name "${IN}" NAME)
set(literals "")
string(LENGTH "${rest}" length)
set(at 0)
while(at LESS length)
  string(SUBSTRING "${rest}" ${at} 8192 piece)
  string(APPEND literals "R\"embedded(${piece})embedded\"\n")
  math(EXPR at "${at} + 8192")
endwhile()
file(WRITE "${OUT}" "// Made from ${name} by cmake/EmbedText.cmake.
#include \"${HEADER}\"

namespace ${NAMESPACE} {

std::string_view ${FUNCTION}() {
  static constexpr char kText[] =
${literals};
  return {kText, sizeof(kText) - 1};
}

}  // namespace ${NAMESPACE}
")
