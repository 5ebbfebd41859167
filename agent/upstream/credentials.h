// What the agent shows a receiver of itself: the value of the Authorization header, from files that may change.
#pragma once

#include <string>

#include "agent/base/result.h"
#include "agent/base/secret_file.h"
#include "agent/upstream/connection.h"

namespace ringside::agent {

class Credentials {
  public:
    explicit Credentials(const AuthOptions& auth);

    // "Basic ..." or "Bearer ...", "" when there is neither. Looks at the file at each call. What reading it
    // answered, or kInvalid for a token that cannot stand in a header.
    Result<std::string> authorization();
    // What to do when a receiver says that they are not good, as the end of a sentence.
    std::string advice() const;

  private:
    std::string user_;
    SecretFile secret_;
};

}  // namespace ringside::agent
