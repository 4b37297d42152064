// Text of strangers, made fit to be shown to a model and compared with what it answers.
//
// Threading: any thread; nothing is kept. Errors: none, any bytes are taken. Cost: linear.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace berth::features {

// `text` as plain characters: what is not UTF-8 becomes U+FFFD, line ends become \n; escape
// sequences of terminals, control characters but tab and \n, and characters that nobody sees or
// that turn the direction of others (zero-width, bidi, tags, variation selectors) are left out.
std::string PlainText(std::string_view text);

// `text` with secrets replaced by what they were: private keys, keys of well-known services by
// their shape, bearer tokens, passwords in URLs, and what is assigned to a name that speaks of a
// secret. By pattern: no promise that nothing secret is left. REQUIRES: plain text, for a
// zero-width character within a token would hide it.
std::string WithoutSecrets(std::string_view text);

// `text` when it is no longer than `most_bytes`; else its beginning and its end with a note between
// that some is missing, at most `most_bytes` with that. Characters stay whole.
// REQUIRES: valid UTF-8; most_bytes >= 64.
std::string HeadAndTail(std::string_view text, size_t most_bytes);

}  // namespace berth::features
