// Text to tokens. Words mean something else within braces (nothing is a keyword there) and within brackets
// (only durations stand there), so the lexer keeps track of both.
#pragma once

#include <string>
#include <string_view>

#include "agent/promql/syntax/token.h"

namespace ringside::agent::promql {

class Lexer {
  public:
    // `text` must outlive the lexer and its tokens.
    explicit Lexer(std::string_view text) : text_(text) {}

    // The next token; comments and space are left out. After kEnd or kError it stays with that one.
    Token next();

  private:
    Token next_outside();
    Token next_in_braces();
    Token next_in_brackets();
    Token at_end();

    Token punctuation(char c);
    Token comparison(char c);
    Token colon();
    Token left_bracket();
    Token close_paren();
    Token word();
    Token word_in_brackets();
    Token number_or_duration();
    Token string(char quote);

    bool scan_number();
    bool scan_rest_of_duration();
    // Reads what follows a backslash; an empty text if it is in order, else what is wrong with it.
    std::string scan_escape(char quote);

    void skip_space_and_comments();
    bool next_is(std::string_view set) const { return at_ < text_.size() && set.find(text_[at_]) != set.npos; }
    bool accept(std::string_view set);
    void accept_run(std::string_view set);
    bool left_paren_follows() const;

    Token make(TokenKind kind);
    Token fail(std::string message);
    Token fail_at(std::size_t begin, std::string message);
    // The character at `at` as messages show it: 'x'.
    std::string character(std::size_t at) const;

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t begin_ = 0;  // of the token being read
    int paren_depth_ = 0;
    bool in_braces_ = false;
    bool in_brackets_ = false;
    bool got_colon_ = false;     // since the bracket opened
    bool got_duration_ = false;  // since the bracket opened
    TokenKind last_ = TokenKind::kEnd;
    bool failed_ = false;
    Token failure_;
    std::string message_;  // of failure_
};

}  // namespace ringside::agent::promql
