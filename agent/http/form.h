// Parameters as browsers send them: in the query of a URL, or as the body of a POST.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/http/message.h"

namespace ringside::agent {

// With %XX resolved. A `%` that begins no escape stays as it is.
std::string percent_decoded(std::string_view text);

class HttpForm {
  public:
    // Of the body, if the request is a POST with a form, then of the query. Names may stand several times.
    explicit HttpForm(const HttpRequest& request);

    // The first value, "" where there is none.
    const std::string& get(const std::string& name) const;
    const std::vector<std::string>& all(const std::string& name) const;

  private:
    void add(std::string_view encoded);

    std::map<std::string, std::vector<std::string>> values_;
};

}  // namespace ringside::agent
